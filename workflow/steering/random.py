"""Uniform random points: the simplest baseline."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from workflow.steering.contract import Policy, View

Array = NDArray[np.float64]


class Random(Policy):
    """Independent points, uniform over the space; point k is a function of the seed and k alone."""

    kind: Literal["random"] = "random"
    independent: ClassVar[bool] = True
    judged_by_own: ClassVar[bool] = True

    def propose(self, view: View, count: int) -> Array:
        """The next points."""
        size = len(view.space.dimensions)
        points = range(view.first, view.first + count)
        u = np.array([np.random.default_rng([view.seed, k]).random(size) for k in points]).reshape(-1, size)
        return view.space.from_unit(u)
