"""Active learning: simulate where the surrogate knows least, and nowhere twice."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from workflow.steering.contract import Policy, View
from workflow.steering.sobol import sobol_points

Array = NDArray[np.float64]

_CANDIDATE_STREAM = 2
"""Stream of the candidates' Sobol sequences, apart from those of the points and of the held-out ones."""

_MEMORY = 1024
"""How many of the latest points are kept away from: the model knows the older ones."""


class ActiveLearning(Policy):
    """Uncertainty sampling in batches with a local penalty.

    The acquisition of a candidate is its calibrated std relative to the scale of each target, averaged
    over targets (root mean square; an array target counts as one). The batch is picked greedily;
    candidates near a point that was picked or lately proposed are penalised by
    1 - exp(-(r / length)^2), as in Gonzalez et al., "Batch Bayesian optimization via local penalization"
    (2016), so that a batch holds no near-duplicates. Before there is a model, points are Sobol's.
    """

    kind: Literal["active_learning"] = "active_learning"
    independent: ClassVar[bool] = False
    candidates: PositiveInt = Field(512, description="points that are ranked at each decision")
    exploration: float = Field(
        0.25,
        ge=0,
        le=1,
        description="share of the points taken from a Sobol sequence whatever the model says",
    )
    length: float = Field(
        0.15, gt=0, description="distance, in units of the space's ranges, within which points are alike"
    )

    def propose(self, view: View, count: int) -> Array:
        """The next points."""
        explored = sobol_points(view.space, view.seed, 0, view.first, count)
        if view.model is None:
            return explored
        shares = np.floor(self.exploration * (view.first + np.arange(count + 1)))
        points = list(explored[np.diff(shares) > 0])
        candidates = sobol_points(
            view.space, view.seed, _CANDIDATE_STREAM, view.first * self.candidates, self.candidates
        )
        acquisition = self._uncertainty(view, candidates)
        unit = view.space.to_unit(candidates)
        seen = np.concatenate([view.proposed[-_MEMORY:], *(p[None] for p in points)])
        acquisition *= self._penalty(unit, view.space.to_unit(seen))
        while len(points) < count:
            best = int(np.argmax(acquisition))
            points.append(candidates[best])
            acquisition *= self._penalty(unit, unit[best : best + 1])
        return np.array(points)

    def _uncertainty(self, view: View, candidates: Array) -> Array:
        assert view.model is not None
        mean, std = view.model.predict(candidates, return_std=True, on_ood="ignore")
        squares = []
        for columns in view.model.signature.columns().values():
            scale = np.sqrt(np.mean(mean[:, columns] ** 2)) or 1.0
            squares.append(np.mean((std[:, columns] / scale) ** 2, axis=1))
        uncertainty: Array = np.sqrt(np.mean(squares, axis=0))
        return uncertainty

    def _penalty(self, unit: Array, others: Array) -> Array:
        """How much of each candidate's acquisition its neighbours leave, array (candidates,)."""
        squares = np.sum(unit**2, axis=1)[:, None] + np.sum(others**2, axis=1) - 2 * unit @ others.T
        near = np.exp(-np.maximum(squares, 0) / self.length**2)
        penalty: Array = np.prod(1 - near, axis=1)
        return penalty
