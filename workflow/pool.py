"""Pools of workers, as the engine sees them, and the one made of threads."""

from __future__ import annotations

import os
import queue
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class LostError(Exception):
    """A task has no result because of what happened to the processes that were to run it.

    LostError
    ├── WorkerLostError      its own worker died while it ran: the task may have killed it
    └── PoolLostError        its node, manager or interchange went away: not the task's fault
        └── BlockEndingError it stopped itself, since its block was about to end
    """


class WorkerLostError(LostError):
    """The worker died under the task."""


class PoolLostError(LostError):
    """The processes that ran a task are gone, and its result with them."""


class BlockEndingError(PoolLostError):
    """A task stopped itself, its replicas checkpointed where they keep checkpoints: its block was to end."""


class PoolFailedError(Exception):
    """A pool cannot run anything, and would not if it were started anew: what was found and what to do."""


class WithdrawnError(Exception):
    """A task that its worker did not begin with, since it was withdrawn in the meantime."""


Tell = Callable[[str, dict[str, Any]], None]
"""Takes an event of a pool's and its fields, from any thread."""


class Pool(ABC):
    """Workers that run functions; what the engine sees of a place.

    Attributes:
        workers: how many tasks run at a time once all are there.
        remote: whether tasks run on machines that may have another installation, or not see the run folder.
        breakdowns: how often it was restarted.
    """

    workers: int
    remote: bool = False
    breakdowns: int = 0

    @property
    @abstractmethod
    def depth(self) -> int:
        """How many tasks to hand over at a time, so that one is ready wherever one ends."""

    @property
    def connected(self) -> int:
        """Workers that are there now."""
        return self.workers

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any, urgent: bool = False) -> Future[Any]:
        """Run ``function(*args)`` on a worker.

        Args:
            function: what to run.
            args: its arguments.
            urgent: before all that waits and is not.
        """

    @property
    @abstractmethod
    def broken(self) -> bool:
        """Whether nothing runs any more until `restart`."""

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

    def __init__(self, workers: int, name: str) -> None:
        self.workers = workers
        self._places: queue.SimpleQueue[str] = queue.SimpleQueue()
        for k in range(workers):
            self._places.put(f"worker-{k}")
        self._executor = ThreadPoolExecutor(
            2 * workers,
            thread_name_prefix=name,
            initializer=setattr,
            initargs=(_thread, "places", self._places),
        )

    @property
    def depth(self) -> int:
        """Three tasks for each worker: one computes, one writes and one waits."""
        return 3 * self.workers

    def submit(self, function: Callable[..., Any], *args: Any, urgent: bool = False) -> Future[Any]:
        """Run ``function(*args)`` on a thread."""
        return self._executor.submit(function, *args)

    @property
    def broken(self) -> bool:
        """Threads do not break."""
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
        yield _name()
        return
    name = places.get()
    try:
        yield name
    finally:
        places.put(name)


def _name() -> str:
    """This worker's name: its number, and on a block of a batch system its node, pool and block."""
    rank = os.environ.get("PARSL_WORKER_RANK", "0")
    pool = os.environ.get("MLAROUND_POOL")
    if pool is None:
        return f"worker-{rank}"
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return f"{node}/{pool}.{os.environ.get('PARSL_WORKER_BLOCK_ID', '0')}-{rank}"
