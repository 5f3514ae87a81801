"""Making a run folder whole again before a controller goes on with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.events import EventWriter
from workflow.folder import RunFolder
from workflow.record import Record
from workflow.results import ResultFileError, is_whole, task_summary
from workflow.splitting import split

LATE = 3600.0
"""Seconds before the last task's end in which what was written may not have reached the disk at a crash."""


def mend(folder: RunFolder, record: Record, log: EventWriter) -> None:
    """Bring the record and the files of a run into agreement.

    Result files whose event was never written are adopted; tasks whose file is gone or cut are to run
    again; files and models that were left half-made are removed; a task half split is split to the end.
    """

    def note(event: str, **fields: Any) -> None:
        record.apply(log.append(event, **fields))

    folder.tidy_running()
    present = _tidy_results(folder)
    for task in record.unfinished_tasks().tolist():
        if task in present and (fields := adopted(folder, record, task)) is not None:
            note("task_done", **fields)
    for task in record.half_split:
        split(record, task, "its split was interrupted", note)
    # A task that is done must have a file, unless all that it did was done again.
    current = np.zeros(record.tasks, dtype=bool)
    current[record.task] = True
    late = _ended_late(record)
    for task in np.flatnonzero(record.task_finished & ~record.task_given_up & current).tolist():
        if task not in present or (late[task] and not is_whole(folder.result(task))):
            # Away with it: a result that lies there is taken for one that a worker did not report.
            folder.result(task).unlink(missing_ok=True)
            attempt = int(record.task_attempts[task]) + 1
            reason = f"its result file is {'cut' if task in present else 'missing'}"
            note("task_retried", task=task, attempt=attempt, reason=reason)
    # One that was given up, killed say, may have gone on to its end all the same: it counts for nothing.
    for task in np.flatnonzero(record.task_given_up).tolist():
        if task in present:
            folder.result(task).unlink(missing_ok=True)
    _tidy_models(folder, record)


def _ended_late(record: Record) -> NDArray[np.bool_]:
    """Which tasks ended so late that a crash may have cut their files: a million take long to open."""
    ended = record.task_ended
    last: float = ended.max(initial=-np.inf, where=np.isfinite(ended))
    return ~(ended < last - LATE)


def adopted(folder: RunFolder, record: Record, task: int) -> dict[str, Any] | None:
    """The fields of `task_done` of a task whose result file is in place; a file that is not is removed."""
    path = folder.result(task)
    for half in path.parent.glob(f".{path.stem}.*.partial"):  # its worker is gone
        half.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        first = int(record.task_first[task])
        rows = record.inputs[first : first + int(record.task_count[task])]
        return task_summary(path, task, first, rows)
    except ResultFileError:
        path.unlink()
        return None


def _tidy_results(folder: RunFolder) -> set[int]:
    """Remove what workers left half-written; the tasks that have a result file."""
    present = set()
    for thousand in filter(os.DirEntry.is_dir, os.scandir(folder.results)):
        for entry in os.scandir(thousand):
            if entry.name.endswith(".partial"):
                Path(entry).unlink(missing_ok=True)
            elif entry.name.startswith("task-") and entry.name.endswith(".h5"):
                present.add(int(entry.name[5:-3]))
    return present


def _tidy_models(folder: RunFolder, record: Record) -> None:
    recorded = {folder.model(model["model"]).name for model in record.models}
    for path in folder.models.iterdir():
        if path.is_dir() and path.name not in recorded:
            shutil.rmtree(path)
    folder.point_to_promoted(record.promoted)
