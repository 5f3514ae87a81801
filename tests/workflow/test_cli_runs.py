"""Controllers that are stopped, killed, interrupted and resumed from the command line."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from workflow.cli import cli

ROOT = Path(__file__).parents[2]
SLOW = """\
name: slow
simulator: {kind: sleeping}
space: {seconds: [0.05, 0.1]}
surrogate: {kind: mlp_ensemble, members: 4, folds: 2, hidden: [4], steps: 10}
steering: {kind: sobol}
training: {first: 100000}
stop: {simulations: 400}
resources: {kind: threads, workers: 1, task_time: 0.2}
"""
BREAKING = """\
name: breaking
simulator: {kind: harmonic, breaks_above: 1}
space: {stiffness: [2, 10]}
surrogate: {kind: mlp_ensemble}
steering: {kind: sobol}
training: {first: 100}
stop: {simulations: 6}
resources: {kind: threads, workers: 1}
"""
COMMAND = [sys.executable, "-m", "workflow.cli"]
SEARCH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": SEARCH}


def mlaround(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )


def status(folder: Path) -> dict:
    answer = CliRunner().invoke(cli, ["status", str(folder / "runs/slow"), "--json"])
    return json.loads(answer.stdout)


@pytest.fixture
def running(tmp_path: Path):
    """A controller that has done its first simulations."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    process = subprocess.Popen(
        [*COMMAND, "run", "slow.yaml", "--run", "runs/slow"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    events = tmp_path / "runs/slow/events.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (events.exists() and '"task_done"' in events.read_text()):
        time.sleep(0.05)
    yield process, tmp_path
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_stop_from_elsewhere_ends_with_75_and_resume_goes_on(running) -> None:
    process, folder = running
    assert status(folder)["state"] == "running"
    second = mlaround("resume", "runs/slow", cwd=folder)
    assert (second.returncode, "held by another controller" in second.stderr) == (4, True)
    said = mlaround("stop", "runs/slow", cwd=folder).stdout.splitlines()
    assert said[0].endswith("of 400 simulations are done, and `mlaround resume` goes on")
    assert said[1] == "done: running tasks get a moment to end"
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "next: mlaround resume runs/slow" in out
    assert status(folder)["state"] == "stopped"
    assert "nothing to stop" in mlaround("stop", "runs/slow", cwd=folder).stdout
    done = status(folder)["simulations"]["done"]
    again = mlaround("resume", "runs/slow", "--set", f"stop.simulations={done + 4}", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert status(folder)["simulations"]["done"] >= done + 4


def test_a_killed_controller_is_told_from_a_living_one(running) -> None:
    process, folder = running
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = status(folder)
    assert found["state"] == "interrupted"
    assert found["hint"].startswith("mlaround resume ")
    screen = mlaround("status", cwd=folder)
    assert screen.stdout.startswith("INTERRUPTED  slow")
    assert screen.stderr == "next: mlaround resume runs/slow\n"


def test_ctrl_c_leaves_a_run_that_can_be_resumed(running) -> None:
    process, folder = running
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode in (75, 130)
    assert "Traceback" not in error
    assert status(folder)["state"] in ("stopped", "interrupted")


@pytest.mark.parametrize("ending", [">&- 2>&-", "> /dev/full", "2>&1 | head -1"])
def test_a_run_is_what_it_is_when_nobody_reads_what_it_says(tmp_path: Path, ending: str) -> None:
    if "full" in ending and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "slow.yaml").write_text(SLOW)
    words = shlex.join([*COMMAND, "run", "slow.yaml", "--run", "runs/slow", "--set", "stop.simulations=4"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} {ending}"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "unexpected" not in done.stdout + done.stderr
    assert status(tmp_path)["state"] == "finished"


def test_a_run_whose_simulations_fail_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "breaking.yaml").write_text(BREAKING)
    done = mlaround("run", "breaking.yaml", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "6 x well too stiff" in done.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("breaking-20")
    assert (folder / "campaign.yaml").read_text() == BREAKING


def test_a_full_disk_is_told_from_a_mistake(tmp_path: Path, monkeypatch, capsys) -> None:
    from workflow.cli.controller import control
    from workflow.cli.failures import Failure
    from workflow.folder import RunFolder

    monkeypatch.chdir(tmp_path)
    run = RunFolder("runs/full")
    run.create(campaign="", resolved="", provenance={})

    def start(_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Failure) as end:
        control(run, start, dashboard=False)
    assert "runs/full: No space left on device" in end.value.message
    assert end.value.next_command.startswith("mlaround resume runs/full")
