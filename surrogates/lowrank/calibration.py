"""Error bars made honest on simulations that the predicting members had not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import Signature
from surrogates.contract.calibration import calibration_factor

Array = NDArray[np.float64]

LEAST, MOST = 0.7, 20.0
"""Bounds of a calibration factor. Where the noise of the simulations hides the model's own error, any small
factor gives rms z = 1; the recipe's own std is then taken nearly as it is."""


def calibration_factors(
    signature: Signature, error: Array, std: Array, y_err: Array, surplus: Array | float = 0.0
) -> dict[str, float]:
    """Per target the factor on std with which rms z = 1.

    z^2 = (error^2 - surplus) / ((factor std)^2 + y_err^2), averaged over rows and bins.

    Args:
        signature: names of the targets.
        error: out-of-sample errors, array (n, columns).
        std: predicted std there, array (n, columns).
        y_err: standard errors of the simulations, array (n, columns).
        surplus: variance that the out-of-sample prediction has and the model's does not (fewer members).
    """
    squared = np.maximum(error**2 - surplus, 0.0)
    return {
        name: _factor(squared[:, c], std[:, c] ** 2, y_err[:, c] ** 2)
        for name, c in signature.columns().items()
    }


def rms_z(signature: Signature, error: Array, std: Array, y_err: Array) -> dict[str, float]:
    """Per target the rms of error / sqrt(std^2 + y_err^2)."""
    total = np.hypot(std, y_err)
    z = np.where(total > 0, error / np.where(total > 0, total, 1.0), 0.0)
    return {name: float(np.sqrt(np.mean(z[:, c] ** 2))) for name, c in signature.columns().items()}


def _factor(squared: Array, variance: Array, noise: Array) -> float:
    used = variance + noise > 0
    if not used.any():
        return 1.0
    squared, variance, noise = squared[used], variance[used], noise[used]
    tiny = np.finfo(float).tiny
    return calibration_factor(
        lambda factor: float(np.mean(squared / (factor**2 * variance + noise + tiny))), LEAST, MOST
    )
