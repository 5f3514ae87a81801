"""From few coefficients back to all targets, with their error bars and their conservation laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import Moments, Signature, evaluate, evaluate_terms
from surrogates.lowrank.transform import Transform

Array = NDArray[np.float64]

MOST_COMPONENTS = 16
SMALLEST_NOISE = 0.01
"""Noise is taken to be at least this fraction of a target's variation, so that no column is fitted
at the price of all others."""
FOLLOWS = 2.5
"""A scalar follows a maximum when their ratio varies by less than this many of its standard errors."""
OWN = ("offset", "basis", "noise", "lost", "factor", "leader")
LEAST_ERROR = 0.2
"""Least standard error, in units of the rms of its column: a bin that was never visited reports none."""
UNKNOWN_NOISE = 0.05
"""The same where no standard errors are given."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """t = offset + coefficients @ basis, then the inverse transform, then the exact averages.

    Args:
        transform: between targets and the scale t.
        offset: array (columns,); basis: array (k, columns).
        noise: std of one simulation's noise on the scale t, array (columns,).
        lost: variance on the scale t that the basis cannot express, array (columns,).
        factor: calibration of std, array (columns,).
        leader: for a scalar that is the maximum of a profile but for a smooth factor, the index of that
            target; its coefficients then give the factor. -1 for all others. Array (columns,).
    """

    signature: Signature
    transform: Transform
    offset: Array
    basis: Array
    noise: Array
    lost: Array
    factor: Array
    leader: NDArray[np.int64]

    def decode(self, x: Array, mean: Array, covariance: Array) -> Moments:
        """Targets from coefficients, to first order in their covariance.

        Args:
            x: inputs, array (n, features), which the averages depend on.
            mean: coefficients, array (n, k).
            covariance: of the coefficients, array (n, k, k).
        """
        y, slope = self.transform.inverse(self.offset + mean @ self.basis)
        variance = self._quadratic(covariance) + self.lost
        variance *= slope
        variance *= slope
        noise = slope * self.noise
        values = dict(zip((f.name for f in self.signature.features), x.T, strict=True))
        columns = self.signature.columns()
        shifts = {}
        for target in self.signature.targets:
            if target.average is not None and target.axis is not None:
                c = columns[target.name]
                exact = evaluate(target.average, values)
                width = np.diff(evaluate_terms(self.signature.axis(target.axis).edges, values), axis=1)
                width /= width.sum(axis=1, keepdims=True)
                ways = (self._scaled if target.positive else self._shifted)(y[:, c], exact, width)
                y[:, c], along, ratio = ways
                # y = ratio * (y(t) - along * shift(t)): the average takes away what all bins share
                rise = slope[:, c]
                shift = (width * rise) @ self.basis[:, c].T  # (n, k)
                turned = np.einsum("nab,nb->na", covariance, shift)
                shared = np.einsum("na,na->n", turned, shift)[:, None]
                variance[:, c] += along * (along * shared - 2 * rise * (turned @ self.basis[:, c]))
                variance[:, c] *= ratio**2
                noise[:, c] *= ratio
                if target.positive:
                    shifts[target.name] = shift * ratio / exact[:, None]
        for j in np.flatnonzero(self.leader >= 0):
            target = self.signature.targets[self.leader[j]]
            c = columns[target.name]
            top = c.start + np.argmax(y[:, c], axis=1)  # (n,)
            rows = np.arange(len(y))
            gradient = self.basis[:, j] + self.basis[:, top].T - shifts.get(target.name, 0.0)
            follows = np.einsum("na,nab,nb->n", gradient, covariance, gradient)
            y[:, j] *= y[rows, top]
            noise[:, j] *= y[rows, top]
            variance[:, j] = (follows + self.lost[j] + self.lost[top]) * y[:, j] ** 2
        std = np.sqrt(np.maximum(variance, 0.0)) * self.factor
        return Moments(y, std, noise)

    @staticmethod
    def _scaled(y: Array, exact: Array, width: Array) -> tuple[Array, Array, Array]:
        """Targets multiplied to their exact average, the direction taken away, and the ratio."""
        average = np.einsum("ij,ij->i", width, y)
        level = np.where(average > 0, average, np.inf)[:, None]
        ratio = exact[:, None] / level
        scaled = y * ratio
        # once more, so that no rounding is left
        again = np.einsum("ij,ij->i", width, scaled)
        return scaled * (exact / np.where(again > 0, again, 1.0))[:, None], y / level, ratio

    @staticmethod
    def _shifted(y: Array, exact: Array, width: Array) -> tuple[Array, Array, Array]:
        """Targets shifted to their exact average, the direction taken away, and the ratio."""
        shifted = y + (exact - np.einsum("ij,ij->i", width, y))[:, None]
        return shifted, np.ones_like(y), np.ones((len(y), 1))

    def calibrated(self, factors: Mapping[str, float]) -> Decoder:
        """The same decoder with every target's std multiplied by its factor."""
        factor = self.factor.copy()
        for name, columns in self.signature.columns().items():
            factor[columns] *= factors[name]
        return replace(self, factor=factor)

    def _quadratic(self, covariance: Array) -> Array:
        """diag(basis^T C basis) for every row, array (n, columns), as one product over k (k + 1) / 2."""
        a, b = np.triu_indices(len(self.basis))
        twice = np.where(a == b, 1.0, 2.0)[:, None]
        products: Array = covariance[:, a, b] @ (twice * self.basis[a] * self.basis[b])
        return products

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For ``weights.safetensors``."""
        return {
            "decoder.positive": self.transform.positive,
            "decoder.s": self.transform.s,
            "decoder.offset": self.offset,
            "decoder.basis": self.basis,
            "decoder.noise": self.noise,
            "decoder.lost": self.lost,
            "decoder.factor": self.factor,
            "decoder.leader": self.leader,
        }

    @classmethod
    def restore(cls, signature: Signature, arrays: Mapping[str, NDArray[Any]]) -> Decoder:
        """The decoder that `arrays` were taken from."""
        own = {name: arrays[f"decoder.{name}"] for name in OWN}
        transform = Transform(arrays["decoder.positive"].astype(bool), arrays["decoder.s"])
        return cls(signature, transform, **own)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Training targets as coefficients of a basis, fitted by generalised least squares.

    Args:
        mean: array (n, k), of order one.
        root: upper triangular square roots R of the precision: chi^2 = |R (c - mean)|^2, array (n, k, k).
        expressed: fraction of each column's noise that coefficients of its own row can follow, (columns,).
    """

    mean: Array
    root: Array
    expressed: Array

    def leaked(self, predicted: Array) -> Array:
        """Fraction of its own noise that every row lent to its own out-of-sample prediction.

        The basis was fitted to all rows, so an out-of-sample error holds less of the row's noise, as
        a residual of linear regression does (leverage); nothing leaks where the basis expresses a
        column whole.

        Args:
            predicted: coefficients predicted without the row, array (n, k).

        Returns:
            array (n, columns).
        """
        size = np.sum(predicted**2 / np.maximum(np.mean(self.mean**2, axis=0), 1e-300), axis=1)
        leverage = np.minimum((1 + size) / len(predicted), 0.5)
        return np.asarray(leverage[:, None] * (1 - self.expressed))


def reduce(signature: Signature, y: Array, y_err: Array | None) -> tuple[Decoder, Coefficients]:
    """A basis for the targets, and the training targets in it.

    Principal components of the targets on the learning scale, each column in units of its noise;
    components that noise alone could make are left out. Coefficients are generalised least squares
    with every simulation's own standard errors. A scalar that follows the maximum of a profile is
    learned as its ratio to it: the maximum of a smooth profile has kinks, the ratio has none.

    Args:
        signature: names and kinds of the targets.
        y: targets, array (n, columns).
        y_err: standard errors, same shape, or ``None``.
    """
    if y_err is not None:  # no simulation is taken to be much better than the others
        y_err = np.maximum(y_err, LEAST_ERROR * np.sqrt(np.mean(y_err**2, axis=0)))
    transform = Transform.fit(signature, y, np.zeros_like(y) if y_err is None else y_err)
    t = transform.forward(y)
    variation = t.std(axis=0)
    variation = np.where(variation > 0, variation, 1.0)
    if y_err is None:
        sigma = np.array(np.broadcast_to(UNKNOWN_NOISE * variation, y.shape))
        noise = np.zeros(y.shape[1])
    else:
        raw = y_err / transform.slope(y)
        noise = np.sqrt(np.mean(raw**2, axis=0))
        sigma = np.hypot(raw, SMALLEST_NOISE * variation)
    nobody = np.full(y.shape[1], -1)
    plain = _components(signature, transform, t, sigma, noise, nobody)
    leader, tops = _leaders(plain[0], plain[1].mean, t, sigma)
    if (leader < 0).all():
        return plain
    return _components(signature, transform, t - tops, sigma, noise, leader)


def _leaders(decoder: Decoder, u: Array, t: Array, sigma: Array) -> tuple[NDArray[np.int64], Array]:
    """Which scalars follow the maximum of which profile within their noise, and log of that, (n, columns)."""
    signature, columns = decoder.signature, decoder.signature.columns()
    smooth = decoder.transform.inverse(decoder.offset + u @ decoder.basis)[0]
    leader, tops = np.full(t.shape[1], -1), np.zeros_like(t)
    logarithmic = decoder.transform.positive & (decoder.transform.s == 0)
    for index, profile in enumerate(signature.targets):
        c = columns[profile.name]
        if profile.axis is None or not profile.positive:
            continue
        highest = np.log(np.maximum(smooth[:, c].max(axis=1), 1e-300))
        for target in signature.targets:
            j = columns[target.name].start
            ratio = t[:, j] - highest
            apart = np.sqrt(np.mean((ratio - ratio.mean()) ** 2) / np.mean(sigma[:, j] ** 2))
            if target.axis is None and logarithmic[j] and apart < FOLLOWS and leader[j] < 0:
                leader[j], tops[:, j] = index, highest
    return leader, tops


def _components(
    signature: Signature,
    transform: Transform,
    t: Array,
    sigma: Array,
    noise: Array,
    leader: NDArray[np.int64],
) -> tuple[Decoder, Coefficients]:
    """Basis and coefficients of targets on the learning scale with noise sigma, arrays (n, columns)."""
    n, columns = t.shape
    offset = t.mean(axis=0)
    typical = np.sqrt(np.mean(sigma**2, axis=0))
    weight = np.concatenate([np.full(m, m**-0.15) for m in map(signature.size, signature.targets)])
    _, singular, vectors = np.linalg.svd((t - offset) / typical * weight, full_matrices=False)
    # the largest singular value that noise of the largest target has
    largest = max(map(signature.size, signature.targets))
    bound = (np.sqrt(n) + np.sqrt(largest)) * largest**-0.15 if columns > MOST_COMPONENTS else 0.0
    k = int(np.clip((singular > bound).sum(), min(4, len(singular)), MOST_COMPONENTS))
    signs = np.sign(vectors[np.arange(k), np.abs(vectors[:k]).argmax(axis=1)])
    length = np.maximum(singular[:k] / np.sqrt(n), 1e-12)
    basis = (signs * length)[:, None] * vectors[:k] * typical / weight
    weighted = basis / sigma[:, None, :] * weight  # (n, k, columns)
    precision = weighted @ weighted.transpose(0, 2, 1)
    right = (weighted @ ((t - offset) / sigma * weight)[:, :, None])[:, :, 0]
    precision += 1e-9 * np.trace(precision, axis1=1, axis2=2)[:, None, None] * np.eye(k)
    mean = np.linalg.solve(precision, right[:, :, None])[:, :, 0]
    root = np.linalg.cholesky(precision).transpose(0, 2, 1)
    residual = t - offset - mean @ basis
    expressed = np.mean(weighted * np.linalg.solve(precision, weighted), axis=(0, 1)) * k
    lost = np.maximum(np.mean(residual**2, axis=0) - noise**2 * (1 - expressed), 0.0)
    decoder = Decoder(signature, transform, offset, basis, noise, lost, np.ones(columns), leader)
    return decoder, Coefficients(mean, root, np.minimum(expressed, 1.0))
