"""Averages of correlated samples and their standard errors, by blocks.

The samples are averaged over blocks longer than they remember, so that block averages are independent
and the error of their mean is their scatter (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461, 1989).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCKS = 32
"""Enough that Student's t has the width of a Gaussian within 4 %."""


def blocked(values: Array, weights: Array) -> tuple[Array, Array]:
    """Mean and standard error of block averages.

    Args:
        values: array (blocks, ...).
        weights: array (blocks,), samples in each block: equal but for the rounding of their number.

    Returns:
        two arrays (...,).
    """
    mean = np.tensordot(weights / weights.sum(), values, axes=1)
    return mean, values.std(axis=0, ddof=1) / np.sqrt(len(values))


def counted(values: Array, weights: Array, one: Array | float) -> tuple[Array, Array]:
    """Mean and standard error of block averages of what was counted.

    Where the same was seen in every block, nothing at all say, the scatter is none; but what one event more
    would have changed is not known.

    Args:
        values: array (blocks, ...).
        weights: array (blocks,), as for `blocked`.
        one: what a single event in the whole run adds to the mean, (...,) or one number: the least error.

    Returns:
        two arrays (...,).
    """
    mean, error = blocked(values, weights)
    return mean, np.maximum(error, one)


def smoothed(values: Array, width: int) -> Array:
    """A curve smoothed by a parabola fitted to each window (Savitzky and Golay, Anal. Chem. 36, 1627, 1964).

    Args:
        values: array (..., points).
        width: points in a window, odd.

    Returns:
        array (..., points - width + 1): the fits at the middles of the windows.
    """
    offsets = np.arange(width) - width // 2
    coefficients = np.linalg.pinv(np.vander(offsets, 3))[2]
    fits: Array = np.lib.stride_tricks.sliding_window_view(values, width, axis=-1) @ coefficients
    return fits


def highest(values: Array, weights: Array) -> tuple[float, float]:
    """The height of the highest point of a noisy curve.

    Its error is the jackknife's over blocks, so that it covers the choice of the place too: the scatter
    at the place that was chosen is too small by up to a half.

    Args:
        values: array (blocks, points).
        weights: array (blocks,), as for `blocked`.

    Returns:
        height and its standard error.
    """
    share = (weights / weights.sum())[:, None]
    mean = (share * values).sum(axis=0)
    without = ((mean - share * values) / (1 - share)).max(axis=1)
    n = len(values)
    return float(mean.max()), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))
