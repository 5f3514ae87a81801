"""What a task costs its worker and the disk, and what a training reads: the real code on files of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scaling_controller import HERE, campaign_text, fitted

from workflow.folder import RunFolder
from workflow.reading import dump, parse_campaign
from workflow.record import Record
from workflow.results import read_arrays
from workflow.tasks import simulate

BATCHES = ((1, 150), (10, 60), (100, 40), (1000, 12))
"""Replicas of a task, and how many tasks."""


def _request(folder: RunFolder, task: int, replicas: int) -> dict[str, Any]:
    rows = np.random.default_rng(task).random((replicas, 5))
    rows[:, 0] = 0.0
    return {
        "run": str(folder.path), "search": str(HERE.parent), "task": task, "first": task * replicas,
        "inputs": rows.tolist(), "seed": 0,
    }  # fmt: skip


def _folder(path: Path) -> RunFolder:
    text = campaign_text(10, seconds=0.0, task_time=1.0)
    folder = RunFolder(path)
    sys.path.append(str(HERE.parent))
    resolved = dump(parse_campaign(text, "campaign.yaml"))
    folder.create(campaign=text, resolved=resolved, provenance={"source": str(HERE)})
    return folder


def work(path: str, replicas: int, tasks: int) -> None:
    """Simulate some tasks as a worker does, and print what they took; a process of its own."""
    folder = _folder(Path(path))
    simulate(_request(folder, 10**6, replicas))  # imports, and reads the campaign
    found = []
    record = Record()
    record.apply({"event": "run_started", "t": 0.0, "workers": 1, "seq": 0})
    for task in range(tasks):
        request = _request(folder, task, replicas)
        cpu = time.process_time()
        fields = simulate(request)
        found.append((time.process_time() - cpu - fields["cpu"], fields["cpu"]))
        held = [0] * replicas
        record.apply({
            "event": "task_proposed", "t": 0.0, "task": task, "first": request["first"],
            "inputs": request["inputs"], "held_out": held, "model": None,
        })  # fmt: skip
        record.apply({"event": "task_done", "t": 0.0, **fields})
    start = time.process_time()
    read_arrays(folder, record, ["u", "v", "w", "profile"])
    reading = (time.process_time() - start) / tasks
    between, inside = np.median(np.array(found), axis=0).tolist()
    size = folder.result(0).stat().st_size
    figures = {"between": between, "task": inside, "file": size, "read": reading}
    print(json.dumps(figures))


def measure_worker(scratch: Path) -> dict[str, Any]:
    """Processor seconds of a worker per task, bytes of result files, seconds to read one."""
    points: dict[str, list[tuple[float, float]]] = {}
    for replicas, tasks in BATCHES:
        for name, value in _child(scratch, "work", replicas, tasks).items():
            points.setdefault(name, []).append((replicas, max(0.0, value)))
    return {name: fitted(of) for name, of in points.items()}


def _child(scratch: Path, what: str, *numbers: int, before: tuple[str, ...] = ()) -> dict[str, float]:
    folder = scratch / f"{what}-{numbers[0]}-{time.time_ns()}"
    answer = subprocess.run(
        [*before, sys.executable, __file__, what, str(folder), *map(str, numbers)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PARSL_WORKER_RANK": "0", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


CALLS = re.compile(r"^\d+ +(?:<\.\.\. )?([a-z0-9_]+)\b")


def count_operations(scratch: Path) -> dict[str, Any] | None:
    """What the file system is asked for by one task, and by the start of a worker; needs strace.

    Files of the run count for tasks, all files for the start: those of Python and its packages.
    """
    if shutil.which("strace") is None:
        return None
    counts: list[Counter[str]] = []
    starts: list[int] = []
    for tasks in (2, 52):
        trace = scratch / f"trace-{tasks}"
        strace = ("strace", "-f", "-y", "-e", "trace=%file,fsync,fdatasync,getdents64", "-o", str(trace))
        _child(scratch, "work", 1, tasks, before=strace)
        lines = trace.read_text(errors="replace").splitlines()
        own = [line for line in lines if str(scratch) in line and "resumed>" not in line]
        counts.append(Counter(match[1] for line in own if (match := CALLS.match(line))))
        starts.append(len([line for line in lines if str(scratch) not in line]))
    each = {name: (counts[1][name] - counts[0][name]) / 50 for name in counts[1]}
    return {"task": {k: v for k, v in each.items() if v > 0.5}, "start": starts[0]}


def measure_disk(scratch: Path) -> dict[str, float]:
    """Seconds of an fsync of a small file, and how many of them go on at a time."""
    data = os.urandom(10_000)

    def write(name: Path, times: list[float]) -> None:
        for _ in range(20):
            with name.open("wb") as file:
                file.write(data)
                file.flush()
                start = time.perf_counter()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - start)

    alone: list[float] = []
    write(scratch / "alone", alone)
    together: list[float] = []
    threads = [threading.Thread(target=write, args=(scratch / f"{k}", together)) for k in range(16)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(together) / (time.perf_counter() - start)
    latency = float(np.median(alone))
    return {"fsync": latency, "fsyncs": max(1, round(rate * latency))}


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            print(measure_worker(Path(name)))
            print(count_operations(Path(name)))
            print(measure_disk(Path(name)))
