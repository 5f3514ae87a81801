"""Where tasks run. The only file that imports Parsl, and it does so when a pool starts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
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
        broken: whether nothing runs any more until `restart`.
    """

    workers: int
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
    """Threads of this process. They cannot be killed: what runs is waited for."""

    def __init__(self, workers: int, name: str) -> None:
        self.workers = workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)

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


_GUARD = (
    "import ctypes, os, runpy, signal, sys; os.setsid(); "
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0); "
    "os.getppid() == {parent} or sys.exit('the controller is gone'); "
    "runpy.run_module('parsl.executors.high_throughput.interchange', run_name='__main__')"
)
"""Runs Parsl's interchange in a session of its own, out of reach of the terminal's Ctrl-C, and lets the
system kill it with its parent (prctl's PR_SET_PDEATHSIG is 1): by itself it would live for ever. The
managers miss its heartbeats then, and end with their workers."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD = 2, 6
"""Seconds; how soon a lost manager or interchange is noticed by the others."""

WATCH_PERIOD = 0.5
"""Seconds between looks at the processes."""


class ParslPool(Pool):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor.

    The executor is driven without Parsl's DataFlowKernel: the engine has its own dependencies,
    retries and record, and starts and submits faster so. A thread of the pool starts the executor and
    then watches its processes. The thread lives as long as the pool, because the system ties the
    interchange's life to the thread that started it.
    """

    def __init__(self, folder: Path, workers: int, name: str) -> None:
        self.workers = workers
        self.name = name
        self._folder = folder
        self._starts = 0
        self._lock = threading.Lock()
        self._outstanding: set[Future[Any]] = set()
        self._start()

    def _start(self) -> None:
        self.broken = False
        self._executor: Any = None
        self._block: tuple[int, int] | None = None
        """Process and process group of the manager and its workers."""
        self._error: BaseException | None = None
        self._ready, self._closing = threading.Event(), threading.Event()
        self._starts += 1
        self._thread = threading.Thread(
            target=self._live, args=(self._folder / f"{self.name}-{self._starts}",), name=f"{self.name}-pool"
        )
        self._thread.daemon = True
        self._thread.start()

    def _live(self, folder: Path) -> None:
        try:
            self._executor = self._launch(folder)
            self._add_block()
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        while not self._closing.wait(WATCH_PERIOD):
            if self._executor.interchange_proc.poll() is not None:
                self._lose_all("the interchange died")
                return
            if self._block is not None and not _lives(self._block[0]):
                # Its tasks are reported as lost by the interchange when it misses the heartbeats.
                self._end_block()
                self._add_block()

    def _launch(self, folder: Path) -> Any:
        from parsl.executors import HighThroughputExecutor
        from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
        from parsl.launchers import SimpleLauncher
        from parsl.providers import LocalProvider

        folder.mkdir(parents=True, exist_ok=True)
        # One thread per worker; the environment's own interpreter, whatever PATH says.
        single = " ".join(f"{name}=1" for name in _THREAD_VARIABLES)
        manager = f"exec {sys.executable} -m parsl.executors.high_throughput.process_worker_pool"
        executor = HighThroughputExecutor(
            label=self.name,
            provider=LocalProvider(
                launcher=SimpleLauncher(), init_blocks=0, max_blocks=1, worker_init=f"export {single}"
            ),
            launch_cmd=DEFAULT_LAUNCH_CMD.replace("process_worker_pool.py", manager, 1),
            interchange_launch_cmd=[sys.executable, "-c", _GUARD.format(parent=os.getpid())],
            address="127.0.0.1",
            max_workers_per_node=self.workers,
            cores_per_worker=1e-6,  # max_workers_per_node alone decides
            cpu_affinity="none",
            heartbeat_period=HEARTBEAT_PERIOD,
            heartbeat_threshold=HEARTBEAT_THRESHOLD,
            block_error_handler=False,
        )
        executor.run_dir = str(folder)
        executor.run_id = self.name
        executor.provider.script_dir = str(folder)
        executor.start()
        return executor

    def _add_block(self) -> None:
        (block,) = self._executor.scale_out_facade(1)
        process = int(self._executor.blocks_to_job_id[block])
        # Remembered now: when the leader is gone, nobody can tell which group it led.
        self._block = (process, os.getpgid(process))

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        self._ready.wait()
        if self._error is not None:
            raise self._error
        future: Future[Any] = Future()
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
        if self._executor is None:
            return
        self._end_block()
        self._executor.shutdown()
        self._executor.interchange_proc.wait()
        self._lose_all("the pool was closed")

    def _end_block(self) -> None:
        """Kill a block whole. The provider would end a live manager, but not what a dead one left."""
        block, self._block = self._block, None
        if block is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(block[1], signal.SIGKILL)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
