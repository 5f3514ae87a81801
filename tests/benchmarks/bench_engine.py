"""What the engine costs beside the work it organises: `make bench`.

The sleeping simulator is steered after every result on two workers. Each figure comes with the bound
it has to keep; the exit status says whether all were kept. Every run is a process of its own, measured
from its start to its end with all imports.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from surrogates import Model, Surrogate
from surrogates.contract import Predictor

HERE = Path(__file__).parent

CAMPAIGN = """
name: bench
simulator: {{kind: sleeping}}
space: {{seconds: [{low}, {high}]}}
surrogate: {{kind: "bench_engine:Nothing"}}
steering: {{kind: random}}
stop: {{simulations: {tasks}}}
resources: {{kind: {pool}, workers: 2, task_time: 0.001}}
"""


class Nothing(Surrogate):
    """A surrogate that never has enough data: the engine is measured without trainings."""

    predictor: ClassVar[type[Predictor]] = Predictor
    needed: ClassVar[int] = 10**9

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None) -> Model:  # type: ignore[no-untyped-def]
        """Never called."""
        raise NotImplementedError


def drive(campaign: str, folder: str) -> None:
    """Run a campaign and print what it took; the child process of `measure`."""
    from workflow.engine import run_campaign
    from workflow.reading import load_campaign

    start = time.process_time()
    outcome = run_campaign(load_campaign(campaign), folder, source=Path(campaign))
    assert outcome.state == "finished", outcome
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": time.process_time() - start, "memory": usage.ru_maxrss / 1024}))


def measure(pool: str, seconds: float, tasks: int) -> dict[str, float]:
    """One run in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="mlaround-bench-"))
    try:
        campaign = folder / "campaign.yaml"
        low = max(0.0, seconds - 1e-6)
        campaign.write_text(CAMPAIGN.format(low=low, high=seconds + 1e-6, tasks=tasks, pool=pool))
        started = time.time()
        answer = subprocess.run(
            [sys.executable, __file__, "drive", str(campaign), str(folder / "run")],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE)},
        )
        wall = time.time() - started
        figures = json.loads(answer.stdout.splitlines()[-1])
        status = json.loads((folder / "run/status.json").read_text())
        assert status["simulations"]["done"] == tasks
        assert status["simulations"]["lost"] == status["simulations"]["duplicated"] == 0
        from workflow.record import Record

        record = Record.read(folder / "run/events.jsonl")
        return {
            "first": float(record.task_ended.min()) - started,
            "busy": status["workers"]["busy_fraction"],
            "whole": tasks * seconds / 2 / wall,
            "wall": wall,
            **figures,
        }
    finally:
        shutil.rmtree(folder)


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
        run = measure(pool, 0.1, 200)
        row(f"{pool}: first result after the command", run["first"], "s", first)
        row(f"{pool}: workers busy, 100 ms tasks", run["busy"], "", 0.96, at_least=True)
        row(f"{pool}: of the whole wall time, 200 x 100 ms", run["whole"], "", whole, at_least=True)
        row(f"{pool}: workers busy, 1 s tasks", measure(pool, 1.0, 24)["busy"], "", 0.99, at_least=True)
        few, many = measure(pool, 0.0, 100), measure(pool, 0.0, 1100)
        # On threads the simulations are this process's too, with the writing of their files.
        cpu = (many["cpu"] - few["cpu"]) / 1000 * 1e3
        row(f"{pool}: processor time per task in the controller", cpu, "ms", 1.0 if pool == "local" else 5.0)
    few_us, _ = marginal(100)
    many_us, many_bytes = marginal(100_000)
    row("record: time per task after 100 tasks", few_us, "us", 200)
    row("record: the same after 100,000", many_us, "us", max(200, 1.5 * few_us))
    row("record: memory per task with 100,000 recorded", many_bytes, "B", 300)
    row("record: opening 100,000 tasks", opening(100_000), "s", 3.0)
    return int(not all(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        drive(*sys.argv[2:])
    else:
        sys.exit(main())
