"""Where tasks run. The only file that imports Parsl, and it does so when a pool starts."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
        broken: whether nothing runs any more until `restart`.
    """

    workers: int
    depth: int
    broken: bool = False

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""

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


_GUARD = (
    "import ctypes, os, runpy, signal, sys; "
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0); "
    "os.getppid() == {parent} or sys.exit('the controller is gone'); "
    "os.getpgrp() == os.getpid() or os.setsid(); "
    "runpy.run_module('parsl.executors.high_throughput.{module}', run_name='__main__', alter_sys=True)"
)
"""Runs a process of Parsl's in a session of its own, out of reach of the terminal's Ctrl-C, and lets the
system kill it with its parent (prctl's PR_SET_PDEATHSIG is 1): the interchange would live for ever."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD = 2, 6
"""Seconds; how soon a lost manager or interchange is noticed by the others."""

WATCH_PERIOD = 0.5
"""Seconds between looks at the processes."""


class ParslPool(Pool):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor.

    The executor is driven without Parsl's DataFlowKernel, and its one block is started here: the
    engine has its own dependencies, retries and record, and so the first result is there sooner and a
    task costs the controller less. A thread of the pool starts the processes and then watches them.
    It lives as long as the pool, because the system ties their lives to the thread that started them.
    """

    def __init__(self, folder: Path, workers: int, name: str) -> None:
        self.workers = workers
        self.depth = 2 * workers
        self._name, self._folder = name, folder
        self._starts = 0
        self._lock = threading.Lock()
        self._outstanding: set[Future[Any]] = set()
        self._start()

    def _start(self) -> None:
        self.broken = False
        self._executor: Any = None
        self._error: BaseException | None = None
        self._ready, self._closing = threading.Event(), threading.Event()
        self._starts += 1
        folder = self._folder / f"{self._name}-{os.getpid()}-{self._starts}"
        self._thread = threading.Thread(target=self._live, args=(folder,), name=f"{self._name}-pool")
        self._thread.daemon = True
        self._thread.start()

    def _live(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True)
            self._executor = _executor(folder, self.workers, self._name)
            self._executor.start()
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        while not self._closing.wait(WATCH_PERIOD):
            if self._executor.interchange_proc.poll() is not None:
                self._lose_all("the interchange died")
                return
            if self._executor.manager.poll() is not None:
                # Its tasks are reported as lost by the interchange when it misses the heartbeats.
                self._executor.start_manager()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        self._ready.wait()
        if self._error is not None:
            raise self._error
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what was handed over cannot be withdrawn
        with self._lock:
            if self.broken:
                future.set_exception(PoolLostError("the pool is broken"))
                return future
            self._outstanding.add(future)
        inner = self._executor.submit(function, {}, *args)
        inner.add_done_callback(lambda done: self._deliver(done, future))
        return future

    def _deliver(self, inner: Future[Any], future: Future[Any]) -> None:
        with self._lock:
            if future not in self._outstanding:
                return  # it was given up for lost
            self._outstanding.discard(future)
        error = inner.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    def _lose_all(self, why: str) -> None:
        with self._lock:
            self.broken = True
            lost, self._outstanding = self._outstanding, set()
        for future in lost:
            future.set_exception(PoolLostError(why))

    def lost(self, error: BaseException) -> bool:
        """Whether the worker, its manager or the interchange went away."""
        from parsl.executors.errors import BadStateException
        from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

        return isinstance(error, (PoolLostError, WorkerLost, ManagerLost, BadStateException))

    def restart(self) -> None:
        """Replace all processes."""
        self.close(kill=True)
        self._start()

    def close(self, *, kill: bool = False) -> None:
        """End all processes; tasks that run are killed."""
        self._ready.wait()
        self._closing.set()
        self._thread.join()
        if self._executor is not None and self._error is None:
            self._executor.end_manager()
            self._executor.shutdown()
            self._executor.interchange_proc.wait()
        self._lose_all("the pool was closed")


def _executor(folder: Path, workers: int, name: str) -> Any:
    """Parsl's executor with its one block on this machine."""
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
    from parsl.providers import LocalProvider

    def guarded(module: str) -> list[str]:
        return [sys.executable, "-c", _GUARD.format(parent=os.getpid(), module=module)]

    class Executor(HighThroughputExecutor):  # type: ignore[misc]  # Parsl ships no types
        """Starts its manager beside the interchange instead of after it."""

        manager: subprocess.Popen[bytes] | None = None
        command: tuple[str, ...] = ()
        started = 0

        def _start_local_interchange_process(self) -> None:
            # A manager waits for an interchange that is not there yet. Should Parsl rename this method,
            # the manager is started by `initialize_scaling` at the end of `start`, half a second later.
            self.initialize_scaling()
            super()._start_local_interchange_process()

        def initialize_scaling(self) -> None:
            if self.manager is None:
                super().initialize_scaling()
                self.start_manager()

        def start_manager(self) -> None:
            self.end_manager()
            command = shlex.split(self.launch_cmd.format(block_id=self.started))
            self.started += 1
            with (folder / "manager.out").open("ab") as output:
                self.manager = subprocess.Popen(
                    guarded("process_worker_pool") + command[1:],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    # One thread to a worker: the others are busy with replicas of their own.
                    env=os.environ | dict.fromkeys(_THREAD_VARIABLES, "1"),
                )

        def end_manager(self) -> None:
            """Kill the manager, if it lives, and whatever it left behind."""
            if self.manager is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.manager.pid, signal.SIGKILL)
                self.manager.wait()

    executor = Executor(
        label=name,
        provider=LocalProvider(init_blocks=0, max_blocks=1),
        launch_cmd=DEFAULT_LAUNCH_CMD,
        interchange_launch_cmd=guarded("interchange"),
        address="127.0.0.1",
        worker_port=_free_port(),
        max_workers_per_node=workers,
        cores_per_worker=1e-6,  # max_workers_per_node alone decides
        prefetch_capacity=workers,
        cpu_affinity="none",
        heartbeat_period=HEARTBEAT_PERIOD,
        heartbeat_threshold=HEARTBEAT_THRESHOLD,
        block_error_handler=False,
    )
    executor.run_dir = str(folder)
    executor.run_id = name
    return executor


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
