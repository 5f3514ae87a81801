"""How large a batch should be: measured cost against the length that a task should have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from simulators import InvalidInputError, Simulator

Array = NDArray[np.float64]

WEIGHT = 0.4
"""Weight of the newest task in the running average of the cost."""

LEAST_WORK = 1e-12
"""Work of a replica that claims to be none."""

REMEMBERED = 10_000
"""Replicas whose work is remembered: it is asked for when a task is cut, and again when it is done."""


class BatchSizer:
    """Learns seconds per unit of a simulator's work, and cuts batches to a length in time.

    Args:
        simulator: whose `work` is the unit.
        names: of the space's inputs.
        task_time: how long a task should last, s.
        workers: how many tasks run at a time.
    """

    def __init__(self, simulator: Simulator, names: Sequence[str], task_time: float, workers: int) -> None:
        self._simulator, self._names = simulator, tuple(names)
        self._parameters = tuple(p.name for p in simulator.inputs)
        self._task_time, self._workers = task_time, workers
        self._together = simulator.together
        self._rate: float | None = None  # s per unit of work, a running average
        self._mean_work = LEAST_WORK
        self._work_of = lru_cache(maxsize=REMEMBERED)(self._worked_out)

    def learn(self, rows: Array, seconds: float) -> None:
        """Take in a finished task.

        Args:
            rows: its replicas' inputs, array (n, dimensions).
            seconds: its length on its worker, the writing of its file included.
        """
        work = sum(self._work(row) for row in rows)
        rate = seconds / (work * self._whole_groups(len(rows)) / len(rows))
        self._rate = rate if self._rate is None else (1 - WEIGHT) * self._rate + WEIGHT * rate
        self._mean_work = work / len(rows)

    def wish(self, remaining: int) -> int:
        """How many replicas the next task would like to have.

        Args:
            remaining: replicas not proposed yet. A task never takes more than half of a worker's
                equal share of them, so that no worker is left idle while another finishes.
        """
        share = max(1, ceil(remaining / (2 * self._workers)))
        if self._rate is None:
            return min(self._together, share)  # a probe: a replica may take microseconds or hours
        group = self._rate * self._mean_work * self._together
        return min(share, max(1, int(self._task_time / group)) * self._together)

    def cut(self, rows: Array, wish: int) -> int:
        """How many of the first ``rows`` make a task: up to ``wish``, and no longer than a task should be."""
        if self._rate is None:
            return min(self._together, wish, len(rows))
        seconds = 0.0
        for k, row in enumerate(rows[:wish]):
            seconds += self._rate * self._work(row)
            if k >= self._together and seconds > self._task_time:
                return k // self._together * self._together
        return min(wish, len(rows))

    def seconds(self, rows: Array) -> float | None:
        """How long a task of these replicas is expected to last, s; ``None`` before any is done."""
        if self._rate is None:
            return None
        work = sum(self._work(row) for row in rows)
        return self._rate * work * self._whole_groups(len(rows)) / len(rows)

    def groups(self, replicas: int) -> int:
        """How many replicas after each other a batch takes as long as."""
        return ceil(replicas / self._together)

    def _whole_groups(self, replicas: int) -> int:
        """As many replicas as a batch costs: those that share a vector cost as much as a full one."""
        return self.groups(replicas) * self._together

    def _work(self, row: Array) -> float:
        return self._work_of(*row.tolist())

    def _worked_out(self, *row: float) -> float:
        given = dict(zip(self._names, row, strict=True))
        try:
            complete = self._simulator.complete(given)
        except InvalidInputError:
            return LEAST_WORK  # it will fail at once
        return max(
            self._simulator.work(dict(zip(self._parameters, complete.tolist(), strict=True))), LEAST_WORK
        )
