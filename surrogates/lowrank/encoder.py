"""From inputs in their units to numbers that a learner likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import Signature

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encoder:
    """Scales every feature to [-1, 1], drops constants and adds one indicator per choice.

    A feature with choices stays as a number too, so that order is kept; indicators are added only from
    three choices on, since two are told apart by the number.

    Args:
        kept: columns that vary, array (k,).
        low, high: range mapped to [-1, 1], arrays (k,).
        choices: per kept column the choices that get an indicator.
    """

    kept: NDArray[np.int64]
    low: Array
    high: Array
    choices: tuple[tuple[float, ...], ...]

    @classmethod
    def fit(cls, signature: Signature, x: Array) -> Encoder:
        """The encoder of a signature; a feature without a range takes that of the data x (n, features)."""
        low = np.array([f.low for f in signature.features])
        high = np.array([f.high for f in signature.features])
        closed = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(closed, low, x.min(axis=0)), np.where(closed, high, x.max(axis=0))
        kept = np.flatnonzero(high > low)
        choices = tuple(signature.features[k].choices for k in kept)
        choices = tuple(c if len(c) > 2 else () for c in choices)
        return cls(kept.astype(np.int64), low[kept], high[kept], choices)

    def __call__(self, x: Array) -> Array:
        """Inputs (n, features) as (n, width)."""
        x = x[:, self.kept]
        columns = [2 * (x - self.low) / (self.high - self.low) - 1]
        for k, choices in enumerate(self.choices):
            if choices:
                columns.append((x[:, k, None] == np.array(choices)).astype(np.float64))
        return np.concatenate(columns, axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For ``weights.safetensors``."""
        return {"encoder.kept": self.kept, "encoder.low": self.low, "encoder.high": self.high}

    def settings(self) -> dict[str, Any]:
        """For ``model.json``."""
        return {"choices": [list(c) for c in self.choices]}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]) -> Encoder:
        """The encoder that `arrays` and `settings` were taken from."""
        return cls(
            arrays["encoder.kept"],
            arrays["encoder.low"],
            arrays["encoder.high"],
            tuple(tuple(c) for c in settings["choices"]),
        )
