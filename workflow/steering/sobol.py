"""A scrambled Sobol sequence: points that fill the space evenly, however many there are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from workflow.space import Space
from workflow.steering.contract import Policy, View

Array = NDArray[np.float64]


class Sobol(Policy):
    """Points of a scrambled Sobol sequence (Owen 1998; scrambling of Matousek 1998, by SciPy).

    Every fourth point of it, say, lies in a part of the space: held-out points are a sequence of their own.
    """

    kind: Literal["sobol"] = "sobol"
    independent: ClassVar[bool] = True
    judged_by_own: ClassVar[bool] = False

    def propose(self, view: View, count: int) -> Array:
        """The next points of the sequence."""
        return sobol_points(view.space, view.seed, 0, view.first, count)


def sobol_points(space: Space, seed: int, stream: int, first: int, count: int) -> Array:
    """Points ``first`` to ``first + count - 1`` of the space's sequence, array (count, dimensions).

    Sequences of one seed with different streams are scrambled independently (0: points of a policy,
    1: held-out points, 2: candidates, 3: explorers of a policy that has a model). Point k is a function
    of seed, stream and k alone. Constants take no dimension of the sequence.
    """
    varied = [k for k, d in enumerate(space.dimensions) if d.low < d.high]
    u = np.zeros((count, len(space.dimensions)))
    if varied:
        u[:, varied] = _sequence(len(varied), seed, stream).points(first, count)
    return space.from_unit(u)


@lru_cache(maxsize=8)
def _sequence(dimensions: int, seed: int, stream: int) -> _Sequence:
    return _Sequence(dimensions, seed, stream)


class _Sequence:
    """SciPy's generator, kept where it stands, so that going on from there costs nothing."""

    def __init__(self, dimensions: int, seed: int, stream: int) -> None:
        self.dimensions, self.seed = dimensions, [seed, stream]
        self.engine = self._start()

    def _start(self) -> Any:
        from scipy.stats import qmc  # imported here: a second that other policies need not pay

        return qmc.Sobol(self.dimensions, scramble=True, rng=np.random.default_rng(self.seed))

    def points(self, first: int, count: int) -> Array:
        if first < self.engine.num_generated:
            self.engine = self._start()
        if first > self.engine.num_generated:
            self.engine.fast_forward(first - self.engine.num_generated)
        if count == 0:
            return np.empty((0, self.dimensions))
        # The first point is drawn by itself: SciPy warns when a sequence starts with a number of
        # points that is no power of two, but here it is drawn from for as long as the run lasts.
        points: Array = self.engine.random(1)
        return np.concatenate([points, self.engine.random(count - 1)]) if count > 1 else points
