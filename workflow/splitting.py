"""Running a task's simulations again in several tasks, to find the one that takes its worker along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workflow.record import Record

PARTS = 8
"""Into how many tasks one is split at most: the simulation to blame is found among 512 in three rounds."""


def split(record: Record, task: int, message: str, note: Callable[..., Any]) -> list[int]:
    """Put smaller tasks in the place of one, which is over then without a failure of its simulations.

    Args:
        record: of the run.
        task: which may have been split in part already, by a controller that died just then.
        message: why, in a sentence.
        note: records an event with these fields, and lets the record know.

    Returns:
        the new tasks.
    """
    first, count = int(record.task_first[task]), int(record.task_count[task])
    own = first + np.flatnonzero(record.task[first : first + count] == task)
    # Never across a simulation that runs elsewhere.
    runs = np.split(own, np.flatnonzero(np.diff(own) > 1) + 1) if len(own) else []
    size = -(-len(own) // PARTS)
    new = []
    for run in runs:
        for part in np.array_split(run, -(-len(run) // size)):
            start, end = int(part[0]), int(part[-1]) + 1
            new.append(record.tasks)
            note(
                "task_proposed",
                task=record.tasks,
                first=start,
                inputs=record.inputs[start:end].tolist(),
                held_out=record.held_out[start:end].astype(int).tolist(),
                model=int(record.task_model[task]) or None,
                again=True,
            )
    note("task_failed", task=task, reason="split", message=message)
    return new
