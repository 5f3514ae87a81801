"""Worker processes by Parsl. The only file that imports it, and it does so when a pool starts."""

from __future__ import annotations

import math
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.pool import Pool, PoolLostError

_TIED = (
    "import ctypes, os, signal, sys; "
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0); "
    "os.getppid() == int(sys.argv[1]) or sys.exit('the controller is gone'); "
)
"""Lets the system end a process with its parent (prctl's PR_SET_PDEATHSIG is 1). By itself Parsl's
interchange would outlive a killed controller for ever, and its manager for as long as the interchange."""

_INTERCHANGE = _TIED + (
    "os.setsid(); import runpy; "
    "runpy.run_module('parsl.executors.high_throughput.interchange', run_name='__main__', alter_sys=True)"
)
"""Runs the interchange in a session of its own, out of reach of the terminal's Ctrl-C."""

_MANAGER = _TIED + "os.execvp('sh', ['sh', '-c', sys.argv[2], *sys.argv[2:]])"
_WATCHER = """trap 'kill -9 0' TERM; "$@" & wait; kill -9 0"""
"""Runs the manager under a shell that leads its process group, and ends the group whole when either the
controller or the manager is gone: the manager's own helpers would survive it."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD = 2, 6
"""Seconds; how soon a lost manager or interchange is noticed by the others."""

WATCH_PERIOD = 0.5
"""Seconds between looks at the processes."""


class ParslPool(Pool):
    """Worker processes on this machine, by Parsl's HighThroughputExecutor.

    The executor is driven without Parsl's DataFlowKernel, and its one block is started here: the
    engine has its own dependencies, retries and record, and so the first result is there sooner and a
    task costs the controller less.
    """

    def __init__(self, folder: Path, workers: int, name: str) -> None:
        self.workers = workers
        self.depth = 2 * workers
        self._name, self._folder = name, folder
        self._starts = 0
        self._life = self._begin()

    def _begin(self) -> _Life:
        self._starts += 1
        folder = self._folder / f"{self._name}-{os.getpid()}-{self._starts}"
        return _Life(folder, self.workers, self._name)

    @property
    def broken(self) -> bool:
        """Whether nothing runs any more until `restart`."""
        return self._life.over

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        return self._life.submit(function, *args)

    def lost(self, error: BaseException) -> bool:
        """Whether the worker, its manager or the interchange went away."""
        if isinstance(error, PoolLostError):
            return True
        from parsl.executors.errors import BadStateException
        from parsl.executors.high_throughput.errors import WorkerLost

        return isinstance(error, (WorkerLost, BadStateException))

    def restart(self) -> None:
        """Replace all processes."""
        self.breakdowns += 1
        self._life.end()
        self._life = self._begin()

    def close(self, *, kill: bool = False) -> None:
        """End all processes; tasks that run are killed."""
        self._life.end()


class _Life:
    """The executor from its start to its end.

    A thread starts the processes and then watches them. It lives as long as they do, because the
    system ties their lives to the thread that started them.
    """

    def __init__(self, folder: Path, workers: int, name: str) -> None:
        self.over = False
        self._folder, self._workers, self._name = folder, workers, name
        self._executor: Any = None
        self._error: BaseException | None = None
        self._ready, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._outstanding: set[Future[Any]] = set()
        self._died_at: float | None = None
        self._worker_lost_at = -math.inf
        self._thread = threading.Thread(target=self._live, name=f"{name}-pool", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        try:
            self._folder.mkdir(parents=True)
            self._executor = _executor(self._folder, self._workers, self._name)
            self._executor.start()
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        while not self._closing.wait(WATCH_PERIOD):
            if why := self._breakdown():
                self._lose_all(why)
                return

    def _breakdown(self) -> str | None:
        """What makes it impossible to go on, if anything does."""
        if not self._interchange_lives():
            return "the interchange died"
        if self._executor.manager.poll() is not None:
            return "the manager of the workers died"
        if self._worker_died_unnoticed():
            return "a worker died and left the others' queue locked"
        return None

    def _interchange_lives(self) -> bool:
        process = self._executor and self._executor.interchange_proc
        return process is None or process.poll() is None

    def _worker_died_unnoticed(self) -> bool:
        """Whether a process of the manager's has been gone for some time and no task was reported lost.

        Parsl reports the task of a worker that dies while it runs one, and replaces the worker. But one
        that is killed while it waits for a task holds the lock of the queue that all workers share, and
        one that dies just after it took a task takes that with it: the others would wait for ever.
        """
        family = self._executor.family
        if len(family) < self._workers + 2:  # not complete yet: the workers and two helpers
            self._executor.look_around()
        elif not all(_lives(process) for process in family):
            now = time.monotonic()
            if self._died_at is None:
                self._died_at = now
            if self._worker_lost_at > self._died_at - 2 * HEARTBEAT_PERIOD:
                self._died_at = None
                self._executor.look_around()
            elif now > self._died_at + 2 * HEARTBEAT_PERIOD:
                return True
        return False

    def _started(self) -> bool:
        """Wait until tasks can be submitted; whether they can."""
        while not self._ready.wait(WATCH_PERIOD):
            if not self._interchange_lives():  # Parsl itself would wait two minutes for its answer
                self._lose_all("the interchange died at its start")
                return False
        if self._error is not None:
            raise self._error
        return not self.over

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run ``function(*args)`` on a worker."""
        started = self._started()
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # what was handed over cannot be withdrawn
        with self._lock:
            if not started or self.over:
                future.set_exception(PoolLostError("the pool broke down"))
                return future
            self._outstanding.add(future)
        inner = self._executor.submit(function, {}, *args)
        inner.add_done_callback(lambda done: self._deliver(done, future))
        return future

    def _deliver(self, inner: Future[Any], future: Future[Any]) -> None:
        error = inner.exception()
        if type(error).__name__ == "ManagerLost":
            error = PoolLostError(str(error))
        if type(error).__name__ == "WorkerLost":
            self._worker_lost_at = time.monotonic()
        with self._lock:
            if future not in self._outstanding:
                return  # it was given up for lost
            self._outstanding.discard(future)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    def _lose_all(self, why: str) -> None:
        with self._lock:
            lost, self._outstanding = self._outstanding, set()
            self.over = True
        for future in lost:
            future.set_exception(PoolLostError(why))

    def end(self) -> None:
        """End all processes."""
        self._closing.set()
        with suppress(Exception):
            self._started()
        if self._ready.is_set():
            self._thread.join()
        # A start that still waits for a dead interchange is left to do so: its thread ends by itself.
        if self._executor is not None:
            self._executor.end_manager()
            if self._ready.is_set() and self._error is None:
                self._executor.shutdown()
                self._executor.interchange_proc.wait()
        self._lose_all("the pool was closed")


def _executor(folder: Path, workers: int, name: str) -> Any:
    """Parsl's executor with its one block on this machine."""
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
    from parsl.providers import LocalProvider

    def tied(script: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", script, str(os.getpid()), *arguments]

    class Executor(HighThroughputExecutor):  # type: ignore[misc]  # Parsl ships no types
        """Starts its manager beside the interchange instead of after it."""

        manager: subprocess.Popen[bytes] | None = None
        family: frozenset[int] = frozenset()

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
            module = "parsl.executors.high_throughput.process_worker_pool"
            arguments = shlex.split(self.launch_cmd.format(block_id=0))[1:]
            with (folder / "manager.out").open("ab") as output:
                self.manager = subprocess.Popen(
                    tied(_MANAGER, _WATCHER, sys.executable, "-m", module, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    # One thread to a worker: the others are busy with replicas of their own.
                    env=os.environ | dict.fromkeys(_THREAD_VARIABLES, "1"),
                )

        def look_around(self) -> None:
            """Remember the processes that the manager has started: workers and helpers."""
            import psutil

            assert self.manager is not None
            with suppress(psutil.Error):
                watcher = psutil.Process(self.manager.pid)
                found = [p.pid for manager in watcher.children() for p in manager.children()]
                self.family = frozenset(found)

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
        interchange_launch_cmd=tied(_INTERCHANGE),
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


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
