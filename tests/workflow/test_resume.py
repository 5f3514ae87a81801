from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from chaos import hash_of
from engine_runs import MOODY, SOURCE, WELLS, campaign, numbers, record, run, weights, whole

from workflow.engine import resume
from workflow.events import read_events
from workflow.folder import RunFolder

DETERMINISTIC = ("deterministic=true", "steering={kind: active_learning, candidates: 64}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "r"
    run(folder, WELLS, *DETERMINISTIC)
    return {"numbers": numbers(folder), "weights": [hash_of(w) for w in weights(folder)]}


def test_a_controller_killed_at_any_instant_is_gone_on_with(undisturbed, tmp_path):
    answer = subprocess.run(
        [sys.executable, "chaos.py", "5", "1", str(tmp_path), *DETERMINISTIC],
        cwd=SOURCE.parent,
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    trials = [json.loads(line) for line in answer.stdout.splitlines()]
    assert sum(trial["kills"] for trial in trials) >= 20
    for trial in trials:
        assert trial["code"] == 0
        assert (trial["done"], trial["pending"], trial["lost"], trial["duplicated"]) == (40, 0, 0, 0)
        assert trial["partial"] == []
        assert {key: trial[key] for key in undisturbed} == undisturbed


def crash(folder, events):
    """Leave a folder as if its controller had been killed after that many events."""
    run = RunFolder(folder)
    lines = run.events.read_bytes().splitlines(keepends=True)
    run.events.write_bytes(b"".join(lines[:events]))
    run.results_csv.unlink(missing_ok=True)


def test_a_log_cut_after_any_event_is_gone_on_with_to_the_same_end(undisturbed, tmp_path):
    run(tmp_path / "r", WELLS, *DETERMINISTIC)
    total = record(tmp_path / "r").events
    for events in sorted(random.Random(1).sample(range(1, total), 8), reverse=True):
        crash(tmp_path / "r", events)
        assert resume(tmp_path / "r").state == "finished"
        whole(tmp_path / "r", 40)
        assert numbers(tmp_path / "r") == undisturbed["numbers"]
        assert [hash_of(w) for w in weights(tmp_path / "r")] == undisturbed["weights"]


def test_finished_work_whose_event_was_lost_is_adopted_and_not_done_again(tmp_path):
    run(tmp_path / "r", WELLS)
    events = list(read_events(RunFolder(tmp_path / "r").events))
    first_done = next(e["seq"] for e in events if e["event"] == "task_done")
    stamps = {p: p.stat().st_mtime_ns for p in RunFolder(tmp_path / "r").results.glob("*/*.h5")}
    crash(tmp_path / "r", first_done)
    proposed = record(tmp_path / "r").tasks
    resume(tmp_path / "r")
    whole(tmp_path / "r", 40)
    adopted = [RunFolder(tmp_path / "r").result(task) for task in range(proposed)]
    assert proposed > 1
    assert all(path.stat().st_mtime_ns == stamps[path] for path in adopted)


def test_a_damaged_result_file_without_an_event_is_done_again(tmp_path):
    run(tmp_path / "r", WELLS)
    expected = numbers(tmp_path / "r")
    events = list(read_events(RunFolder(tmp_path / "r").events))
    crash(tmp_path / "r", next(e["seq"] for e in events if e["event"] == "task_done"))
    path = RunFolder(tmp_path / "r").result(0)
    path.write_bytes(path.read_bytes()[:100])
    resume(tmp_path / "r")
    whole(tmp_path / "r", 40)
    assert numbers(tmp_path / "r") == expected


def test_a_result_file_of_other_replicas_is_not_adopted(tmp_path):
    run(tmp_path / "r", WELLS)
    expected = numbers(tmp_path / "r")
    folder = RunFolder(tmp_path / "r")
    events = list(read_events(folder.events))
    crash(folder.path, next(e["seq"] for e in events if e["event"] == "task_done"))
    shutil.copy(folder.result(1), folder.result(0))
    resume(folder.path)
    whole(folder.path, 40)
    assert numbers(folder.path) == expected


def test_a_result_file_that_went_missing_is_made_again(tmp_path):
    run(tmp_path / "r", WELLS)
    expected = numbers(tmp_path / "r")
    RunFolder(tmp_path / "r").result(1).unlink()
    resume(tmp_path / "r")
    whole(tmp_path / "r", 40)
    assert numbers(tmp_path / "r") == expected


def test_half_made_files_and_models_are_removed(tmp_path):
    run(tmp_path / "r", WELLS, "stop.simulations=20")
    folder = RunFolder(tmp_path / "r")
    (folder.results / "000" / ".task-000001.abc.partial").write_bytes(b"half")
    (folder.models / "v0099").mkdir()
    (folder.models / ".v0100-x").mkdir()
    folder.promoted.write_text("v0099")
    resume(folder.path, campaign=campaign(WELLS))
    assert not list(folder.results.glob("*/.*"))
    assert not (folder.models / "v0099").exists()
    assert not (folder.models / ".v0100-x").exists()
    assert folder.promoted.read_text().strip() == f"v{record(folder.path).promoted:04d}"


# Processes.

CONTROLLER = """
import sys
from pathlib import Path
import engine_runs
from workflow.engine import resume
if sys.argv[1] == "resume":
    sys.exit(resume(Path(sys.argv[2])).exit_code)
sys.exit(engine_runs.run(Path(sys.argv[2]), engine_runs.WELLS, *sys.argv[3:]).exit_code)
"""
LOCAL = ("resources={kind: local, workers: 2, task_time: 0.05}", "simulator.samples=200000", *DETERMINISTIC)


def start(command, folder, *overrides):
    return subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, command, str(folder), *overrides],
        cwd=SOURCE.parent,
        env=os.environ | {"MLAROUND_TEST": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )


class Family:
    """A controller's processes: its descendants while it lives, and whoever bears its mark."""

    def __init__(self, controller, folder):
        self.controller, self.folder, self.known = psutil.Process(controller.pid), folder, set()

    def look(self):
        with suppress(psutil.NoSuchProcess):
            # Equality of psutil's processes takes their start into account.
            self.known |= {self.controller, *self.controller.children(recursive=True)}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("MLAROUND_TEST") == str(self.folder):
                    self.known.add(process)
        return self.known

    def alive(self):
        return [p for p in self.look() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed_local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "r"
    run(folder, WELLS, *LOCAL[1:])
    return numbers(folder), weights(folder)


def settled(folder, expected):
    whole(folder, 40)
    assert numbers(folder) == expected[0]
    assert weights(folder) == expected[1]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_killed_controller_leaves_no_process_and_its_run_is_gone_on_with(
    undisturbed_local, tmp_path, share
):
    folder = tmp_path / "r"
    controller = start("run", folder, *LOCAL)
    family = Family(controller, folder)
    wait_for(lambda: RunFolder(folder).exists() and record(folder).done >= 40 * share)
    family.look()
    controller.kill()
    controller.communicate()
    wait_for(lambda: not family.alive(), 10)
    again = start("resume", folder)
    family = Family(again, folder)
    wait_for(lambda: family.look() and again.poll() is not None)
    assert (again.returncode, again.communicate()[1]) == (0, "")
    settled(folder, undisturbed_local)
    wait_for(lambda: not family.alive(), 10)


VICTIMS = {
    "interchange": lambda command: "interchange" in command,
    "manager": lambda command: "process_worker_pool" in command and "-m parsl" in command,
    "worker": lambda command: "spawn_main" in command,
    "helper": lambda command: "spawn_main" in command,
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_run_heals_when_a_process_of_its_pool_is_killed(undisturbed_local, tmp_path, victim):
    folder = tmp_path / "r"
    controller = start("run", folder, *LOCAL)
    family = Family(controller, folder)
    wait_for(lambda: RunFolder(folder).exists() and record(folder).done >= 4)
    named = [p for p in family.alive() if VICTIMS[victim](" ".join(p.cmdline()))]
    # The manager's first child by this name is a helper; its workers come after it.
    named.sort(key=lambda p: (p.create_time(), p.pid))
    named[0 if victim == "helper" else -1].kill()
    wait_for(lambda: family.look() and controller.poll() is not None)
    assert (controller.returncode, controller.communicate()[1]) == (0, "")
    settled(folder, undisturbed_local)
    wait_for(lambda: not family.alive(), 10)


def test_a_task_that_kills_its_worker_once_is_run_again(tmp_path):
    mark = f"simulator={{kind: 'engine_plugins:Moody', mood: kills once, mark: {tmp_path / 'mark'}}}"
    local = "resources={kind: local, workers: 2, task_time: 0.001}"
    outcome = run(tmp_path / "r", MOODY, mark, local)
    assert outcome.state == "finished"
    assert whole(tmp_path / "r", 20).failed == 0
    assert record(tmp_path / "r").task_attempts.max() == 1
