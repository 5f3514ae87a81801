"""Causes of losses are told apart, and a simulation that takes its worker along is found and fails alone."""

from __future__ import annotations

from contextlib import suppress

import psutil
import pytest
from engine_runs import MOODY, run, whole

from workflow.dashboard.tasktable import TaskState, TaskTable
from workflow.events import read_events
from workflow.losses import ALONE, FREE, Losses
from workflow.pool import BlockEndingError, PoolLostError, WorkerLostError
from workflow.record import Record

LOCAL = "resources={kind: local, workers: 2, task_time: 0.5"


def test_what_the_infrastructure_does_is_free_up_to_a_limit():
    losses = Losses()
    verdicts = [losses.judge(3, 8, PoolLostError("its node went away"), None) for _ in range(FREE + 1)]
    assert [v.what for v in verdicts] == ["again"] * FREE + ["give up"]
    assert verdicts[-1].reason == "infrastructure"
    assert "its node went away" in verdicts[-1].message
    assert losses.judge(4, 8, PoolLostError("x"), None).what == "again"  # each task has its own


def test_a_task_that_stopped_before_its_block_s_end_is_never_given_up():
    losses = Losses()
    assert {losses.judge(3, 1, BlockEndingError("soon"), None).what for _ in range(100)} == {"again"}


def test_a_worker_s_death_splits_a_task_and_fails_a_single_simulation_in_the_end():
    losses = Losses()
    assert losses.judge(1, 2, WorkerLostError("x"), None).what == "split"
    verdicts = [losses.judge(2, 1, WorkerLostError("x"), None) for _ in range(ALONE)]
    assert [v.what for v in verdicts] == ["again"] * (ALONE - 1) + ["give up"]
    assert {v.reason for v in verdicts} == {"worker lost"}


def test_what_overran_is_split_too_and_a_single_one_fails_at_once():
    losses = Losses()
    assert losses.judge(1, 5, WorkerLostError("x"), 3.0).what == "split"
    verdict = losses.judge(2, 1, WorkerLostError("x"), 3.0)
    assert (verdict.what, verdict.reason) == ("give up", "timed out")
    assert "after 3 s" in verdict.message


@pytest.mark.parametrize(
    ("mood", "timeout", "reason"), [("kills", "", "worker lost"), ("hangs", ", timeout: 2", "timed out")]
)
def test_one_bad_simulation_fails_alone_and_its_batch_mates_are_run_again(
    tmp_path, monkeypatch, mood, timeout, reason
):
    monkeypatch.setenv("MLAROUND_TEST", str(tmp_path))
    simulator = f"simulator={{kind: 'engine_plugins:Moody', mood: {mood}, above: 0.93, seconds: 0.002}}"
    outcome = run(tmp_path / "r", MOODY, simulator, LOCAL + timeout + "}", "stop.simulations=60")
    assert outcome.state == "finished"
    state = whole(tmp_path / "r", 60)
    bad = state.inputs[:, 0] > 0.93
    assert 0 < bad.sum() < 8
    assert {replica for replica in state.failures} == set(bad.nonzero()[0].tolist())
    assert {why for why, _ in state.failures.values()} == {reason}
    assert state.task_count[state.task[bad]].max() == 1  # each was isolated
    assert not list(started_by(tmp_path))
    events, table, afresh = list(read_events(tmp_path / "r" / "events.jsonl")), TaskTable(), Record()
    for event in events:
        table.apply(afresh, event)
    split = [e["task"] for e in events if e["event"] == "task_failed" and e["reason"] == "split"]
    assert split
    shown = table.whole(0.0)["state"]
    assert {int(shown[task]) for task in split} == {TaskState.LOST}  # no simulation of theirs failed


def started_by(folder):
    """Processes that bear the mark of a test, which its own process had not at its start."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MLAROUND_TEST") == str(folder):
                yield process
