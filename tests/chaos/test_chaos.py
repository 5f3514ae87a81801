"""Runs are harmed in ways that docs/reliability.md names, a few times each; `make chaos` does it often."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import chaos_processes
import h5py
import pytest
from chaos_plugins import MARK
from chaos_runs import PATIENT, SOURCE, Tally, digests
from run_chaos import QUICK

from workflow.engine import run_campaign
from workflow.events import EventWriter, read_events
from workflow.folder import RunFolder
from workflow.reading import parse_campaign
from workflow.record import Record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    path = tmp_path_factory.mktemp("chaos") / "answers.json"
    # A process of its own, which forks: this one has threads.
    script = str(Path(__file__).with_name("run_chaos.py"))
    done = subprocess.run(
        [sys.executable, script, "--quick", "--jobs", "4", "--answers", str(path)],
        capture_output=True,
        text=True,
    )
    assert path.exists(), done.stderr
    return {answer["name"]: answer for answer in json.loads(path.read_text())}


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_lost_nor_counted_twice_nor_wrong_nor_left_behind(answers, name):
    answer = answers[name]
    if answer["missing"]:
        pytest.skip(answer["missing"])
    bad = {key: answer[key] for key in ("lost", "twice", "wrong", "left", "troubles")}
    assert bad == {"lost": 0, "twice": 0, "wrong": 0, "left": 0, "troubles": []}
    assert answer["instants"] >= QUICK[name]
    assert answer["simulations"] > 0


# What judges them sees what it looks for.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged") / "run"
    run_campaign(parse_campaign(PATIENT, "campaign.yaml", ("stop.simulations=12",)), folder, source=SOURCE)
    return folder, digests(folder, Record.read(RunFolder(folder).events))


def judged(folder, expected):
    tally = Tally("anything")
    tally.judge(folder, expected)
    return tally


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_a_run_that_nothing_happened_to_is_good(finished, run):
    tally = judged(run.path, finished[1])
    assert tally.good
    assert tally.simulations == 12


def test_a_simulation_without_a_result_is_lost(finished, run):
    count = Record.read(run.events).task_count[1]
    run.result(1).unlink()
    assert judged(run.path, finished[1]).lost == count


def test_another_number_in_a_result_is_wrong(finished, run):
    with h5py.File(run.result(1), "r+") as file:
        file["mean/y"][0] += 1e-12
    assert judged(run.path, finished[1]).wrong == 1


def test_a_result_that_is_recorded_twice_counts_twice(finished, run):
    done = next(event for event in read_events(run.events) if event["event"] == "task_done")
    with EventWriter(run.events, Record.read(run.events).events) as log:
        log.append(**{key: value for key, value in done.items() if key not in ("seq", "t")})
    assert judged(run.path, finished[1]).twice == Record.read(run.events).task_count[done["task"]]


def test_a_process_that_stays_is_found_and_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(chaos_processes, "LEFT", 0.1)
    stays = subprocess.Popen(["sleep", "600"], env=os.environ | {MARK: str(tmp_path / "run")})
    other = subprocess.Popen(["sleep", "600"], env=os.environ | {MARK: str(tmp_path / "other")})
    left, _ = chaos_processes.Family(tmp_path / "run").wait_until_gone()
    assert left == 1
    assert stays.wait(10) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()
