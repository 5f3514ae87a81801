"""Irregular solid harmonics of many ions at a time, their sums over ions, and gradients of what they expand.

A set of coefficients or moments is an array (size,): for each order m first the cosine, then (m > 0) the
sine parts, degrees n = m to ``degree + 1`` in sequence. The highest degree is there for gradients, since a
derivative raises the degree by one (Hobson, The Theory of Spherical and Ellipsoidal Harmonics, 1931):
``dJ/dz`` of (n, m) is a multiple of (n + 1, m), and ``dJ/dx +- i dJ/dy`` of (n + 1, m +- 1).
Conventions: `simulators.md.laws.multipoles`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws.multipoles import raised, turned
from simulators.md.vector import (
    LANES,
    add_four_sums,
    aligned,
    fma,
    inline,
    load,
    on_vectors,
    reciprocal,
    rsqrt,
    splat,
    store,
)

_turned, _raised = on_vectors(turned), on_vectors(raised)
_ZERO = np.float32(0.0)

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Array = NDArray[np.float64]


class Harmonics(NamedTuple):
    """Constants of the recursions up to a degree, and where each harmonic lies.

    Args:
        degree: of the expansion; harmonics reach one beyond.
        cosine, sine: int64 array (degree + 2,), where the parts of order m begin, at n = m.
        factor: float32 array (degree + 2,), of `laws.multipoles.turned`.
        first, second: float32 array (degree + 2, degree + 2), [m, n], of `laws.multipoles.raised`.
        level, up, down: float64 array likewise: the multiples in gradients.
    """

    degree: int
    cosine: Integers
    sine: Integers
    factor: Floats
    first: Floats
    second: Floats
    level: Array
    up: Array
    down: Array

    @property
    def size(self) -> int:
        """How many harmonics there are, those of the degree beyond included."""
        return (self.degree + 2) ** 2

    def degrees(self) -> Integers:
        """The degree n of each harmonic, array (size,)."""
        top = self.degree + 2
        parts = [np.arange(m, top) for m in range(top) for _ in range(1 if m == 0 else 2)]
        return np.concatenate(parts)


def harmonics(degree: int) -> Harmonics:
    """The constants up to a degree."""
    top = degree + 2
    length = np.array([top - m for m in range(top)])
    begin = np.concatenate([[0], np.cumsum(np.where(np.arange(top) > 0, 2, 1) * length)])[:-1]
    m, n = np.mgrid[:top, :top].astype(float)
    inside = np.where(n >= m, 1.0, 0.0)
    above = np.where(n >= m, (n + 1) ** 2 - m**2, 1.0)
    orders = np.arange(top, dtype=float)
    return Harmonics(
        degree,
        begin.astype(np.int64),
        (begin + np.where(orders > 0, length, 0)).astype(np.int64),
        np.where(orders > 1, np.sqrt(np.abs(2 * orders - 1) / np.maximum(2 * orders, 1)), 1.0).astype(
            np.float32
        ),
        (inside * (2 * n + 1) / np.sqrt(above)).astype(np.float32),
        np.sqrt(inside * (n**2 - m**2) / above).astype(np.float32),
        inside * np.sqrt(above),
        inside * np.sqrt((n + m + 1) * (n + m + 2) / np.where(m == 0, 2, 1)),
        np.sqrt(inside * np.where(m == 1, 2 * n * (n + 1), (n - m + 1) * (n - m + 2))),
    )


@inline
def evaluate(constants, x, y, z, scale, values):
    """All harmonics of all ions.

    Args:
        constants: a `Harmonics`.
        x: float32 array (lanes,), from the centre.
        y: likewise.
        z: likewise.
        scale: float32, one over the sphere's radius.
        values: float32 array (size * lanes,), written: harmonic k of ion j at ``k lanes + j``.
    """
    lanes, top = x.size, constants.degree + 2
    for j in range(0, lanes, LANES):
        dx, dy, dz = load(x, j) * splat(scale), load(y, j) * splat(scale), load(z, j) * splat(scale)
        square = fma(dx, dx, fma(dy, dy, dz * dz))
        inverse_square = reciprocal(square)
        dx, dy, dz = dx * inverse_square, dy * inverse_square, dz * inverse_square
        cosine, sine = rsqrt(square), splat(_ZERO)
        for m in range(top):
            if m > 0:
                cosine, sine = _turned(dx, dy, cosine, sine, splat(constants.factor[m]))
            at, beside = constants.cosine[m] * lanes + j, constants.sine[m] * lanes + j
            c, c_below, s, s_below = cosine, splat(_ZERO), sine, splat(_ZERO)
            for n in range(m, top):
                store(values, at, c)
                first, second = splat(constants.first[m, n]), splat(constants.second[m, n])
                c, c_below = _raised(dz, inverse_square, c, c_below, first, second), c
                at += lanes
                if m > 0:
                    store(values, beside, s)
                    s, s_below = _raised(dz, inverse_square, s, s_below, first, second), s
                    beside += lanes


@inline
def _weighted_sum(values, charge, k):
    lanes = charge.size
    total = load(charge, 0) * load(values, k * lanes)
    for j in range(LANES, lanes, LANES):
        total = fma(load(charge, j), load(values, k * lanes + j), total)
    return total


@inline
def moments(values, charge, sums):
    """``b = sum_i q_i J(r_i)`` for each harmonic.

    Args:
        values: as `evaluate` writes them.
        charge: float32 array (lanes,), 0 for no ion.
        sums: float32 array (size rounded up to a multiple of 4,), written.
    """
    size = values.size // charge.size
    for k in range(sums.size):
        sums[k] = _ZERO
    for k in range(0, size - 3, 4):
        a, b = _weighted_sum(values, charge, k), _weighted_sum(values, charge, k + 1)
        c, d = _weighted_sum(values, charge, k + 2), _weighted_sum(values, charge, k + 3)
        add_four_sums(sums, k, a, b, c, d)
    nothing = splat(_ZERO)
    for k in range(size // 4 * 4, size):
        add_four_sums(sums, k, _weighted_sum(values, charge, k), nothing, nothing, nothing)


@inline
def gradient(constants, coefficients, gx, gy, gz):
    """Coefficients of the gradient of ``sum C J``, per radius of the sphere.

    Args:
        constants: a `Harmonics`.
        coefficients: float64 array (size,); those of the highest degree are left out.
        gx: float32 array (size,), written.
        gy: likewise.
        gz: likewise.
    """
    for k in range(gx.size):
        gx[k], gy[k], gz[k] = _ZERO, _ZERO, _ZERO
    for m in range(constants.degree + 1):
        at, beside = constants.cosine[m], constants.sine[m]
        right, beside_right = constants.cosine[m + 1], constants.sine[m + 1]
        for n in range(m, constants.degree + 1):
            k = n - m
            c, up = coefficients[at + k], constants.up[m, n]
            gz[at + k + 1] -= constants.level[m, n] * c
            if m == 0:
                gx[right + k] -= up * c
                gy[beside_right + k] -= up * c
                continue
            s, down = coefficients[beside + k], 0.5 * constants.down[m, n]
            up = 0.5 * up
            gz[beside + k + 1] -= constants.level[m, n] * s
            gx[right + k] -= up * c
            gx[beside_right + k] -= up * s
            gy[right + k] += up * s
            gy[beside_right + k] -= up * c
            left, beside_left = constants.cosine[m - 1] + k + 2, constants.sine[m - 1] + k + 2
            gx[left] += down * c
            gy[left] += down * s
            if m > 1:
                gx[beside_left] += down * s
                gy[beside_left] -= down * c


@inline
def expanded(values, gx, gy, gz, j, lanes):
    """The three expansions at sixteen ions from lane j: ``sum g J``, three vectors."""
    x, y, z = splat(_ZERO), splat(_ZERO), splat(_ZERO)
    for k in range(gx.size):
        value = load(values, k * lanes + j)
        x, y, z = fma(splat(gx[k]), value, x), fma(splat(gy[k]), value, y), fma(splat(gz[k]), value, z)
    return x, y, z


def room(size: int) -> Floats:
    """Zeroed float32 array (size rounded up to a multiple of 4,)."""
    return np.asarray(aligned(-(-size // 4) * 4, np.float32))
