"""The state of a run, rebuilt from its events into compact arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.events import Event, EventTail
from workflow.growing_table import Column, GrowingTable, put

Array = NDArray[np.float64]


class State(IntEnum):
    """What became of a replica."""

    PENDING = 0
    DONE = 1
    FAILED = 2
    LOST = 3
    """Its task is recorded as done, but no result of it."""


class Record:
    """All that is known of a run. Each event costs the same, however many came before.

    Attributes:
        tasks, replicas: numbers of tasks and of replicas proposed so far.
        models: the fields of every `model_trained` event, in order.
        promoted: version of the model in use; ``None`` before the first.
        training: version that is being trained; ``None`` if none is.
        trained_at: replicas done when the last training that came to an end was started.
        failures: replica -> (reason, message), for failed replicas.
        run_started: the fields of every `run_started` event, in order.
        run_stopped: the last `run_stopped` event; ``None`` while a controller runs (or after a crash).
        paused: whether the controller was asked to start nothing until it is asked to go on.
        actions: every `action` event, in order: what users asked for, and what became of it.
        answered: names of the requests that were answered or carried out.
        events: number of events.
    """

    def __init__(self) -> None:
        self.events = 0
        self.tasks = 0
        self.replicas = 0
        self.models: list[Event] = []
        self.promoted: int | None = None
        self._standing: dict[str, Any] | None = None
        self.training: int | None = None
        self.trained_at = 0
        self._training_at = 0
        self.trainings_failed: list[Event] = []
        self.failures: dict[int, tuple[str, str]] = {}
        self.failure_counts: Counter[str] = Counter()
        self.run_started: list[Event] = []
        self.run_stopped: Event | None = None
        self.paused = False
        self.actions: list[Event] = []
        self.answered: set[str] = set()
        self.worker_names: list[str] = []
        self._worker_index: dict[str, int] = {}
        self._counts = [0, 0, 0, 0]
        self.duplicated = 0
        self._inputs: Column | None = None
        self._by_replica, self._by_task = GrowingTable(), GrowingTable()
        self._held_out = self._by_replica.column("?")
        self._asked = self._by_replica.column("?")
        self._asked_for = 0
        self._taken_over: set[int] = set()  # tasks of which replicas run again in other tasks
        self._state = self._by_replica.column("u1")
        self._task = self._by_replica.column("i4", fill=-1)
        self._wall = self._by_replica.column("f4", fill=np.nan)
        self._cpu = self._by_replica.column("f4", fill=np.nan)
        self._scalars: dict[str, tuple[Column, Column]] = {}
        self._task_first = self._by_task.column("i8")
        self._task_count = self._by_task.column("i4")
        self._task_model = self._by_task.column("i4")
        self._task_worker = self._by_task.column("i2", fill=-1)
        self._task_started = self._by_task.column("f8", fill=np.nan)
        self._task_ended = self._by_task.column("f8", fill=np.nan)
        self._task_attempts = self._by_task.column("u1")
        self._task_cpu = self._by_task.column("f4", fill=np.nan)
        self._task_finished = self._by_task.column("?")
        self._task_given_up = self._by_task.column("?")
        self._sessions: list[list[float]] = []  # of each controller: first event, last event, workers,
        # busy seconds, first start and last end of a task

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record of an event log; a torn tail is left out."""
        record = cls()
        for event in EventTail(path).read():
            record.apply(event)
        return record

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        self.events += 1
        handler = _HANDLERS.get(event["event"])
        if handler is not None:  # a later version may write kinds that this one does not know
            handler(self, event)
        # A model may be promoted while no controller holds the run: that is no time of the run.
        if self._sessions and event["event"] != "action":
            self._sessions[-1][1] = event["t"]

    # Replicas, each an array (replicas,) unless said otherwise; views that the next event may outdate.

    @property
    def inputs(self) -> Array:
        """Inputs, array (replicas, dimensions)."""
        return np.empty((0, 0)) if self._inputs is None else self._inputs.view()

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Whether no model may see it in training."""
        return self._held_out.view()

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Whether it is a point that a user asked for, rather than the policy."""
        return self._asked.view()

    @property
    def state(self) -> NDArray[np.uint8]:
        """A `State` for each replica."""
        return self._state.view()

    @property
    def task(self) -> NDArray[np.int32]:
        """Task that each replica belongs to: the last one, where it ran again."""
        return self._task.view()

    @property
    def wall_seconds(self) -> NDArray[np.float32]:
        """Wall time, s; NaN until done."""
        return self._wall.view()

    @property
    def cpu_seconds(self) -> NDArray[np.float32]:
        """Processor time, s; NaN until done."""
        return self._cpu.view()

    @property
    def scalar_names(self) -> tuple[str, ...]:
        """Scalar outputs seen so far."""
        return tuple(self._scalars)

    def mean(self, name: str) -> Array:
        """Means of a scalar output; NaN where there is none."""
        return self._scalars[name][0].view()

    def stderr(self, name: str) -> Array:
        """Standard errors of a scalar output; NaN where there is none."""
        return self._scalars[name][1].view()

    def finished(self, *, held_out: bool | None = None) -> NDArray[np.int64]:
        """Numbers of the replicas that are done, ascending.

        Args:
            held_out: only the held-out ones, or only the others; ``None`` for all.
        """
        chosen = self.state == State.DONE
        if held_out is not None:
            chosen = chosen & (self.held_out == held_out)
        return np.flatnonzero(chosen)

    # Tasks, each an array (tasks,).

    @property
    def task_first(self) -> NDArray[np.int64]:
        """Number of each task's first replica."""
        return self._task_first.view()

    @property
    def task_count(self) -> NDArray[np.int32]:
        """Number of replicas of each task."""
        return self._task_count.view()

    @property
    def task_model(self) -> NDArray[np.int32]:
        """Version of the model that steered each task; 0 for none."""
        return self._task_model.view()

    @property
    def task_started(self) -> Array:
        """When each task started on its worker, seconds since 1970; NaN until it is over, or if unknown."""
        return self._task_started.view()

    @property
    def task_ended(self) -> Array:
        """When each task ended on its worker, seconds since 1970; NaN until it is over, or if unknown."""
        return self._task_ended.view()

    @property
    def task_worker(self) -> NDArray[np.int16]:
        """Index into `worker_names`; -1 until it is over, or if unknown."""
        return self._task_worker.view()

    @property
    def task_cpu(self) -> NDArray[np.float32]:
        """Processor time of each task as its worker measured it, s; NaN until done."""
        return self._task_cpu.view()

    @property
    def task_attempts(self) -> NDArray[np.uint8]:
        """How often each task was submitted again."""
        return self._task_attempts.view()

    @property
    def task_finished(self) -> NDArray[np.bool_]:
        """Whether each task is done or given up."""
        return self._task_finished.view()

    @property
    def task_given_up(self) -> NDArray[np.bool_]:
        """Whether each task was given up: it was killed, or its worker was lost too often."""
        return self._task_given_up.view()

    # Sums.

    @property
    def done(self) -> int:
        """Replicas with a result."""
        return self._counts[State.DONE]

    @property
    def failed(self) -> int:
        """Replicas that failed."""
        return self._counts[State.FAILED]

    @property
    def pending(self) -> int:
        """Replicas proposed whose task is not finished."""
        return self._counts[State.PENDING]

    @property
    def planned(self) -> int:
        """Replicas that the policy decided: all but the points that users asked for."""
        return self.replicas - self._asked_for

    @property
    def lost(self) -> int:
        """Replicas whose task is recorded as done without a result or a failure of them.

        In a run that finished, also those whose task never did.
        """
        over = self.run_stopped is not None and self.run_stopped["state"] == "finished"
        return self._counts[State.LOST] + (self.pending if over else 0)

    @property
    def elapsed(self) -> float:
        """Seconds that controllers held the run, stops and crashes left out."""
        return sum(session[1] - session[0] for session in self._sessions)

    @property
    def workers(self) -> int:
        """Number of workers of the last controller."""
        return int(self._sessions[-1][2]) if self._sessions else 0

    @property
    def busy_fraction(self) -> float | None:
        """Share of the workers' time, from the first task's start to the last one's end, spent in tasks."""
        busy = sum(s[3] for s in self._sessions)
        available = sum(s[2] * (s[5] - s[4]) for s in self._sessions if s[5] > s[4])
        return busy / available if available > 0 else None

    @property
    def promoted_model(self) -> Event | None:
        """The fields of the model in use, its scores those on the newest set of held-out simulations."""
        model = next((m for m in self.models if m["model"] == self.promoted), None)
        if model is not None and self._standing is not None:
            return {**model, "scores": self._standing}
        return model

    def unfinished_tasks(self) -> NDArray[np.int64]:
        """Tasks proposed and not finished, ascending."""
        return np.flatnonzero(~self.task_finished)

    # Events.

    def _run_started(self, event: Event) -> None:
        self.run_started.append(event)
        self.run_stopped = None
        self.training = None
        self.paused = False
        self._sessions.append([event["t"], event["t"], event["workers"], 0.0, np.inf, -np.inf])

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
        """Replicas that failed run again, in another task than before."""
        self._taken_over.update(self._task.data[first:n].tolist())
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
        session = self._sessions[-1]
        # A task that an earlier controller's worker finished was adopted; it is nobody's idle time.
        if started >= session[0]:
            session[3] += ended - started
            session[4] = min(session[4], started)
            session[5] = max(session[5], ended)

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

    def _scalar(self, name: str) -> tuple[Column, Column]:
        pair = self._scalars.get(name)
        if pair is None:
            column = self._by_replica.column
            pair = self._scalars[name] = (column("f8", fill=np.nan), column("f8", fill=np.nan))
        return pair

    def _sort_out(self, event: Event, first: int, places: Iterable[int]) -> None:
        """States of a batch in which something failed or is missing."""
        failed = {int(k): v for k, v in event["failed"].items()}
        columns = [means for means, _ in event["scalars"].values()] + [event["wall_seconds"]]
        for k in places:
            if k in failed:
                self._fail(first + k, *failed[k])
            elif any(k >= len(values) or values[k] is None for values in columns):
                self._set(first + k, 1, State.LOST)
            else:
                self._set(first + k, 1, State.DONE)

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
        task = event["task"]
        if self._task_finished.data[task]:
            return
        self._task_finished.data[task] = self._task_given_up.data[task] = True
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
}
