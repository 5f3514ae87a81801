"""The factor on error bars with which they fit the errors seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def calibration_factor(squared_z: Callable[[float], float], least: float, most: float) -> float:
    """The factor on std, within bounds, at which the mean of z^2 is 1.

    Args:
        squared_z: factor -> mean of z^2, which falls as the factor grows.
        least: lower bound of the factor.
        most: upper bound of the factor.
    """
    low, high = least, most
    for _ in range(50):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if squared_z(middle) > 1 else (low, middle)
    return float(np.sqrt(low * high))
