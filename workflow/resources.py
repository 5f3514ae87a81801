"""Where tasks run. The only file that imports Parsl, and it does so when a pool starts."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from workflow.quantities import Duration


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
