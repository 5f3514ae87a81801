"""Where tasks run: what the campaign says about it, and pools of workers."""

from __future__ import annotations

import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

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


class PoolLostError(Exception):
    """The processes that ran a task are gone, and its result with them."""


class Pool(ABC):
    """Workers that run functions; what the engine sees of a place.

    Attributes:
        workers: how many tasks run at a time.
        depth: how many tasks to hand over at a time, so that one is ready wherever one ends.
        breakdowns: how often it was restarted.
    """

    workers: int
    depth: int
    breakdowns: int = 0

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""

    @property
    @abstractmethod
    def broken(self) -> bool:
        """Whether nothing runs any more until `restart`."""

    @abstractmethod
    def lost(self, error: BaseException) -> bool:
        """Whether a task failed because its worker went away, so that it may be tried again."""

    @abstractmethod
    def restart(self) -> None:
        """Start anew after the pool broke; tasks that it held have failed with a loss."""

    @abstractmethod
    def close(self, *, kill: bool = False) -> None:
        """Let the workers go.

        Args:
            kill: do not wait for tasks that run, where they can be killed.
        """


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


class ThreadPool(Pool):
    """Threads of this process. They cannot be killed: what runs is waited for.

    Twice as many threads as workers share the workers' places (see `computing`): while one waits for
    the disk to take its results, another computes.
    """

    def __init__(self, workers: int, name: str) -> None:
        self.workers = workers
        self.depth = 3 * workers
        self._places: queue.SimpleQueue[str] = queue.SimpleQueue()
        for k in range(workers):
            self._places.put(f"worker-{k}")
        self._executor = ThreadPoolExecutor(
            2 * workers,
            thread_name_prefix=name,
            initializer=setattr,
            initargs=(_thread, "places", self._places),
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a thread."""
        return self._executor.submit(function, *args)

    @property
    def broken(self) -> bool:
        """Threads do not break."""
        return False

    def lost(self, error: BaseException) -> bool:
        """Threads do not go away."""
        return False

    def restart(self) -> None:
        """Threads do not break."""

    def close(self, *, kill: bool = False) -> None:
        """Let the threads end; tasks that did not start are dropped."""
        self._executor.shutdown(wait=not kill, cancel_futures=True)


_thread = threading.local()


@contextmanager
def computing() -> Iterator[str]:
    """Be one of the pool's workers, whose name it gives; a task computes inside, and may write outside."""
    places = getattr(_thread, "places", None)
    if places is None:  # a process of its own is a worker for all of its life
        yield f"worker-{os.environ.get('PARSL_WORKER_RANK', '0')}"
        return
    name = places.get()
    try:
        yield name
    finally:
        places.put(name)
