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
NEAR_SCORE = 0.8
"""Score from which a row that is inside counts as near the edge."""
NEAR_END = 0.02
"""Fraction of a continuous feature's range from either end that counts as near the edge."""


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
        names, units: of the features.
        low, high: the box, arrays (features,).
        choices: per feature the only values accepted; empty for a continuous one.
        x: training inputs, array (n, features).
        ids: which simulation each row of `x` was, array (n,).
        scale: variation of each output over the training data, array (columns,), output units;
            infinite for outputs that do not vary.
        distance_limit, spread_limit: largest values accepted.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
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
        units = tuple(f.unit for f in signature.features)
        choices = tuple(f.choices for f in signature.features)
        open_domain = cls(names, units, low, high, choices, x, ids, scale, np.inf, np.inf)
        between = np.unique(open_domain.coordinates(x), axis=0)
        distances = _distances(between, between)
        np.fill_diagonal(distances, np.inf)
        gaps = distances.min(axis=0)[len(between) < 2 :]
        reach = float(DISTANCE_MARGIN * np.quantile(gaps, DISTANCE_QUANTILE)) if gaps.size else 0.0
        spread = float(SPREAD_MARGIN * np.quantile(open_domain.spread(std), SPREAD_QUANTILE))
        return cls(names, units, low, high, choices, x, ids, scale, reach, max(spread, 1e-300))

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

    def near_edge(self, x: Array, std: Array) -> NDArray[np.bool_]:
        """Whether each row is inside, but close to where the domain ends, array (n,).

        Close means a score above `NEAR_SCORE`, or a continuous feature within `NEAR_END` of its range
        from either end, beyond which there are no training data on one side.
        """
        score = self.score(x, std)
        near: NDArray[np.bool_] = (score <= 1) & ((score > NEAR_SCORE) | self._at_end(x).any(axis=1))
        return near

    def reason(self, x: Array, std: Array) -> str:
        """Why one row x (1, features) is outside or near the edge, in words; empty well inside.

        Every criterion that says so is named, with what it finds and what it accepts.
        """
        excess = self.excess(x)[0]
        worst_first = [int(k) for k in np.argsort(-excess) if excess[k] > 0]
        words = [self._beyond(k, float(x[0, k])) for k in worst_first]
        limit = 1.0 if self.score(x, std)[0] > 1 else NEAR_SCORE
        if limit < 1.0:
            for k in np.flatnonzero(self._at_end(x)[0]).tolist():
                words.append(f"{self._value(k, x[0, k])}, close to the end of {self._accepted(k)}")
        distance = float(self.nearest(x)[1][0])
        if distance > limit * max(self.distance_limit, 1e-9):
            words.append(
                f"nearest training simulation {distance:.3g} box widths away, "
                f"accepted: up to {self.distance_limit:.3g}"
            )
        spread = float(self.spread(std)[0])
        if spread > limit * self.spread_limit:
            words.append(
                f"expected error {spread:.3g} of the outputs' variation, "
                f"accepted: up to {self.spread_limit:.3g}"
            )
        return "; ".join(words)

    def _at_end(self, x: Array) -> NDArray[np.bool_]:
        """Which features lie close to an end of their range, array (n, features)."""
        width = self.high - self.low
        varies = (width > 0) & np.array([not choices for choices in self.choices])
        close: NDArray[np.bool_] = varies & (np.minimum(x - self.low, self.high - x) < NEAR_END * width)
        return close

    def _value(self, k: int, value: float) -> str:
        return f"{self.names[k]} = {value:g} {self.units[k]}".rstrip()

    def _accepted(self, k: int) -> str:
        if self.choices[k]:
            values = ", ".join(f"{choice:g}" for choice in self.choices[k])
        elif self.low[k] == self.high[k]:
            values = f"{self.low[k]:g}"
        else:
            values = f"{self.low[k]:g} to {self.high[k]:g}"
        return f"{values} {self.units[k]}".rstrip()

    def _beyond(self, k: int, value: float) -> str:
        words = f"{self._value(k, value)}, accepted: {self._accepted(k)}"
        if self.choices[k] or self.low[k] == self.high[k]:
            return words
        excess = max(self.low[k] - value, value - self.high[k])
        return f"{words} ({excess:.3g} {self.units[k]}".rstrip() + " beyond)"


def _distances(a: Array, b: Array) -> Array:
    """Euclidean distances, array (len(a), len(b)), by one matrix product."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    distances: Array = np.sqrt(np.maximum(squared, 0.0))
    return distances
