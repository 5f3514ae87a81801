"""A run whose events a test tells one by one, as a controller would."""

from __future__ import annotations

from workflow.events import EventWriter, cut_torn_tail
from workflow.record import Record


class Told:
    """A run's log and record, to which is told what happens."""

    def __init__(self, folder):
        self.folder = folder
        cut_torn_tail(folder.events)
        self.record = Record.read(folder.events)
        self.log = EventWriter(folder.events, self.record.events)
        self.note("run_started", run="r", version="0", host="h", pid=1, workers=2, resumed=False)

    def note(self, event, **fields):
        self.record.apply(self.log.append(event, **fields))
        self.log.commit()

    def propose(self, first, count, **more):
        rows = [[float(k)] for k in range(first, first + count)]
        fields = {"task": self.record.tasks, "first": first, "inputs": rows, "held_out": [0] * count}
        self.note("task_proposed", **fields, model=None, **more)

    def done(self, task, failed=()):
        """A worker runs all of a task's simulations; those it ran."""
        first, count = int(self.record.task_first[task]), int(self.record.task_count[task])
        values = [None if k in failed else float(first + k) for k in range(count)]
        self.note(
            "task_done",
            task=task,
            file="f",
            worker="w",
            started=self.log.seq,
            ended=self.log.seq + 1,
            cpu=1.0,
            wall_seconds=[1.0] * count,
            cpu_seconds=[1.0] * count,
            scalars={"y": [values, values]},
            failed={str(k): ["too hot", "m"] for k in failed},
        )
        return range(first, first + count)
