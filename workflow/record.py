"""The state of a run, rebuilt from its events into compact arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workflow import record_file
from workflow.events import Event, EventTail
from workflow.growing_table import put
from workflow.record_state import RecordState, State

__all__ = ["Record", "State"]


class Record(RecordState):
    """The state of a run by its events. Each event costs the same, however many came before."""

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record of an event log; a torn tail is left out."""
        return cls.follow(path)[0]

    @classmethod
    def follow(cls, path: Path) -> tuple[Record, EventTail]:
        """The record of an event log, and the tail that gives what comes after it.

        What is kept beside the log is taken from there (see `workflow.record_file`), where it fits.
        """
        record, tail = cls(), EventTail(path)
        kept = record_file.load(path)
        if kept is not None:
            try:
                record.take(kept.arrays, kept.plain)
                tail.position, tail.seq = kept.position, record.events - 1
                record.kept_events = record.events
            except (ArithmeticError, LookupError, TypeError, ValueError):
                record = cls()  # the log has all of it
        for event in tail.read():
            record.apply(event)
        return record, tail

    def keep(self, path: Path, position: int) -> int:
        """Keep the record beside its log, so that `read` need not begin at the first event.

        Args:
            path: the log.
            position: bytes of it that the record knows, all of them on disk.

        Returns:
            bytes written.
        """
        return record_file.save(path, position, *self.kept())

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        self.events += 1
        handler = _HANDLERS.get(event["event"])
        if handler is not None:  # a later version may write kinds that this one does not know
            handler(self, event)
        # A model may be promoted while no controller holds the run: that is no time of the run.
        if event["event"] != "action":
            self._sessions.see(event["t"])

    # Events.

    def _run_started(self, event: Event) -> None:
        self.run_started.append(event)
        self.run_stopped = None
        self.training = None
        self.paused = False
        self._sessions.begin(event["t"], event["workers"])

    def _run_stopped(self, event: Event) -> None:
        self.run_stopped = event
        self.training = None
        self.paused = False

    def _proposed(self, event: Event) -> None:
        task, first, rows = event["task"], event["first"], event["inputs"]
        count, n = len(rows), first + len(rows)
        if self._inputs is None:
            self._inputs = self._by_replica.column("f8", len(rows[0]))
        if event.get("again"):
            self._take_over(first, n)
        elif first < self.replicas:
            self.duplicated += min(self.replicas - first, count)
        self._counts[State.PENDING] += max(0, n - max(first, self.replicas))
        self._by_replica.extend(n)
        self._by_task.extend(task + 1)
        put(self._inputs, first, rows)
        put(self._held_out, first, event["held_out"])
        if event.get("asked") and not event.get("again"):
            self._asked.data[first:n] = True
            self._asked_for += count
            self._answer(event)
        self._task.data[first:n] = task
        self._task_first.data[task] = first
        self._task_count.data[task] = count
        self._task_model.data[task] = event["model"] or 0
        self.replicas, self.tasks = self._by_replica.n, self._by_task.n

    def _take_over(self, first: int, n: int) -> None:
        """Replicas run again, in another task than before: they failed, or that task is split."""
        before = set(self._task.data[first:n].tolist())
        self._taken_over |= before
        self._splitting.update(task for task in before if not self._task_finished.data[task])
        for replica in range(first, n):
            self._back_to_pending(replica)
        self._wall.data[first:n] = np.nan
        self._cpu.data[first:n] = np.nan

    def _back_to_pending(self, replica: int) -> None:
        if replica in self.failures:
            self.failure_counts[self.failures.pop(replica)[0]] -= 1
        self._counts[self._state.data[replica]] -= 1
        self._state.data[replica] = State.PENDING
        self._counts[State.PENDING] += 1

    def _done(self, event: Event) -> None:
        task = event["task"]
        first, count = int(self._task_first.data[task]), int(self._task_count.data[task])
        if self._task_finished.data[task]:
            self.duplicated += count
            return
        self._task_finished.data[task] = True
        self._splitting.discard(task)
        self._ran(event)
        if task in self._taken_over:
            self._done_in_part(event, first, count)
            return
        put(self._wall, first, event["wall_seconds"][:count])
        put(self._cpu, first, event["cpu_seconds"][:count])
        failed = event["failed"]
        complete = len(event["wall_seconds"]) == count
        for name, (means, errors) in (event["scalars"] | event.get("optional", {})).items():
            pair = self._scalar(name)
            put(pair[0], first, means[:count])
            put(pair[1], first, errors[:count])
            may_lack = name not in event["scalars"]
            complete = complete and len(means) == count and (may_lack or None not in means)
        if complete and not failed:
            self._set(first, count, State.DONE)
        else:
            self._sort_out(event, first, range(count))

    def _ran(self, event: Event) -> None:
        """Where and when a task ran."""
        task, name = event["task"], event["worker"]
        self._task_started.data[task] = started = event["started"]
        self._task_ended.data[task] = ended = event["ended"]
        self._task_cpu.data[task] = event.get("cpu", np.nan)  # of a killed task nobody knows it
        index = self._worker_index.get(name)
        if index is None:
            index = self._worker_index[name] = len(self.worker_names)
            self.worker_names.append(name)
        self._task_worker.data[task] = index
        self._sessions.ran(started, ended)

    def _done_in_part(self, event: Event, first: int, count: int) -> None:
        """A task is done of which some replicas ran again elsewhere: what it says of those is old."""
        task = event["task"]
        own = [k for k in range(count) if self._task.data[first + k] == task]
        columns = [(self._wall, event["wall_seconds"]), (self._cpu, event["cpu_seconds"])]
        for name, (means, errors) in (event["scalars"] | event.get("optional", {})).items():
            mean, stderr = self._scalar(name)
            columns += [(mean, means), (stderr, errors)]
        for k in own:
            for column, values in columns:
                if k < len(values):
                    put(column, first + k, values[k : k + 1])
        self._sort_out(event, first, own)

    def _sort_out(self, event: Event, first: int, places: Iterable[int]) -> None:
        """States of a batch in which something failed or is missing."""
        failed = {int(k): v for k, v in event["failed"].items()}
        columns = [means for means, _ in event["scalars"].values()] + [event["wall_seconds"]]
        whole = min(len(values) for values in columns)
        lacking = {k for values in columns if None in values for k, v in enumerate(values) if v is None}
        done = []
        for k in places:
            if k in failed:
                self._fail(first + k, *failed[k])
            elif k >= whole or k in lacking:
                self._set(first + k, 1, State.LOST)
            else:
                done.append(first + k)
        self._state.data[done] = State.DONE
        self._counts[State.PENDING] -= len(done)
        self._counts[State.DONE] += len(done)

    def _retried(self, event: Event) -> None:
        task = event["task"]
        self._task_attempts.data[task] = event["attempt"]
        if self._task_finished.data[task]:  # its result file is gone: it counts for nothing
            self._task_finished.data[task] = self._task_given_up.data[task] = False
            first, count = int(self._task_first.data[task]), int(self._task_count.data[task])
            for replica in range(first, first + count):
                if self._task.data[replica] == task:
                    self._back_to_pending(replica)

    def _failed(self, event: Event) -> None:
        """A task was given up, and its replicas failed: those of them that no other task took over."""
        task = event["task"]
        if self._task_finished.data[task]:
            return
        self._task_finished.data[task] = self._task_given_up.data[task] = True
        self._splitting.discard(task)
        if "worker" in event:  # it was running
            self._ran(event)
        first = int(self._task_first.data[task])
        for replica in range(first, first + int(self._task_count.data[task])):
            if self._task.data[replica] == task:
                self._fail(replica, event["reason"], event["message"])

    def _training_started(self, event: Event) -> None:
        self.training = event["model"]
        self._training_at = self.done

    def _trained(self, event: Event) -> None:
        self.training = None
        self.trained_at = self._training_at
        self.models.append(event)
        if event["promoted"]:
            self.promoted, self._standing = event["model"], None
        else:
            self._standing = event.get("standing")

    def _training_failed(self, event: Event) -> None:
        self.training = None
        self.trained_at = self._training_at
        self.trainings_failed.append(event)

    def _action(self, event: Event) -> None:
        self.actions.append(event)
        self._answer(event)
        if event["outcome"] != "done":
            return
        if event["verb"] in ("pause", "resume"):
            self.paused = event["verb"] == "pause"
        elif event["verb"] == "promote":
            self.promoted, self._standing = event["arguments"]["model"], None

    def _answer(self, event: Event) -> None:
        if event.get("request") is not None:
            self.answered.add(event["request"])

    def _block(self, event: Event) -> None:
        self._blocks.apply(event)

    def _set(self, first: int, count: int, state: State) -> None:
        self._state.data[first : first + count] = state
        self._counts[State.PENDING] -= count
        self._counts[state] += count

    def _fail(self, replica: int, reason: str, message: str) -> None:
        self._set(replica, 1, State.FAILED)
        self.failures[replica] = (reason, message)
        self.failure_counts[reason] += 1


_HANDLERS = {
    "run_started": Record._run_started,
    "run_stopped": Record._run_stopped,
    "task_proposed": Record._proposed,
    "task_done": Record._done,
    "task_retried": Record._retried,
    "task_failed": Record._failed,
    "training_started": Record._training_started,
    "model_trained": Record._trained,
    "training_failed": Record._training_failed,
    "action": Record._action,
    "block_submitted": Record._block,
    "block_started": Record._block,
    "block_ended": Record._block,
}
