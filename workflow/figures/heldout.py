"""Held-out simulations beside what a model says of them: the material of every figure of accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from surrogates import Model, Signature, held_out_moments
from surrogates.contract import evaluate_terms

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NOISE = np.array([NormalDist().inv_cdf(0.5 + 0.5 * p) for p in (np.arange(39) + 0.5) / 39])
"""Evenly spaced quantiles of |N(0, 1)|: what noise alone does to one simulation."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Simulations that a model never saw, and its predictions.

    Args:
        version: of the model.
        ids: replica of each row, array (n,).
        x: inputs, array (n, features).
        y, err: simulated means and their standard errors, arrays (n, columns), flat as in the signature.
        mean, std: predicted means and their std as `surrogates.held_out_moments` gives them, same shape:
            what the error bars are judged by.
        told: the std that the model gives to whoever asks it, same shape; ``std`` if left out.
    """

    signature: Signature
    version: str
    ids: Ints
    x: Array
    y: Array
    err: Array
    mean: Array
    std: Array
    told: Array | None = None

    @classmethod
    def judge(cls, model: Model, version: str, ids: Ints, x: Array, y: Array, err: Array) -> HeldOut:
        """Ask the model about held-out simulations; arrays as in the class."""
        mean, std = held_out_moments(model, x, y, err)
        _, told = model.predict(x, return_std=True, on_ood="ignore")
        return cls(model.signature, version, ids, x, y, err, mean, std, told)

    @property
    def bars(self) -> Array:
        """The predictions' std as users are given it, array (n, columns)."""
        return self.std if self.told is None else self.told

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def z(self) -> Array:
        """(prediction - simulation) / combined standard error, array (n, columns); NaN where unknown."""
        total = np.hypot(self.std, self.err)
        known = (self.err > 0) & (total > 0)
        return np.where(known, self.mean - self.y, np.nan) / np.where(known, total, 1.0)

    def centres(self, axis: str) -> Array:
        """Bin centres of an axis for every simulation, array (n, bins)."""
        values = {f.name: column for f, column in zip(self.signature.features, self.x.T, strict=True)}
        edges = evaluate_terms(self.signature.axis(axis).edges, values)
        return 0.5 * (edges[:, 1:] + edges[:, :-1])

    def rows(self, index: Ints) -> HeldOut:
        """These simulations only."""
        y, err, mean, std = (a[index] for a in (self.y, self.err, self.mean, self.std))
        told = None if self.told is None else self.told[index]
        return HeldOut(self.signature, self.version, self.ids[index], self.x[index], y, err, mean, std, told)

    def relative_error(self) -> float:
        """Median of |prediction - simulation| / |simulation|, every target counting alike."""
        return self._median(np.abs(self.mean - self.y)[:, None])

    def noise_floor(self) -> float:
        """What `relative_error` would be for a perfect model: the simulations' own noise."""
        return self._median(self.err[:, None] * NOISE[:, None])

    def _median(self, error: Array) -> float:
        """Of errors (n, draws, columns), relative to the simulated values."""
        known = (self.err > 0) & (self.y != 0)
        medians = []
        for columns in self.signature.columns().values():
            if known[:, columns].any():
                size = np.where(known, np.abs(self.y), np.nan)[:, None, columns]
                medians.append(np.nanmedian(error[:, :, columns] / size))
        return float(np.mean(medians)) if medians else float("nan")

    def bootstrap(self, draws: int = 100) -> Array:
        """`relative_error` over resampled simulations, array (draws,): its spread is the standard error."""
        rng = np.random.default_rng(0)
        picks = rng.integers(0, len(self), (draws, len(self)))
        return np.array([self.rows(pick).relative_error() for pick in picks])
