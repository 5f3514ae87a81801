"""The timeline after simulations ran again in a task of their own."""

from __future__ import annotations

import pytest

from workflow.figures import timeline
from workflow.record import Record


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
