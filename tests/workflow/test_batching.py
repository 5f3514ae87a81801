from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from engine_runs import WELLS, campaign

from simulators.sleeping import Sleeping
from workflow.batching import BatchSizer
from workflow.binding import bind
from workflow.planner import Planner
from workflow.record import Record
from workflow.steering.sobol import sobol_points


def sizer(task_time=1.0, workers=2):
    return BatchSizer(Sleeping(), ["seconds"], task_time, workers)


def rows(n, seconds=0.01):
    return np.full((n, 1), seconds)


def test_the_first_task_is_a_probe():
    assert sizer().wish(1000) == 1
    assert sizer().cut(rows(50), 50) == 1


def test_batches_come_to_last_as_long_as_a_task_should():
    batches = sizer()
    batches.learn(rows(1), 0.011)
    n = batches.wish(10_000)
    assert n == pytest.approx(1.0 / 0.011, rel=0.02)
    assert batches.cut(rows(n), n) == pytest.approx(n, abs=1)


class Abreast(Sleeping):
    """Sixteen cost as much as one."""

    together: ClassVar = 16


def test_replicas_that_share_lanes_come_in_whole_groups():
    batches = BatchSizer(Abreast(), ["seconds"], 1.0, 2)
    assert batches.wish(10_000) == 16
    assert batches.cut(rows(50), 50) == 16
    batches.learn(rows(3), 0.1)  # as much as a group of 16
    n = batches.wish(10_000)
    assert n == 160
    assert batches.cut(rows(1000), n) == 160
    mixed = np.concatenate([rows(48, 0.01), rows(100, 1.0)])
    assert batches.cut(mixed, 148) == 48
    assert batches.wish(20) == 5  # no worker is left idle for the sake of full groups


def test_a_probe_that_was_mostly_overhead_is_forgotten():
    batches = sizer()
    batches.learn(rows(1), 5.0)
    for _ in range(20):
        n = batches.cut(rows(1000), batches.wish(100_000))
        batches.learn(rows(n), 0.005 + 0.011 * n)
    assert batches.wish(100_000) == pytest.approx(90, abs=3)


def test_a_batch_is_cut_by_the_work_of_its_replicas():
    batches = sizer()
    batches.learn(rows(1, 0.1), 0.1)
    mixed = np.concatenate([rows(3, 0.4), rows(100, 0.001)])
    assert batches.cut(mixed, 50) == 2


def test_a_replica_longer_than_a_task_makes_a_task_by_itself():
    batches = sizer()
    batches.learn(rows(1, 10.0), 10.0)
    assert batches.wish(100) == 1
    assert batches.cut(rows(5, 10.0), 5) == 1


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_no_task_takes_more_than_half_a_workers_share_of_what_remains(workers):
    batches = sizer(task_time=1e9, workers=workers)
    batches.learn(rows(1), 0.01)
    remaining, sizes = 1000, []
    while remaining:
        sizes.append(batches.wish(remaining))
        remaining -= sizes[-1]
    assert sizes[0] == -(-1000 // (2 * workers))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def planner(*overrides):
    settled = campaign(WELLS, *overrides)
    space, _ = bind(settled)
    record = Record()
    record.apply({"seq": 0, "t": 0.0, "event": "run_started", "workers": 2})
    return Planner(settled, space, record), record


def propose(plan, record, wish):
    batch = plan.take(min(wish, len(plan.upcoming(wish))))
    fields = {"task": record.tasks, "first": batch.first, "inputs": batch.inputs.tolist()}
    fields |= {"held_out": batch.held_out.astype(int).tolist(), "model": batch.model}
    record.apply({"seq": record.events, "t": 0.0, "event": "task_proposed", **fields})


@pytest.mark.parametrize("steering", ["sobol", "active_learning", "grid"])
@pytest.mark.parametrize("deterministic", ["true", "false"])
def test_replicas_do_not_depend_on_how_they_are_batched(steering, deterministic):
    tables = []
    for sizes in ([1] * 40, [40], [3, 9, 2, 17, 40], [7] * 6):
        plan, record = planner(f"steering={{kind: {steering}}}", f"deterministic={deterministic}")
        for size in sizes * 40:
            if plan.remaining:
                propose(plan, record, size)
        assert record.replicas == min(plan.total, 40)
        assert (record.duplicated, plan.remaining) == (0, 0)
        tables.append((record.inputs.tolist(), record.held_out.tolist()))
    assert all(table == tables[0] for table in tables)


@pytest.mark.parametrize("steering", ["sobol", "random", "active_learning", "{kind: grid, points: 16}"])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.125])
def test_learned_and_held_out_points_both_cover_the_space(steering, share):
    kind = steering if steering.startswith("{") else f"{{kind: {steering}}}"
    plan, record = planner(f"steering={kind}", f"training.held_out={share}", "stop.simulations=256")
    while plan.remaining:
        propose(plan, record, 64)
    low, high = np.array([[d.low, d.high] for d in plan._space.dimensions]).T
    quarter = (4 * (record.inputs - low) / (high - low)).astype(int).clip(0, 3)
    for part in (record.held_out, ~record.held_out):
        for column in quarter[part].T:
            counts = np.bincount(column, minlength=4)
            expected = part.sum() / 4
            assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all(), (counts, expected)


@pytest.mark.parametrize("sizes", [[1] * 40, [5] * 8, [13, 2, 9, 16]])
def test_a_round_is_the_same_for_a_controller_that_takes_over_in_the_midst_of_it(sizes):
    options = "deterministic=true", "steering={kind: active_learning}"
    whole, expected = planner(*options)
    while whole.remaining:
        propose(whole, expected, 40)
    _, record = planner(*options)
    settled = campaign(WELLS, *options)
    for size in sizes:
        another = Planner(settled, bind(settled)[0], record)
        for _ in range(2):  # a batch ends with its round
            if another.remaining and size:
                before = record.replicas
                propose(another, record, size)
                size -= record.replicas - before
    assert record.inputs.tolist() == expected.inputs.tolist()[: record.replicas]
    assert record.replicas > 30


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.25, 1 / 3, 0.7])
def test_replicas_are_held_out_by_number_in_the_given_share(share):
    plan, record = planner(f"training.held_out={share}", "stop.simulations=300")
    propose(plan, record, 300)
    assert abs(record.held_out.sum() - 300 * share) < 1
    gaps = np.diff(np.flatnonzero(record.held_out))
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_a_policy_that_looks_at_results_is_judged_on_points_of_a_baseline():
    (steered, first), (plain, second) = planner("steering={kind: active_learning}"), planner()
    propose(steered, first, 40)
    propose(plain, second, 40)
    # Without a model active learning asks for the Sobol points themselves, in order.
    assert np.array_equal(first.inputs, second.inputs)
    assert np.array_equal(first.held_out, second.held_out)
    held = first.held_out
    assert not (first.inputs[held][:, None] == first.inputs[~held][None]).all(axis=2).any()
    sequence = sobol_points(plain._space, 11, 0, 0, 40)
    assert np.array_equal(first.inputs[~held], sequence[: (~held).sum()])


def test_rounds_of_a_deterministic_run_end_at_fixed_numbers():
    plan, record = planner("deterministic=true", "steering={kind: active_learning}")
    ends = []
    while plan.remaining:
        ends.append(plan.boundary)
        propose(plan, record, 5)
    assert sorted(set(ends)) == [12, 20, 28, 36, 40]
    assert (record.task_first + record.task_count).tolist() == [5, 10, 12, 17, 20, 25, 28, 33, 36, 40]
