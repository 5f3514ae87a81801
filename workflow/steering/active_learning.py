"""Simulate next where the model knows least."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from surrogates import Model
from workflow.steering.contract import Policy, View
from workflow.steering.sobol import sobol_points

Array = NDArray[np.float64]

CANDIDATES = 2
"""Stream of the candidates' Sobol sequence."""

EXPLORERS = 3
"""Stream of the explorers' Sobol sequence."""


class ActiveLearning(Policy):
    """Pool-based uncertainty sampling in batches.

    Of a pool of Sobol candidates the one with the largest predicted std is taken (uncertainty
    sampling, Lewis and Gale 1994; for regression ALM, MacKay, Neural Computation 4, 590, 1992), its
    neighbourhood and that of all points proposed before is damped, and so on until the batch is full
    (a penalty on the distance as in Gonzalez et al., AISTATS 2016). The std is the model's calibrated
    one, per output in units of the output's spread over the candidates, and is averaged over an
    output's bins. A share of the batch explores: plain Sobol points guard against a model that is
    sure of itself and wrong. Before the first model every point is a Sobol point.
    """

    kind: Literal["active_learning"] = "active_learning"
    independent: ClassVar[bool] = False
    judged_by_own: ClassVar[bool] = False
    candidates: PositiveInt = Field(2048, description="points that the model is asked about")
    exploration: float = Field(0.1, ge=0, le=1, description="share of points that ignore the model")
    radius: PositiveFloat = Field(
        1.0, description="reach of the penalty, in units of the mean distance of points so far"
    )

    def propose(self, view: View, count: int) -> Array:
        """The most uncertain candidates that are neither close to each other nor to earlier points."""
        points = sobol_points(view.space, view.seed, 0, view.first, count)
        if view.model is None:
            return points
        # Point k explores when this count of explorers grows at k, whatever batch it came in.
        numbers = np.arange(view.first, view.first + count)
        explores = np.floor((numbers + 1) * self.exploration) > np.floor(numbers * self.exploration)
        # A sequence of their own: every tenth of the points above would lie in a part of the space.
        before = int(np.floor(view.first * self.exploration))
        points[explores] = sobol_points(view.space, view.seed, EXPLORERS, before, int(explores.sum()))
        wanted = np.flatnonzero(~explores)
        if not len(wanted):
            return points
        # A fresh part of the sequence each time, so that no candidate is offered twice.
        pool = sobol_points(view.space, view.seed, CANDIDATES, view.first * self.candidates, self.candidates)
        taken = view.space.to_unit(np.concatenate([view.proposed, points[explores]]))
        chosen = _select(
            uncertainty(view.model, pool), view.space.to_unit(pool), taken, len(wanted), self.radius
        )
        points[wanted[: len(chosen)]] = pool[chosen]
        return points  # a batch larger than the pool ends with Sobol points


def uncertainty(model: Model, x: Array) -> Array:
    """What a simulation at each point would teach, array (n,): relative std, averaged over the targets.

    A std s counts as s^2 / sqrt(s^2 + noise^2): where a simulation is noisier than the model is
    unsure, one more of them changes little.
    """
    mean, std = model.predict(x, return_std=True, on_ood="ignore")
    _, total_std = model.predict(x, return_std=True, include_noise=True, on_ood="ignore")
    gain = std**2 / np.where(total_std > 0, total_std, 1.0)
    total = np.zeros(len(x))
    for columns in model.signature.columns().values():
        # The spread of the whole output, not of each bin: empty bins have next to none.
        scale = float(np.sqrt(np.mean(mean[:, columns].var(axis=0)))) or 1.0
        total += np.sqrt(np.mean(gain[:, columns] ** 2, axis=1)) / scale
    return total


def _select(score: Array, pool: Array, taken: Array, count: int, radius: float) -> list[int]:
    """Greedy choice of ``count`` rows of the pool (all in the unit cube), the best first."""
    varied = max(1, int((np.ptp(pool, axis=0) > 0).sum()))
    # Distance that n points in the unit cube have from their neighbours on average.
    reach = radius * 0.5 / (len(taken) + count) ** (1 / varied)
    nearest = np.full(len(pool), np.inf)
    for block in np.array_split(taken, max(1, len(taken) // 256)):
        if len(block):
            nearest = np.minimum(nearest, _squared(pool, block).min(axis=1))
    chosen: list[int] = []
    for _ in range(min(count, len(pool))):
        value = score * -np.expm1(-nearest / reach**2)
        value[chosen] = -np.inf
        best = int(np.argmax(value))
        chosen.append(best)
        nearest = np.minimum(nearest, _squared(pool, pool[best : best + 1])[:, 0])
    return chosen


def _squared(a: Array, b: Array) -> Array:
    """Squared distances, array (len(a), len(b)); by one matrix product, good to 1e-15 of the unit cube."""
    squared: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    return squared.clip(min=0.0)
