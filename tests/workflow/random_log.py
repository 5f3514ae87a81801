"""Logs of runs that never were, with all that can happen in one, in any order that a controller may give."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from workflow.record import Record

REASONS = ("too hot", "überlappt", 'a "quoted"\nreason')


class RandomLog:
    """Writes events at random, each of which makes sense after those before it.

    Args:
        path: the log, which is begun.
        seed: of the same log.
        scalars: outputs of the simulator.
    """

    def __init__(self, path: Path, seed: int, scalars: tuple[str, ...] = ("y", "z/2")) -> None:
        self.random, self.path, self.scalars = random.Random(seed), path, scalars
        self.record, self.now = Record(), 1.7e9
        self.ends: list[int] = []
        """Bytes of the log after each event."""
        path.write_bytes(b"")
        self.tell("run_started", run="r", version="0", host="h", pid=seed, workers=3, resumed=False)

    def tell(self, event: str, **fields: Any) -> None:
        """Append an event."""
        self.now += self.random.random()
        whole = {"seq": self.record.events, "t": round(self.now, 6), "event": event, **fields}
        self.record.apply(whole)
        line = json.dumps(whole).encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(line)
        self.ends.append((self.ends[-1] if self.ends else 0) + len(line))

    def go_on(self, events: int) -> None:
        """Append that many events or a few more."""
        kinds = [self.propose] * 5 + [self.done] * 8 + [self.fail, self.retry, self.again, self.split]
        kinds += [self.train, self.act, self.block, self.restart, self.strange]
        while len(self.ends) < events:
            self.random.choice(kinds)()

    def propose(self, first: int | None = None, count: int | None = None, **more: Any) -> None:
        """Propose replicas: new ones, or some that run again."""
        first = self.record.replicas if first is None else first
        count = self.random.randint(1, 4) if count is None else count
        if not more and self.random.random() < 0.2:
            more = {"asked": "ada", "request": f"{self.record.events}-a"}
        rows = [[k / 7, float(k % 3)] for k in range(first, first + count)]
        held_out = [int(k % 4 == 3) for k in range(first, first + count)]
        fields = {"task": self.record.tasks, "first": first, "inputs": rows, "held_out": held_out}
        self.tell("task_proposed", **fields, model=self.record.promoted, **more)

    def done(self, task: int | None = None) -> None:
        """Let a task be done, maybe with failures or without all that it should have given."""
        task = self._unfinished() if task is None else task
        if task is None:
            return
        n, chance = int(self.record.task_count[task]), self.random.random
        failed = {str(k): [self.random.choice(REASONS), f"at {chance()}"] for k in range(n) if chance() < 0.2}
        values = [None if str(k) in failed or chance() < 0.05 else chance() for k in range(n)]
        scalars = {name: [values, values] for name in self.scalars}
        times = {"started": self.now - 1 + chance(), "ended": self.now + chance(), "cpu": chance()}
        costs = {"wall_seconds": [chance()] * n, "cpu_seconds": [chance()] * n}
        more = {"optional": {"rare": [[None] * n, [None] * n]}} if chance() < 0.3 else {}
        worker = f"w{self.random.randint(0, 5)}"
        about = {"task": task, "file": "f", "worker": worker, "scalars": scalars, "failed": failed}
        self.tell("task_done", **about, **times, **costs, **more)

    def fail(self) -> None:
        """Give a task up that runs or waits."""
        task = self._unfinished()
        if task is not None:
            ran = {"worker": "w1", "started": self.now - 0.1, "ended": self.now}
            more = ran if self.random.random() < 0.5 else {}
            self.tell("task_failed", task=task, reason="killed", message="by ada", **more)

    def retry(self) -> None:
        """Submit a task again: it was lost, or its file is."""
        if self.record.tasks:
            task = self.random.randrange(self.record.tasks)
            given_up = self.record.task_given_up[task]
            if not given_up:
                attempt = int(self.record.task_attempts[task]) + 1
                self.tell("task_retried", task=task, attempt=attempt, reason="r")

    def again(self) -> None:
        """Run a replica again that failed."""
        if self.record.failures:
            self.propose(self.random.choice(list(self.record.failures)), 1, again=True)

    def split(self) -> None:
        """Split a task of several replicas that is not over, to the end or, as in a crash, half."""
        record, task = self.record, self._unfinished()
        if task is None:
            return
        first, count = int(record.task_first[task]), int(record.task_count[task])
        own = [k for k in range(first, first + count) if record.task[k] == task]
        for replica in own[: self.random.randint(1, count)]:
            self.propose(replica, 1, again=True)
        if all(record.task[k] != task for k in own):
            self.tell("task_failed", task=task, reason="split", message="m")

    def train(self) -> None:
        """Train a model, or fail to."""
        version = 1 + len(self.record.models) + len(self.record.trainings_failed)
        self.tell("training_started", model=version, simulations=self.record.done)
        kind, scores = self.random.random(), {"n": 3, "overall": {"success": self.random.random()}}
        if kind < 0.2:
            self.tell("training_failed", model=version, message="no")
        elif kind < 0.9:
            promoted = self.random.random() < 0.5
            told = {"scores": scores, "standing": scores if self.random.random() < 0.5 else None}
            self.tell("model_trained", model=version, promoted=promoted, **told)

    def act(self) -> None:
        """Have a user ask for something."""
        verb = self.random.choice(("pause", "resume", "promote", "budget"))
        about = {"verb": verb, "arguments": {"model": 1}, "outcome": self.random.choice(("done", "refused"))}
        self.tell("action", **about, request=f"{self.record.events}-b", words="so")

    def block(self) -> None:
        """Have something happen to a block."""
        kind = self.random.choice(("submitted", "started", "ended"))
        job = str(self.random.randint(1, 4))
        more = {"started": {"hosts": ["n1"], "workers": 4}, "ended": {"reason": self.random.choice("ab")}}
        self.tell(f"block_{kind}", pool="simulate", block=job, job=f"7{job}", **more.get(kind, {}))

    def restart(self) -> None:
        """Have another controller take the run, after a stop or a crash."""
        if self.random.random() < 0.5:
            state = self.random.choice(("finished", "stopped"))
            self.tell("run_stopped", state=state, reason="so")
        if self.random.random() < 0.7:
            self.tell("run_started", run="r", version="0", host="h", pid=2, workers=2, resumed=True)

    def strange(self) -> None:
        """Write a kind of event that this version does not know."""
        self.tell("coffee_made", cups=2)

    def _unfinished(self) -> int | None:
        tasks = self.record.unfinished_tasks().tolist()
        return self.random.choice(tasks) if tasks else None
