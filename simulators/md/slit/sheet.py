"""The far images of a slab: each ion's neighbours beyond the nearest images, taken as charged sheets.

An ion acts on another through its nearest image and through a uniform infinite sheet of its charge with
a square hole of side L, where that image is (Torrie and Valleau, J. Chem. Phys. 73, 5807, 1980). With
w = dz / L, r1 = sqrt(1/2 + w^2) and r2 = sqrt(1/4 + w^2) the energy of a pair of unit charges is

    u(dz) = -l_B / L^2 [4 L ln((1/2 + r1) / r2) + 4 |dz| atan(4 |dz| r1 / L)]

counted once for each pair; its force is 4 l_B / L^2 atan(4 dz r1 / L), which tends to 2 pi l_B / L^2.
The force is smooth in both heights, so that it is a short sum of products of Chebyshev polynomials,
``f(z_i - z_j) = sum_ab T_a(z_i) A_ab T_b(z_j)``: all pairs cost as much as a few sums over ions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws.ions import RANK, next_polynomial
from simulators.md.vector import LANES, aligned, fma, inline, load, on_vectors, reduce_add, splat, store

_ONE, _ZERO = np.float32(1.0), np.float32(0.0)

_next_polynomial = on_vectors(next_polynomial)

Array = NDArray[np.float64]


def sheet_energy(dz: Array, side: float, bjerrum: float) -> Any:
    """u(dz) of the module's equation in kT, for unit charges; any one unit of length."""
    w = np.abs(dz) / side
    r1, r2 = np.sqrt(0.5 + w**2), np.sqrt(0.25 + w**2)
    log = 4 * side * np.log((0.5 + r1) / r2)
    return -bjerrum / side**2 * (log + 4 * np.abs(dz) * np.arctan(4 * w * r1))


def sheet_force(dz: Array, side: float, bjerrum: float) -> Any:
    """-du/d(dz) in kT per unit of length, on the upper one of two unit charges dz apart."""
    w = dz / side
    return 4 * bjerrum / side**2 * np.arctan(4 * w * np.sqrt(0.5 + w**2))


def expansion(half_gap: float, side: float, bjerrum: float) -> Array:
    """The coefficients A_ab of the force in ``T_a(z_i / half_gap) T_b(z_j / half_gap)``.

    Returns:
        array (RANK, RANK), antisymmetric: an ion exerts no force on itself.
    """
    angles = np.pi * (np.arange(RANK) + 0.5) / RANK
    z = half_gap * np.cos(angles)
    transform = 2 / RANK * np.cos(np.outer(np.arange(RANK), angles))
    transform[0] /= 2
    coefficients: Array = transform @ sheet_force(z[:, None] - z[None, :], side, bjerrum) @ transform.T
    return (coefficients - coefficients.T) / 2


def expansion_rows(half_gap: float, side: float, bjerrum: float) -> NDArray[np.float32]:
    """`expansion` as the kernel reads it: float32 array (RANK * RANK,), the column of each b in turn."""
    rows = aligned(RANK * RANK, np.float32)
    rows[:] = expansion(half_gap, side, bjerrum).T.ravel()
    return rows


@inline
def add_moments(moments, t, charge):
    """Add ``q T_b(t)`` of sixteen ions to the moments.

    Args:
        moments: float32 array (RANK * 16,), sixteen partial sums to each b.
        t: heights over the half gap, a float16 vector within [-1, 1].
        charge: valencies, a float16 vector.
    """
    before, now, twice = splat(_ONE), t, t + t
    for b in range(RANK):
        store(moments, b * LANES, fma(charge, before, load(moments, b * LANES)))
        before, now = now, _next_polynomial(twice, now, before)


@inline
def fields(moments, rows, field):
    """``field_a = sum_b A_ab M_b``, the force on a unit charge as a series in T_a.

    Args:
        moments: float32 array (RANK * 16,).
        rows: float32 array (RANK * RANK,), from `expansion_rows`.
        field: float32 array (RANK,), overwritten.
    """
    total = splat(_ZERO)
    for b in range(RANK):
        total = fma(load(rows, b * RANK), splat(reduce_add(load(moments, b * LANES))), total)
    store(field, 0, total)
