"""Killing tasks: exactly the task that is meant ends, with all its processes, and it stays ended."""

from __future__ import annotations

import json
import os
import shutil
import socket

import numpy as np
import psutil
import pytest
from engine_runs import MOODY, record, run
from live_run import live, wait_for

from workflow.engine import resume
from workflow.events import read_events
from workflow.folder import RunFolder
from workflow.record import State
from workflow.requests import RequestError, consequence
from workflow.run import Run
from workflow.speedup import busy_seconds
from workflow.tasks import simulate

HANGS = (
    "simulator={kind: 'engine_plugins:Moody', mood: hangs, seconds: 0.02}",
    "resources={kind: local, workers: 2, task_time: 0.001}",
    "stop.simulations=10",
    "training.first=1000",
)


def sleepers():
    """Programs that hanging simulations of this test process have started."""
    return [p for p in psutil.Process().children(recursive=True) if "600.25" in command(p)]


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command(process):
    try:
        return process.cmdline()
    except psutil.Error:  # it ended just now
        return []


def test_killed_tasks_fail_and_no_other_is_touched(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *HANGS, "stop.simulations=6") as here:
        killed = []

        def hanging():
            """A task whose simulation has started its endless program."""
            parents = {p.ppid() for p in sleepers()}
            return [m for m in here.folder.running_tasks() if m["pid"] in parents]

        while here.thread.is_alive():
            found = wait_for(lambda: hanging() or not here.thread.is_alive())
            if found is True:
                break
            task = found[0]["task"]
            said = consequence(here.run, "kill", {"tasks": [task]})
            assert said.possible
            assert said.loses
            assert said.words.startswith(f"stops task {task} on worker-")
            assert "(1 simulation, running for" in said.words
            programs = [p for p in sleepers() if p.ppid() == found[0]["pid"]]
            here.run.kill(task)
            killed.append(task)
            # Now, not at the end of the run, when all that is left of a pool is killed.
            wait_for(lambda running=programs: not any(map(lives, running)), 5)
            assert programs
            assert not here.folder.marker(task).exists()
        assert here.end().exit_code == 1
    state = whole_but_files(tmp_path / "r", 6)
    hot = np.flatnonzero(state.inputs[:, 0] > 0.5)
    assert sorted(state.task[hot].tolist()) == sorted(killed)
    assert len(killed) >= 2
    assert np.flatnonzero(state.state == State.FAILED).tolist() == hot.tolist()
    assert {reason for reason, _ in state.failures.values()} == {"killed"}
    assert all(" on worker-" in message for _, message in state.failures.values())
    assert state.task_attempts.max() == 0  # no other task lost its worker
    ran = np.isin(np.arange(state.tasks), killed)
    assert (state.task_given_up == ran).all()
    assert (state.task_ended[ran] > state.task_started[ran]).all()
    assert {state.worker_names[k].partition("-")[0] for k in state.task_worker[ran]} == {"worker"}
    assert busy_seconds(state) > float((state.task_ended - state.task_started)[ran].sum())
    # They have no result file, and need none: nothing of them runs again.
    resume(tmp_path / "r")
    assert whole_but_files(tmp_path / "r", 6).tasks == state.tasks
    assert not list(here.folder.running.iterdir())


def whole_but_files(folder, total):
    state = record(folder)
    assert (state.replicas, state.done + state.failed) == (total, total)
    assert (state.lost, state.duplicated, state.pending) == (0, 0, 0)
    return state


def test_a_waiting_task_that_is_killed_does_not_run_and_stays_failed(monkeypatch, tmp_path):
    one = ("space.x=[0.6, 1]", "resources.workers=1", "stop.simulations=4")
    with live(monkeypatch, tmp_path / "r", MOODY, *HANGS, *one) as here:
        wait_for(lambda: sleepers() and here.run.record.tasks == 2)
        assert "(1 simulation, not started)" in consequence(here.run, "kill", {"tasks": [1]}).words
        here.run.kill([1])
        with pytest.raises(RequestError, match="task 1 was killed"):
            here.run.kill(1)
        here.run.kill(0)
        wait_for(lambda: here.run.record.tasks == 4 and sleepers())
        here.run.kill([2, 3])
        here.end()
    state = whole_but_files(tmp_path / "r", 4)
    assert state.failures[1][1].endswith("before it began")
    assert sleepers() == []
    # A file that its worker left all the same counts for nothing, also for the next controller.
    folder = RunFolder(tmp_path / "r")
    folder.result(1).parent.mkdir(exist_ok=True)
    folder.result(1).write_bytes(b"")
    resume(tmp_path / "r")
    assert whole_but_files(tmp_path / "r", 4).failed == 4
    assert not folder.result(1).exists()


def test_a_kill_that_comes_too_late_is_refused_and_changes_nothing(monkeypatch, tmp_path):
    one = ("space.x=[0, 0.4]", "resources.workers=1", "simulator.seconds=1", "stop.simulations=2")
    with live(monkeypatch, tmp_path / "r", MOODY, *HANGS, *one) as here:
        wait_for(here.folder.running_tasks)
        # It ends on the way there.
        monkeypatch.setattr("workflow.requests.acting.end_task", lambda *_: False)
        with pytest.raises(RequestError, match="task 0 had just ended"):
            here.run.kill(0)
        assert not here.folder.withdrawn(0).exists()
        assert here.end().state == "finished"
    state = whole_but_files(tmp_path / "r", 2)
    assert state.done == 2
    assert [(action["verb"], action["outcome"]) for action in state.actions] == [("kill", "refused")]


def test_killed_simulations_can_be_retried_with_the_same_numbers(monkeypatch, tmp_path):
    mark = f"simulator={{kind: 'engine_plugins:Moody', mood: hangs once, mark: {tmp_path / 'mark'}}}"
    with live(monkeypatch, tmp_path / "r", MOODY, *HANGS, mark, "stop.simulations=6") as here:
        found = wait_for(lambda: sleepers() and here.folder.running_tasks())
        parents = {p.ppid() for p in sleepers()}
        task = next(m["task"] for m in found if m["pid"] in parents)
        here.run.kill(task)
        lost = np.flatnonzero(here.run.record.state == State.FAILED)
        here.run.retry(reason="killed")
        assert here.end().state == "finished"
    state = whole_but_files(tmp_path / "r", 6)
    assert state.failed == 0
    again = [e for e in read_events(here.folder.events) if e.get("again")]
    assert [e["first"] for e in again] == lost.tolist()
    resume(tmp_path / "r")
    assert whole_but_files(tmp_path / "r", 6).tasks == state.tasks


def test_stop_now_does_not_wait_for_what_runs(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *HANGS) as here:
        wait_for(sleepers)
        said = consequence(here.run, "stop", {"now": True})
        assert said.loses
        assert "of work is lost" in said.words
        here.run.stop(now=True)
        assert (here.end(20).state, here.outcome.exit_code) == ("stopped", 75)
    wait_for(lambda: not sleepers())
    state = record(tmp_path / "r")
    assert state.failed == state.lost == 0
    assert here.folder.running_tasks() == []


def test_a_task_on_a_thread_cannot_be_killed_but_one_that_waits_can(monkeypatch, tmp_path):
    slow = ("simulator.seconds=0.4", "resources={kind: threads, workers: 1, task_time: 0.1}")
    with live(monkeypatch, tmp_path / "r", MOODY, *slow, "stop.simulations=4", "training.first=99") as here:
        marker = wait_for(here.folder.running_tasks)[0]
        assert (marker["pid"], marker["killable"]) == (os.getpid(), False)
        with pytest.raises(RequestError, match="runs on a thread of the controller, which cannot be killed"):
            here.run.kill(marker["task"])
        last = wait_for(lambda: here.run.record.tasks == 3 and 2)
        here.run.kill(last)
        assert here.end().exit_code == 1
    state = whole_but_files(tmp_path / "r", 4)
    assert np.flatnonzero(state.state == State.FAILED).tolist() == [2]
    assert not here.folder.result(2).exists()


def test_a_task_runs_where_no_marker_can_be_written(tmp_path):
    run(tmp_path / "r", MOODY, "stop.simulations=2", "training.first=99")
    folder = RunFolder(tmp_path / "r")
    shutil.rmtree(folder.running)
    folder.running.write_text("no folder")
    request = {"run": str(folder.path), "search": None, "task": 0, "first": 0, "seed": 5}
    assert simulate({**request, "inputs": [[0.25]]})["failed"] == {}
    assert Run(folder).folder.running_tasks() == []


def test_markers_of_processes_that_are_gone_are_no_running_tasks(tmp_path):
    folder = RunFolder(tmp_path)
    folder.running.mkdir()
    here = {"task": 1, "pid": os.getpid(), "host": socket.gethostname(), "worker": "w", "started": 1.0}
    folder.marker(1).write_text(json.dumps(here))
    folder.marker(2).write_text(json.dumps({**here, "task": 2, "process_started": -1.0}))
    folder.marker(3).write_text(json.dumps({**here, "task": 3, "host": "elsewhere", "pid": 1}))
    folder.marker(4).write_text("{")
    folder.marker(5).write_text("{}")
    found = folder.running_tasks()
    assert [marker["task"] for marker in found] == [1, 3]
    # A second look takes the word of the first, but for what is new or gone.
    folder.marker(1).write_text("{")
    folder.marker(3).unlink()
    folder.marker(6).write_text(json.dumps({**here, "task": 6}))
    assert [marker["task"] for marker in folder.running_tasks(found)] == [1, 6]
