"""Worker processes on this machine: the one block of Parsl's executor, started and watched from here."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from workflow.executor_pool import ExecutorPool, Life
from workflow.resources import Local

HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD = 1, 6
"""Seconds; how soon lost workers are noticed by their manager, and it and the interchange by each other."""

LOOK_PERIOD = 2.0
"""Seconds between questions to the interchange whether it still knows the manager."""

COMING = 120.0
"""Seconds within which the manager has told the interchange of itself, however busy the machine is."""


class ProcessPool(ExecutorPool):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor."""

    def __init__(self, resources: Local, folder: Path, workers: int, name: str) -> None:
        self.workers, self._resources = workers, resources
        super().__init__(folder, name)

    @property
    def depth(self) -> int:
        """Two tasks for each worker: one runs and one waits."""
        return 2 * self.workers

    def _new_life(self, folder: Path) -> Life:
        return _Life(self._resources, folder, self.workers, self._name)


class _Life(Life):
    def __init__(self, resources: Local, folder: Path, workers: int, name: str) -> None:
        super().__init__(folder, name)
        self._resources, self._workers = resources, workers
        self._died_at: float | None = None
        self._looked = time.monotonic()
        self._expected = self._looked + COMING
        self._reports: list[float] = []
        """When tasks were reported lost with their workers, of deaths that are not accounted for yet."""

    def _make(self) -> Any:
        from workflow.parsl_executor import local_executor  # imported here: it takes a second

        heartbeat = (HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD)
        return local_executor(self._resources, self._folder, self._workers, self._name, heartbeat)

    def _breakdown(self) -> str | None:
        if not self._interchange_lives():
            return "the interchange died"
        if self._executor.manager.poll() is not None:
            return "the manager of the workers died"
        if self._worker_died_unnoticed():
            return "a worker died and left the others' queue locked"
        return self._estranged()

    def _estranged(self) -> str | None:
        """What keeps interchange and manager apart although both live, if anything does.

        When the clock jumps the one may give up the other, which then waits for ever, and nothing is said if
        it had no task just then.
        """
        now = time.monotonic()
        if now < self._looked + LOOK_PERIOD:
            return None
        self._looked = now
        managers = self._managers()
        if managers is None:
            return "the interchange does not answer"
        if managers:
            self._expected = now
        elif now > self._expected:
            return "the interchange has given up the manager of the workers"
        return None

    def _worker_died_unnoticed(self) -> bool:
        """Whether a process of the manager's has been gone for some time and no task was reported lost.

        Parsl reports the task of a worker that dies while it runs one, and replaces the worker. But one
        that is killed while it waits for a task holds the lock of the queue that all workers share, and
        one that dies just after it took a task takes that with it: the others would wait for ever.
        """
        family = self._executor.family
        if len(family) < self._workers + 2:  # not complete yet: the workers and two helpers
            self._look_around()
            return False
        dead = sum(1 for process in family if not _lives(process))
        if not dead:
            return False
        now = time.monotonic()
        if self._died_at is None:
            self._died_at = now
        # A report for each of them: that of one death says nothing of another a moment later.
        if sum(1 for report in self._reports if report > self._died_at - 2 * HEARTBEAT_PERIOD) >= dead:
            self._look_around()
            return False
        return now > self._died_at + 2 * HEARTBEAT_PERIOD

    def _look_around(self) -> None:
        """Get to know the processes there are; what was reported of others is done with."""
        self._died_at, self._reports = None, []
        self._executor.look_around()

    def _note_lost_worker(self) -> None:
        self._reports.append(time.monotonic())

    def _end_workers(self) -> None:
        self._executor.end_manager()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
