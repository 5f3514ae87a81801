"""What the engine costs beside the work it organises: `make bench`.

The sleeping simulator is steered after every result on two workers (`steering.py`). Each figure comes with
the bound it has to keep; the exit status says whether all were kept. `bench_steering.py` has its peers.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from steering import Mlaround, Problem


def marginal(tasks: int, step: int = 2000) -> tuple[float, float]:
    """What one more task costs the record and its log after ``tasks`` of them: microseconds, bytes."""
    import tracemalloc

    from workflow.events import EventWriter
    from workflow.record import Record

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.touch()
        record = Record()
        with EventWriter(path, 0) as log:
            note = lambda event, **fields: record.apply(log.append(event, **fields))  # noqa: E731  # short
            note("run_started", run="x", version="0", host="h", pid=1, workers=2, resumed=False)

            def one(task: int) -> None:
                now = time.time()
                note("task_proposed", task=task, first=task, inputs=[[0.5, 0.1]], held_out=[0], model=None)
                note(
                    "task_done", task=task, file="f", worker="w", started=now, ended=now, cpu=0.0,
                    wall_seconds=[0.1], cpu_seconds=[0.1], scalars={"slept": [[0.5], [0.1]]}, failed={},
                )  # fmt: skip

            for task in range(tasks):
                one(task)
            log.commit()
            start = time.process_time()
            for task in range(tasks, tasks + step):
                one(task)
            spent = (time.process_time() - start) / step * 1e6
            log.commit()
        tracemalloc.start()
        again = Record.read(path)
        memory = tracemalloc.get_traced_memory()[0] / (tasks + step)
        tracemalloc.stop()
        assert again.done == tasks + step
        return spent, memory


def opening(tasks: int) -> float:
    """Seconds to open a record of that many tasks."""
    from workflow.record import Record

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        now = time.time()
        with path.open("w") as file:
            file.write(
                f'{{"seq":0,"t":{now},"event":"run_started","run":"x","version":"0","host":"h","pid":1,'
                '"workers":2,"resumed":false}\n'
            )
            for k in range(tasks):
                file.write(
                    f'{{"seq":{2 * k + 1},"t":{now},"event":"task_proposed","task":{k},"first":{k},'
                    '"inputs":[[0.5,0.1]],"held_out":[0],"model":null}\n'
                    f'{{"seq":{2 * k + 2},"t":{now},"event":"task_done","task":{k},'
                    f'"file":"results/000/task-{k:06d}.h5",'
                    f'"worker":"worker-0","started":{now},"ended":{now},"cpu":0.1,"wall_seconds":[0.1],'
                    '"cpu_seconds":[0.1],"scalars":{"slept":[[0.5],[0.1]]},"failed":{}}\n'
                )
        start = time.perf_counter()
        record = Record.read(path)
        assert record.done == tasks
        assert not record.lost
        return time.perf_counter() - start


def main() -> int:
    """Measure, print a table, and say whether every bound was kept."""
    rows: list[bool] = []

    def row(name: str, value: float, unit: str, bound: float, *, at_least: bool = False) -> None:
        kept = value >= bound if at_least else value <= bound
        rows.append(kept)
        sign = ">=" if at_least else "<="
        print(f"{name:58s} {value:9.3f} {unit:4s} ({sign} {bound:g}) {'' if kept else 'MISSED'}", flush=True)

    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for pool, first, whole in (("threads", 1.0, 0.92), ("local", 5.0, 0.70)):
        engine = Mlaround(pool)
        run = engine.run(Problem(0.1, 200))
        row(f"{pool}: first result after the command", run.first, "s", first)
        row(f"{pool}: workers busy, 100 ms tasks", 1 - run.idle, "", 0.96, at_least=True)
        row(f"{pool}: of the whole wall time, 200 x 100 ms", run.whole, "", whole, at_least=True)
        busy = 1 - engine.run(Problem(1.0, 24)).idle
        row(f"{pool}: workers busy, 1 s tasks", busy, "", 0.99, at_least=True)
        # On threads the simulations are this process's too, with the writing of their files.
        cpu = engine.run(Problem(0.0, 100_000, limit=10.0)).cost(1) * 1e3
        row(f"{pool}: processor time per task in the controller", cpu, "ms", 1.0 if pool == "local" else 5.0)
    few_us, _ = marginal(100)
    many_us, many_bytes = marginal(100_000)
    row("record: time per task after 100 tasks", few_us, "us", 200)
    row("record: the same after 100,000", many_us, "us", max(200, 1.5 * few_us))
    row("record: memory per task with 100,000 recorded", many_bytes, "B", 300)
    row("record: opening 100,000 tasks", opening(100_000), "s", 3.0)
    return int(not all(rows))


if __name__ == "__main__":
    sys.exit(main())
