"""How good a model is on simulations that it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.card import MEANING
from surrogates.contract.model import Model

Array = NDArray[np.float64]

__all__ = ["MEANING", "held_out_scores"]


def held_out_scores(model: Model, x: Array, y: Array, y_err: Array) -> dict[str, Any]:
    """Scores on held-out simulations.

    Args:
        model: what is scored; it must not have seen these simulations.
        x: inputs, array (n, features).
        y: targets, array (n, columns).
        y_err: their standard errors, array (n, columns).

    Returns:
        ``{"n": n, "targets": {target: {score: value}}, "overall": {score: value}}``; `MEANING` says
        what each score means. An array target counts all its bins; overall counts every target alike
        and has no rmse, since units differ. Values that are exactly zero with no error count only
        in ``rmse``.
    """
    mean, std = model.predict(x, return_std=True, on_ood="ignore")
    targets = {
        name: _scores(mean[:, c], std[:, c], y[:, c], y_err[:, c])
        for name, c in model.signature.columns().items()
    }
    overall = {
        score: float(np.mean([t[score] for t in targets.values()]))
        for score in ("success", "coverage", "median_relative_error")
    }
    overall["rms_z"] = float(np.sqrt(np.mean([t["rms_z"] ** 2 for t in targets.values()])))
    return {"n": len(x), "targets": targets, "overall": overall}


def _scores(mean: Array, std: Array, y: Array, err: Array) -> dict[str, float]:
    error = mean - y
    known = err > 0
    if not known.any():
        known = np.ones_like(known)
    total = np.hypot(std, err)[known]
    z = error[known] / np.where(total > 0, total, np.finfo(float).tiny)
    relative = np.abs(error[known]) / np.where(y[known] != 0, np.abs(y[known]), np.inf)
    return {
        "success": float(np.mean(np.abs(error[known]) <= 2 * err[known])),
        "rms_z": float(np.sqrt(np.mean(z**2))),
        "coverage": float(np.mean(np.abs(z) <= 1.959964)),
        "median_relative_error": float(np.median(relative)),
        "rmse": float(np.sqrt(np.mean(error**2))),
    }
