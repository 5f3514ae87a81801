"""A run folder written from nothing, as large as one likes, that can be made to go on live.

Nothing is simulated: the events are those of a campaign in a slit on many workers, with failures of two
kinds in a part of the space and a few models. There are no result files and no model files, so that
pages that read only the event log have all that they need, and no other page has.

    python tests/workflow/replay.py runs/replay --tasks 10000 --rate 5 --changes 4
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workflow.binding import bind
from workflow.events import Event, EventWriter
from workflow.folder import RunFolder, process_start, write_atomically
from workflow.reading import dump, parse_campaign
from workflow.record import Record
from workflow.status import status

CAMPAIGN = """
name: replay
simulator: {{kind: slit_electrolyte, ions: 212, steps: 80000}}
space:
  gap: [3.0 nm, 4.0 nm]
  cation_valency: {{choices: [1, 2, 3]}}
  anion_valency: -1
  concentration: [0.3 mol/L, 0.9 mol/L]
  diameter: [0.5 nm, 0.75 nm]
surrogate: {{kind: mlp_ensemble}}
steering: {{kind: active_learning}}
training: {{first: 60, every: 45, held_out: 0.25}}
stop: {{simulations: {simulations}}}
resources: {{kind: local, workers: {workers}}}
seed: {seed}
"""

TASK_SECONDS = 40.0
"""Median length of a task of the history."""

MODELS_AT = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)
"""When a model is trained, as parts of the history."""

REJECTED = 4
"""The version that is worse than the one in use."""

BLOCK = 1000
"""Tasks whose inputs are drawn at once when the run goes on."""

OVERLAP, OVER_TIME = "overlap", "timeout"
"""The two ways to fail: in narrow gaps with much salt, and with large ions of high valency."""


@dataclass(frozen=True)
class Replayed:
    """What a history holds, to compare a page with.

    Args:
        tasks, done, failed: tasks in the log, simulations with a result, and those without.
    """

    tasks: int
    done: int
    failed: int


class Mark(NamedTuple):
    """The end of what was written at one time: number of the last event, and its time, s since 1970."""

    seq: int
    t: float


class Replay:
    """Writes the history of a run, then goes on with it.

    Args:
        path: the run folder; it must not exist.
        tasks: in the log at first, those that run and wait included.
        workers: that many of them run, and as many wait.
        batch: simulations a task.
        seed: the same history for the same seed, but for the time at which it ends: now.
    """

    def __init__(self, path: Path, *, tasks: int, workers: int = 64, batch: int = 2, seed: int = 7) -> None:
        if tasks < 3 * workers:
            raise ValueError(f"{workers} workers need {3 * workers} tasks or more")
        self.folder, self.workers, self.batch = RunFolder(path), workers, batch
        text = CAMPAIGN.format(simulations=2 * tasks * batch, workers=workers, seed=seed)
        self.campaign = parse_campaign(text)
        self.space, _ = bind(self.campaign)
        self.random = np.random.default_rng(seed)
        provenance = {"campaign": self.campaign.name, "seed": seed}
        self.folder.create(campaign=text, resolved=dump(self.campaign), provenance=provenance)
        self.names = [f"node{k // 16 + 1:02d}-{k % 16:02d}" for k in range(workers)]
        self.inputs = np.empty((0, len(self.space.names)))
        self.waiting: list[int] = []
        self.running: list[tuple[int, int, float]] = []  # task, worker, start
        me = {"pid": os.getpid(), "host": socket.gethostname(), "started": process_start(os.getpid())}
        write_atomically(self.folder.controller, json.dumps(me))
        self.running_files = self.folder.path / "running"
        self.running_files.mkdir(exist_ok=True)
        self._write(tasks)
        self.record = Record.read(self.folder.events)
        self.log = EventWriter(self.folder.events, self.record.events)
        self.publish()

    @property
    def mark(self) -> Mark:
        """The last event."""
        return self._mark

    @property
    def written(self) -> Replayed:
        """What the log holds by now."""
        return Replayed(self.record.tasks, self.record.done, self.record.failed)

    # The history.

    def _write(self, tasks: int) -> None:
        self._draw(tasks)
        lengths = TASK_SECONDS * np.exp(0.35 * self.random.standard_normal(tasks)) * self._cost(slice(tasks))
        ended = tasks - 2 * self.workers
        free = [(0.2 + 0.01 * k, k) for k in range(self.workers)]
        heapq.heapify(free)
        done: list[tuple[float, int, int, float]] = []  # end, task, worker, start
        for task in range(tasks - self.workers):
            start, worker = heapq.heappop(free)
            heapq.heappush(free, (start + lengths[task], worker))
            done.append((start + lengths[task], task, worker, start))
        done.sort()
        now = done[ended - 1][0]
        started = {task: start for _, task, _, start in done}
        origin = time.time() - now - 0.5
        lines: list[tuple[float, Event]] = [(0.0, self._run_started())]
        for task in range(tasks):  # each is decided when the one before it on the queue starts
            at = started[task - self.workers] if task >= self.workers else 0.1
            lines.append((min(at, now), self._proposed(task)))
        for end, task, worker, start in done[:ended]:
            lines.append((end + 0.01, self._done(task, worker, origin + start, origin + end)))
        lines += self._models(now, origin, ended)
        lines.sort(key=lambda line: line[0])
        with self.folder.events.open("w") as file:
            for seq, (at, event) in enumerate(lines):
                self._mark = Mark(seq, round(origin + at, 6))
                whole = {"seq": self._mark.seq, "t": self._mark.t, **event}
                file.write(json.dumps(whole, separators=(",", ":"), allow_nan=False) + "\n")
        self.waiting = list(range(tasks - self.workers, tasks))
        for _, task, worker, start in sorted(done[ended:], key=lambda row: row[3]):
            self._begin(task, worker, origin + start)

    def _run_started(self) -> Event:
        about = {"version": "0.1.0", "host": socket.gethostname(), "pid": os.getpid()}
        about |= {"run": self.folder.name, "workers": self.workers, "resumed": False}
        return {"event": "run_started", **about}

    def _draw(self, tasks: int) -> None:
        more = self.random.random((tasks * self.batch, len(self.space.names)))
        self.inputs = np.concatenate([self.inputs, self.space.from_unit(more)])

    def _cost(self, tasks: slice) -> Any:
        gap = self.inputs[:: self.batch, 0][tasks]
        return 0.5 + 0.5 * (gap - 2.0)

    def _proposed(self, task: int) -> Event:
        first = task * self.batch
        rows = range(first, first + self.batch)
        return {
            "event": "task_proposed",
            "task": task,
            "first": first,
            "inputs": self.inputs[first : first + self.batch].tolist(),
            "held_out": [int(k % 4 == 3) for k in rows],
            "model": None,
        }

    def _done(self, task: int, worker: int, started: float, ended: float) -> Event:
        rows = self.inputs[task * self.batch : (task + 1) * self.batch]
        chance = self.random.random(len(rows))
        noise = 1 + 0.02 * self.random.standard_normal((3, len(rows)))
        gap, valency, _, salt, diameter = rows.T
        values = {
            "contact_density": salt * (0.2 + 0.15 * valency) * noise[0],
            "mid_density": salt * (0.7 - 0.1 * (4 - gap)) * noise[1],
            "peak_density": salt * (0.9 + 0.4 * diameter) * noise[2],
        }
        failed: dict[str, list[str]] = {}
        for k in range(len(rows)):
            if gap[k] < 3.15 and salt[k] > 0.6 and chance[k] < 0.8:
                said = f"timestep = 0.005 tau: ions overlap at step {int(8e4 * chance[k])}"
                failed[str(k)] = [OVERLAP, said]
            elif diameter[k] > 0.72 and valency[k] == 3 and chance[k] < 0.6:
                failed[str(k)] = [OVER_TIME, f"no end within {TASK_SECONDS * 3:g} s"]
        each = (ended - started) / len(rows)
        lost = {int(k) for k in failed}
        return {
            "event": "task_done",
            "task": task,
            "worker": self.names[worker],
            "started": started,
            "ended": ended,
            "cpu": round(0.97 * (ended - started), 5),
            "file": f"results/{task // 1000:03d}/task-{task:06d}.h5",
            "wall_seconds": [round(each, 6)] * len(rows),
            "cpu_seconds": [round(0.96 * each, 6)] * len(rows),
            "scalars": {
                name: [
                    [None if k in lost else v for k, v in enumerate(mean.tolist())],
                    [None if k in lost else 0.02 * v for k, v in enumerate(mean.tolist())],
                ]
                for name, mean in values.items()
            },
            "failed": failed,
        }

    def _models(self, now: float, origin: float, ended: int) -> list[tuple[float, Event]]:
        lines: list[tuple[float, Event]] = []
        standing = None
        for version, part in enumerate(MODELS_AT, 1):
            start, n = part * now, int(part * ended * self.batch)
            end = start + min(30 + 0.002 * n, 0.02 * now)
            scores = self._scores(n)
            promoted = version != REJECTED
            lines.append((start, {"event": "training_started", "model": version, "simulations": n * 3 // 4}))
            model: Event = {
                "event": "model_trained",
                "model": version,
                "started": origin + start,
                "ended": origin + end,
                "cpu": round(end - start, 6),
                "simulations": n * 3 // 4,
                "held_out": n // 4,
                "scores": scores,
                "standing": standing,
                "comparison": None if version == 1 else _comparison(promoted),
                "lookup_seconds": 0.00045,
                "promoted": promoted,
            }
            standing = scores if promoted else standing
            lines.append((end, model))
        return lines

    def _scores(self, n: int) -> dict[str, Any]:
        error = round(0.008 + 0.4 / n**0.5, 5)
        coverage = round(0.95 + 0.02 * self.random.standard_normal(), 4)
        one = {"success": 1 - 1.5 * error, "coverage": coverage, "median_relative_error": error, "rms_z": 1.0}
        outputs = ("contact_density", "mid_density", "peak_density", "density_cation", "density_anion")
        targets = {name: {**one, "rmse": error} for name in outputs}
        return {"n": n // 4, "targets": targets, "overall": one, "calibrated_error": error}

    # What happens from now on.

    def _note(self, event: Event) -> None:
        kind = event["event"]
        written = self.log.append(kind, **{key: value for key, value in event.items() if key != "event"})
        self._mark = Mark(written["seq"], written["t"])
        self.record.apply(written)

    def _begin(self, task: int, worker: int, started: float) -> None:
        self.running.append((task, worker, started))
        about = {"pid": os.getpid(), "host": socket.gethostname(), "worker": self.names[worker]}
        told = {"task": task, **about, "started": started}
        write_atomically(self.running_files / f"task-{task:06d}.json", json.dumps(told))

    def advance(self, changes: int) -> Mark:
        """End the tasks that run longest, start as many and decide on as many more, now.

        Returns:
            what was written, which is on disk when this returns.
        """
        now = time.time()
        for _ in range(changes):
            task, worker, started = self.running.pop(0)
            self._note(self._done(task, worker, started, now))
            (self.running_files / f"task-{task:06d}.json").unlink(missing_ok=True)
            new = self.record.tasks
            if new * self.batch == len(self.inputs):
                self._draw(BLOCK)
            self._note(self._proposed(new))
            self.waiting.append(new)
            self._begin(self.waiting.pop(0), worker, now)
        self.log.commit()
        return self.mark

    def live(self, seconds: float, *, rate: float = 5.0, changes: int = 4) -> list[Mark]:
        """Go on in real time.

        Args:
            seconds: for how long.
            rate: how often a second something happens.
            changes: tasks that end then, all at once.

        Returns:
            what was written each time.
        """
        begin, marks = time.monotonic(), []
        published = begin
        for k in range(max(1, round(seconds * rate))):
            time.sleep(max(0.0, begin + k / rate - time.monotonic()))
            marks.append(self.advance(changes))
            if time.monotonic() - published >= 1.0:
                published = time.monotonic()
                self.publish()
        return marks

    def publish(self, state: str = "running", reason: str | None = None) -> None:
        """Write ``status.json`` as a controller does once a second."""
        self.folder.touch_controller()
        self.folder.write_status(
            status(
                self.record,
                name=self.campaign.name,
                run=self.folder.name,
                total=self.campaign.stop.simulations,
                running=len(self.running) * self.batch,
                state=state,
                reason=reason,
            )
        )

    def close(self) -> None:
        """Let the run go, as a controller does that was told to stop."""
        self._note({"event": "run_stopped", "state": "stopped", "reason": "asked to stop"})
        self.log.close()
        self.running.clear()
        self.publish("stopped", "asked to stop")
        self.folder.controller.unlink(missing_ok=True)
        for path in self.running_files.iterdir():
            path.unlink()


def _comparison(promoted: bool) -> dict[str, float]:
    return {"difference": -0.4 if promoted else 0.3, "stderr": 0.1}


def main() -> None:
    """Write a run folder and go on with it until interrupted."""
    parser = argparse.ArgumentParser(description="Write the folder of a run that never was.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="changes a second; 0 for none")
    parser.add_argument("--changes", type=int, default=4, help="tasks that end each time")
    given = parser.parse_args()
    replay = Replay(given.folder, tasks=given.tasks, workers=given.workers)
    print(f"{given.folder}: {replay.written}")
    try:
        while given.rate > 0:
            replay.live(60.0, rate=given.rate, changes=given.changes)
    except KeyboardInterrupt:
        pass
    finally:
        replay.close()


if __name__ == "__main__":
    main()
