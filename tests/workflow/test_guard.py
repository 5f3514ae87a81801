"""What a worker leaves behind: nothing, however it dies and wherever its programs have put themselves."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

WAIT = 60  # generous: the machine may be busy

# It prints the numbers of processes that are to be gone when it is, and the guard's token, a line each.
WORKER = """
import os, subprocess, sys, time
from workflow.guard import start_guard

def said(number):
    os.write(1, f"{number}\\n".encode())

def forked(then):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            said(os.getpid())
            then()
        os._exit(0)

start_guard()
said(subprocess.Popen(["sleep", "600"]).pid)
said(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
said(subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600; exit"], start_new_session=True).pid)
subprocess.run("trap '' TERM; (setsid sleep 600 & echo $!)", shell=True)
forked(lambda: os.execlp("sleep", "sleep", "600"))
forked(lambda: time.sleep(600))  # runs no program of its own, and has the worker's end of the pipe
said(next(name for name in os.environ if name.startswith("MLAROUND_WORKER_")))
sys.stdin.read()
"""


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes):
    end = time.monotonic() + WAIT
    while left := [process for process in processes if lives(process)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.02)
    return []


def guards(token):
    """Processes that look for this token."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if token in (process.info["cmdline"] or []):
            found.append(process)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="guards are for Linux")
@pytest.mark.parametrize("end", ["killed", "by itself"])
def test_all_that_a_worker_started_is_gone_with_it_and_nothing_else(end):
    mine = subprocess.Popen(["sleep", "600"])  # beside the worker, as another program of the user's
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        said = {worker.stdout.readline().strip() for _ in range(7)}
        (token,) = (word for word in said if word.startswith("MLAROUND_WORKER_"))
        started = [psutil.Process(int(word)) for word in said - {token}]
        assert all(lives(process) for process in started)
        (guard,) = guards(token)
        assert guard.ppid() != worker.pid
        if end == "killed":
            worker.kill()
        else:
            worker.stdin.close()
        assert worker.wait(WAIT) == (-9 if end == "killed" else 0)
        assert gone(started) == []
        assert gone([guard]) == []
        assert guards(token) == []
        assert mine.poll() is None
    finally:
        for process in (mine, worker):
            process.kill()
            process.wait()
        worker.stdin.close()
        worker.stdout.close()
