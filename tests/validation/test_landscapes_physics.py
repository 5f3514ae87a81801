"""Single particles against quadrature, exact results of the integrators and solved diffusion equations."""

import numpy as np
import pytest
from numba import njit
from scipy import sparse
from scipy.integrate import quad
from scipy.optimize import brentq, root
from scipy.sparse.linalg import spsolve

from simulators.double_well_escape import DoubleWellEscape
from simulators.md.landscapes import escape, surface
from simulators.md.landscapes.newton import POTENTIALS
from simulators.md.laws import landscapes
from simulators.md.laws.landscapes import mueller_brown
from simulators.md.random import NOISE, four_gaussians
from simulators.md.vector import lanes, load, on_vectors, store
from simulators.mueller_brown import MuellerBrown
from simulators.one_particle import OneParticle

pytestmark = pytest.mark.validate

ONE, SURFACE, ESCAPE = "One particle", "Mueller-Brown surface", "Escape over a barrier"


def run(simulator, rows, seed=0, threads=2):
    inputs = np.array([simulator.complete(row) for row in rows])
    observations = simulator.run(inputs, np.arange(seed, seed + len(rows), dtype=np.uint64), threads=threads)
    assert observations.failures == {}
    return observations


# One particle ----------------------------------------------------------------------------------------


def exact_period(potential, start):
    """``2 int dx / v`` between the turning points, by the substitution that takes both square roots away."""
    energy = POTENTIALS[potential].energy
    inner = {"lennard_jones": (0.9, 2 ** (1 / 6)), "double_well": (0.0, abs(start) - 1e-3)}[potential]
    if potential == "double_well" and energy(start) > 0:
        low, high = -abs(start), abs(start)
    elif potential == "double_well":
        low, high = brentq(lambda x: energy(x) - energy(start), 1e-9, 1.0, xtol=1e-15), abs(start)
    else:
        low, high = brentq(lambda x: energy(x) - energy(start), *inner, xtol=1e-15), start
    middle, half = (low + high) / 2, (high - low) / 2

    def integrand(angle):
        x = middle + half * np.sin(angle)
        return half * np.cos(angle) / np.sqrt(2 * (energy(start) - energy(x)))

    # At the turning points numerator and denominator are rounding errors, and the integrand is flat.
    edge = np.pi / 2 - 1e-4
    whole = quad(integrand, -edge, edge, limit=500, epsabs=1e-11)[0]
    return 2 * (whole + 1e-4 * (integrand(-edge) + integrand(edge)))


@pytest.mark.parametrize(
    ("potential", "start", "published"),
    [
        ("lennard_jones", 1.2, 0.894133),
        ("lennard_jones", 1.5, 1.718238),
        ("lennard_jones", 2.0, 5.024150),
        ("lennard_jones", 2.5, 12.046797),
        ("lennard_jones", 3.0, 24.829055),
        ("double_well", -2.0, 4.685680),
        ("double_well", -3.1, 2.599170),
        ("double_well", -1.2, 4.623905),
    ],
)
def test_periods_are_the_exact_ones(finding, potential, start, published):
    assert exact_period(potential, start) == pytest.approx(published, abs=2e-6)
    periods = []
    for k in (1, 2):
        simulator = OneParticle(potential=potential, steps=26_000 * k, timestep=0.001 / k, points=10)
        periods.append(run(simulator, [{"start_position": start}]).mean["period"][0])
    finding(
        ONE,
        f"period, {potential} from {start:g}, steps of 0.001 and 0.0005 extrapolated",
        (4 * periods[1] - periods[0]) / 3,
        published,
        "quadrature of dx / v",
        tolerance=2e-6,
    )


@pytest.mark.parametrize(("timestep", "shift"), [(0.01, 4.167e-6), (0.1, 4.171e-4), (0.5, 0.01072)])
def test_the_oscillators_frequency_is_shifted_as_verlets_is(finding, timestep, shift):
    """Over a thousand cycles, from the phase: ``w' = (2 / dt) asin(w dt / 2)``."""
    cycles = 1000
    steps = round(cycles * 2 * np.pi / timestep)
    # Two points a thousand cycles on and a quarter cycle apart give the phase.
    steps += steps % 2
    simulator = OneParticle(steps=steps, timestep=timestep, points=2)
    found = run(simulator, [{"start_position": -1.0}])
    # At the last point x = -cos phi, and v = dx/dt is that of the shadow: sin phi cos(w' dt / 2) w-ish.
    x, v = found.mean["position"][0, -1], found.mean["velocity"][0, -1]
    exact = 2 / timestep * np.arcsin(timestep / 2)
    amplitude = np.sin(exact * timestep) / timestep  # central difference of the cosine
    phase = np.arctan2(v / amplitude, -x)
    turns = np.round((exact * steps * timestep - phase) / (2 * np.pi))
    frequency = (phase + 2 * np.pi * turns) / (steps * timestep)
    finding(
        ONE,
        f"shift of the frequency of an oscillator, step {timestep:g}",
        frequency - 1,
        shift,
        "Verlet: (2 / dt) asin(w dt / 2)",
        tolerance=max(1e-3 * shift, 1e-9),
    )


@pytest.mark.parametrize("potential", ["harmonic", "double_well", "lennard_jones", "rugged"])
def test_energy_error_is_of_second_order(finding, potential):
    steps = np.array([0.00025, 0.0005, 0.001, 0.002])
    errors = [
        run(
            OneParticle(
                potential=potential, timestep=dt, points=2000, steps=round(5 / dt / 2000) * 2000 or 2000
            ),
            [{"start_position": 1.3}],
        ).mean["energy_error"][0]
        for dt in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    finding(ONE, f"order of the energy error, {potential}", slope, 2.0, "velocity Verlet", tolerance=0.1)


# Mueller-Brown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "x", "y", "energy"),
    [
        ("minimum A", -0.558224, 1.441726, -146.69952),
        ("minimum B", 0.623499, 0.028038, -108.16672),
        ("shallow minimum", -0.050011, 0.466694, -80.76782),
        ("pass to B", 0.212487, 0.292988, -72.24894),
        ("pass to A", -0.822002, 0.624313, -40.66484),
    ],
)
def test_stationary_points(finding, name, x, y, energy):
    found = root(lambda p: mueller_brown(*p)[1:], (x, y), tol=1e-13).x
    cite = "Mueller and Brown 1979, as tabulated since"
    finding(SURFACE, f"{name}, x", found[0], x, cite, tolerance=1e-6)
    finding(SURFACE, f"{name}, y", found[1], y, cite, tolerance=1e-6)
    finding(SURFACE, f"{name}, energy", mueller_brown(*found)[0], energy, cite, tolerance=1e-5)


class Grid:
    """Boltzmann averages, and the rate of transitions by the committor (transition-path theory).

    The rate at which walkers go from disc A to disc B is ``kT int |grad q|^2 e^(-U/kT) / Z`` with the
    committor q: 0 in A, 1 in B, stationary between (Metzner, Schuette and Vanden-Eijnden 2006).
    """

    def __init__(self, kt, spacing=0.01):
        x, y = np.arange(-2.2, 1.6, spacing), np.arange(-0.9, 2.6, spacing)
        self.x, self.y = np.meshgrid(x, y, indexing="ij")
        self.energy, _, _ = mueller_brown(self.x, self.y)
        self.weight = np.exp(-np.minimum((self.energy + 147) / kt, 60))
        self.kt, self.spacing = kt, spacing

    def average(self, values):
        return float((self.weight * values).sum() / self.weight.sum())

    def side(self, saddle, across):
        return ((self.x - saddle[0]) * across[0] + (self.y - saddle[1]) * across[1]) > 0

    def transitions(self):
        """From A to B and from B to A, in a unit of time."""
        discs = [
            (self.x - c[0]) ** 2 + (self.y - c[1]) ** 2 < surface.CORE**2
            for c in (surface.MINIMUM_A, surface.MINIMUM_B)
        ]
        number = np.arange(self.x.size).reshape(self.x.shape)
        pairs = [(number[1:], number[:-1]), (number[:, 1:], number[:, :-1])]
        i = np.concatenate([a.ravel() for a, _ in pairs])
        j = np.concatenate([b.ravel() for _, b in pairs])
        w = self.weight.ravel()
        conductance = np.sqrt(w[i] * w[j])
        laplacian = sparse.coo_matrix((conductance, (i, j)), shape=(w.size, w.size)).tocsr()
        laplacian = laplacian + laplacian.T
        laplacian = sparse.diags(np.asarray(laplacian.sum(axis=1)).ravel()) - laplacian
        q = np.where(discs[1], 1.0, 0.0).ravel()
        free = ~(discs[0] | discs[1]).ravel()
        q[free] = spsolve(laplacian[free][:, free], -(laplacian[free] @ q))
        flux = self.kt * (conductance * (q[i] - q[j]) ** 2).sum() / (w.sum() * self.spacing**2)
        return 2 * flux


@pytest.mark.parametrize("kt", [10.0, 15.0, 20.0])
def test_populations_and_transitions(finding, kt):
    replicas, steps = 128, 4_000_000
    found = run(MuellerBrown(steps=steps), [{"temperature": kt}] * replicas)
    grid = Grid(kt)
    exact = {
        "population_a": grid.average(grid.side(surface.SADDLE_A, surface.ACROSS_A)),
        "population_b": grid.average(grid.side(surface.SADDLE_B, surface.ACROSS_B)),
        "mean_energy": grid.average(grid.energy),
    }
    for name, value in exact.items():
        values = found.mean[name]
        error = values.std(ddof=1) / np.sqrt(replicas)
        finding(
            SURFACE,
            f"{name} at kT = {kt:g}",
            values.mean(),
            value,
            "quadrature of Boltzmann's distribution",
            error=error,
            tolerance=4 * error,
        )
    counts = found.mean["transitions"] / (0.9 * steps * 1e-4) * 1000
    error = counts.std(ddof=1) / np.sqrt(replicas)
    finding(
        SURFACE,
        f"transitions in 1000 units of time at kT = {kt:g}",
        counts.mean(),
        1000 * grid.transitions(),
        "committor on a grid, transition-path theory",
        error=error,
        # A disc is entered a little late when it is looked for at every step only.
        tolerance=4 * error + 0.03 * counts.mean(),
    )


# Escape ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("barrier", "exact"), [(3.0, 8.88003), (5.0, 36.48353)])
def test_overdamped_escape_times(finding, barrier, exact):
    simulator = DoubleWellEscape(dynamics="overdamped", timestep=0.0005, steps=2_000_000, walkers=512)
    found = run(simulator, [{"barrier": barrier}] * 2)
    mean = found.mean["escape_time"].mean()
    error = np.sqrt((found.stderr["escape_time"] ** 2).sum()) / 2
    finding(
        ESCAPE,
        f"overdamped escape time, h = {barrier:g}, step 0.0005",
        mean,
        exact,
        "double integral for the mean first-passage time",
        error=error,
        tolerance=3 * error + 0.003 * exact,
    )


@pytest.mark.parametrize(
    ("barrier", "friction", "rate", "tolerance"),
    [(5, 1, 6.0663e-3, 0.2), (5, 10, 2.5906e-3, 0.1), (3, 1, 0.033618, 0.25), (3, 10, 0.012133, 0.2)],
)
def test_escape_rates_follow_kramers(finding, barrier, friction, rate, tolerance):
    simulator = DoubleWellEscape(timestep=0.01, steps=1_000_000, walkers=512)
    found = run(simulator, [{"barrier": barrier, "friction": friction}] * 2)
    finding(
        ESCAPE,
        f"escape rate, h = {barrier}, friction {friction}",
        found.mean["escape_rate"].mean(),
        rate,
        "Kramers 1940, spatial diffusion: for high barriers, without the way down to the other minimum",
        error=np.sqrt((found.stderr["escape_rate"] ** 2).sum()) / 2,
        tolerance=tolerance * rate,
    )


_harmonic = on_vectors(landscapes.harmonic_slope)


@njit
def _squares(x, v, m, skip, steps, out):
    for step in range(skip + steps):
        a, _, _, _ = four_gaussians(lanes(), step, NOISE, m.key0, m.key1)
        xk, vk = escape.langevin_step(load(x, 0), load(v, 0), _harmonic(load(x, 0)), m, a)
        store(x, 0, xk)
        store(v, 0, vk)
        if step >= skip:
            for lane in range(16):
                out[lane] += x[lane] ** 2


@pytest.mark.parametrize("timestep", [0.1, 1.0, 1.8])
def test_baoab_is_exact_in_a_harmonic_well(finding, timestep):
    system = escape.System(0.25, 1.0, 1.0, 1.0, timestep, False)
    x, v, squares = np.zeros(16, np.float32), np.zeros(16, np.float32), np.zeros(16)
    steps = 10_000_000
    _squares(x, v, system.motion(3), 10_000, steps, squares)
    values = squares / steps
    error = values.std(ddof=1) / 4
    finding(
        ESCAPE,
        f"<x^2> of BAOAB in a harmonic well, kT = k = m = 1, step {timestep:g} of at most 2",
        values.mean(),
        1.0,
        "Leimkuhler and Matthews 2013: exact at any step",
        error=error,
        tolerance=4 * error,
    )
