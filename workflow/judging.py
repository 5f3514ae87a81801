"""Which of two models is used, and whether one is good enough: held-out simulations are the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates import Model
from workflow.results import Examples

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """How much more wrong a newer model is than the one in use, simulation by simulation.

    Args:
        difference: mean over held-out simulations of (newer - in use) in `squared_error`.
        stderr: its standard error; infinite for fewer than two simulations.
    """

    difference: float
    stderr: float

    @property
    def promotes(self) -> bool:
        """Whether the newer model is used from now on.

        It knows more simulations, so that it is, unless it is worse by more than a standard error. A
        rule that asked for a better score would keep old models whenever noise makes two look alike.
        """
        return self.difference <= self.stderr


def compare(newer: Model, in_use: Model, held: Examples) -> Comparison:
    """Both models on the same held-out simulations: what is hard about one of them cancels."""
    losses = squared_error(newer, held) - squared_error(in_use, held)
    if not np.isfinite(losses).all():
        return Comparison(np.inf, 0.0)  # a model that does not answer is no better
    n = len(losses)
    return Comparison(float(losses.mean()), float(losses.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf)


def squared_error(model: Model, held: Examples) -> Array:
    """Standardised squared error of each simulation, array (n,): its bins averaged, then its targets.

    The unit of an error is the simulation's standard error, though never less than the median one of
    that output or bin, so that no few simulations that claim to be exact decide alone; where no
    standard error is known, it is the spread of the output.
    """
    mean = model.predict(held.x, on_ood="ignore")
    unit = np.maximum(held.y_err, np.median(held.y_err, axis=0))
    unit = np.where(unit > 0, unit, held.y.std(axis=0))
    squared = np.where(unit > 0, (mean - held.y) / np.where(unit > 0, unit, 1.0), 0.0) ** 2
    targets = [squared[:, columns].mean(axis=1) for columns in model.signature.columns().values()]
    error: Array = np.mean(targets, axis=0)
    return error


def calibrated_error(model: Model, data: Examples) -> float:
    """Median of std / |mean| over all targets of the given simulations: what ``stop.error`` asks about."""
    mean, std = model.predict(data.x, return_std=True, on_ood="ignore")
    size = np.abs(mean)
    return float(np.median((std[size > 0]) / size[size > 0])) if (size > 0).any() else float("nan")


def least_success(scores: Mapping[str, Any]) -> float | None:
    """Smallest held-out success rate of the targets: what ``stop.success`` asks about."""
    rates = [target["success"] for target in scores.get("targets", {}).values()]
    return min(rates) if rates else None
