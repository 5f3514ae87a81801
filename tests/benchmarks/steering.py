"""Runs that are steered after every result, by mlaround and its peers: started, watched and measured alike.

Every run is a process of its own, measured from its start to its end with all imports. What it did comes
from the tasks themselves (begin and end on the worker, return to whoever decides), what it took from the
process table. `bench_engine.py` and `bench_steering.py` print figures of these runs.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from surrogates import Model, Surrogate
from surrogates.contract import Predictor

Array = NDArray[np.float64]

HERE = Path(__file__).parent

LOOK = 0.25
"""Seconds between looks at a run's processes."""

PATIENCE = 120.0
"""Seconds that a run may take beyond what its tasks need; then it is given up."""

SLACK = 1e-6
"""How far from each other the points lie, s: there has to be something to decide."""


class Nothing(Surrogate):
    """A surrogate that never has enough data: the engine is measured without trainings."""

    predictor: ClassVar[type[Predictor]] = Predictor
    needed: ClassVar[int] = 10**9

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None) -> Model:  # type: ignore[no-untyped-def]
        """Never called."""
        raise NotImplementedError


@dataclass(frozen=True)
class Problem:
    """Simulations that only sleep, and who runs them.

    Args:
        seconds: that each sleeps.
        simulations: in all.
        workers: that run at a time.
        ahead: whether a task may wait at each worker; else a worker waits for the decision on its result.
        limit: seconds after the first result after which nothing new is decided.
    """

    seconds: float
    simulations: int
    workers: int = 2
    ahead: bool = True
    limit: float | None = None

    @property
    def in_flight(self) -> int:
        """How many tasks are decided upon and not back."""
        return self.workers * (2 if self.ahead else 1)


@dataclass
class Run:
    """What became of a problem; times are seconds since the start of the process.

    Args:
        problem: which.
        wall: length of the process.
        tasks: array (n, 5): begin and end on the worker, return to the driver, worker, simulations in it.
        drivers: processes that decide and hand out, workers and their managers excluded.
        looks: per look at the processes: time, CPU seconds of the drivers, of all, the drivers' memory in MB.
    """

    problem: Problem
    wall: float
    tasks: Array
    drivers: list[int] = field(default_factory=list)
    looks: Array = field(default_factory=lambda: np.empty((0, 4)))

    @property
    def done(self) -> int:
        """Simulations."""
        return int(self.tasks[:, 4].sum())

    @property
    def first(self) -> float:
        """When the driver had the first result."""
        return float(self.tasks[:, 2].min())

    @property
    def whole(self) -> float:
        """Useful seconds of the workers' seconds, from the start of the process to its end."""
        return self.done * self.problem.seconds / (self.problem.workers * self.wall)

    @property
    def idle(self) -> float:
        """Share of the workers' time without a simulation, while there was enough to do for all of them.

        From the moment at which every worker has begun its first task to the beginning of the last one;
        not a number if that is less than half a second.
        """
        begin, by = self.tasks[:, 0], self.tasks[:, 3]
        workers = np.unique(by)
        start, end = max(begin[by == w].min() for w in workers), begin.max()
        if len(workers) < self.problem.workers or end - start < 0.5:
            return float("nan")
        useful = begin + self.tasks[:, 4] * self.problem.seconds
        inside = np.clip(np.minimum(useful, end) - np.maximum(begin, start), 0, None).sum()
        return float(1 - inside / (self.problem.workers * (end - start)))

    def rate(self, low: int, high: int) -> float:
        """Simulations decided upon, run and returned per second, from number ``low`` to ``high``."""
        order = np.argsort(self.tasks[:, 2])
        done = np.cumsum(self.tasks[order, 4])
        times = np.interp([low, high], done, self.tasks[order, 2])
        return float((high - low) / max(times[1] - times[0], 1e-9))

    def cost(self, column: int) -> float:
        """Growth of a column of ``looks`` per simulation, over the middle of the run."""
        if len(self.looks) < 4:
            return float("nan")
        done = self.done_by(self.looks[:, 0])
        middle = np.flatnonzero((done > 0.1 * self.done) & (done < 0.98 * self.done))
        if len(middle) < 3:
            return float("nan")
        a, b = middle[0], middle[-1]
        if done[b] == done[a]:
            return float("nan")
        return float((self.looks[b, column] - self.looks[a, column]) / (done[b] - done[a]))

    def done_by(self, times: Array) -> Array:
        """How many simulations had come back by then."""
        order = np.argsort(self.tasks[:, 2])
        counts = np.concatenate([[0.0], np.cumsum(self.tasks[order, 4])])
        return counts[np.searchsorted(self.tasks[order, 2], times, side="right")]

    def memory(self, simulations: int) -> float:
        """The drivers' memory in MB when so many simulations were back."""
        alive = self.looks[self.looks[:, 3] > 0]
        return float(
            alive[np.searchsorted(self.done_by(alive[:, 0]), simulations).clip(0, len(alive) - 1), 3]
        )


class Engine(ABC):
    """Something that steers simulations.

    Attributes:
        name: of its row.
        processes: whether its workers are processes, one simulation a task.
    """

    name: str
    processes: bool

    @abstractmethod
    def command(self, problem: Problem, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The program to start in ``folder``, and its environment."""

    @abstractmethod
    def tasks(self, problem: Problem, folder: Path) -> Array:
        """What it did, as `Run.tasks`, in seconds since the epoch."""

    def run(self, problem: Problem) -> Run:
        """Run a problem and watch it.

        Raises:
            RunError: it did not come to its end.
        """
        folder = Path(tempfile.mkdtemp(prefix="steering-"))
        needed = problem.simulations * problem.seconds / problem.workers
        allowed = PATIENCE + 3 * (needed if problem.limit is None else problem.limit)
        try:
            command, environment = self.command(problem, folder)
            with (folder / "output").open("w+") as output:
                watch = Watch(command, environment, folder, output.fileno())
                code = watch.until_end(allowed)
                output.seek(0)
                said = output.read().splitlines()
            if code != 0:
                last = next((line for line in reversed(said) if line.strip()), "nothing")
                raise RunError(f"it {'took too long' if code is None else 'failed'}; it said: {last[:200]}")
            drivers = json.loads(said[-1])["drivers"]
            tasks = self.tasks(problem, folder)
            if not len(tasks):
                raise RunError("no result in the time it was given")
            tasks[:, :3] -= watch.began
            return Run(problem, watch.wall, tasks, drivers, watch.looks(drivers))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class RunError(Exception):
    """A run that failed or did not end."""


class Watch:
    """A program from its start to its end, and what its processes take meanwhile."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path, output: int) -> None:
        _adopt_orphans()
        self.began = time.time()
        self._program = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._family: dict[int, psutil.Process] = {}
        """The program and whatever it started, children of this process by and by."""
        self._seen: list[tuple[float, dict[int, tuple[float, float]]]] = []
        self.wall = 0.0

    def until_end(self, allowed: float) -> int | None:
        """Wait; its exit status, ``None`` if it had to be killed."""
        code: int | None = None
        while time.time() < self.began + allowed:
            self._look()
            with suppress(subprocess.TimeoutExpired):
                code = self._program.wait(LOOK)
                break
        self.wall = time.time() - self.began
        for process in self._family.values():
            with suppress(psutil.Error):
                process.kill()  # nothing if the run tidied up; psutil knows a reused number
        self._program.wait()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        return code

    def _look(self) -> None:
        taken: dict[int, tuple[float, float]] = {}
        with suppress(psutil.Error):
            self._family.update({p.pid: p for p in psutil.Process().children(recursive=True)})
        for process in self._family.values():
            with suppress(psutil.Error, ValueError):
                times = process.cpu_times()
                memory = _memory(process.pid)
                taken[process.pid] = (times.user + times.system, memory)
        self._seen.append((time.time() - self.began, taken))

    def looks(self, drivers: list[int]) -> Array:
        """What was seen, as `Run.looks`."""
        most: dict[int, float] = {}
        rows = []
        for when, taken in self._seen:
            most.update({pid: cpu for pid, (cpu, _) in taken.items()})  # the dead keep what they took
            rows.append(
                (
                    when,
                    sum(most.get(pid, 0.0) for pid in drivers),
                    sum(most.values()),
                    sum(taken[pid][1] for pid in drivers if pid in taken),
                )
            )
        return np.array(rows).reshape(-1, 4)


def _adopt_orphans() -> None:
    """Make what a run's processes leave behind children of this one: Parsl starts its manager that way."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _memory(pid: int) -> float:
    """MB of a process; pages that it shares with others count in part (Linux), else whole."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    memory: float = psutil.Process(pid).memory_info().rss / 2**20
    return memory


CAMPAIGN = """
name: bench
simulator: {{kind: sleeping}}
space: {{seconds: [{low!r}, {high!r}]}}
surrogate: {{kind: "steering:Nothing"}}
training: {{first: 1000000000}}
steering: {{kind: random}}
stop: {{simulations: {problem.simulations}}}
resources: {{kind: {kind}, workers: {problem.workers}{task_time}}}
"""


class Mlaround(Engine):
    """This project.

    Args:
        kind: of its resources.
        batches: whether it may size its tasks as it does by default; else a task is one simulation.
    """

    def __init__(self, kind: str, *, batches: bool = False) -> None:
        self.kind, self.batches = kind, batches
        self.name = f"mlaround, `{kind}`{', in batches' if batches else ''}"
        self.processes = kind != "threads" and not batches

    def command(self, problem: Problem, folder: Path) -> tuple[list[str], dict[str, str]]:
        """`drive` in a process of its own."""
        campaign = folder / "campaign.yaml"
        campaign.write_text(
            CAMPAIGN.format(
                problem=problem,
                kind=self.kind,
                low=max(0.0, problem.seconds - SLACK),
                high=problem.seconds + SLACK,
                task_time="" if self.batches else ", task_time: 0.000001",
            )
        )
        how = json.dumps({"ahead": problem.ahead, "limit": problem.limit})
        command = [sys.executable, __file__, str(campaign), str(folder / "run"), how]
        return command, {"PYTHONPATH": str(HERE)}

    def tasks(self, problem: Problem, folder: Path) -> Array:
        """From the record, which also says whether anything was lost."""
        status = json.loads((folder / "run/status.json").read_text())
        assert status["simulations"]["lost"] == status["simulations"]["duplicated"] == 0
        assert problem.limit is not None or status["simulations"]["done"] == problem.simulations
        workers: dict[str, int] = {}
        rows: list[tuple[float, float, float, int, int]] = []
        with (folder / "run/events.jsonl").open() as log:
            for line in log:
                event: dict[str, Any] = json.loads(line)
                if event["event"] == "task_done":
                    by = workers.setdefault(event["worker"], len(workers))
                    size = len(event["wall_seconds"])
                    rows.append((event["started"], event["ended"], event["t"], by, size))
        return np.array(rows, dtype=np.float64)


class Peer(Engine):
    """A program of ``steering_peers``, in an environment of its own.

    Args:
        name: of its row.
        script: which program.
        workers_by: the peer's own name for how workers run.
        python: of the peers' environment.
    """

    def __init__(self, name: str, script: str, workers_by: str, python: Path) -> None:
        self.name, self.script, self.workers_by, self.python = name, script, workers_by, python
        self.processes = workers_by != "threads"

    def command(self, problem: Problem, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The peer's program with the problem as its arguments."""
        limit = 1e6 if problem.limit is None else problem.limit
        arguments = {
            "workers-by": self.workers_by,
            "workers": problem.workers,
            "in-flight": problem.in_flight,
            "seconds": problem.seconds,
            "tasks": problem.simulations,
            "limit": limit,
            "out": folder / "tasks.npy",
        }
        command = [str(self.python), str(HERE / "steering_peers" / f"{self.script}_steering.py")]
        command += [f"--{name}={value}" for name, value in arguments.items()]
        return command, {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"}

    def tasks(self, problem: Problem, folder: Path) -> Array:
        """What the program left."""
        rows = np.load(folder / "tasks.npy")
        assert problem.limit is not None or len(rows) == problem.simulations
        return np.column_stack([rows[:, 0], rows[:, 1], rows[:, 3], rows[:, 2], np.ones(len(rows))])


def drive(campaign: str, folder: str, *, ahead: bool, limit: float | None) -> None:
    """Run a campaign, as the child process of `Mlaround`."""
    from workflow.engine import run_campaign
    from workflow.pool import ThreadPool
    from workflow.process_pool import ProcessPool
    from workflow.reading import load_campaign

    if not ahead:  # mlaround has no such setting, since it would only cost time
        for pool in (ThreadPool, ProcessPool):
            pool.depth = property(lambda self: self.workers)  # type: ignore[assignment,method-assign]
    until = math.inf

    def stop_in_time(status: dict[str, Any]) -> None:
        nonlocal until
        if limit is not None and until == math.inf and status["simulations"]["done"]:
            until = time.monotonic() + limit
        if time.monotonic() > until and status["state"] == "running":
            os.kill(os.getpid(), signal.SIGTERM)  # as a batch system would: what runs is waited for

    outcome = run_campaign(load_campaign(campaign), folder, source=Path(campaign), on_update=stop_in_time)
    assert outcome.state in ("finished", "stopped"), outcome
    print(json.dumps({"drivers": [os.getpid()]}))


if __name__ == "__main__":
    drive(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
