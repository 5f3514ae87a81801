"""The fluid's kernels, as Python threads, beside the CPU's: replicas in blocks, and in cells."""

from dataclasses import replace

import numpy as np
import pytest

from simulators.batch.keeping import open_keeper
from simulators.batch.ownership import IdentifiedKeep
from simulators.lennard_jones import LennardJones
from simulators.md.cuda import fluid_cells, fluid_motion, fluid_replicas
from simulators.md.cuda.fluid_motion import InBlocks, InCells
from simulators.md.cuda.fluid_replicas import FluidReplicas, due_looks, next_look
from simulators.md.fluid.replica import SMALL, Replica
from simulators.md.fluid.run import FINE
from simulators.md.statistics import BLOCKS

WAVES = np.array([[1, 0, 0], [0, 2, 1]], np.int32)
SHORT = {"timestep": 0.004, "steps": 2 * BLOCKS + 1, "equilibration": 1, "every": 2, "structure_every": 2}
PLAN = replace(SMALL, side=3.6, cutoff=1.5, reach=1.7, bins=8, waves=WAVES, **SHORT)
"""A window of two steps to a block, with one lag."""
# Cells are three to a side, and particles two blocks.
LARGE = replace(PLAN, particles=34, side=5.5, cutoff=1.4, reach=2.2)
LAST = 4


@pytest.fixture(params=["blocks", "cells"])
def way(request, monkeypatch):
    """Both ways to move the particles, with a system for each."""
    if request.param == "cells":
        monkeypatch.setattr(fluid_replicas, "MOST", 31)
        monkeypatch.setattr(fluid_cells, "THREADS", 32)
    return (InBlocks, PLAN) if request.param == "blocks" else (InCells, LARGE)


def melted(plan, seed=1):
    """A liquid that has left its lattice, as it would be at the start of a run."""
    warm = Replica(replace(plan, steps=200, equilibration=136, conserve=False), seed)
    assert warm.run(lambda fraction: None) is None
    frame = warm.frame(0)
    replica = Replica(plan, seed)
    replica.place(frame.position)
    replica.set_velocities(frame.velocity)
    replica._begin = lambda start: None  # it begins where it is
    return replica


def in_motion(way, replicas, step=0):
    return way(replicas, np.full(len(replicas), step), [0] * len(replicas))


def on_card(replicas, keep=None, last=LAST):
    keepers = [open_keeper(keep, k, replicas[0].plan.steps) for k in range(len(replicas))]
    batch = FluidReplicas(replicas, keepers)
    batch._plan_steps = last  # as if it had been stopped there
    return batch


def silent(fraction):
    pass


def run_here(replica, last):
    plan = replica.plan
    for first, end in ((0, plan.equilibration), (plan.equilibration, last)):
        if first == plan.equilibration and plan.conserve:
            replica.rest()
        code, _, _ = replica._steps(first, end, replica._bath(first))
        assert code == FINE


def state(replica):
    order = np.argsort(replica.rows.place[3::4])
    return [rows.reshape(-1, 4)[order, :3] for rows in (replica.rows.place, replica.rows.velocity)]


@pytest.mark.parametrize(("truncation", "conserve"), [("cut", False), ("shifted_force", True)])
def test_dynamics_and_what_is_counted_are_the_cpus(way, truncation, conserve):
    plan = replace(way[1], truncation=truncation, conserve=conserve)
    here, there = melted(plan), melted(plan)
    run_here(here, LAST)
    assert on_card([there]).run(silent) == {}
    for ours, theirs, scale in zip(state(here), state(there), (here.unit, 2.0**-25), strict=True):
        assert np.abs((ours - theirs) * scale).max() < 1e-4
    ours, theirs = here.tally, there.tally
    assert ours.looks.sum() == ours.structure_looks.sum() == 2
    for name in ("looks", "structure_looks", "distances"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    np.testing.assert_array_equal(theirs.sums[:, 3], ours.sums[:, 3])
    for name in ("sums", "power", "displacements", "first_energy"):
        assert np.abs(getattr(ours, name)).max() > 0
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=2e-4)
    for name in ("path", "origin"):
        assert np.abs(getattr(ours, name) - getattr(theirs, name)).max() * here.unit < 1e-4


@pytest.mark.parametrize("lag", [1, 3])
def test_looks_are_due_when_they_are_on_the_cpu(lag):
    tally = Replica(replace(SMALL, steps=700, equilibration=17, lag=lag, lags=3, structure_every=5), 0).tally
    due = {step: due_looks(tally, step) for step in range(701)}
    window = 683 // BLOCKS
    assert [step for step, (block, _, _) in due.items() if block >= 0] == list(range(17, 700, 5))
    assert [step for step, row in due.items() if row[1]] == [17 + window * k for k in range(BLOCKS)]
    entries = {step: row[2] for step, row in due.items() if row[2] >= 0}
    lags = [(k, n) for k in range(BLOCKS) for n in range(3)]
    assert entries == {17 + window * k + (2 * n + 1) * lag: 3 * k + n for k, n in lags}
    step, stops = 0, []
    while step < 700:
        step = next_look(tally, step)
        stops.append(step)
    assert {step for step, row in due.items() if row != (-1, 0, -1)} <= set(stops)


def test_lists_that_are_too_short_grow_and_change_nothing(way, monkeypatch):
    long, short = melted(way[1]), melted(way[1])
    first = in_motion(way[0], [long])
    first.run(2)
    monkeypatch.setattr(fluid_motion, "entries", lambda plan, skin: 2)
    second = in_motion(way[0], [short])
    second.run(1)
    second.run(2)
    assert second._entries > 2
    for motion in (first, second):
        motion.fetch(0)
    for ours, theirs in zip(state(long), state(short), strict=True):
        assert (ours == theirs).all()


def test_neighbours_are_listed_when_one_has_moved_far(way):
    usual, fast = melted(way[1]), melted(way[1])
    fast.rows.velocity[0] = 25 * 2**25  # 0.1 in a step, against half a skin of 0.15 or 0.2
    listed = []
    for replica, steps in ((usual, 2), (fast, 4)):
        motion = in_motion(way[0], [replica])
        code, step = motion.run(steps)
        assert (code.tolist(), step.tolist()) == ([FINE], [steps])
        listed.append(motion.listed[0][0])
    assert listed[0] == 1
    assert listed[1] > 1


def test_a_replica_that_fails_does_so_alone(way):
    alone, beside, failing = melted(way[1]), melted(way[1]), melted(way[1], 2)
    rows = failing.rows.place.reshape(-1, 4)
    rows[1, :3] = rows[0, :3] + 1000
    failing.tally.path[rows[1, 3]] = rows[1, :3]
    failing.tally.last[rows[1, 3]] = rows[1, :3]
    assert on_card([alone], last=1).run(silent) == {}
    failures = on_card([failing, beside], last=1).run(silent)
    assert set(failures) == {0}
    assert failures[0].reason == "overlap"
    assert "at step 0" in failures[0].message
    assert failures[0].frame.step == 0
    for ours, theirs in zip(state(alone), state(beside), strict=True):
        assert (ours == theirs).all()


@pytest.mark.parametrize(("setting", "reason"), [("drift", "energy drift"), ("heat", "too hot")])
def test_a_run_that_goes_astray_is_stopped(way, setting, reason):
    astray = melted(replace(way[1], conserve=True, truncation="shifted_force"))
    astray.limits = astray.limits._replace(**{setting: -1.0})
    failure = on_card([astray]).run(silent)[0]
    assert failure.reason == reason


def test_a_run_that_is_continued_gives_the_same_bits(way, tmp_path):
    keep = IdentifiedKeep(tmp_path, ("a",), checkpoint=2, identities=("{}",))
    whole, first, second = melted(way[1]), melted(way[1]), Replica(way[1], 1)
    on_card([whole], last=3).run(silent)
    on_card([first], keep, last=2).run(silent)
    continued = on_card([second], keep, last=3)
    assert continued.step.tolist() == [2]
    continued.run(silent)
    for ours, theirs in zip(state(whole), state(second), strict=True):
        assert (ours == theirs).all()
    for name in ("looks", "sums", "structure_looks", "distances", "power", "path", "origin", "displacements"):
        assert np.abs(getattr(whole.tally, name)).max() > 0
        assert (getattr(whole.tally, name) == getattr(second.tally, name)).all()


def test_the_simulator_brings_back_what_the_replicas_found(monkeypatch):
    def run(self, report):
        report(0.5)
        failures = {k: replica.run(silent) for k, replica in enumerate(self.replicas)}
        return {k: failure for k, failure in failures.items() if failure is not None}

    monkeypatch.setattr(FluidReplicas, "run", run)
    configuration = {"particles": 64, "steps": 1100, "equilibration": 0.05, "cutoff": 2.0, "timestep": 0.02}
    row, told = LennardJones().complete({"density": 0.8, "temperature": 1.2}), []
    hot = LennardJones().complete({"density": 1.2, "temperature": 10})
    here, there = (
        LennardJones(**configuration, backend=backend).run(
            np.stack([row, hot]), np.arange(2, dtype=np.uint64), progress=told.append
        )
        for backend in ("cpu", "cuda")
    )
    assert set(here.failures) == set(there.failures) == {1}
    assert 0.5 in told
    assert (there.wall_seconds > 0).all()
    np.testing.assert_array_equal(there.used["side"], here.used["side"])
    for name in here.mean:
        np.testing.assert_array_equal(there.mean[name], here.mean[name])
        np.testing.assert_array_equal(there.stderr[name], here.stderr[name])
