"""A scrambled Sobol sequence: the baseline that fills a space most evenly."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from workflow.space import Space
from workflow.steering.contract import Policy, View

Array = NDArray[np.float64]


def sobol_points(space: Space, seed: int, stream: int, first: int, count: int) -> Array:
    """Points ``first`` to ``first + count - 1`` of a scrambled Sobol sequence over the space.

    Sequences of one seed with different streams are scrambled independently.

    Returns:
        array (count, dimensions).
    """
    from scipy.stats import qmc  # 0.3 s to import, and not every policy needs it

    varied = [k for k, d in enumerate(space.dimensions) if d.low < d.high]
    u = np.zeros((count, len(space.dimensions)))
    if varied:
        sequence = qmc.Sobol(len(varied), scramble=True, rng=np.random.default_rng([seed, stream]))
        u[:, varied] = sequence.fast_forward(first).random(count) if first else _quietly(sequence, count)
    return space.from_unit(u)


def _quietly(sequence: object, count: int) -> Array:
    """The first points; scipy warns where their number is no power of two, which does not matter here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sequence.random(count)  # type: ignore[attr-defined, no-any-return]  # scipy ships no types


class Sobol(Policy):
    """Scrambled Sobol points (Owen 1998), one after the other."""

    kind: Literal["sobol"] = "sobol"
    independent: ClassVar[bool] = True

    def propose(self, view: View, count: int) -> Array:
        """The next points of the sequence."""
        return sobol_points(view.space, view.seed, 0, view.first, count)
