"""Rings of a colony, counted as peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

_DISTANCE, _PROMINENCE = 50, 0.1
"""Between peaks, in points of 501 to the radius, and above their surroundings, in units of the highest."""


def rings(profile: NDArray[np.float64]) -> int:
    """Peaks along a diameter: 1 for a disc, 2 for a ring, 3 for a ring around a disc.

    Args:
        profile: array (501,) from the middle outwards, its highest value 1.
    """
    diameter = np.concatenate([profile[::-1], profile[1:]])
    return len(find_peaks(diameter, distance=_DISTANCE, prominence=_PROMINENCE)[0])
