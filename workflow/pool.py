"""Pools of workers, as the engine sees them, and the one made of threads."""

from __future__ import annotations

import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class PoolLostError(Exception):
    """The processes that ran a task are gone, and its result with them."""


class WithdrawnError(Exception):
    """A task that its worker did not begin with, since it was withdrawn in the meantime."""


class Pool(ABC):
    """Workers that run functions; what the engine sees of a place.

    Attributes:
        workers: how many tasks run at a time.
        killable: whether a task that runs can be ended without ending the controller.
        depth: how many tasks to hand over at a time, so that one is ready wherever one ends.
        breakdowns: how often it was restarted.
    """

    workers: int
    killable: bool = True
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


class ThreadPool(Pool):
    """Threads of this process. They cannot be killed: what runs is waited for.

    Twice as many threads as workers share the workers' places (see `computing`): while one waits for
    the disk to take its results, another computes.
    """

    killable = False

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
