"""The potential energy of ions in a slit, for the series that a run may keep: seldom needed, hence plain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.md.slit.sheet import sheet_energy

Array = NDArray[np.float64]

_ROWS = 64
"""Ions i at a time: their pairs fit into the second-level cache for a few hundred ions."""


def potential_energy(
    position: Array,
    charge: Array,
    diameter: Array,
    wall_size: Array,
    wall_depth: Array,
    *,
    side: float,
    gap: float,
    bjerrum: float,
) -> float:
    """Coulomb and soft cores of nearest images, far images as sheets, and the walls, in kT.

    The far images of an ion's own, a constant, are left out.

    Args:
        position: array (ions, 3), z from the mid-plane; any one unit of length.
        charge: valencies, array (ions,).
        diameter: array (ions,).
        wall_size: diameter of the wall's soft core as each ion sees it, array (ions,).
        wall_depth: how far behind the wall its centre lies, array (ions,).
        side: of the box.
        gap: between the walls.
        bjerrum: Bjerrum length.
    """
    z = position[:, 2]
    total = sum(_core(gap / 2 + s * z + wall_depth, wall_size).sum() for s in (-1, 1))
    for first in range(0, len(position), _ROWS):
        rows = slice(first, first + _ROWS)
        d = position[rows, None] - position[None, first:]
        d[..., :2] -= side * np.rint(d[..., :2] / side)
        i, j = np.triu_indices(d.shape[0], 1, d.shape[1])
        d = d[i, j]
        r = np.sqrt((d**2).sum(axis=-1))
        product = charge[rows][i] * charge[first:][j]
        sigma = (diameter[rows][i] + diameter[first:][j]) / 2
        total += (product * (bjerrum / r + sheet_energy(d[:, 2], side, bjerrum)) + _core(r, sigma)).sum()
    return float(total)


def _core(distance: Array, size: Array) -> Array:
    """Weeks, Chandler and Andersen's soft core, in units of its depth."""
    sixth = (size / distance) ** 6
    return np.where(sixth > 0.5, 4 * (sixth**2 - sixth) + 1, 0.0)
