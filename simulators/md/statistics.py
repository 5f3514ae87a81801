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


def highest(values: Array, weights: Array) -> tuple[float, float]:
    """The height of the highest point of a noisy curve, without the bias of picking the luckiest one.

    The largest of many noisy numbers lies above the largest true one. Here the place of the maximum is
    read from one half of the blocks and its height from the other, and the other way round: noise cannot
    be picked and counted at once.

    Args:
        values: array (blocks, points).
        weights: array (blocks,), as for `blocked`.

    Returns:
        height and its standard error.
    """
    # Halves in time, not every other block: neighbours remember each other a little.
    middle = len(values) // 2
    early, late = values[:middle], values[middle:]
    heights = np.concatenate([early[:, np.argmax(late.mean(axis=0))], late[:, np.argmax(early.mean(axis=0))]])
    mean, error = blocked(heights, weights)
    return float(mean), float(error)
