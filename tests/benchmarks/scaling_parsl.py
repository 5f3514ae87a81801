"""What Parsl costs a task: client, interchange, manager and worker; an interchange with many managers."""

from __future__ import annotations

import copy
import os
import queue
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HERE = Path(__file__).parent

PAYLOAD = {"task": 1, "scalars": {name: [[0.5], [0.1]] for name in "uvw"}, "inputs": [[0.1] * 5]}
"""As long as a request or an answer of one replica."""


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _drive(submit: Any, tasks: int, depth: int) -> None:
    """Have that many tasks done with so many of them on their way."""
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sent = got = 0
    while got < tasks:
        while sent < tasks and sent - got < depth:
            submit().add_done_callback(done.put)
            sent += 1
        done.get().result()
        got += 1
        while not done.empty():
            done.get().result()
            got += 1


def measure_pool(scratch: Path, workers: int = 2, tasks: int = 3000) -> dict[str, float]:
    """Processor seconds per task of every process of the project's own pool here, and round trips."""
    from workflow.pools import start_pool
    from workflow.resources import Local

    pool = start_pool(Local(workers=workers), scratch / f"pool-{time.time_ns()}", name="simulate")
    try:
        submit = lambda: pool.submit(copy.copy, PAYLOAD)  # noqa: E731  # short
        _drive(submit, 200, 4)
        trips = []
        for _ in range(200):
            start = time.perf_counter()
            submit().result()
            trips.append(time.perf_counter() - start)
        parts = _family(pool._life._executor, workers)
        before = {name: sum(map(_cpu, of)) for name, of in parts.items()}
        own, submitting, start = time.process_time(), 0.0, time.perf_counter()

        def timed() -> Any:
            nonlocal submitting
            begin = time.thread_time()
            future = submit()
            submitting += time.thread_time() - begin
            return future

        _drive(timed, tasks, 2 * workers)
        wall, own = time.perf_counter() - start, time.process_time() - own
        spent = {name: (sum(map(_cpu, of)) - before[name]) / tasks for name, of in parts.items()}
    finally:
        pool.close(kill=True)
    return {
        **spent,
        "submit": submitting / tasks,
        "result": (own - submitting) / tasks,
        "trip": float(np.median(trips)),
        "rate": tasks / wall,
    }


def _family(executor: Any, workers: int) -> dict[str, list[psutil.Process]]:
    """The processes of an executor by what they do."""
    interchange = psutil.Process(executor.interchange_proc.pid)
    (manager,) = psutil.Process(executor.manager.pid).children()
    below = [p for p in manager.children() if "resource_tracker" not in " ".join(p.cmdline())]
    return {"interchange": [interchange], "manager": [manager], "workers": below}


class Interchange:
    """Parsl's interchange with managers that are not there (see `scaling_sleeper.managers`)."""

    def __init__(self, managers: int, workers: int = 8, beats: int = 0) -> None:
        from parsl.executors import HighThroughputExecutor
        from parsl.providers import LocalProvider

        self.folder = tempfile.mkdtemp(prefix="mlaround-scaling-")
        self.executor = executor = HighThroughputExecutor(
            label="x",
            provider=LocalProvider(init_blocks=0, max_blocks=0),
            address="127.0.0.1",
            heartbeat_threshold=100_000,
            heartbeat_period=1000,
            block_error_handler=False,
            encrypted=True,  # as among nodes of a batch system
            interchange_launch_cmd=[sys.executable, "-m", "parsl.executors.high_throughput.interchange"],
        )
        executor.run_dir, executor.run_id = self.folder, "x"
        executor.start()
        self.managers = subprocess.Popen(
            [
                *(sys.executable, str(HERE / "scaling_sleeper.py"), str(executor.worker_port)),
                *(executor.cert_dir, str(managers), str(workers), str(beats)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        deadline = time.monotonic() + 120
        while len(executor.connected_managers()) < managers:
            assert time.monotonic() < deadline, "managers do not register"
            time.sleep(0.2)
        self.process = psutil.Process(executor.interchange_proc.pid)

    def __enter__(self) -> Interchange:
        return self

    def __exit__(self, *error: object) -> None:
        import shutil

        self.managers.kill()
        self.managers.wait()
        assert self.managers.stdin is not None
        assert self.managers.stdout is not None
        self.managers.stdin.close()
        self.managers.stdout.close()
        self.executor.shutdown()
        self.executor.interchange_proc.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def beat_cost(managers: int, beats: int = 3000) -> float:
    """Processor seconds of the interchange per heartbeat: a turn with one message and nothing else."""
    with Interchange(managers, beats=beats) as interchange:
        assert interchange.managers.stdin is not None
        assert interchange.managers.stdout is not None
        before = _cpu(interchange.process)
        interchange.managers.stdin.write(b"\n")
        interchange.managers.stdin.flush()
        assert interchange.managers.stdout.readline() == b"beaten\n"
        return (_cpu(interchange.process) - before) / beats


def task_cost(managers: int, tasks: int = 3000) -> tuple[float, float]:
    """Processor seconds of the interchange per task when it has always something to do, and tasks/s."""
    with Interchange(managers) as interchange:
        submit = lambda: interchange.executor.submit(copy.copy, {}, PAYLOAD)  # noqa: E731  # short
        _drive(submit, 300, 100)
        before, start = _cpu(interchange.process), time.perf_counter()
        _drive(submit, tasks, min(tasks, max(200, 16 * managers)))
        wall = time.perf_counter() - start
        return (_cpu(interchange.process) - before) / tasks, tasks / wall


def measure_interchange(counts: tuple[int, ...] = (1, 100, 1000)) -> dict[str, Any]:
    """What a turn of the interchange costs, and what each manager that it knows adds."""
    beats = [(count, beat_cost(count)) for count in counts]
    each, fixed = np.polyfit([c for c, _ in beats], [s for _, s in beats], 1)
    tasks = [(count, *task_cost(count)) for count in counts]
    return {"turn": float(fixed), "turn_manager": float(each), "beats": beats, "tasks": tasks}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(measure_pool(Path(name)))
    print(measure_interchange())
