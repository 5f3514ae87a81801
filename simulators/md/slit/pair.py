"""Coulomb and soft-core forces between all pairs of ions: the loop that a simulation spends its time in.

x and y are 32-bit fixed-point numbers, 2^32 to the side of the box, so that the difference of two of them
wraps around to the nearest image by itself; z is a float32 in the same unit. A distance in this unit
becomes one of length by the factor kappa = side / 2^32, which is folded into the coefficients.

Sixteen partners j at a time act on `ROWS` ions i, each pair once (Newton's third law). The reciprocal
distance is a hardware estimate y refined by Newton's step, written so that its constants cost nothing:
``y (3 - r^2 y^2) = 2 / r``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws import ions as laws
from simulators.md.vector import (
    LANES,
    add_four_sums,
    aligned,
    fma,
    fnma,
    inline,
    lanes,
    load,
    on_vectors,
    rsqrt_estimate,
    select,
    splat,
    store,
    to_float,
)

ROWS = 4
"""Ions i that share one load of their partners; a group of them is of one species."""

_THREE, _ZERO = np.float32(3.0), np.float32(0.0)

_pair_force = on_vectors(laws.pair_force)


class PairTable(NamedTuple):
    """Coefficients of all pairs (`laws.ions.pair_coefficients`), a row of partners for each species of i.

    Args:
        coulomb_cation, coulomb_anion, core_cation, core_anion: array (lanes,).
        threshold: of all pairs.
    """

    coulomb_cation: NDArray[np.float32]
    coulomb_anion: NDArray[np.float32]
    core_cation: NDArray[np.float32]
    core_anion: NDArray[np.float32]
    threshold: np.float32


def pair_table(
    charge: NDArray[np.float64], diameter: NDArray[np.float64], cations: int, bjerrum: float, kappa: float
) -> PairTable:
    """The coefficients for ions of given charges and diameters, arrays (lanes,); zero is no ion.

    Args:
        charge: valencies.
        diameter: in any unit.
        cations: the first lane that is not a cation's.
        bjerrum: Bjerrum length, in the unit of the diameters.
        kappa: unit of position, in the unit of the diameters.
    """
    tables, threshold = [], 0.0
    for i in (0, cations):
        sigma = np.where(diameter > 0, (diameter[i] + diameter) / 2, 0.0)
        # The kernel has 2 kappa / r, and multiplies by separations in the unit of position.
        of_i = laws.pair_coefficients(bjerrum * charge[i] * charge, sigma, 2 * kappa, kappa)
        coulomb, core = aligned(len(charge), np.float32), aligned(len(charge), np.float32)
        coulomb[:], core[:], threshold = of_i
        tables.append((coulomb, core))
    (coulomb_cation, core_cation), (coulomb_anion, core_anion) = tables
    return PairTable(coulomb_cation, coulomb_anion, core_cation, core_anion, np.float32(threshold))


@inline
def _coefficient(dx, dy, dz, coulomb, core, threshold):
    """What multiplies the separation to give the force, in kT per unit of length; vectors."""
    square = fma(dx, dx, fma(dy, dy, dz * dz))
    y = rsqrt_estimate(square)
    return _pair_force(y * fnma(square * y, y, splat(_THREE)), coulomb, core, threshold)


@inline
def _difference(xi, yi, zi, xj, yj, zj):
    """Separation from j to i, the nearest images by integer wrap-around."""
    return to_float(xi - xj), to_float(yi - yj), zi - zj


@inline
def _row_in_block(x, y, z, fx, fy, fz, i, j, coulomb, core, threshold):
    """Force on ion i of the later ions of its own sixteen, which get the opposite; vectors to be summed."""
    dx, dy, dz = _difference(splat(x[i]), splat(y[i]), splat(z[i]), load(x, j), load(y, j), load(z, j))
    strength = _coefficient(dx, dy, dz, load(coulomb, j), load(core, j), threshold)
    later = lanes() > splat(np.int32(i - j))
    strength = select(later, strength, splat(_ZERO))
    px, py, pz = strength * dx, strength * dy, strength * dz
    store(fx, j, load(fx, j) - px)
    store(fy, j, load(fy, j) - py)
    store(fz, j, load(fz, j) - pz)
    return px, py, pz


@inline
def pair_forces(x, y, z, fx, fy, fz, table, cations):
    """Add the forces between all pairs.

    Args:
        x: int32 array (lanes,), fixed point.
        y: int32 array (lanes,), fixed point.
        z: float32 array (lanes,); lanes without an ion lie apart from all others.
        fx: float32 array (lanes,), added to, in kT per unit of length.
        fy: likewise.
        fz: likewise.
        table: a `PairTable`.
        cations: the first lane that is not a cation's, a multiple of `ROWS`.
    """
    tile_forces(x, y, z, fx, fy, fz, table, cations, 0, x.size, 0, x.size)


@inline
def tile_forces(x, y, z, fx, fy, fz, table, cations, first_row, last_row, first_column, last_column):
    """Add the forces between the pairs of ions i < j with i in some rows and j in some columns.

    Args:
        x: and so on up to ``cations``, as for `pair_forces`.
        y: likewise.
        z: likewise.
        fx: likewise.
        fy: likewise.
        fz: likewise.
        table: likewise.
        cations: likewise.
        first_row: a multiple of `ROWS`.
        last_row: the row after the last one, a multiple of `ROWS`.
        first_column: a multiple of `LANES`, at most the block of the first row or at least the last row.
        last_column: the column after the last one, a multiple of `LANES`.
    """
    threshold, zero = splat(table.threshold), splat(_ZERO)
    for i in range(first_row, last_row, ROWS):
        coulomb, core = table.coulomb_anion, table.core_anion
        if i < cations:
            coulomb, core = table.coulomb_cation, table.core_cation
        block, start = i // LANES * LANES, first_column
        fx0, fy0, fz0 = zero, zero, zero
        fx1, fy1, fz1 = zero, zero, zero
        fx2, fy2, fz2 = zero, zero, zero
        fx3, fy3, fz3 = zero, zero, zero
        if block >= first_column:
            start = block + LANES
            fx0, fy0, fz0 = _row_in_block(x, y, z, fx, fy, fz, i, block, coulomb, core, threshold)
            fx1, fy1, fz1 = _row_in_block(x, y, z, fx, fy, fz, i + 1, block, coulomb, core, threshold)
            fx2, fy2, fz2 = _row_in_block(x, y, z, fx, fy, fz, i + 2, block, coulomb, core, threshold)
            fx3, fy3, fz3 = _row_in_block(x, y, z, fx, fy, fz, i + 3, block, coulomb, core, threshold)
        x0, y0, z0 = splat(x[i]), splat(y[i]), splat(z[i])
        x1, y1, z1 = splat(x[i + 1]), splat(y[i + 1]), splat(z[i + 1])
        x2, y2, z2 = splat(x[i + 2]), splat(y[i + 2]), splat(z[i + 2])
        x3, y3, z3 = splat(x[i + 3]), splat(y[i + 3]), splat(z[i + 3])
        for j in range(start, last_column, LANES):
            xj, yj, zj = load(x, j), load(y, j), load(z, j)
            gx, gy, gz = load(fx, j), load(fy, j), load(fz, j)
            qj, sj = load(coulomb, j), load(core, j)

            dx, dy, dz = _difference(x0, y0, z0, xj, yj, zj)
            strength = _coefficient(dx, dy, dz, qj, sj, threshold)
            fx0, fy0, fz0 = fma(strength, dx, fx0), fma(strength, dy, fy0), fma(strength, dz, fz0)
            gx, gy, gz = fnma(strength, dx, gx), fnma(strength, dy, gy), fnma(strength, dz, gz)

            dx, dy, dz = _difference(x1, y1, z1, xj, yj, zj)
            strength = _coefficient(dx, dy, dz, qj, sj, threshold)
            fx1, fy1, fz1 = fma(strength, dx, fx1), fma(strength, dy, fy1), fma(strength, dz, fz1)
            gx, gy, gz = fnma(strength, dx, gx), fnma(strength, dy, gy), fnma(strength, dz, gz)

            dx, dy, dz = _difference(x2, y2, z2, xj, yj, zj)
            strength = _coefficient(dx, dy, dz, qj, sj, threshold)
            fx2, fy2, fz2 = fma(strength, dx, fx2), fma(strength, dy, fy2), fma(strength, dz, fz2)
            gx, gy, gz = fnma(strength, dx, gx), fnma(strength, dy, gy), fnma(strength, dz, gz)

            dx, dy, dz = _difference(x3, y3, z3, xj, yj, zj)
            strength = _coefficient(dx, dy, dz, qj, sj, threshold)
            fx3, fy3, fz3 = fma(strength, dx, fx3), fma(strength, dy, fy3), fma(strength, dz, fz3)
            gx, gy, gz = fnma(strength, dx, gx), fnma(strength, dy, gy), fnma(strength, dz, gz)

            store(fx, j, gx)
            store(fy, j, gy)
            store(fz, j, gz)
        add_four_sums(fx, i, fx0, fx1, fx2, fx3)
        add_four_sums(fy, i, fy0, fy1, fy2, fy3)
        add_four_sums(fz, i, fz0, fz1, fz2, fz3)
