"""The model beside the engine: campaigns of sleeping replicas on this machine, foretold and measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from scaling_controller import HERE, campaign_text
from scaling_engine import simulate
from scaling_parts import Costs, FileSystem, Linear, Place, Work

CASES = (
    ("threads", 2, 0.1, 1, 300),
    ("threads", 8, 0.1, 1, 600),
    ("threads", 32, 1.0, 1, 400),
    ("local", 2, 0.02, 1, 600),
    ("local", 2, 0.5, 1, 60),
    ("local", 2, 1.0, 10, 60),
    ("local", 8, 0.5, 1, 300),
    ("local", 16, 0.1, 1, 800),
    ("threads", 32, 0.05, 1, 2000),
    ("local", 32, 2.0, 1, 400),
    ("local", 64, 1.0, 1, 1200),
)
"""Kind, workers, seconds of a task, replicas of each, tasks."""

QUICK = (1, 4, 6)
"""Cases of the quick mode."""


@dataclass(frozen=True)
class Seen:
    """What a run did in its middle half.

    Args:
        rate: tasks/s.
        busy: share of the workers' time in tasks.
        cpu: processor seconds of the controller per task; ``all_cpu``: of all processes of the run.
        cores: that others left to it.
        log, files: bytes of the event log, and how many result files.
        tasks: how many there were.
    """

    rate: float
    busy: float
    cpu: float
    all_cpu: float
    cores: float
    log: float
    files: int
    tasks: int


def drive(folder: str, simulations: str, kind: str, workers: str, seconds: str, task_time: str) -> None:
    """Run a campaign and print what was seen meanwhile; a process of its own."""
    from workflow.engine import run_campaign
    from workflow.reading import parse_campaign

    text = campaign_text(
        int(simulations), seconds=float(seconds), task_time=float(task_time), kind=kind, workers=int(workers)
    )
    looks: list[tuple[float, float, float, float]] = []
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        mine: dict[int, float] = {}
        while not over.wait(1.0):
            for process in (me, *me.children(recursive=True)):
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                mine[process.pid] = times.user + times.system
            all_times = psutil.cpu_times()
            idle = all_times.idle + all_times.iowait
            own = time.thread_time()  # what looking takes is not the run's
            looks.append((time.time(), sum(mine.values()) - own, idle, time.process_time() - own))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        outcome = run_campaign(parse_campaign(text, "campaign.yaml"), folder, source=HERE)
    finally:
        over.set()
        watcher.join()
    assert outcome.state == "finished", outcome
    print(json.dumps(looks))


def observed(kind: str, workers: int, seconds: float, replicas: int, tasks: int) -> Seen:
    """One run of the engine."""
    import numpy as np

    from workflow.record import Record

    scratch = Path(tempfile.mkdtemp(prefix="mlaround-scaling-"))
    try:
        each = seconds / replicas
        # A task gets as many replicas as are wanted once their cost is known, the cost of a task in it.
        task_time = (each + 1e-3) * replicas * 1.01 if replicas > 1 else 1e-3
        answer = subprocess.run(
            [
                *(sys.executable, __file__, "drive", str(scratch / "run"), str(tasks * replicas)),
                *(kind, str(workers), str(each), str(task_time)),
            ],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        looks = np.array(json.loads(answer.stdout.splitlines()[-1]))
        record = Record.read(scratch / "run/events.jsonl")
        assert record.done == tasks * replicas
        started, ended = record.task_started, np.sort(record.task_ended)
        n = record.tasks
        low, high = ended[n // 4], ended[n * 3 // 4]
        inside = np.clip(np.minimum(record.task_ended, high) - np.maximum(started, low), 0, None).sum()
        middle = looks[(looks[:, 0] >= low) & (looks[:, 0] <= high)]
        span = middle[-1] - middle[0]
        others = (os.cpu_count() or 1) - (span[1] + span[2]) / span[0]
        done = (record.task_ended <= middle[-1][0]).sum() - (record.task_ended <= middle[0][0]).sum()
        return Seen(
            rate=(n * 3 // 4 - n // 4) / (high - low),
            busy=inside / (workers * (high - low)),
            cpu=span[3] / done,
            all_cpu=span[1] / done,
            cores=max(0.1, (os.cpu_count() or 1) - max(0.0, others)),
            log=(scratch / "run/events.jsonl").stat().st_size,
            files=len(list((scratch / "run/results").glob("*/*.h5"))),
            tasks=n,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def table(
    costs: dict[str, Costs], log: Linear, files: FileSystem, *, quick: bool = False, show: Any = print
) -> list[float]:
    """Foretold and measured, case by case; the errors of the throughput, as shares."""
    heads = (
        "kind, workers, task", "cores it got", "tasks/s: model, run", "error", "busy: model, run",
        "processor ms/task: model, run", "of the controller", "log bytes/task: model, run",
        "files: tasks, found",
    )  # fmt: skip
    show("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    errors = []
    for k, (kind, workers, seconds, replicas, tasks) in enumerate(CASES):
        if quick and k not in QUICK:
            continue
        seen = observed(kind, workers, seconds, replicas, tasks)
        ahead = 3.0 if kind == "threads" else 2.0
        place = Place(1, workers, ahead=ahead, threads=kind == "threads", cores=seen.cores)
        size = round(tasks * replicas / seen.tasks)
        told = simulate(costs[kind], files, place, Work(seen.tasks, size, seconds))
        error = told.rate / seen.rate - 1
        errors.append(error)
        cells = (
            f"{kind}, {workers}, {seconds:g} s{f' of {size}' if size > 1 else ''}", f"{seen.cores:.2f}",
            f"{told.rate:.3g}, {seen.rate:.3g}", f"{error:+.0%}", f"{told.steady:.3f}, {seen.busy:.3f}",
            f"{1e3 * told.all_cpu:.1f}, {1e3 * seen.all_cpu:.1f}",
            f"{1e3 * told.cpu:.2f}, {1e3 * seen.cpu:.2f}",
            f"{log.of(size):.0f}, {seen.log / seen.tasks:.0f}", f"{seen.tasks}, {seen.files}",
        )  # fmt: skip
        show("| " + " | ".join(cells) + " |")
    return errors


if __name__ == "__main__":
    drive(*sys.argv[2:])
