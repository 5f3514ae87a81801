"""Ending one task: its worker process and all that this has started, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from workflow.folder import RunFolder, process_start


def end_task(folder: RunFolder, marker: Mapping[str, Any]) -> bool:
    """Kill the process that runs a task, with its children; whether it was still at it.

    Args:
        folder: of the run.
        marker: what the worker left when it began, on this host (`RunFolder.running_tasks`).
    """
    import psutil  # imported here: few runs need it

    try:
        worker = psutil.Process(marker["pid"])
        # It is stopped before it is looked at: in the meantime it might begin with another task.
        worker.suspend()
    except psutil.NoSuchProcess:
        return True  # it died by itself, and its task with it
    result = folder.result(marker["task"])
    same = process_start(marker["pid"]) == marker["process_started"]
    if not same or not folder.marker(marker["task"]).exists() or result.exists():
        worker.resume()
        return False
    family = [worker]
    while new := [child for child in worker.children(recursive=True) if child not in family]:
        for child in new:
            with suppress(psutil.NoSuchProcess):
                child.suspend()
        family += new
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    folder.marker(marker["task"]).unlink(missing_ok=True)
    return True
