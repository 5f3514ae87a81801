"""A full grid: the design of most published data sets, and the one that active learning has to beat."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from workflow.space import Dimension, Space
from workflow.steering.contract import Policy, View

Array = NDArray[np.float64]


class Grid(Policy):
    """Every combination of the dimensions' values.

    The order is a fixed random permutation, so that a run that stops early has seen the whole space
    rather than a slice of it, and so that held-out replicas, every so many, lie on no lattice plane.
    """

    kind: Literal["grid"] = "grid"
    independent: ClassVar[bool] = True
    judged_by_own: ClassVar[bool] = True
    points: PositiveInt = Field(5, description="points along each continuous range that names no values")

    def size(self, space: Space) -> int:
        """The product of the numbers of values."""
        return int(np.prod([len(self._axis(d)) for d in space.dimensions]))

    def propose(self, view: View, count: int) -> Array:
        """The next points of the permuted grid; fewer at its end."""
        axes = [self._axis(d) for d in view.space.dimensions]
        chosen = np.unravel_index(
            _order(view.seed, self.size(view.space))[view.first : view.first + count],
            [len(axis) for axis in axes],
        )
        return np.stack([axis[index] for axis, index in zip(axes, chosen, strict=True)], axis=1)

    def _axis(self, dimension: Dimension) -> Array:
        if dimension.values:
            return np.asarray(dimension.values, dtype=np.float64)
        if dimension.low == dimension.high:
            return np.array([dimension.low])
        return np.linspace(dimension.low, dimension.high, self.points)


@lru_cache(maxsize=2)
def _order(seed: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(size)
