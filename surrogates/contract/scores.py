"""How good a model is on simulations that it has not seen, and what they make of its error bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.calibration import calibration_factor
from surrogates.contract.card import MEANING
from surrogates.contract.model import Model

Array = NDArray[np.float64]

__all__ = ["MEANING", "calibrated", "held_out_moments", "held_out_scores"]

ENOUGH = 16
"""Held-out simulations without which error bars stay as the fit left them."""
LEAST, MOST = 0.3, 3.0
"""Bounds of what so few simulations may make of an error bar."""


def calibrated(model: Model, x: Array, y: Array, y_err: Array) -> Model:
    """The model with one factor on all its std, with which rms z = 1 on held-out simulations.

    What a fit can tell of its own error, by leaving simulations out, is too much where the design
    fills the space: each one left out leaves a hole that no question falls into. Simulations that
    belong to no design know better. Fewer than `ENOUGH` of them change nothing.

    Args:
        model: as it was fitted.
        x: inputs, array (n, features).
        y: targets, array (n, columns).
        y_err: their standard errors, array (n, columns).
    """
    if len(x) < ENOUGH:
        return model
    mean, std = model.predict(x, return_std=True, on_ood="ignore")
    factor = _factor(model, mean - y, std, y_err)
    domain = replace(model.domain, spread_limit=model.domain.spread_limit * factor)
    return replace(model, std_factor=(model.std_factor or 1.0) * factor, domain=domain)


def held_out_moments(model: Model, x: Array, y: Array, y_err: Array) -> tuple[Array, Array]:
    """Mean and std for judging a model by the simulations that calibrated it.

    No simulation judges error bars that it helped to set: each half is given the std that the other
    half makes of it. The std of a model that was not calibrated is its own.

    Returns:
        two arrays (n, columns).
    """
    mean, std = model.predict(x, return_std=True, on_ood="ignore")
    if model.std_factor is not None and len(x) >= ENOUGH:
        halves = [slice(0, None, 2), slice(1, None, 2)]
        factors = [_factor(model, (mean - y)[h], std[h], y_err[h]) for h in halves]
        for half, factor in zip(halves, reversed(factors), strict=True):
            std[half] *= factor
    return mean, std


def _factor(model: Model, error: Array, std: Array, y_err: Array) -> float:
    """The factor on std with which z^2, averaged over each target and then over the targets, is 1."""
    known = y_err > 0
    targets = [c for c in model.signature.columns().values() if known[:, c].any()]
    if not targets:
        return 1.0

    def squared_z(factor: float) -> float:
        total = np.where(known, np.hypot(factor * std, y_err), 1.0)
        squared = (error / total) ** 2
        return float(np.mean([squared[:, c][known[:, c]].mean() for c in targets]))

    return calibration_factor(squared_z, LEAST, MOST)


def held_out_scores(model: Model, x: Array, y: Array, y_err: Array) -> dict[str, Any]:
    """Scores on held-out simulations.

    Args:
        model: what is scored; its fit must not have seen these simulations. If they have calibrated
            it, rms_z and coverage are those of `held_out_moments`.
        x: inputs, array (n, features).
        y: targets, array (n, columns).
        y_err: their standard errors, array (n, columns).

    Returns:
        ``{"n": n, "targets": {target: {score: value}}, "overall": {score: value}}``; `MEANING` says
        what each score means. An array target counts all its bins; overall counts every target alike
        and has no rmse, since units differ. Values that are exactly zero with no error count only
        in ``rmse``, and zeros with an error not in ``median_relative_error``, which is left out where
        nothing else is known.
    """
    mean, std = held_out_moments(model, x, y, y_err)
    targets = {
        name: _scores(mean[:, c], std[:, c], y[:, c], y_err[:, c])
        for name, c in model.signature.columns().items()
    }
    overall = {
        score: float(np.mean(values))
        for score in ("success", "coverage", "median_relative_error")
        if (values := [t[score] for t in targets.values() if score in t])
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
    sized = known & (y != 0)
    scores = {
        "success": float(np.mean(np.abs(error[known]) <= 2 * err[known])),
        "rms_z": float(np.sqrt(np.mean(z**2))),
        "coverage": float(np.mean(np.abs(z) <= 1.959964)),
        "rmse": float(np.sqrt(np.mean(error**2))),
    }
    if sized.any():
        scores["median_relative_error"] = float(np.median(np.abs(error[sized] / y[sized])))
    return scores
