"""Batches that are told to stop: all replicas leave checkpoints, and go on from them to the same bits."""

import time
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
from test_keeping import STEPS, Walk, assert_same_files, identified_keep, keep_in, run
from test_simulator_contract import EXAMPLES, PLUGINS

from simulators import StoppedEarlyError
from simulators.batch.keeping import open_keeper
from simulators.batch.replica_files import Files, read_checkpoint
from simulators.batch.threads import over_threads
from simulators.contract import Keep


class After:
    """Says that it is time from the n-th time on that it is asked."""

    def __init__(self, asked):
        self.left = asked

    def __call__(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("asked", [0, 1, 2, 5])
def test_one_that_is_told_to_stop_goes_on_as_if_it_had_not_been(tmp_path, asked):
    whole = run(keep_in(tmp_path / "whole")).mean["reach"]
    with pytest.raises(StoppedEarlyError):
        run(keep_in(tmp_path / "cut", ending=After(asked)))
    with open_keeper(identified_keep(tmp_path / "cut"), 0, STEPS) as keeper:
        step, _ = keeper.resume()
        assert 0 < step < 60
    np.testing.assert_array_equal(run(keep_in(tmp_path / "cut")).mean["reach"], whole)
    assert_same_files(tmp_path / "cut", tmp_path / "whole")


def test_one_that_is_told_at_its_end_has_ended(tmp_path):
    started = []

    def at_the_end():
        return len(started) > 0

    keep = keep_in(tmp_path, checkpoint=STEPS, frames=None, series=None, ending=at_the_end)
    with open_keeper(keep, 0, STEPS) as keeper:
        assert keeper.next_stop(0) == STEPS
        started.append(True)
        assert keeper.wants_checkpoint(STEPS)
    assert run(keep).failures == {}


def test_one_that_keeps_no_checkpoints_is_not_stopped(tmp_path):
    run(keep_in(tmp_path, checkpoint=None, ending=lambda: True))


def test_of_replicas_side_by_side_none_is_left_behind(tmp_path):
    # It is time after some of the first visits, and before the others.
    ending = After(3)
    keep = Keep(tmp_path, ("a", "b", "c", "d"), checkpoint=1000, ending=ending)
    keepers = [open_keeper(keep, k, STEPS) for k in range(4)]
    visited = []

    def simulate():
        for step in range(1, STEPS):
            visited.append(step)
            for keeper in keepers:
                keeper.visit(step, state=lambda: {"step": np.array(visited[-1])})
            for keeper in keepers:
                keeper.next_stop(step)

    with pytest.raises(StoppedEarlyError):
        simulate()
    assert visited[-1] < 5
    for name in keep.names:
        about, arrays = read_checkpoint(Files(tmp_path, name).checkpoint)
        assert about["step"] == arrays["step"] == visited[-1]


def test_all_threads_of_a_batch_come_to_their_checkpoints(tmp_path):
    names = tuple("abcdef")
    keep = Keep(tmp_path, names, checkpoint=1000, ending=lambda: True)
    observations = Walk().nothing_yet(np.full((len(names), 1), 0.3))
    begun = []
    both = Barrier(2, timeout=60)

    def simulate(indices, report):
        (index,) = indices
        begun.append(index)
        if index < 2:  # or the first could be over before the other thread has begun
            both.wait()
        with open_keeper(keep, index, STEPS) as keeper:
            keeper.next_stop(0)
            for _ in range(20 * index):  # the first has stopped long before the others
                report(0.1)
                time.sleep(0.01)
            keeper.visit(1, state=lambda: {"index": np.array(index)})
            keeper.next_stop(1)

    with pytest.raises(StoppedEarlyError):
        over_threads(observations, simulate, threads=2, progress=None)
    assert 2 <= len(begun) < len(names)
    for index in begun:
        assert read_checkpoint(Files(tmp_path, names[index]).checkpoint)[1]["index"] == index


KEEPING = sorted(kind for kind, plugin in PLUGINS.items() if "checkpoint" in plugin.keeps)


@pytest.mark.parametrize("kind", KEEPING)
def test_simulators_go_on_to_the_same_bits(tmp_path, kind):
    if kind == "openmm":
        pytest.importorskip("openmm")
    configuration, row = EXAMPLES[kind]
    simulator = PLUGINS[kind](kind=kind, **configuration)
    rows, seeds = np.stack([simulator.complete(row)] * 3), np.array([3, 4, 5], np.uint64)
    keep = Keep(tmp_path, ("a", "b", "c"), series=128, checkpoint=10**6)
    with pytest.raises(StoppedEarlyError):
        simulator.run(rows, seeds, keep=replace(keep, ending=After(7)))
    stopped = [read_checkpoint(Files(tmp_path, name).checkpoint) for name in keep.names]
    assert stopped[0][0]["step"] > 0
    # Those that share their lanes stopped together; of the others, the last has not begun.
    alongside = simulator.together > 1
    assert (stopped[2] is not None) is alongside
    assert not alongside or len({about["step"] for about, _ in stopped}) == 1
    one, other = simulator.run(rows, seeds, keep=keep), simulator.run(rows, seeds)
    assert one.failures == other.failures == {}
    for name in other.mean:
        np.testing.assert_array_equal(one.mean[name], other.mean[name])
        np.testing.assert_array_equal(one.stderr[name], other.stderr[name])
