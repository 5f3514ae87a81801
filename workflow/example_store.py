"""Simulations to learn from, each read from its result file once by a process that asks again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surrogates import Signature
from workflow.folder import RunFolder
from workflow.record import Record
from workflow.results import Examples, read_examples


class ExampleStore:
    """Keeps what it has read of one run, and reads what is new."""

    def __init__(self) -> None:
        self._replicas = self._tasks = np.empty(0, dtype=np.int64)
        self._examples: Examples | None = None

    def read(
        self, folder: RunFolder, record: Record, signature: Signature, replicas: NDArray[np.int64]
    ) -> Examples:
        """Simulations to learn from or to judge by; arguments as of `workflow.results.read_examples`.

        Raises:
            ResultFileError: a file is missing or damaged.
        """
        row = np.full(record.replicas, -1)
        # One that ran again since belongs to another task now.
        same = np.flatnonzero(record.task[self._replicas] == self._tasks)
        row[self._replicas[same]] = same
        new = replicas[row[replicas] < 0]
        if len(new) or self._examples is None:
            read = read_examples(folder, record, signature, new)
            row[new] = len(self._replicas) + np.arange(len(new))
            self._replicas = np.concatenate([self._replicas, new])
            self._tasks = np.concatenate([self._tasks, record.task[new]])
            self._examples = read if self._examples is None else self._examples.and_also(read)
        return self._examples.at(row[replicas])
