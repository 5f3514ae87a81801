"""The processes of a run, found by what they are: their environment and their command line (Linux)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chaos_plugins import MARK, training_file

from workflow.folder import process_start

LEFT = 10.0
"""Seconds after which a process that should have gone counts as left behind."""

Processes = dict[int, list[str]]
"""Number of a process -> its command line."""

SETTLED = 2.0
"""Seconds after which a process that is none of a run's is not looked at again: until then it may yet become
another program, with another environment."""


class Family:
    """The processes of a run: those with its mark in their environment, and all that its controller starts.

    Some programs overwrite what the system shows of their environment with a title of their own: they are
    known by their parent, and remembered by their start when that is gone.
    """

    def __init__(self, run: Path) -> None:
        self.mark = f"{MARK}={run}".encode()
        self.roots: set[int] = set()
        self._known: dict[int, float] = {}
        self._strangers: dict[int, float] = {}

    def look(self) -> Processes:
        """All that live now; the controllers, which were forked, are left out."""
        now, found = time.monotonic(), {}
        present = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
        self._strangers = {pid: seen for pid, seen in self._strangers.items() if pid in present}
        for pid in sorted(present - self.roots):
            if self._strangers.get(pid, now) < now - SETTLED:
                continue
            if self._is_ours(pid):
                with suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                    found[pid] = words[:-1]
            else:
                self._strangers.setdefault(pid, now)
        return found

    def _is_ours(self, pid: int) -> bool:
        start = process_start(pid)
        if start is None:  # it ended just now, or waits to be reaped
            return False
        if self._known.get(pid) == start:
            return True
        with suppress(OSError, IndexError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if (
                parent in self.roots
                or parent in self._known
                or self.mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            ):
                self._known[pid] = start
                self._strangers.pop(pid, None)
                return True
        return False

    def wait_until_gone(self) -> tuple[int, float]:
        """Processes left behind, which are then ended, and seconds until the others were gone."""
        start = time.monotonic()
        while left := self.look():
            if time.monotonic() > start + LEFT:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - start
        for pid in left:
            kill(pid)
        self._known.clear()
        return len(left), seconds


def kill(pid: int) -> bool:
    """Kill with -9; whether it was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


# Victims: those of a run's processes that a row of the table kills.

Victim = Callable[[Path, Processes], list[int]]


def interchange(run: Path, processes: Processes) -> list[int]:
    return [pid for pid, words in processes.items() if any("interchange" in word for word in words)]


def manager(run: Path, processes: Processes) -> list[int]:
    """The process that starts workers, not the shell or the interpreter that watches over it."""
    module = "parsl.executors.high_throughput.process_worker_pool"
    return [pid for pid, words in processes.items() if words[1:3] == ["-m", module]]


def worker(run: Path, processes: Processes) -> list[int]:
    """Workers of any pool, busy or not, and the helpers that they depend on."""
    return [pid for pid, words in processes.items() if any("spawn_main" in word for word in words)]


def busy_worker(run: Path, processes: Processes) -> list[int]:
    """Workers that run a simulation now."""
    pids = []
    for path in (run / "running").glob("task-*.json"):
        with suppress(OSError, ValueError):
            pids.append(int(json.loads(path.read_text())["pid"]))
    return [pid for pid in pids if pid in processes]


def trainer(run: Path, processes: Processes) -> list[int]:
    """The worker that trains now."""
    with suppress(OSError, ValueError):
        pid = int(training_file(run).read_text())
        if pid in processes:
            return [pid]
    return []


def rank(run: Path, processes: Processes) -> list[int]:
    """MPI ranks, not the launchers above them."""
    return [
        pid
        for pid, words in processes.items()
        if words[1:2] == ["-m"] and "mpi4py" in words and "simulators.batch.rank" in words
    ]
