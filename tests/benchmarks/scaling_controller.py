"""What the controller's own code costs: the real one, with workers that answer at once or not at all."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scaling_parts import Linear

from workflow import controller, record_file
from workflow.engine import run_campaign
from workflow.pool import Pool
from workflow.reading import parse_campaign
from workflow.record import Record
from workflow.results import summary

HERE = Path(__file__)

CAMPAIGN = """
name: scaling
simulator: {{kind: "scaling_sleeper:Sleeper"}}
space: {{seconds: [{low}, {high}], a: [0, 1], b: [0, 1], c: [0, 1], d: [0, 1]}}
surrogate: {{kind: "scaling_sleeper:Nothing"}}
steering: {{kind: {steering}}}
stop: {{simulations: {simulations}}}
resources: {{kind: {kind}, workers: {workers}, task_time: {task_time}}}
"""


def campaign_text(
    simulations: int,
    *,
    seconds: float,
    task_time: float,
    kind: str = "threads",
    workers: int = 1,
    steering: str = "random",
) -> str:
    """A campaign of sleeping replicas."""
    return CAMPAIGN.format(
        low=max(0.0, seconds - 1e-6),
        high=seconds + 1e-6,
        simulations=simulations,
        kind=kind,
        workers=workers,
        steering=steering,
        task_time=task_time,
    )


class Instant(Pool):
    """A pool whose tasks are done as soon as they are submitted, each replica in a second as it says."""

    def __init__(self, ahead: int, hold: float = 0.0) -> None:
        self.workers, self._ahead, self._hold = 1, ahead, hold
        self._held: list[tuple[Future[Any], dict[str, Any]]] = []

    @property
    def depth(self) -> int:
        return self._ahead

    @property
    def broken(self) -> bool:
        return False

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        fields = _answer(args[0])
        if not self._hold:
            future.set_result(fields)
            return future
        self._held.append((future, fields))
        if len(self._held) == self._ahead:
            threading.Timer(self._hold, self._let_go).start()
        return future

    def _let_go(self) -> None:
        held, self._held = self._held, []
        self._hold = 0.0
        for future, fields in held:
            future.set_result(fields)

    def lost(self, error: BaseException) -> bool:
        return False

    def restart(self) -> None:
        raise NotImplementedError

    def close(self, *, kill: bool = False) -> None:
        pass


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    n, task = len(request["inputs"]), request["task"]
    now = time.time()
    rows = np.array(request["inputs"])
    return summary(
        task=task,
        worker="worker-0",
        started=now - n,
        ended=now,
        cpu=1.0,
        file=f"results/{task // 1000:03d}/task-{task:06d}.h5",
        wall_seconds=rows[:, 0],
        cpu_seconds=np.zeros(n),
        scalars={name: [rows[:, k + 1], np.full(n, 1e-3)] for k, name in enumerate("uvw")},
        optional={},
        failed={},
    )


STEPS = ("_retry_or_propose", "_submit", "_simulated", "commit", "_tick")
"""Methods of the controller that are timed, each without those that it calls among them."""


class Timed(controller.Controller):
    """The controller with a watch on its steps."""

    spent: ClassVar[dict[str, list[tuple[int, float, float]]]] = defaultdict(list)
    """Step -> (task or -1, processor s, s of waiting) of each call."""


def _timed(name: str) -> Callable[..., Any]:
    step = getattr(controller.Controller, name)
    inner = [0.0, 0.0]  # of timed steps that a timed step called

    def timed(self: Timed, *args: Any, **options: Any) -> Any:
        before = tuple(_nested)
        cpu, wall = time.thread_time(), time.perf_counter()
        answer = step(self, *args, **options)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        inner[:] = [_nested[0] - before[0], _nested[1] - before[1]]
        _nested[0], _nested[1] = before[0] + cpu, before[1] + wall
        own_cpu, own_wall = cpu - inner[0], wall - inner[1]
        task = args[0] if args and isinstance(args[0], int) else answer if isinstance(answer, int) else -1
        Timed.spent[name].append((task, own_cpu, own_wall - own_cpu))
        return answer

    return timed


_nested = [0.0, 0.0]
for _name in STEPS:
    setattr(Timed, _name, _timed(_name))


def _run(folder: Path, text: str, pool: Instant) -> Record:
    """A campaign on that pool; what the steps took is in `Timed.spent`."""
    Timed.spent.clear()
    _nested[:] = [0.0, 0.0]
    before = controller.start_pool, controller.Controller
    from workflow import engine

    controller.start_pool = lambda *args, **options: pool
    engine.Controller = Timed
    try:
        outcome = run_campaign(parse_campaign(text, "campaign.yaml"), folder, source=HERE)
    finally:
        controller.start_pool, engine.Controller = before
    assert outcome.state == "finished", outcome
    return Record.read(folder / "events.jsonl")


def fitted(points: Iterable[tuple[float, float]]) -> Linear:
    """Cost as a straight line of replicas, as close in relative terms everywhere; nothing is below zero."""
    n, cost = np.array(sorted(points)).T
    weights = 1 / np.maximum(cost, 1e-12)
    if len(n) == 1:
        return Linear(float(cost[0]))
    columns = np.stack([np.ones_like(n), n], axis=1) * weights[:, None]
    from scipy.optimize import nnls

    (fixed, each), _ = nnls(columns, cost * weights)
    return Linear(float(fixed), float(each))


EMPTY = 2e-5
"""Processor seconds of a commit within which there was nothing to write."""

BATCHES = ((1, 1500), (10, 600), (100, 150), (1000, 30))
"""Replicas of a task, and how many tasks."""


def measure_controller(scratch: Path) -> dict[str, Any]:
    """Processor seconds of the controller's steps, bytes of its log, memory and reading of its record."""
    steps: dict[str, list[tuple[float, float]]] = defaultdict(list)
    size, memory, opening, reading, waits = [], [], [], [], []
    for replicas, tasks in BATCHES:
        folder = scratch / f"instant-{replicas}-{time.time_ns()}"
        # A task takes replicas seconds, as the pool says; half a second more does not make it one more.
        text = campaign_text(replicas * tasks, seconds=1.0, task_time=replicas + 0.5)
        record = _run(folder, text, Instant(16))
        counts = record.task_count
        full = set(np.flatnonzero(counts == replicas).tolist())
        assert len(full) > tasks // 3, (replicas, counts)
        for step in ("_retry_or_propose", "_submit", "_simulated"):
            steps[step].append((replicas, _median(c for t, c, _ in Timed.spent[step] if t in full)))
        commits = [spent for spent in Timed.spent["commit"] if spent[1] > EMPTY]
        steps["commit"].append((replicas, _median(c for _, c, _ in commits)))
        waits += [w for _, _, w in commits]
        log = folder / "events.jsonl"
        size.append((replicas, log.stat().st_size / record.tasks * replicas / counts.mean()))
        for times in (opening, reading):  # with the record that is kept beside the log, and without
            start = time.process_time()
            Record.read(log)
            each = (time.process_time() - start) / record.tasks
            times.append((replicas, each * replicas / counts.mean()))
            (folder / record_file.NAME).unlink(missing_ok=True)
        tracemalloc.start()
        again = Record.read(log)
        memory.append((replicas, tracemalloc.get_traced_memory()[0] / again.tasks * replicas / counts.mean()))
        tracemalloc.stop()
    return {
        "propose": fitted(steps["_retry_or_propose"]),
        "submit_own": fitted(steps["_submit"]),
        "handle": fitted(steps["_simulated"]),
        "commit": steps["commit"][0][1],
        # Not the median: a thread that waits for the disk waits for a core, too, where others want one.
        "commit_wait": float(np.quantile(waits, 0.1)),
        "log": fitted(size),
        "open_record": fitted(opening),
        "read_log": fitted(reading),
        "memory": fitted(memory),
    }


def measure_tick(scratch: Path) -> dict[str, float]:
    """Processor seconds of a tick, and what each task in flight adds to it."""
    ticks = {}
    for depth in (16, 4000):
        folder = scratch / f"held-{depth}-{time.time_ns()}"
        text = campaign_text(4200, seconds=1.0, task_time=1.5)
        _run(folder, text, Instant(depth, hold=4.5))
        # The first ones are those in which tasks were still handed over.
        ticks[depth] = min(c for _, c, _ in Timed.spent["_tick"][2:5])
    each = max(0.0, (ticks[4000] - ticks[16]) / (4000 - 16))
    return {"tick": max(0.0, ticks[16] - 16 * each), "tick_task": each}


def measure_growth(tasks: int = 300_000) -> dict[str, float]:
    """What depends on how many replicas there are: seconds per replica of the record's own questions."""
    record = Record()
    record.apply({"event": "run_started", "t": 0.0, "workers": 1, "seq": 0})
    block = 1000
    for k in range(tasks // block):
        inputs = [[0.5] * 5] * block
        record.apply({
            "event": "task_proposed", "t": 0.0, "task": k, "first": k * block, "inputs": inputs,
            "held_out": [0] * block, "model": None,
        })  # fmt: skip
        record.apply({
            "event": "task_done", "t": 1.0, "task": k, "worker": "w", "started": 0.0, "ended": 1.0,
            "cpu": 1.0, "wall_seconds": [1.0] * block, "cpu_seconds": [1.0] * block, "scalars": {},
            "failed": {},
        })  # fmt: skip
    start = time.process_time()
    for _ in range(10):
        record.finished(held_out=False)
    finished = (time.process_time() - start) / 10 / tasks
    start = time.process_time()
    for _ in range(10):
        record.inputs[~record.asked]
    asked = (time.process_time() - start) / 10 / tasks
    return {"finished": finished, "asked": asked, "columns": _columns(record) / tasks}


def _columns(record: Record) -> float:
    return float(sum(c.data.nbytes * record.replicas / len(c.data) for c in record._by_replica.columns))


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.median(found)) if found else float("nan")


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        print(measure_controller(Path(folder)))
        print(measure_tick(Path(folder)))
        print(json.dumps(measure_growth()))
    sys.exit()
