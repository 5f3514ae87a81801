"""The fluid's kernel, as Python threads, beside the CPU's."""

from dataclasses import replace

import numpy as np
import pytest

from simulators.contract import InvalidInputError
from simulators.md.cuda.fluid_replicas import FluidReplicas
from simulators.md.fluid.replica import SMALL, Replica
from simulators.md.fluid.run import FINE

PLAN = replace(SMALL, particles=32, side=3.6, cutoff=1.5, timestep=0.004, steps=6, equilibration=2, every=2)


def melted(plan, seed=1):
    """A liquid that has left its lattice, as it would be at the start of a run."""
    warm = Replica(replace(plan, steps=200, equilibration=150, conserve=False), seed)
    assert warm.run(lambda fraction: None) is None
    frame = warm.frame(0)
    replica = Replica(plan, seed)
    replica.place(frame.position)
    replica.set_velocities(frame.velocity)
    return replica


def on_card(replicas, step=0):
    return FluidReplicas(replicas, [r._bath(step) for r in replicas])


def run_here(replica, last):
    code, _, _ = replica._steps(0, last, replica._bath(0))
    assert code == FINE


def state(replica):
    numbers = replica.rows.place[3::4]
    order = np.argsort(numbers)
    return [rows.reshape(-1, 4)[order, :3] for rows in (replica.rows.place, replica.rows.velocity)]


@pytest.mark.parametrize(("truncation", "friction"), [("cut", 1.0), ("shifted_force", 0.0)])
def test_a_trajectory_is_the_cpus_for_a_while(truncation, friction):
    plan = replace(PLAN, truncation=truncation, friction=friction)
    here, there = melted(plan), melted(plan)
    run_here(here, 6)
    batch = on_card([there])
    code, step = batch.run(6)
    assert (code[0], step[0]) == (FINE, 6)
    batch.fetch(0)
    for ours, theirs, scale in zip(state(here), state(there), (here.unit, 2.0**-25), strict=True):
        assert np.abs((ours - theirs) * scale).max() < 1e-4
    assert (here.tally.looks == there.tally.looks).all()
    np.testing.assert_array_equal(here.tally.sums[:, 3], there.tally.sums[:, 3])
    np.testing.assert_allclose(here.tally.sums[:, :3], there.tally.sums[:, :3], rtol=1e-4)
    assert np.abs(here.tally.sums).max() > 0


def test_lists_that_are_too_short_grow_and_change_nothing(monkeypatch):
    long, short = melted(PLAN), melted(PLAN)
    first = on_card([long])
    first.run(3)
    monkeypatch.setattr("simulators.md.cuda.fluid_replicas._entries", lambda replica: 2)
    second = on_card([short])
    second.run(1)
    second.run(3)
    assert second._entries > 2
    for ours, theirs in zip(state(first.fetch(0)), state(second.fetch(0)), strict=True):
        assert (ours == theirs).all()


def test_neighbours_are_listed_when_one_has_moved_far():
    fast = melted(PLAN)
    batch = on_card([fast])
    batch.run(4)
    assert batch.listed[0][0] == 1
    again = melted(PLAN)
    again.rows.velocity[0] = 25 * 2**25  # 0.1 in a step, against half a skin of 0.15
    batch = on_card([again])
    batch.run(4)
    assert batch.listed[0][0] > 1


def test_an_overlap_is_noticed_and_leaves_the_others_alone():
    alone, beside, failing = melted(PLAN), melted(PLAN), melted(PLAN, 2)
    here = melted(PLAN, 2)
    for overlapping in (failing, here):
        rows = overlapping.rows.place.reshape(-1, 4)
        rows[1, :3] = rows[0, :3] + 1000
    first = on_card([alone])
    first.run(2)
    second = on_card([failing, beside])
    code, step = second.run(2)
    assert code.tolist() == [here._steps(0, 2, here._bath(0))[0], FINE]
    assert code[0] != FINE
    assert step.tolist() == [0, 2]
    for ours, theirs in zip(state(first.fetch(0)), state(second.fetch(1)), strict=True):
        assert (ours == theirs).all()


def test_more_particles_than_a_block_holds_are_refused(monkeypatch):
    monkeypatch.setattr("simulators.md.cuda.fluid_replicas.MOST", 31)
    with pytest.raises(InvalidInputError, match="particles = 32"):
        on_card([melted(PLAN)])
