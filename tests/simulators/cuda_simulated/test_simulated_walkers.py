"""The kernels of walkers, as Python threads, beside the CPU's."""

import numpy as np
import pytest

from simulators.batch.keeping import open_keeper
from simulators.contract import Frame, Keep
from simulators.double_well_escape import DoubleWellEscape
from simulators.md.cuda import walker_replicas
from simulators.md.cuda.walker_replicas import EscapeOnCard, SurfaceOnCard
from simulators.md.landscapes import escape, surface
from simulators.mueller_brown import MuellerBrown

SEEDS = np.array([3, 4], np.uint64)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Simulated threads are slow."""
    monkeypatch.setattr(walker_replicas, "THREADS", 8)


def both(simulator, inputs, steps, keep=None):
    """Answers of the CPU and of the card, each with files in a folder of its own."""
    answers = []
    for backend in ("cpu", "cuda"):
        there = simulator.model_copy(update={"backend": backend, "steps": steps})
        rows = np.stack([there.complete(inputs)] * len(SEEDS))
        files = keep(backend) if keep is not None else None
        answers.append(there.run(rows, SEEDS, keep=files))
    return answers


def test_the_surface_is_walked_as_on_the_cpu(tmp_path):
    def keep(backend):
        return Keep(tmp_path / backend, ("a", "b"), frames=25, series=25, checkpoint=50)

    here, there = both(MuellerBrown(equilibration=0.1), {"temperature": 40.0}, 75, keep)
    assert there.failures == {}
    for name in here.mean:
        np.testing.assert_allclose(there.mean[name], here.mean[name], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(there.stderr[name], here.stderr[name], rtol=1e-3, atol=1e-4)
    assert (here.mean["population_a"] > 0).all()
    for name in "ab":
        ours, theirs = (
            np.genfromtxt(tmp_path / backend / f"{name}.csv", delimiter=",", skip_header=1)
            for backend in ("cpu", "cuda")
        )
        assert ours.shape == (4, 4)
        np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-3)
        assert np.ptp(ours[:, 1]) > 0.01


def test_transitions_are_counted_and_a_run_goes_on_from_its_middle():
    plan = surface.Plan(1e-4, 64, 0, surface.MINIMUM_A)
    frames = [Frame(0, np.array([[*surface.MINIMUM_B, 0.0]])), None]
    here, there, cut = (surface.Replicas(plan, np.full(2, 9.0), SEEDS, frames) for _ in range(3))
    for replicas in (here, there, cut):
        replicas.walkers.core[:2] = 1  # the first of them has just come from A
    keepers = [open_keeper(None, k, plan.steps) for k in range(2)]
    here.run(keepers, lambda fraction: None, 0)
    SurfaceOnCard([there], [keepers]).run(lambda fraction: None, 0)
    assert here.tally.transitions.sum(axis=0)[:2].tolist() == [1, 0]
    for name in surface.Tally._fields:
        ours, theirs = (getattr(r.tally, name)[:, :2] for r in (here, there))
        np.testing.assert_allclose(theirs, ours, atol=0 if name != "energy" else 40)
    first = SurfaceOnCard([cut], [keepers])
    for block, (start, end) in enumerate([(0, 2), (2, 4)]):
        first.launch(start, start + 1)
        first.launch(start + 1, end)
        first.fetch(block)
    SurfaceOnCard([cut], [keepers]).run(lambda fraction: None, 4)
    for name in ("x", "y", "core"):
        assert (getattr(cut.walkers, name) == getattr(there.walkers, name))[:2].all()
    for name in surface.Tally._fields:
        assert (getattr(cut.tally, name) == getattr(there.tally, name)).all()


def test_a_walker_that_leaves_the_surface_does_so_alone_and_as_on_the_cpu():
    plan = surface.Plan(1e-4, 64, 0, surface.MINIMUM_A)
    frames = [Frame(0, np.array([[-9.9, 9.9, 0.0]])), None]
    keepers = [open_keeper(None, k, plan.steps) for k in range(2)]
    here, there = (surface.Replicas(plan, np.full(2, 9.0), SEEDS, frames) for _ in range(2))
    here.run(keepers, lambda fraction: None, 0)
    SurfaceOnCard([there], [keepers]).run(lambda fraction: None, 0)
    assert set(there.failures) == set(here.failures) == {0}
    assert there.failures[0].reason == here.failures[0].reason
    assert "by step 2" in here.failures[0].message
    assert "by step 2" in there.failures[0].message
    assert there.failures[0].frame is not None


@pytest.mark.parametrize("dynamics", ["underdamped", "overdamped"])
def test_walkers_escape_as_on_the_cpu(dynamics):
    simulator = DoubleWellEscape(dynamics=dynamics, walkers=16, timestep=0.05)
    inputs = {"barrier": 0.1, "friction": 5.0 if dynamics == "overdamped" else 1.0, "temperature": 2.0}
    here, there = both(simulator, inputs, 60)
    assert here.used["passages"].sum() > 2
    np.testing.assert_array_equal(there.used["passages"], here.used["passages"])
    for name in here.mean:
        np.testing.assert_allclose(there.mean[name], here.mean[name], rtol=1e-12)
        np.testing.assert_allclose(there.stderr[name], here.stderr[name], rtol=1e-12)


def test_escaping_walkers_are_where_the_cpus_are_and_launches_may_end_anywhere():
    system = escape.System(0.3, 1.0, 1.0, 1.0, 0.05, False)
    here, there, cut = (escape.Replica(system, 16, 30, 5) for _ in range(3))
    keeper = open_keeper(None, 0, 30)
    here.run(keeper, lambda fraction: None)
    EscapeOnCard([there], [keeper]).run(lambda fraction: None)
    np.testing.assert_allclose(there.x, here.x, atol=1e-4)
    np.testing.assert_allclose(there.v, here.v, atol=1e-4)
    batch = EscapeOnCard([cut], [keeper])
    for last in (1, 7, 18, 30):
        batch.launch(last)
        batch._card.step.copy_to_device(np.array([last]))
    batch.fetch()
    for name in ("x", "v", "passages"):
        assert (getattr(cut, name) == getattr(there, name)).all()
