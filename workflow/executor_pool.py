"""Pools on an executor of Parsl's: what they have in common, wherever their workers are.

The executor is driven without Parsl's DataFlowKernel: the engine has its own dependencies, retries and
record, and so the first result is there sooner and a task costs the controller less.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.pool import Pool, PoolFailedError, PoolLostError, WorkerLostError

WATCH_PERIOD = 0.5
"""Seconds between looks at the processes."""

SEND_PATIENCE = 2000
"""Milliseconds that handing over a task may take; it takes none while the interchange lives."""

ANSWER_PATIENCE = 20.0
"""Seconds that the interchange gets for an answer."""

URGENT, USUAL = {"priority": 0}, {"priority": 1}
"""What the interchange gives out first."""


class Life(ABC):
    """An executor from its start to its end.

    A thread starts the processes and then watches them. It lives as long as they do, because the
    system ties their lives to the thread that started them.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.over = False
        self._folder, self._name = folder, name
        self._executor: Any = None
        self._error: BaseException | None = None
        self._ready, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._outstanding: set[Future[Any]] = set()

    def begin(self) -> None:
        """Start, in a thread."""
        self._thread = threading.Thread(target=self._live, name=f"{self._name}-pool", daemon=True)
        self._thread.start()

    @abstractmethod
    def _make(self) -> Any:
        """The executor, not started."""

    @abstractmethod
    def _breakdown(self) -> str | None:
        """Look around; what makes it impossible to go on, if anything does.

        Raises:
            PoolFailedError: it would be the same after a restart.
        """

    @abstractmethod
    def _end_workers(self) -> None:
        """End what the executor itself does not."""

    def _live(self) -> None:
        try:
            self._folder.mkdir(parents=True)
            self._executor = self._make()
            self._executor.start()
            # Without a time limit whoever hands over a task just as the interchange dies would wait for ever.
            self._executor.outgoing_q.zmq_socket.sndtimeo = SEND_PATIENCE
        except ValueError as error:  # what the user said about it cannot be
            self._error = PoolFailedError(str(error))
            return
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        while not self._closing.wait(WATCH_PERIOD):
            try:
                if why := self._breakdown():
                    self._lose_all(PoolLostError(why))
                    return
            except PoolFailedError as error:
                self._lose_all(error)
                return

    def _managers(self) -> list[dict[str, Any]] | None:
        """The managers that the interchange knows; ``None`` if it does not say."""
        try:
            found: list[dict[str, Any]] = self._executor.command_client.run(
                "MANAGERS", timeout_s=ANSWER_PATIENCE
            )
        except Exception:  # it has died, or hangs
            return None
        return found

    def _interchange_lives(self) -> bool:
        process = self._executor and self._executor.interchange_proc
        return process is None or process.poll() is None

    def _started(self) -> bool:
        """Wait until tasks can be submitted; whether they can."""
        while not self._ready.wait(WATCH_PERIOD):
            if not self._interchange_lives():  # Parsl itself would wait two minutes for its answer
                self._lose_all(PoolLostError("the interchange died at its start"))
                return False
        if self._error is not None:
            raise self._error
        return not self.over

    def submit(self, function: Callable[..., Any], *args: Any, urgent: bool) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what was handed over cannot be withdrawn
        try:
            started = self._started()
        except PoolFailedError as error:
            future.set_exception(error)
            return future
        with self._lock:
            if not started or self.over:
                future.set_exception(PoolLostError("the pool broke down"))
                return future
            self._outstanding.add(future)
        try:
            inner = self._executor.submit(function, URGENT if urgent else USUAL, *args)
        except Exception as error:  # the executor found out just now that it cannot go on
            inner = Future()
            inner.set_exception(PoolLostError(str(error)))
        inner.add_done_callback(lambda done: self._deliver(done, future))
        return future

    def _deliver(self, inner: Future[Any], future: Future[Any]) -> None:
        error = inner.exception()
        # By name: this module need not import Parsl, which takes a second.
        if type(error).__name__ in ("ManagerLost", "BadStateException"):
            error = PoolLostError(str(error))
        elif type(error).__name__ == "WorkerLost":
            self._note_lost_worker()
            error = WorkerLostError(str(error))
        with self._lock:
            if future not in self._outstanding:
                return  # it was given up for lost
            self._outstanding.discard(future)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    @abstractmethod
    def _note_lost_worker(self) -> None:
        """A task was reported lost with its worker."""

    def _lose_all(self, error: Exception) -> None:
        with self._lock:
            lost, self._outstanding = self._outstanding, set()
            self.over = True
        for future in lost:
            future.set_exception(error)

    def end(self) -> None:
        """End all processes."""
        self._closing.set()
        with suppress(Exception):
            self._started()
        if self._ready.is_set():
            self._thread.join()
        # A start that still waits for a dead interchange is left to do so: its thread ends by itself.
        if self._executor is not None:
            self._end_workers()
            if self._ready.is_set() and self._error is None:
                self._executor.shutdown()
                self._executor.interchange_proc.wait()
        self._lose_all(PoolLostError("the pool was closed"))


class ExecutorPool(Pool):
    """A pool that lives as often as it has to.

    Args:
        folder: for the files of Parsl's.
        name: of the pool.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name, self._folder = name, folder
        self._starts = 0
        self._life: Any = self._begin()

    @abstractmethod
    def _new_life(self, folder: Path) -> Life:
        """Another life, its files in a folder of its own."""

    def _begin(self) -> Life:
        self._starts += 1
        life = self._new_life(self._folder / f"{self._name}-{os.getpid()}-{self._starts}")
        life.begin()
        return life

    @property
    def broken(self) -> bool:
        """Whether nothing runs any more until `restart`."""
        return bool(self._life.over)

    def submit(self, function: Callable[..., Any], *args: Any, urgent: bool = False) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        future: Future[Any] = self._life.submit(function, *args, urgent=urgent)
        return future

    def restart(self) -> None:
        """Replace all processes."""
        self.breakdowns += 1
        self._life.end()
        self._life = self._begin()

    def close(self, *, kill: bool = False) -> None:
        """End all processes; tasks that run are killed."""
        self._life.end()
