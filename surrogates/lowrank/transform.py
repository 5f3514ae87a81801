"""Targets on a scale where noise is even: a generalised logarithm for what cannot be negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import Signature

Array = NDArray[np.float64]

CLEAR = 5.0
"""Standard errors above zero from which a plain logarithm is safe."""


@dataclass(frozen=True, eq=False)
class Transform:
    """t = asinh(y / 2s) + log s for positive targets (log y where s = 0), t = y for the others.

    The generalised logarithm of Durbin et al., Bioinformatics 18 S105 (2002): a logarithm where y is
    large against s, linear where y drowns in its noise, so zeros and negative noise do no harm.

    Args:
        positive: which columns cannot be negative, array (columns,).
        s: where the logarithm turns linear, array (columns,), in the targets' units.
    """

    positive: NDArray[np.bool_]
    s: Array

    @classmethod
    def fit(cls, signature: Signature, y: Array, y_err: Array) -> Transform:
        """Zero s for columns clear of zero, else the size of their noise."""
        positive = np.concatenate([np.full(signature.size(t), t.positive) for t in signature.targets])
        clear = (y > CLEAR * y_err).all(axis=0) & (y > 0).all(axis=0)
        size = np.maximum(np.median(y_err, axis=0), 1e-3 * np.abs(y).mean(axis=0))
        return cls(positive, np.where(clear, 0.0, np.where(size > 0, size, 1.0)))

    def forward(self, y: Array) -> Array:
        """Targets (n, columns) to the learning scale."""
        log, glog = self._kinds()
        t = y.copy()
        t[:, log] = np.log(y[:, log])
        t[:, glog] = np.arcsinh(y[:, glog] / (2 * self.s[glog])) + np.log(self.s[glog])
        return t

    def inverse(self, t: Array) -> tuple[Array, Array]:
        """Targets and their slope dy/dt, arrays (n, columns)."""
        if self.positive.all() and not self.s.any():
            y = np.exp(t)
            return y, y.copy()
        log, glog = self._kinds()
        y, slope = t.copy(), np.ones_like(t)
        y[:, log] = slope[:, log] = np.exp(t[:, log])
        up = np.exp(t[:, glog])
        down = self.s[glog] ** 2 / up
        y[:, glog], slope[:, glog] = np.maximum(up - down, 0.0), up + down
        return y, slope

    def slope(self, y: Array) -> Array:
        """dy/dt at targets y, array (n, columns)."""
        return np.where(self.positive, np.hypot(y, 2 * self.s), 1.0)

    def _kinds(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return self.positive & (self.s == 0), self.positive & (self.s > 0)
