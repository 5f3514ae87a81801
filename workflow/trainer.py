"""Trainings: when one is due, its pool, and what becomes of its model."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import surrogates
from surrogates import NotEnoughDataError
from workflow.pool import LostError, Pool
from workflow.pools import start_pool
from workflow.resources import AnyResources, Batch, ParslConfiguration
from workflow.seeds import training_seed
from workflow.training_task import train

if TYPE_CHECKING:
    from workflow.controller import Controller

LOSSES = 5
"""How often one training may lose its worker before it counts as failed."""

Messages = queue.SimpleQueue[tuple[str, Any, Any]]


class Trainer:
    """Trains while simulations go on: on a pool of its own, or first of all on the workers of simulations."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._campaign, self._folder = controller.campaign, controller.folder
        self._record, self._planner = controller.record, controller.planner
        self._note, self._commit = controller.note, controller.commit
        self._resources = _of_trainings(controller.campaign.resources)
        self._pool: Pool | None = None
        self._future: Future[Any] | None = None
        self._losses = 0
        self._version = 0
        self._messages: Messages | None = None
        if self._lends:
            self._start_pool()
        self.steer()

    @property
    def busy(self) -> bool:
        """Whether a training runs."""
        return self._future is not None

    @property
    def until_due(self) -> int:
        """Simulations still to be done before the next training."""
        training = self._campaign.training
        at = self._record.trained_at
        return max(0, (at + training.every if at else training.first) - self._record.done)

    @property
    def due(self) -> bool:
        """Whether it is time to train: enough was done, or a deterministic run's round is over."""
        if self.busy:
            return False
        if self._campaign.deterministic:
            # Rounds end at fixed numbers of replicas. What failed counts, or a failure would shift them.
            over = self._planner.at_round_end and self._record.pending == 0
            return over and self._worthwhile()
        return self.until_due == 0 and self._worthwhile()

    def start_if_due(self, messages: Messages) -> None:
        """Start a training if it is time for one."""
        if self.due:
            self._start(messages)

    def last(self, messages: Messages) -> bool:
        """Start the training at the end of a run; whether there is anything new to learn from."""
        if self._worthwhile():
            self._start(messages)
        return self.busy

    def _worthwhile(self) -> bool:
        """Whether there is anything that the last training did not know, and enough of it."""
        record = self._record
        if record.done == record.trained_at:
            return False
        return len(record.finished(held_out=False)) >= self._campaign.surrogate.needed

    def _start(self, messages: Messages) -> None:
        record = self._record
        self._version = 1 + len(record.models) + len(record.trainings_failed)
        self._note("training_started", model=self._version, simulations=len(record.finished(held_out=False)))
        self._losses, self._messages = 0, messages
        self._request = {
            "run": str(self._folder.path),
            "search": self._controller.search,
            "model": self._version,
            "train": record.finished(held_out=False),
            "held_out": record.finished(held_out=True),
            "seed": training_seed(self._campaign.seed, self._version),
            "incumbent": record.promoted,
        }
        self._commit()  # the worker reads the event log
        self._submit()

    def _submit(self) -> None:
        assert self._messages is not None
        messages = self._messages
        pool = self._place()
        if pool.broken:
            pool.restart()
        self._future = pool.submit(train, self._request, urgent=True)
        self._future.add_done_callback(lambda done: messages.put(("trained", None, done)))

    # Places.

    @property
    def _lends(self) -> bool:
        """Whether workers of trainings can take simulations as well: what these need is there too."""
        simulating = self._controller.campaign.resources
        if not (isinstance(simulating, Batch) and isinstance(self._resources, Batch)):
            return False
        return simulating.launcher is None and (simulating.gpus == 0 or self._resources.gpus > 0)

    def lender(self) -> Pool | None:
        """The pool of trainings while it has nothing to do and can take simulations; ``None`` otherwise."""
        idle = self._pool is not None and not self.busy and not self.due
        return self._pool if idle and self._lends else None

    def _start_pool(self) -> None:
        controller = self._controller
        assert self._resources is not None
        # Of a machine of its own a training takes one worker: simulations have the others.
        workers = None if isinstance(self._resources, Batch) else 1
        self._pool = start_pool(
            self._resources, self._folder.parsl, name="train", workers=workers, tell=controller.places.tell
        )
        if self._pool.remote:
            controller.places.look(self._pool, self._resources)

    def _place(self) -> Pool:
        """Where the next training runs: on its own pool, or on a worker of simulations that is idle."""
        controller = self._controller
        if self._resources is None:
            return controller.pool
        if self._pool is None:
            # Started only now, so that it takes nothing from the first simulations.
            self._start_pool()
        assert self._pool is not None
        if self._pool.connected == 0 and controller.pool.connected > len(controller.in_flight):
            return controller.pool
        return self._pool

    def finish(self, future: Future[Any]) -> str | None:
        """Record what became of the training.

        Returns:
            why the run cannot go on, or ``None`` if it can.
        """
        if future is not self._future:
            return None
        self._future = None
        error = InterruptedError("cancelled") if future.cancelled() else future.exception()
        if error is None and self._request["incumbent"] != self._record.promoted:
            # A user promoted another one meanwhile, and that is the one to be compared with.
            self._request["incumbent"] = self._record.promoted
            self._submit()
        elif error is None:
            fields = future.result()
            self._note("model_trained", **fields)
            self._commit()
            if fields["promoted"]:
                self._folder.point_to_promoted(self._record.promoted)
                self.steer()
        elif isinstance(error, LostError) and self._losses < LOSSES:
            self._losses += 1
            self._submit()
        else:
            self._note("training_failed", model=self._version, message=f"{type(error).__name__}: {error}")
            if not isinstance(error, NotEnoughDataError) and not self._record.models:
                return f"the surrogate could not be trained: {type(error).__name__}: {error}"
        return None

    def steer(self) -> None:
        """Let the promoted model steer, if the policy looks at models."""
        version = self._record.promoted
        if version is None or self._campaign.steering.independent:
            return
        self._planner.use(surrogates.load(self._folder.model(version)), version)

    def close(self) -> None:
        """Let the training's pool go; a training that runs is given up."""
        if self._pool is not None:
            self._pool.close(kill=True)


def _of_trainings(resources: AnyResources) -> AnyResources | None:
    """What trainings run on by themselves; ``None`` where they run on the workers of simulations."""
    if isinstance(resources, Batch):
        return resources.training()
    return None if isinstance(resources, ParslConfiguration) else resources
