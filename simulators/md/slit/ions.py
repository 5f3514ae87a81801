"""The state of one replica: arrays of ions padded to whole vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.slit.pair import ROWS
from simulators.md.vector import LANES, aligned

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


class Ions(NamedTuple):
    """Arrays (lanes,): cations first, then anions from a multiple of `ROWS`; lanes left over are no ions.

    Args:
        x, y, z: position; 2^32 is the side of the box, z counts from the mid-plane.
        height: z as the pair loop reads it, a float32 in the same unit.
        vx, vy, vz: velocity in lengths per tau.
        fx, fy, fz: force in kT per length.
        charge: valency, 0 for no ion.
        present: 1 for an ion, 0 for none.
        apart: added to `height` to keep lanes without an ion away from everything; 0 for an ion.
        wall_size, wall_depth: diameter of the wall's soft core as this ion sees it, and how far behind
            the wall its centre lies, in lengths.
    """

    x: Integers
    y: Integers
    z: Integers
    height: Floats
    vx: Floats
    vy: Floats
    vz: Floats
    fx: Floats
    fy: Floats
    fz: Floats
    charge: Floats
    present: Floats
    apart: Floats
    wall_size: Floats
    wall_depth: Floats


def first_anion(cations: int) -> int:
    """The lane where anions begin."""
    return -(-cations // ROWS) * ROWS


def allocate(cations: int, anions: int) -> tuple[Ions, NDArray[np.intp]]:
    """Empty state for so many ions.

    Returns:
        the state and the lanes of the ions, array (cations + anions,).
    """
    start = first_anion(cations)
    lanes = -(-(start + anions) // LANES) * LANES
    ions = Ions(*(aligned(lanes, np.int32 if f in "xyz" else np.float32) for f in Ions._fields))
    occupied = np.concatenate([np.arange(cations), np.arange(start, start + anions)])
    ions.present[occupied] = 1
    empty = np.flatnonzero(ions.present == 0)
    # So far that a Coulomb force from there is lost in rounding, yet its square is a float32.
    ions.apart[empty] = 1e14 * (1 + np.arange(empty.size))
    ions.wall_depth[empty] = 1e6  # a wall too far to feel
    return ions, occupied
