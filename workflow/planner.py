"""Which replicas come next: the policy's points, the held-out ones among them, rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates import Model
from workflow.campaign import Campaign
from workflow.record import Record
from workflow.space import Space
from workflow.steering.contract import View
from workflow.steering.sobol import sobol_points

Array = NDArray[np.float64]

HELD_OUT = 1
"""Stream of the held-out points' Sobol sequence."""

LOOKAHEAD = 64
"""Points asked of a policy that looks at a model at a time; they are dropped when a new one is promoted."""


@dataclass(frozen=True)
class Batch:
    """Replicas decided upon.

    Args:
        first: number of the first; of a drawn batch, among the policy's own.
        inputs: array (n, dimensions).
        held_out: array (n,).
        model: version that steered, or ``None``.
    """

    first: int
    inputs: Array
    held_out: NDArray[np.bool_]
    model: int | None


class Planner:
    """Decides which replicas come next, from the record alone.

    The policy's replicas are numbered by themselves: points that users ask for in between shift nothing.
    One is held out by that number alone: number i is if floor((i + 1) share) > floor(i share).
    Held-out replicas are points of a policy whose points are a fair test (`Policy.judged_by_own`). With one
    that looks at results, or whose every so many points lie in a part of the space, they come from a
    scrambled Sobol sequence of their own.
    """

    def __init__(self, campaign: Campaign, space: Space, record: Record) -> None:
        self._campaign, self._space, self._record = campaign, space, record
        self._policy = campaign.steering
        self._share = campaign.training.held_out
        self.total = campaign.total(space)
        """Replicas that the policy decides in all."""
        self._model: Model | None = None
        self._version: int | None = None
        self._drawn: Batch | None = None
        self.exhausted = False
        """Whether the policy has nothing more to ask."""

    @property
    def remaining(self) -> int:
        """Replicas that may still be proposed now: to the end of the round, or of the run."""
        return 0 if self.exhausted else max(0, self.boundary - self._record.planned)

    @property
    def boundary(self) -> int:
        """Number of replicas after which a decision waits for all results; of a deterministic run only."""
        if not self._campaign.deterministic:
            return self.total
        return min(self.total, self._round_start() + self._round_size())

    @property
    def at_round_end(self) -> bool:
        """Whether what was proposed so far are whole rounds of a deterministic run."""
        training, proposed = self._campaign.training, self._record.planned
        return proposed == self.total or (
            proposed >= training.first and (proposed - training.first) % training.every == 0
        )

    def resize(self, campaign: Campaign) -> None:
        """Go on with another budget; nothing else of the campaign may differ."""
        boundary = self.boundary
        self._campaign = campaign
        self.total = campaign.total(self._space)
        if self.boundary != boundary:
            self._drawn = None

    def use(self, model: Model | None, version: int | None) -> None:
        """Let this model steer from now on; what the policy said before is dropped."""
        self._model, self._version, self._drawn = model, version, None

    def upcoming(self, wish: int) -> Array:
        """Inputs of the next replicas, array (n, dimensions); at least one if any remain.

        Args:
            wish: how many are wanted; there may be fewer or more.
        """
        if self._drawn is None or not len(self._drawn.inputs):
            self._drawn = self._draw(wish)
        return self._drawn.inputs

    def take(self, count: int) -> Batch:
        """The next ``count`` of the `upcoming` replicas."""
        drawn = self._drawn
        assert drawn is not None
        self._drawn = Batch(drawn.first + count, drawn.inputs[count:], drawn.held_out[count:], drawn.model)
        return Batch(self._record.replicas, drawn.inputs[:count], drawn.held_out[:count], drawn.model)

    def _draw(self, wish: int) -> Batch:
        start = self._record.planned
        if self._campaign.deterministic:
            # The whole round in one go, as decided at its start, whatever part of it is proposed yet.
            begin = self._round_start()
            batch = self._ask(begin, self.boundary - begin)
            done = start - begin
            return Batch(start, batch.inputs[done:], batch.held_out[done:], batch.model)
        if not self._policy.independent:
            wish = max(wish, LOOKAHEAD)
        return self._ask(start, min(wish, self.remaining))

    def _ask(self, first: int, count: int) -> Batch:
        """The policy's replicas from its ``first`` on, as decided when all before it had been proposed."""
        numbers = np.arange(first, first + count)
        held = np.floor((numbers + 1) * self._share) > np.floor(numbers * self._share)
        before = int(np.floor(first * self._share))
        rows = np.empty((count, len(self._space.dimensions)))
        if self._policy.judged_by_own:
            own = np.ones(count, dtype=bool)
            own_first = first
        else:
            own = ~held
            own_first = first - before
            rows[held] = sobol_points(self._space, self._campaign.seed, HELD_OUT, before, int(held.sum()))
        record = self._record
        before_it = record.inputs if record.planned == record.replicas else record.inputs[~record.asked]
        view = View(self._space, before_it[:first], self._model, self._campaign.seed, own_first)
        points = self._policy.propose(view, int(own.sum()))
        places = np.flatnonzero(own)
        rows[places[: len(points)]] = points
        if len(points) < len(places):
            self.exhausted = True
            end = places[len(points)]
            rows, held = rows[:end], held[:end]
        return Batch(first, rows, held, self._version)

    def _round_start(self) -> int:
        """Number of the first replica of the round that the policy's next one belongs to."""
        training, next_replica = self._campaign.training, self._record.planned
        if next_replica < training.first:
            return 0
        return training.first + (next_replica - training.first) // training.every * training.every

    def _round_size(self) -> int:
        training = self._campaign.training
        return training.first if self._record.planned < training.first else training.every
