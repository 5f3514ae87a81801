"""Where tasks run: what the campaign says about it, and the pool that follows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from workflow.durations import Duration
from workflow.pool import Pool, ThreadPool


class _Resources(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: PositiveInt = Field(
        default_factory=lambda: (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        ),
        description="simulations that run at a time; by default one per core",
    )
    task_time: Duration = Field(
        5.0, description="aim for the length of a task; batches are sized to it from measured cost"
    )


class Local(_Resources):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor."""

    kind: Literal["local"] = "local"


class Threads(_Resources):
    """Threads of the controller: starts at once, for tests and for simulators that release the GIL."""

    kind: Literal["threads"] = "threads"


Resources = Annotated[Local | Threads, Field(discriminator="kind")]


def start_pool(resources: Local | Threads, folder: Path, *, workers: int, name: str) -> Pool:
    """A pool of workers.

    Args:
        resources: the campaign's.
        folder: for the files of the engine underneath.
        workers: how many.
        name: of the pool, in file and thread names.
    """
    if isinstance(resources, Threads):
        return ThreadPool(workers, name)
    from workflow.parsl_pool import ParslPool  # imported here: threads do without Parsl

    return ParslPool(folder, workers, name)
