"""Programs that answer one request after another: those that do not are ended, and others start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from simulators.batch.sessions import SessionError, Sessions

PROGRAM = """
import json, os, sys, time
print(json.dumps({"cpu_seconds": time.process_time()}), flush=True)
for line in sys.stdin:
    what = json.loads(line)["what"]
    if what == "sleep": time.sleep(600)
    if what == "crash": os.abort()
    if what == "rubbish": print("what?", flush=True); time.sleep(600)
    if what == "close": sys.stdout.close(); os.close(1); os.close(2); time.sleep(600)
    if what == "burn":
        until = time.process_time() + 0.3
        while time.process_time() < until: pass
    told = {"pid": os.getpid(), "seen": os.environ.get("SEEN"), "cpu_seconds": time.process_time()}
    print(json.dumps(told), flush=True)
"""


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("simulators.batch.sessions._CLOSE", 1.0)
    before = set(psutil.Process().children(recursive=True))
    with Sessions([sys.executable, "-c", PROGRAM], tmp_path) as sessions:
        yield sessions
    assert set(psutil.Process().children(recursive=True)) <= before


def ask(sessions: Sessions, what: str, **options: Any) -> dict[str, Any]:
    return sessions.ask({"what": what}, **{"timeout": 60.0, "environment": {}, **options})


def test_one_program_answers_all_and_its_time_is_told(sessions: Sessions) -> None:
    answers = [ask(sessions, what) for what in ("hello", "burn", "hello")]
    assert len({answer["pid"] for answer in answers}) == 1
    assert answers[1]["cpu_seconds"] >= 0.3
    assert answers[2]["cpu_seconds"] < 0.2


def test_another_starts_where_it_has_to(sessions: Sessions) -> None:
    first = ask(sessions, "hello")["pid"]
    second = ask(sessions, "hello", environment={"SEEN": "1"}, again=False)
    third = ask(sessions, "hello", environment={"SEEN": "1"})
    assert (second["seen"], third["seen"]) == ("1", "1")
    assert len({first, second["pid"], third["pid"]}) == 3
    assert not psutil.pid_exists(first)


@pytest.mark.parametrize(
    ("what", "end", "timed_out"),
    [("crash", "SIGABRT", False), ("rubbish", "", False), ("sleep", "", True), ("close", "", True)],
)
def test_one_that_does_not_answer_is_ended(sessions: Sessions, what: str, end: str, timed_out: bool) -> None:
    first = ask(sessions, "hello")["pid"]
    with pytest.raises(SessionError) as caught:
        ask(sessions, what, timeout=1.0)
    assert caught.value.ready
    assert caught.value.done.timed_out is timed_out
    assert end in caught.value.done.end
    assert not psutil.pid_exists(first)
    assert ask(sessions, "hello")["pid"] != first


def test_one_that_has_died_in_the_meantime_is_replaced(sessions: Sessions) -> None:
    first = psutil.Process(ask(sessions, "hello")["pid"])
    guard = first.parent()
    first.kill()
    until = time.monotonic() + 10
    while guard is not None and guard.pid != os.getpid() and guard.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert ask(sessions, "hello")["pid"] != first.pid


def test_one_that_cannot_start_is_told_apart(tmp_path: Path) -> None:
    with Sessions([sys.executable, "-c", "import no_such_module"], tmp_path) as sessions:
        with pytest.raises(SessionError) as caught:
            ask(sessions, "hello")
        assert not caught.value.ready
        assert "no_such_module" in caught.value.done.stderr


def test_what_is_raised_while_waiting_ends_it(sessions: Sessions) -> None:
    first = ask(sessions, "hello")["pid"]
    until = time.monotonic() + 0.5

    def stop() -> None:
        if time.monotonic() > until:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(sessions, "sleep", while_waiting=stop)
    assert not psutil.pid_exists(first)


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells of a parent's death on Linux alone")
def test_it_dies_with_the_process_that_asks(tmp_path: Path) -> None:
    runner = f"""
import sys
from pathlib import Path
from simulators.batch.sessions import Sessions
sessions = Sessions([sys.executable, "-c", {PROGRAM!r}], Path({str(tmp_path)!r}))
print(sessions.ask({{"what": "hello"}}, timeout=60, environment={{}})["pid"], flush=True)
sessions.ask({{"what": "sleep"}}, timeout=600, environment={{}})
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", runner],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    session = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 10
    while psutil.pid_exists(session) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(session)
