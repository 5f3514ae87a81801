"""Where a model may be believed: box, distance to training data and spread of the ensemble together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.signature import Signature

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

DISTANCE_QUANTILE, DISTANCE_MARGIN = 0.99, 1.25
SPREAD_QUANTILE, SPREAD_MARGIN = 0.99, 2.0
OPEN_BOX_MARGIN = 0.05
"""Fraction of the data's range added on both sides of a feature that declares no range."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The domain of a model.

    A row is inside when all of these hold; the ensemble's spread is never asked alone, since it can
    stay flat far from any data.

    - box: every feature within its range, a feature with choices on one of them, a constant on its value;
    - distance: the nearest training point, in units of the box, is no further than training points
      are from each other (a quantile of their own leave-one-out distances, with a margin);
    - spread: the predicted std, relative to the outputs' variation, is no larger than a multiple of
      that seen on the training data.

    Args:
        names: of the features.
        low, high: the box, arrays (features,).
        choices: per feature the only values accepted; empty for a continuous one.
        x: training inputs, array (n, features).
        ids: which simulation each row of `x` was, array (n,).
        scale: variation of each output over the training data, array (columns,), output units;
            infinite for outputs that do not vary.
        distance_limit, spread_limit: largest values accepted.
    """

    names: tuple[str, ...]
    low: Array
    high: Array
    choices: tuple[tuple[float, ...], ...]
    x: Array
    ids: Ints
    scale: Array
    distance_limit: float
    spread_limit: float

    @classmethod
    def around(cls, signature: Signature, x: Array, y: Array, std: Array, ids: Ints | None) -> Domain:
        """The domain spanned by training data.

        Args:
            signature: names, ranges and choices of the features.
            x: inputs, array (n, features).
            y: targets there, array (n, columns).
            std: predicted std there, array (n, columns).
            ids: which simulation each row was; ``None`` numbers them from zero.
        """
        low = np.array([f.low for f in signature.features])
        high = np.array([f.high for f in signature.features])
        margin = OPEN_BOX_MARGIN * np.ptp(x, axis=0)
        low = np.where(np.isfinite(low), low, x.min(axis=0) - margin)
        high = np.where(np.isfinite(high), high, x.max(axis=0) + margin)
        scale = y.std(axis=0)
        scale = np.where(scale > 1e-12 * np.abs(y).max(axis=0), scale, np.inf)
        ids = np.arange(len(x), dtype=np.int64) if ids is None else np.asarray(ids, dtype=np.int64)
        names = tuple(f.name for f in signature.features)
        choices = tuple(f.choices for f in signature.features)
        open_domain = cls(names, low, high, choices, x, ids, scale, np.inf, np.inf)
        between = np.unique(open_domain.coordinates(x), axis=0)
        distances = _distances(between, between)
        np.fill_diagonal(distances, np.inf)
        gaps = distances.min(axis=0)[len(between) < 2 :]
        reach = float(DISTANCE_MARGIN * np.quantile(gaps, DISTANCE_QUANTILE)) if gaps.size else 0.0
        spread = float(SPREAD_MARGIN * np.quantile(open_domain.spread(std), SPREAD_QUANTILE))
        return cls(names, low, high, choices, x, ids, scale, reach, max(spread, 1e-300))

    def coordinates(self, x: Array) -> Array:
        """Inputs in units of the box, array (n, features); constants count nothing here."""
        width = self.high - self.low
        return (x - self.low) / np.where(width > 0, width, np.inf)

    def spread(self, std: Array) -> Array:
        """Root mean square over the outputs of std in units of the outputs' variation, array (n,)."""
        ratio = std / self.scale
        mean: Array = np.sqrt(np.einsum("ij,ij->i", ratio, ratio) / ratio.shape[1])
        return mean

    def excess(self, x: Array) -> Array:
        """How far each feature lies outside its range or choices, in units of the range, (n, features)."""
        width = self.high - self.low
        unit = np.where(width > 0, width, np.maximum(np.abs(self.low), 1.0))
        tolerance = 1e-9 * unit
        outside = np.maximum(np.maximum(self.low - x, x - self.high), 0.0)
        for k, choices in enumerate(self.choices):
            if choices:
                outside[:, k] = np.abs(x[:, k, None] - np.array(choices)).min(axis=1)
        return np.where(outside > tolerance, outside / unit, 0.0)

    def nearest(self, x: Array) -> tuple[Ints, Array]:
        """Row of the nearest training point and its distance in units of the box, arrays (n,)."""
        distances = _distances(self.coordinates(x), self.coordinates(self.x))
        index = distances.argmin(axis=1)
        return index, distances[np.arange(len(x)), index]

    def score(self, x: Array, std: Array) -> Array:
        """How far out each row is, array (n,): the worst of the three criteria, inside where <= 1.

        Args:
            x: array (n, features).
            std: the model's std there, array (n, columns).
        """
        outside = self.excess(x).max(axis=1)
        box = np.where(outside > 0, 1.0 + outside, 0.0)
        distance = self.nearest(x)[1] / max(self.distance_limit, 1e-9)
        return np.maximum(np.maximum(box, distance), self.spread(std) / self.spread_limit)

    def reason(self, x: Array, std: Array) -> str:
        """Why one row x (1, features) is outside, in words."""
        excess = self.excess(x)[0]
        if excess.any():
            k = int(np.argmax(excess))
            accepted = ", ".join(f"{c:g}" for c in self.choices[k])
            accepted = accepted or f"{self.low[k]:g} to {self.high[k]:g}"
            return f"{self.names[k]} = {x[0, k]:g}, accepted: {accepted}"
        distance = float(self.nearest(x)[1][0])
        if distance > self.distance_limit:
            return f"nearest training point {distance:.3g} box widths away, limit {self.distance_limit:.3g}"
        return f"ensemble spread {self.spread(std)[0]:.3g}, limit {self.spread_limit:.3g}"


def _distances(a: Array, b: Array) -> Array:
    """Euclidean distances, array (len(a), len(b)), by one matrix product."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    distances: Array = np.sqrt(np.maximum(squared, 0.0))
    return distances
