"""The kernels of single particles, as Python threads, beside the CPU's."""

import numpy as np
import pytest

from simulators.md.cuda import newton
from simulators.one_particle import OneParticle

STARTS = {
    "harmonic": {"start_position": 1.5, "mass": 2.0, "stiffness": 3.0},
    "lennard_jones": {"start_position": 1.3},
    "double_well": {"start_position": 1.2, "start_velocity": 0.1},
    "rugged": {"start_position": -2.0},
}
SEEDS = np.zeros(2, np.uint64)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Simulated threads are slow, and sixty-four particles fill up a group."""
    monkeypatch.setattr(newton, "THREADS", 8)


def answers(simulator, rows):
    return [simulator.model_copy(update={"backend": b}).run(rows, SEEDS) for b in ("cpu", "cuda")]


@pytest.mark.parametrize("potential", sorted(STARTS))
def test_a_particle_flies_as_on_the_cpu(potential):
    steps, dt = (40, 0.25) if potential == "harmonic" else (24, 0.01)
    simulator = OneParticle(potential=potential, steps=steps, timestep=dt, points=8)
    given = STARTS[potential]
    rows = np.stack([simulator.complete(given), simulator.complete({**given, "mass": 1.5})])
    here, there = answers(simulator, rows)
    assert set(there.failures) == set(here.failures) == set()
    for name in here.mean:
        np.testing.assert_allclose(there.mean[name], here.mean[name], rtol=1e-11, atol=1e-12)
        np.testing.assert_array_equal(there.stderr[name], here.stderr[name])
    assert np.isfinite(here.mean["period"]).any() == (potential == "harmonic")


def test_a_particle_that_gains_energy_fails_alone_and_as_on_the_cpu():
    simulator = OneParticle(potential="lennard_jones", steps=16, timestep=0.05, points=8)
    rows = np.stack([simulator.complete({"start_position": x}) for x in (1.2, 0.7)])
    here, there = answers(simulator, rows)
    assert set(there.failures) == set(here.failures) == {1}
    assert there.failures[1] == here.failures[1]


def test_launches_may_end_at_any_point(monkeypatch):
    simulator = OneParticle(steps=32, timestep=0.25, points=8, backend="cuda")
    rows = np.stack([simulator.complete({"start_position": x}) for x in (1.2, 0.7)])
    whole = simulator.run(rows, SEEDS)
    monkeypatch.setattr("simulators.one_particle._STRETCH", 12)
    parts = simulator.run(rows, SEEDS)
    for name in whole.mean:
        np.testing.assert_array_equal(parts.mean[name], whole.mean[name])
