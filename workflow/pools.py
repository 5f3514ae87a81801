"""Starting the pool that a campaign's resources name."""

from __future__ import annotations

from pathlib import Path

from workflow.block_pool import BlockPool
from workflow.pool import Pool, Tell, ThreadPool
from workflow.process_pool import ProcessPool
from workflow.resources import AnyResources, Local, Threads


def start_pool(
    resources: AnyResources,
    folder: Path,
    *,
    name: str,
    workers: int | None = None,
    tell: Tell = lambda event, fields: None,
) -> Pool:
    """A pool of workers.

    Args:
        resources: the campaign's, or of the pool of trainings.
        folder: for the files of the engine underneath.
        name: of the pool, in file and thread names.
        workers: how many, on this machine; by default as the resources say.
        tell: called from another thread with an event and its fields when blocks come or go, and with
            ``workers`` when there are more or fewer workers than before.
    """
    if isinstance(resources, Threads):
        return ThreadPool(workers or resources.workers, name)
    if isinstance(resources, Local):
        return ProcessPool(resources, folder, workers or resources.workers, name)
    return BlockPool(resources, folder, name, tell)
