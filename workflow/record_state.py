"""All that is known of a run, whatever told it: columns, lists of what happened rarely, and sums."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.block_states import BlockStates
from workflow.events import Event
from workflow.record_tables import RecordTables
from workflow.sessions import Sessions

PLAIN = (
    "_asked_for",
    "_counts",
    "_standing",
    "_training_at",
    "actions",
    "duplicated",
    "events",
    "models",
    "paused",
    "promoted",
    "replicas",
    "run_started",
    "run_stopped",
    "tasks",
    "trained_at",
    "training",
    "trainings_failed",
    "worker_names",
)
"""Attributes that JSON gives back as they were."""

SESSIONS = "sessions"


class State(IntEnum):
    """What became of a replica."""

    PENDING = 0
    DONE = 1
    FAILED = 2
    LOST = 3
    """Its task is recorded as done, but no result of it."""


class RecordState(RecordTables):
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
        worker_names: of all that ran a task.
        duplicated: replicas that were proposed or done twice.
        events: number of events.
        kept_events: how many of them were not read from the log, but known from what is kept beside it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self.kept_events = 0
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
        self._asked_for = 0
        self._taken_over: set[int] = set()  # tasks of which replicas run again in other tasks
        self._splitting: set[int] = set()  # of these, the ones that were not over
        self._sessions = Sessions()
        self._blocks = BlockStates()

    def finished(self, *, held_out: bool | None = None) -> NDArray[np.int64]:
        """Numbers of the replicas that are done, ascending.

        Args:
            held_out: only the held-out ones, or only the others; ``None`` for all.
        """
        chosen = self.state == State.DONE
        if held_out is not None:
            chosen = chosen & (self.held_out == held_out)
        return np.flatnonzero(chosen)

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
        return self._sessions.elapsed

    @property
    def workers(self) -> int:
        """Number of workers of the last controller."""
        return self._sessions.workers

    @property
    def busy_fraction(self) -> float | None:
        """Share of the workers' time, from the first task's start to the last one's end, spent in tasks."""
        return self._sessions.busy_fraction

    @property
    def open_blocks(self) -> list[Event]:
        """The last event of each block that was submitted, by whichever controller, and has not ended."""
        return self._blocks.open

    @property
    def blocks(self) -> dict[str, int]:
        """How many blocks are ``waiting``, are ``running``, or ended, for each reason."""
        return self._blocks.counts

    @property
    def half_split(self) -> list[int]:
        """Tasks of which parts were proposed in their place, but maybe not all of them, ascending."""
        return sorted(self._splitting)

    @property
    def promoted_model(self) -> Event | None:
        """The fields of the model in use, its scores those on the newest set of held-out simulations."""
        model = next((m for m in self.models if m["model"] == self.promoted), None)
        if model is not None and self._standing is not None:
            return {**model, "scores": self._standing}
        return model

    # Keeping.

    def kept(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """All of it, from which it can be made again: arrays by name, and plain data."""
        reasons = {reason: k for k, reason in enumerate(self.failure_counts)}
        plain = {
            **{name: getattr(self, name) for name in PLAIN},
            "failures": [
                list(self.failures),
                [reasons[reason] for reason, _ in self.failures.values()],
                [message for _, message in self.failures.values()],
            ],
            "failure_counts": list(self.failure_counts.items()),
            "answered": sorted(self.answered),
            "taken_over": sorted(self._taken_over),
            "splitting": sorted(self._splitting),
            "blocks": self._blocks.state(),
        }
        return self.arrays() | {SESSIONS: self._sessions.as_array()}, plain

    def take(self, arrays: dict[str, NDArray[Any]], plain: dict[str, Any]) -> None:
        """Take over what `kept` gave, before anything else is known.

        Raises:
            KeyError, TypeError, ValueError: it is not what this version keeps.
        """
        columns = dict(arrays)
        self._sessions = Sessions(columns.pop(SESSIONS))
        self.restore(columns)
        for name in PLAIN:
            setattr(self, name, plain[name])
        self.failure_counts = Counter(dict(plain["failure_counts"]))
        reasons = list(self.failure_counts)
        self.failures = {
            replica: (reasons[k], message) for replica, k, message in zip(*plain["failures"], strict=True)
        }
        self.answered, self._taken_over = set(plain["answered"]), set(plain["taken_over"])
        self._splitting = set(plain["splitting"])
        self._blocks = BlockStates(plain["blocks"])
        self._worker_index = {name: k for k, name in enumerate(self.worker_names)}
