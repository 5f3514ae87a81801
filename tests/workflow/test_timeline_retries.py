"""The timeline after simulations ran again in a task of their own."""

from __future__ import annotations

import numpy as np
import pytest

from workflow.figures import timeline
from workflow.figures.cost import costs
from workflow.record import Record
from workflow.speedup import busy_seconds


def event(seq, kind, **fields):
    return {"seq": seq, "t": 100.0 + seq, "event": kind, **fields}


def task_done(seq, task, started, ended, n, failed):
    return event(
        seq, "task_done", task=task, worker="worker-0", started=started, ended=ended, cpu=ended - started,
        wall_seconds=[(ended - started) / n] * n, cpu_seconds=[0.1] * n, failed=failed,
        scalars={"y": [[None if str(k) in failed else 1.0 for k in range(n)], [0.1] * n]},
    )  # fmt: skip


def test_a_task_keeps_its_bar_when_its_failed_simulations_ran_again():
    record = Record()
    rows = [[0.0], [1.0], [2.0], [3.0]]
    held_out = [0, 0, 0, 0]
    for entry in (
        event(0, "run_started", workers=1, resumed=False),
        event(1, "task_proposed", task=0, first=0, inputs=rows, held_out=held_out, model=None),
        task_done(2, 0, 100.0, 104.0, 4, {"2": ["diverged", "at step 3"], "3": ["diverged", "at step 4"]}),
        event(3, "task_proposed", task=1, first=2, inputs=rows[2:], held_out=[0, 0], model=None, again=True),
        task_done(4, 1, 110.0, 118.0, 2, {}),
    ):
        record.apply(entry)
    worker, kind, started, ended, what = (c.values for c in timeline(record).columns)
    bars = sorted(zip(started, ended, kind, what, strict=True))
    assert [(k, w) for _, _, k, w in bars] == [
        ("simulation", "task 0, 2 simulations"),
        ("failed simulation", "task 0, 2 simulations"),
        ("simulation", "task 1, 2 simulations"),
    ]
    assert [s for s, *_ in bars] == pytest.approx([0.0, 2.0, 10.0])
    assert [e for _, e, *_ in bars] == pytest.approx([2.0, 4.0, 18.0])
    assert set(worker) == {"worker-0"}


def killed(*more):
    record = Record()
    ran = {"worker": "worker-1", "started": 101.0, "ended": 107.0}
    for entry in (
        event(0, "run_started", workers=2, resumed=False),
        event(1, "task_proposed", task=0, first=0, inputs=[[0.0]], held_out=[0], model=None),
        event(2, "task_proposed", task=1, first=1, inputs=[[1.0]], held_out=[0], model=None),
        task_done(3, 0, 100.0, 104.0, 1, {}),
        event(4, "task_failed", task=1, reason="killed", message="m", **ran),
        *more,
    ):
        record.apply(entry)
    return record


def test_a_killed_task_has_the_bar_and_the_cost_of_what_it_ran():
    again = event(5, "task_proposed", task=2, first=1, inputs=[[1.0]], held_out=[0], model=None, again=True)
    for record in (killed(), killed(again, task_done(6, 2, 108.0, 109.0, 1, {}))):
        bars = {what: row for *row, what in zip(*(c.values for c in timeline(record).columns), strict=True)}
        assert bars["task 1, 1 simulation"] == ["worker-1", "failed simulation", 1.0, 7.0]
        parts = costs(record)
        assert parts["failed simulation"] == pytest.approx(6.0)
        assert sum(parts.values()) == pytest.approx(2 * (np.nanmax(record.task_ended) - 100.0))
        assert busy_seconds(record) == pytest.approx(10.0 + (record.tasks > 2))


def test_a_task_that_was_killed_before_it_began_has_no_bar():
    record = Record()
    record.apply(event(0, "run_started", workers=1, resumed=False))
    for task in (0, 1):
        proposed = {"first": task, "inputs": [[0.0]], "held_out": [0], "model": None}
        record.apply(event(1 + task, "task_proposed", task=task, **proposed))
    record.apply(task_done(3, 0, 100.0, 104.0, 1, {}))
    record.apply(event(4, "task_failed", task=1, reason="killed", message="m"))
    assert len(timeline(record).columns[0].values) == 1
    assert record.task_given_up.tolist() == [False, True]
