"""A program that runs is followed to its end, and nothing of it is left, whatever it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from simulators.batch.process import run_command

PYTHON = sys.executable
SLEEPERS = """
import os, subprocess, sys, time
where, own_session = sys.argv[1], sys.argv[2] == "own session"
child = subprocess.Popen(["sleep", "600"], start_new_session=own_session)
open(where, "w").write(str(child.pid))
print("started", flush=True)
if sys.argv[3] == "wait":
    time.sleep(600)
"""


def python(text: str, *arguments: str) -> list[str]:
    return [PYTHON, "-c", text, *arguments]


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone(pid: int, within: float = 10.0) -> bool:
    until = time.monotonic() + within
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


def test_output_and_exit_code(tmp_path: Path) -> None:
    text = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = run_command(python(text), folder=tmp_path, timeout=60)
    assert (done.returncode, done.stdout, done.stderr, done.timed_out) == (3, "out\n", "err\n", False)
    assert done.end == "exit code 3"


def test_it_runs_in_its_folder_with_its_variables_and_its_input(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("7")
    text = "import os, sys; print(os.getcwd(), os.environ['SPRING'], sys.stdin.read())"
    done = run_command(
        python(text), folder=tmp_path, timeout=60, environment={"SPRING": "4"}, stdin=tmp_path / "in"
    )
    assert done.stdout == f"{tmp_path.resolve()} 4 7\n"


def test_it_waits_for_no_input(tmp_path: Path) -> None:
    assert run_command(["cat"], folder=tmp_path, timeout=60).stdout == ""


def test_a_program_that_dies_says_of_what(tmp_path: Path) -> None:
    text = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert run_command(python(text), folder=tmp_path, timeout=60).end == "killed by SIGSEGV"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no_such_program"):
        run_command(["no_such_program"], folder=tmp_path, timeout=1)
    (tmp_path / "run.sh").write_text("#!/bin/sh\necho here")
    with pytest.raises(FileNotFoundError, match=r"run\.sh"):  # it may not be executed
        run_command(["./run.sh"], folder=tmp_path, timeout=1)
    (tmp_path / "run.sh").chmod(0o755)
    assert run_command(["./run.sh"], folder=tmp_path, timeout=60).stdout == "here\n"


@pytest.mark.parametrize("session", ["own session", "same session"])
def test_after_its_time_nothing_is_left(tmp_path: Path, session: str) -> None:
    started = time.monotonic()
    done = run_command(python(SLEEPERS, str(tmp_path / "pid"), session, "wait"), folder=tmp_path, timeout=2.0)
    assert done.timed_out
    assert done.stdout == "started\n"
    assert not alive(int((tmp_path / "pid").read_text()))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("session", ["own session", "same session"])
def test_a_child_that_holds_the_output_open_is_not_waited_for(tmp_path: Path, session: str) -> None:
    started = time.monotonic()
    done = run_command(
        python(SLEEPERS, str(tmp_path / "pid"), session, "leave"), folder=tmp_path, timeout=500
    )
    assert (done.returncode, done.stdout, done.timed_out) == (0, "started\n", False)
    assert gone(int((tmp_path / "pid").read_text()))
    assert time.monotonic() - started < 30


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    text = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    done = run_command(python(text), folder=tmp_path, timeout=1.5)
    assert done.timed_out
    assert done.returncode != 0


def test_output_without_end_is_bounded_and_its_end_is_kept(tmp_path: Path) -> None:
    text = "import sys\nfor k in range(200_000): print(f'{k:07d}')\nprint('last')"
    done = run_command(python(text), folder=tmp_path, timeout=120, limit=10_000)
    assert len(done.stdout) == 10_000
    assert done.stdout.endswith("0199999\nlast\n")
    assert done.lost == 200_000 * 8 + 5 - 10_000


def test_what_is_raised_while_waiting_ends_it(tmp_path: Path) -> None:
    def stop() -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command(
            python(SLEEPERS, str(tmp_path / "pid"), "same session", "wait"),
            folder=tmp_path,
            timeout=None,
            while_waiting=stop,
        )
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells of a parent's death on Linux alone")
def test_it_dies_with_the_process_that_runs_it(tmp_path: Path) -> None:
    runner = f"""
from pathlib import Path
from simulators.batch.process import run_command
run_command(["sh", "-c", "sleep 600 & echo $! > pid; wait"], folder=Path({str(tmp_path)!r}), timeout=None)
"""
    parent = subprocess.Popen(python(runner), env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert gone(int((tmp_path / "pid").read_text()))
