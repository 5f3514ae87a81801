"""The tasks of a run as columns, and which of them changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.events import Event
from workflow.growing_table import GrowingTable
from workflow.record import Record


class TaskState(IntEnum):
    """What is shown of a task."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    PARTLY = 3
    """Done, but some of its simulations failed or are lost."""
    FAILED = 4
    LOST = 5


class TaskTable:
    """The tasks of a run. An event costs the same however many there are.

    Attributes:
        workers: names, in the order in which they were first seen.
    """

    def __init__(self) -> None:
        self.workers: list[str] = []
        self._index: dict[str, int] = {}
        self._table = GrowingTable()
        self._state = self._table.column("u1")
        self._worker = self._table.column("i2", fill=-1)
        self._start = self._table.column("f8", fill=np.nan)
        self._end = self._table.column("f8", fill=np.nan)
        self._changed = self._table.column("i8")
        self._touched: set[int] = set()
        self._running: set[int] = set()

    def __len__(self) -> int:
        return self._table.n

    def apply(self, record: Record, event: Event) -> None:
        """Let the record take in an event, and note what it did to tasks."""
        kind = event["event"]
        ends = kind in ("task_done", "task_failed") and not record.task_finished[event["task"]]
        done, failed = record.done, record.failed
        record.apply(event)
        if kind == "task_proposed":
            self._table.extend(record.tasks)
            self._touched.add(event["task"])
        elif ends and kind == "task_done":
            task = event["task"]
            self._ran(event)
            self._state.data[task] = _outcome(
                int(record.task_count[task]), record.done - done, record.failed - failed
            )
        elif ends:
            if "worker" in event:
                self._ran(event)
            else:
                self._waits(event["task"])  # on which worker, and from when, the log does not say
            # A task that was split fails none of its simulations: they run in others.
            none = record.failed == failed
            self._state.data[event["task"]] = TaskState.LOST if none else TaskState.FAILED
        elif kind == "task_retried" and not record.task_finished[event["task"]]:
            self._waits(event["task"])
        elif kind in ("run_started", "run_stopped"):
            over = kind == "run_stopped" and event["state"] == "finished"
            for task in record.unfinished_tasks().tolist():
                self._waits(task)
                if over:  # nobody will take it up
                    self._state.data[task] = TaskState.LOST

    def set_running(self, running: Sequence[Mapping[str, Any]]) -> None:
        """Say which tasks are in the hands of workers: ``task``, ``worker`` and ``started`` of each."""
        now = {}
        for entry in running:
            task = entry["task"]
            if 0 <= task < len(self) and self._state.data[task] <= TaskState.RUNNING:
                now[task] = entry
        for task in self._running - now.keys():
            self._waits(task)
        for task, entry in now.items():
            worker, start = self._number(str(entry["worker"])), float(entry["started"])
            if task not in self._running or self._start.data[task] != start:
                self._state.data[task] = TaskState.RUNNING
                self._worker.data[task], self._start.data[task] = worker, start
                self._touched.add(task)
        self._running = set(now)

    @property
    def running(self) -> list[int]:
        """Tasks in the hands of workers, ascending."""
        return sorted(self._running)

    def of_running(self) -> list[dict[str, Any]]:
        """Task, worker and start of each that runs."""
        return [
            {
                "task": task,
                "worker": self.workers[self._worker.data[task]],
                "since": round(float(self._start.data[task]), 3),
            }
            for task in self.running
        ]

    def take(self, seq: int) -> NDArray[np.int64]:
        """The tasks that changed since the last time, ascending; they count as changed at ``seq``."""
        changed = np.array(sorted(self._touched), dtype=np.int64)
        self._changed.data[changed] = seq
        self._touched.clear()
        return changed

    def since(self, seq: int) -> NDArray[np.int64]:
        """The tasks that changed after ``seq``, ascending."""
        return np.flatnonzero(self._changed.view() > seq)

    def columns(self, tasks: NDArray[np.int64], origin: float) -> dict[str, list[int]]:
        """Some tasks as they are now; times in hundredths of a second, -1 where unknown."""
        start, end = self._start.data[tasks], self._end.data[tasks]
        return {
            "id": tasks.tolist(),
            "state": self._state.data[tasks].tolist(),
            "worker": self._worker.data[tasks].tolist(),
            "start": _hundredths(start - origin).tolist(),
            "length": _hundredths(end - start).tolist(),
        }

    def whole(self, origin: float) -> dict[str, Any]:
        """All tasks: a digit each for their states; each start is told from the one before."""
        start, end = self._start.view(), self._end.view()
        return {
            "state": (self._state.view() + ord("0")).tobytes().decode("ascii"),
            "worker": self._worker.view().tolist(),
            "start": np.diff(_hundredths(start - origin), prepend=0).tolist(),
            "length": _hundredths(end - start).tolist(),
        }

    def _number(self, worker: str) -> int:
        index = self._index.get(worker)
        if index is None:
            index = self._index[worker] = len(self.workers)
            self.workers.append(worker)
        return index

    def _ran(self, event: Event) -> None:
        task = event["task"]
        self._worker.data[task] = self._number(event["worker"])
        self._start.data[task], self._end.data[task] = event["started"], event["ended"]
        self._left(task)

    def _waits(self, task: int) -> None:
        self._state.data[task], self._worker.data[task] = TaskState.WAITING, -1
        self._start.data[task] = self._end.data[task] = np.nan
        self._left(task)

    def _left(self, task: int) -> None:
        self._running.discard(task)
        self._touched.add(task)


def _outcome(count: int, done: int, failed: int) -> TaskState:
    if done == count:
        return TaskState.DONE
    if done:
        return TaskState.PARTLY
    return TaskState.FAILED if failed else TaskState.LOST


def _hundredths(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    # A clock that was put back must not make a known time look like an unknown one, hence the clip.
    known = np.where(np.isfinite(seconds), seconds.clip(min=0.0), -0.01)
    hundredths: NDArray[np.int64] = np.rint(100 * known).astype(np.int64)
    return hundredths
