"""A whole ensemble of small networks at once, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Single = NDArray[np.float32]

BLOCK = 128
"""Rows per pass: the activations of all members then stay in the cache."""


def quadratic_terms(z: NDArray[Any]) -> NDArray[Any]:
    """1, z_i and z_i z_j of encoded inputs (n, width), array (n, terms)."""
    a, b = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1), z.dtype), z, z[:, a] * z[:, b]], axis=1)


@dataclass(frozen=True, eq=False)
class Networks:
    """Members of an ensemble: u = terms(z) @ trend + network(z), SiLU between layers.

    Args:
        trend: quadratic part of every member, array (members, terms, k).
        weights, biases: per layer, arrays (members, in, out) and (members, 1, out).
    """

    trend: Single
    weights: tuple[Single, ...]
    biases: tuple[Single, ...]

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.trend)

    def __call__(self, z: Array) -> Single:
        """Coefficients for encoded inputs (n, width), array (members, n, k)."""
        z = z.astype(np.float32)
        out = np.empty((self.members, len(z), self.trend.shape[2]), dtype=np.float32)
        for start in range(0, len(z), BLOCK):
            rows = slice(start, start + BLOCK)
            h = z[None, rows]
            for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
                h = np.matmul(h, weight)
                h += bias
                silu(h)
            part = np.matmul(h, self.weights[-1], out=out[:, rows])
            part += self.biases[-1]
            part += np.matmul(quadratic_terms(z[rows])[None], self.trend)
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For ``weights.safetensors``."""
        layers = zip(self.weights, self.biases, strict=True)
        named = {
            f"nn.{k}.{what}": a for k, pair in enumerate(layers) for what, a in zip("wb", pair, strict=True)
        }
        return {"nn.trend": self.trend, **named}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Networks:
        """The networks that `arrays` were taken from."""
        depth = sum(name.endswith(".w") for name in arrays)
        weights = tuple(arrays[f"nn.{k}.w"] for k in range(depth))
        return cls(arrays["nn.trend"], weights, tuple(arrays[f"nn.{k}.b"] for k in range(depth)))


def silu(h: Single) -> None:
    """Replace h by h / (1 + exp(-h))."""
    e = np.maximum(h, np.float32(-80.0))  # exp(80) still fits in single precision
    np.negative(e, out=e)
    np.exp(e, out=e)
    e += 1
    h /= e
