"""The space of a campaign: its inputs and their ranges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Dimension:
    """One input of the space, in the unit that the simulator declares.

    Args:
        low, high: the range.
        values: the values that a grid takes, ascending; empty for a continuous range.
        discrete: whether nothing but ``values`` has a meaning (valencies), so that a model must
            not be asked in between.
    """

    name: str
    unit: str
    low: float
    high: float
    values: tuple[float, ...] = ()
    discrete: bool = False


@dataclass(frozen=True)
class Space:
    """The inputs that a campaign varies, and the constants it fixes (``low == high``)."""

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions, in order."""
        return tuple(d.name for d in self.dimensions)

    def from_unit(self, u: Array) -> Array:
        """Points (n, dimensions) of the space from points of the unit cube.

        Dimensions with values take them with equal shares of the unit interval.
        """
        points = np.empty_like(u)
        for k, d in enumerate(self.dimensions):
            if d.values:
                index = np.minimum((u[:, k] * len(d.values)).astype(np.int64), len(d.values) - 1)
                points[:, k] = np.asarray(d.values)[index]
            else:
                points[:, k] = d.low + u[:, k] * (d.high - d.low)
        return points

    def to_unit(self, x: Array) -> Array:
        """Points (n, dimensions) scaled to the unit cube; constants become 0."""
        low = np.array([d.low for d in self.dimensions])
        width = np.array([d.high - d.low for d in self.dimensions])
        unit: Array = (x - low) / np.where(width > 0, width, 1.0)
        return unit
