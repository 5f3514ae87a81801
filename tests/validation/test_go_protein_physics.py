"""The Go protein against statistical mechanics, published averages, and OpenMM; minutes."""

import numpy as np
import pytest
from scipy.stats import norm

from simulators.go_protein import GoProtein
from simulators.md.chain.dynamics import advance
from simulators.md.chain.folding import Chains, Plan
from simulators.md.chain.forces import forces
from simulators.md.chain.protein import (
    DEFAULT,
    Native,
    contact_map,
    native_contacts,
    radius_of_gyration,
    read_calphas,
)

pytestmark = pytest.mark.validate

NATIVE = Native(read_calphas(DEFAULT))
PROTOTYPE = "float64 prototype, one chain at each temperature"
SECTION = "Go protein (1FME)"
TABLE = {0.5: 0.925, 0.6: 0.867, 0.7: 0.740, 0.8: 0.673, 0.9: 0.529, 1.0: 0.382, 1.1: 0.323}
"""Mean fraction of native contacts at each temperature."""
OF_TABLE = 0.03
"""Its standard error: 0.666 at 0.75 and 0.673 at 0.8 are out of order by as much."""
REPLICAS = 16


def run(temperatures, seed, **configuration):
    simulator = GoProtein.model_validate(configuration)
    inputs = np.array(temperatures, dtype=float).reshape(-1, 1)
    observations = simulator.run(inputs, np.arange(len(inputs), dtype=np.uint64) + seed, threads=2)
    assert observations.failures == {}
    return observations


@pytest.fixture(scope="module")
def folded():
    return run(np.repeat(list(TABLE), REPLICAS), 100, steps=1_000_000, equilibration=0.3)


@pytest.fixture(scope="module")
def stretched():
    return run(np.repeat(list(TABLE), REPLICAS), 900, steps=1_000_000, equilibration=0.5, start="extended")


def test_geometry(finding):
    near = contact_map(NATIVE.position)
    cite = "PDB entry 1FME, model 1"
    finding(
        SECTION, "mean distance of neighbours, angstrom", NATIVE.bonds.mean(), 3.829, cite, tolerance=5e-4
    )
    finding(
        SECTION,
        "radius of gyration, angstrom",
        radius_of_gyration(NATIVE.position),
        9.07,
        cite,
        tolerance=5e-3,
    )
    for apart, count in ((2, 68), (3, 42), (4, 28)):
        what = f"contacts below 8 angstrom, {apart} or more residues apart"
        finding(SECTION, what, np.triu(near, apart).sum(), count, cite, tolerance=0)


def test_native_contacts_at_each_temperature(finding, folded):
    found = folded.mean["native_contacts"].reshape(-1, REPLICAS)
    for (temperature, expected), values in zip(TABLE.items(), found, strict=True):
        error = values.std(ddof=1) / np.sqrt(REPLICAS)
        what = f"mean fraction of native contacts at T = {temperature:g}"
        tolerance = 3 * np.hypot(error, OF_TABLE)
        finding(SECTION, what, values.mean(), expected, PROTOTYPE, tolerance=tolerance, error=error)


def test_the_start_is_forgotten(finding, folded, stretched):
    for name in ("native_contacts", "radius_of_gyration", "rmsd", "potential_energy"):
        a, b = (o.mean[name].reshape(-1, REPLICAS) for o in (folded, stretched))
        errors = np.sqrt((a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / REPLICAS)
        worst = np.argmax(np.abs(a.mean(axis=1) - b.mean(axis=1)) / errors)
        what = (
            f"{name} from the native structure, source: from the stretched chain, T = {list(TABLE)[worst]:g}"
        )
        finding(
            SECTION,
            what,
            a.mean(axis=1)[worst],
            b.mean(axis=1)[worst],
            "this simulator",
            tolerance=4 * errors[worst],
            error=errors[worst],
        )


def test_error_bars_are_the_scatter_of_repeated_runs(finding, folded):
    values = folded.mean["native_contacts"].reshape(-1, REPLICAS)
    claimed = np.sqrt(np.mean(folded.stderr["native_contacts"].reshape(-1, REPLICAS) ** 2, axis=1))
    ratio = np.sqrt(np.mean((values.std(axis=1, ddof=1) / claimed) ** 2))
    finding(
        SECTION,
        "scatter of repeated runs over their error bars, Q",
        ratio,
        1,
        "blocks",
        tolerance=0.25,
        error=1 / np.sqrt(2 * len(TABLE) * (REPLICAS - 1)),
    )


@pytest.fixture(scope="module")
def samples():
    """Velocities and stretches of bonds of sixteen chains at T = 0.7, arrays (samples, 16, ...)."""
    plan = Plan(NATIVE, False, 0.01, 0.2, 10**9, 0, 50, 0.3, 1)
    chains = Chains(plan, [0.7] * 16, np.arange(16, dtype=np.uint64), [None] * 16)
    velocities, stretches = [], []
    for sample in range(4000):
        advance(chains.model, chains.state, chains.motion, chains.tally, 50 * sample, 50 * (sample + 1), 50)
        forces(chains.model, chains.state, chains._energy)
        v = chains.state.velocity + chains.motion.half_step * chains.state.force
        velocities.append(chains._vectors(v).transpose(2, 0, 1).copy())
        x = chains._vectors(chains.state.position).transpose(2, 0, 1).astype(float)
        stretches.append(np.linalg.norm(np.diff(x, axis=1), axis=2) - NATIVE.bonds)
    return np.array(velocities[400:]), np.array(stretches[400:])


def test_equipartition(finding, samples):
    velocities, stretches = samples
    cite = "equipartition"
    # The kick of a bond of frequency w heats velocities less by (w dt / 2)^2: 1 % of the stiffest modes.
    finding(
        SECTION,
        "kinetic temperature of all components, T = 0.7",
        np.mean(velocities**2),
        0.7,
        cite,
        tolerance=0.004,
    )
    by_component = np.mean(velocities.astype(float) ** 2, axis=(0, 1))
    errors = np.mean(velocities.astype(float) ** 2, axis=0).std(axis=0, ddof=1) / 4
    z = np.abs(by_component - np.mean(by_component)) / np.maximum(errors, 0.7 * np.sqrt(2 / 57_600))
    finding(
        SECTION, "largest deviation of the 84 components, standard errors", z.max(), 0, cite, tolerance=4.5
    )
    energy = np.mean(100 * stretches**2)
    # <100 x^2> with the weight (b0 + x)^2: T / 2 (1 + T / (100 b0^2) + ...)
    expected = 0.35 * (1 + 2 * 0.7 / (200 * NATIVE.bonds.mean() ** 2))
    finding(SECTION, "mean energy of a bond, T = 0.7", energy, expected, cite, tolerance=0.01)


def test_noise_is_normal(samples):
    velocities, _ = samples
    z = velocities[:, :, 10, 1].ravel() / np.sqrt(0.7)
    for quantile in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert np.mean(z < norm.ppf(quantile)) == pytest.approx(quantile, abs=0.01)


@pytest.mark.parametrize(
    ("temperature", "times"), [(0.75, [23e3, 73e3, 294e3, 18e3]), (0.7, [2.6e5, 4e4, 1.77e6, 1.14e6])]
)
def test_unfolding_times(finding, temperature, times):
    found = run([temperature] * 32, 40, steps=2_000_000).mean["first_unfolded"]
    assert np.isfinite(found).sum() >= 30
    logarithm = np.log10(found[np.isfinite(found)])
    # The times of a prototype that looks less often come out longer.
    finding(
        SECTION,
        f"log10 of the steps to the first Q < 0.3, T = {temperature:g}",
        logarithm.mean(),
        np.mean(np.log10(times)),
        f"{PROTOTYPE}, four runs",
        tolerance=1,
        error=logarithm.std(ddof=1) / np.sqrt(len(logarithm)),
    )


# OpenMM ------------------------------------------------------------------------------------------


@pytest.fixture
def peer():
    pytest.importorskip("openmm")
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        import bench_go_protein
    finally:
        sys.path.pop(0)
    return bench_go_protein


def test_forces_and_energies_are_those_of_openmm(finding, peer):
    rng = np.random.default_rng(2)
    plan = Plan(NATIVE, False, 0.01, 0.2, 10, 0, 10, 0.3, 1)
    chains = Chains(plan, [0.7] * 16, np.arange(16, dtype=np.uint64), [None] * 16)
    components = chains._vectors(chains.state.position)
    components += rng.normal(size=components.shape).astype(np.float32) * 0.2
    forces(chains.model, chains.state, chains._energy)
    mine = chains._vectors(chains.state.force).transpose(2, 0, 1)
    worst = worst_energy = 0.0
    for lane in range(16):
        there = peer.OpenMM(components[None, :, :, lane].astype(float), "Reference", "bonds")
        theirs = there.forces()
        energy = there.context.getState(getEnergy=True).getPotentialEnergy()._value
        worst = max(worst, np.abs(theirs - mine[lane]).max() / np.abs(theirs).max())
        worst_energy = max(worst_energy, abs(energy - chains._energy[lane]) / abs(energy))
    finding(SECTION, "largest difference of forces, relative", worst, 0, "OpenMM Reference", tolerance=3e-5)
    finding(
        SECTION,
        "largest difference of energies, relative",
        worst_energy,
        0,
        "OpenMM Reference",
        tolerance=3e-5,
    )


def test_native_contacts_are_those_of_openmm(finding, peer, monkeypatch):
    """At T = 1, where a chain forgets its start within 10,000 steps."""
    monkeypatch.setattr(peer, "TEMPERATURE", 1.0)
    theirs = []
    for seed in range(16):
        there = peer.OpenMM(NATIVE.position[None], "Reference", "bonds")
        there.integrator.setRandomNumberSeed(seed + 1)
        there.context.setVelocitiesToTemperature(1.0 / 8.31446261815324e-3, seed + 1)
        there.run(20_000)
        frames = []
        for _ in range(400):
            there.integrator.step(100)
            frames.append(there.context.getState(getPositions=True).getPositions(asNumpy=True)._value)
        theirs.append(native_contacts(frames, NATIVE).mean())
    ours = run([1.0] * 32, 70, steps=1_000_000).mean["native_contacts"]
    error = np.hypot(ours.std(ddof=1) / np.sqrt(32), np.std(theirs, ddof=1) / 4)
    what = "mean fraction of native contacts, T = 1"
    finding(SECTION, what, ours.mean(), np.mean(theirs), "OpenMM Reference", tolerance=4 * error, error=error)


def test_unfolding_is_as_fast_in_openmm(finding, peer, monkeypatch):
    """At T = 1, where it takes a few thousand steps."""
    monkeypatch.setattr(peer, "TEMPERATURE", 1.0)
    theirs = []
    for seed in range(24):
        there = peer.OpenMM(NATIVE.position[None], "Reference", "bonds")
        there.integrator.setRandomNumberSeed(seed + 1)
        there.context.setVelocitiesToTemperature(1.0 / 8.31446261815324e-3, seed + 1)
        steps, position = 0, NATIVE.position
        while native_contacts(position, NATIVE) >= 0.3 and steps < 100_000:
            there.integrator.step(10)
            steps += 10
            position = there.context.getState(getPositions=True).getPositions(asNumpy=True)._value
        theirs.append(steps)
    ours = np.log(run([1.0] * 256, 7, steps=100_000).mean["first_unfolded"])
    assert np.isfinite(ours).all()
    expected = np.log(theirs)
    error = np.sqrt(ours.var(ddof=1) / len(ours) + expected.var(ddof=1) / len(theirs))
    what = "log of the steps to the first Q < 0.3, T = 1"
    finding(SECTION, what, ours.mean(), expected.mean(), "OpenMM Reference", tolerance=4 * error, error=error)
