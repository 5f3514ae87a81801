"""The columns of a record, one row for each replica or task, and how they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.growing_table import Column, GrowingTable

Array = NDArray[np.float64]

INPUTS, MEAN, STDERR = "inputs", "mean/", "stderr/"
"""Names of kept arrays; the others bear those of their attributes."""


class RecordTables:
    """What is known of each replica and of each task.

    Arrays are views, which the next event may outdate.
    """

    def __init__(self) -> None:
        self._by_replica, self._by_task = GrowingTable(), GrowingTable()
        self._inputs: Column | None = None
        self._scalars: dict[str, tuple[Column, Column]] = {}
        self._held_out = self._by_replica.column("?")
        self._asked = self._by_replica.column("?")
        self._state = self._by_replica.column("u1")
        self._task = self._by_replica.column("i4", fill=-1)
        self._wall = self._by_replica.column("f4", fill=np.nan)
        self._cpu = self._by_replica.column("f4", fill=np.nan)
        self._task_first = self._by_task.column("i8")
        self._task_count = self._by_task.column("i4")
        self._task_model = self._by_task.column("i4")
        self._task_worker = self._by_task.column("i4", fill=-1)
        self._task_started = self._by_task.column("f8", fill=np.nan)
        self._task_ended = self._by_task.column("f8", fill=np.nan)
        self._task_attempts = self._by_task.column("u2")
        self._task_cpu = self._by_task.column("f4", fill=np.nan)
        self._task_finished = self._by_task.column("?")
        self._task_given_up = self._by_task.column("?")

    # Replicas, each an array (replicas,) unless said otherwise.

    @property
    def inputs(self) -> Array:
        """Inputs, array (replicas, dimensions)."""
        return np.empty((0, 0)) if self._inputs is None else self._inputs.view()

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Whether no model may see it in training."""
        return self._held_out.view()

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Whether it is a point that a user asked for, rather than the policy."""
        return self._asked.view()

    @property
    def state(self) -> NDArray[np.uint8]:
        """A `State` for each replica."""
        return self._state.view()

    @property
    def task(self) -> NDArray[np.int32]:
        """Task that each replica belongs to: the last one, where it ran again."""
        return self._task.view()

    @property
    def wall_seconds(self) -> NDArray[np.float32]:
        """Wall time, s; NaN until done."""
        return self._wall.view()

    @property
    def cpu_seconds(self) -> NDArray[np.float32]:
        """Processor time, s; NaN until done."""
        return self._cpu.view()

    @property
    def scalar_names(self) -> tuple[str, ...]:
        """Scalar outputs seen so far."""
        return tuple(self._scalars)

    def mean(self, name: str) -> Array:
        """Means of a scalar output; NaN where there is none."""
        return self._scalars[name][0].view()

    def stderr(self, name: str) -> Array:
        """Standard errors of a scalar output; NaN where there is none."""
        return self._scalars[name][1].view()

    # Tasks, each an array (tasks,).

    @property
    def task_first(self) -> NDArray[np.int64]:
        """Number of each task's first replica."""
        return self._task_first.view()

    @property
    def task_count(self) -> NDArray[np.int32]:
        """Number of replicas of each task."""
        return self._task_count.view()

    @property
    def task_model(self) -> NDArray[np.int32]:
        """Version of the model that steered each task; 0 for none."""
        return self._task_model.view()

    @property
    def task_started(self) -> Array:
        """When each task started on its worker, seconds since 1970; NaN until it is over, or if unknown."""
        return self._task_started.view()

    @property
    def task_ended(self) -> Array:
        """When each task ended on its worker, seconds since 1970; NaN until it is over, or if unknown."""
        return self._task_ended.view()

    @property
    def task_worker(self) -> NDArray[np.int32]:
        """Index into `worker_names`; -1 until it is over, or if unknown."""
        return self._task_worker.view()

    @property
    def task_cpu(self) -> NDArray[np.float32]:
        """Processor time of each task as its worker measured it, s; NaN until done."""
        return self._task_cpu.view()

    @property
    def task_attempts(self) -> NDArray[np.uint16]:
        """How often each task was submitted again."""
        return self._task_attempts.view()

    @property
    def task_finished(self) -> NDArray[np.bool_]:
        """Whether each task is done or given up."""
        return self._task_finished.view()

    @property
    def task_given_up(self) -> NDArray[np.bool_]:
        """Whether each task was given up: it was killed or split, or its worker was lost too often."""
        return self._task_given_up.view()

    def unfinished_tasks(self) -> NDArray[np.int64]:
        """Tasks proposed and not finished, ascending."""
        return np.flatnonzero(~self.task_finished)

    # Keeping.

    def _scalar(self, name: str) -> tuple[Column, Column]:
        pair = self._scalars.get(name)
        if pair is None:
            column = self._by_replica.column
            pair = self._scalars[name] = (column("f8", fill=np.nan), column("f8", fill=np.nan))
        return pair

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All columns by name: views."""
        return {name: column.view() for name, column in self._columns().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave, before anything else is known.

        Raises:
            ValueError: they are not the columns that there should be.
        """
        if INPUTS in arrays:
            self._inputs = self._by_replica.column("f8", arrays[INPUTS].shape[1])
        for name in arrays:
            if name.startswith(MEAN):
                self._scalar(name.removeprefix(MEAN))
        columns = self._columns()
        if columns.keys() != arrays.keys():
            raise ValueError(f"not the columns of this version: {sorted(columns.keys() ^ arrays.keys())}")
        self._by_replica.restart(len(arrays["_task"]))
        self._by_task.restart(len(arrays["_task_first"]))
        for name, column in columns.items():
            column.replace(arrays[name])

    def _columns(self) -> dict[str, Column]:
        columns = {name: column for name, column in vars(self).items() if isinstance(column, Column)}
        columns.pop("_inputs", None)
        if self._inputs is not None:
            columns[INPUTS] = self._inputs
        for name, (mean, stderr) in self._scalars.items():
            columns |= {MEAN + name: mean, STDERR + name: stderr}
        return columns
