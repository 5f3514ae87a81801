from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest
from engine_runs import MOODY, WELLS, campaign, numbers, record, run, weights, whole

from workflow.engine import resume
from workflow.events import read_events
from workflow.folder import RunFolder


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


DETERMINISTIC = ("deterministic=true", "steering={kind: active_learning, candidates: 64}")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "r"
    run(folder, WELLS, *DETERMINISTIC)
    return {"numbers": numbers(folder), "weights": [hash_of(w) for w in weights(folder)]}


def crash(folder, events):
    """Leave a folder as if its controller had been killed after that many events."""
    run = RunFolder(folder)
    lines = run.events.read_bytes().splitlines(keepends=True)
    run.events.write_bytes(b"".join(lines[:events]))
    run.results_csv.unlink(missing_ok=True)


def test_a_log_cut_after_any_event_is_gone_on_with_to_the_same_end(undisturbed, tmp_path):
    run(tmp_path / "r", WELLS, *DETERMINISTIC)
    total = record(tmp_path / "r").events
    for events in sorted(random.Random(1).sample(range(1, total), 4), reverse=True):
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


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, path.stat().st_size - 1)])
def test_a_result_file_that_went_missing_or_was_cut_is_made_again(tmp_path, harm):
    run(tmp_path / "r", WELLS)
    expected = numbers(tmp_path / "r")
    harm(RunFolder(tmp_path / "r").result(1))
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


def test_a_task_that_kills_its_worker_once_is_run_again(tmp_path):
    mark = f"simulator={{kind: 'engine_plugins:Moody', mood: kills once, mark: {tmp_path / 'mark'}}}"
    local = "resources={kind: local, workers: 2, task_time: 0.001}"
    outcome = run(tmp_path / "r", MOODY, mark, local)
    assert outcome.state == "finished"
    assert whole(tmp_path / "r", 20).failed == 0
    assert record(tmp_path / "r").task_attempts.max() == 1
