"""Particles of a fluid as whole numbers, so that sums over them do not depend on their order.

A position is three 32-bit fixed-point numbers, 2^32 to the side of the box: differences wrap around to the
nearest image by themselves. Velocities, forces and energies are fixed-point numbers too, and the sums of
forces over pairs are sums of integers. Hence forces, energies and trajectories are the same to the bit
however particles are sorted, listed or spread over processes, a run that goes on from a checkpoint needs
none of the lists, and velocity Verlet is reversible to the bit (Levesque and Verlet, J. Stat. Phys. 72, 519,
1993).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import LANES, aligned

Integers = NDArray[np.int32]
Array = NDArray[np.float64]

SPEED = 2.0**25
"""The number that stands for a velocity of one: speeds below 64."""
FORCE = 2.0**17
"""The number that stands for a force of one: below 16,384 on a pair, and half of that on a particle."""
ENERGY = 2.0**20
"""The number that stands for an energy of one, of a pair or of a particle's motion: below 2,048."""
VIRIAL = 2.0**17
"""The number that stands for a virial of one."""


class Rows(NamedTuple):
    """Arrays (4 rows,) of particles, four numbers to a row; rows left over have the number -1.

    Args:
        place: x, y, z and the particle's number.
        velocity: before the kick by the forces at `place`; the fourth is not used.
        force: at `place`; likewise.
        listed: where the particles were when neighbours were listed; likewise.
    """

    place: Integers
    velocity: Integers
    force: Integers
    listed: Integers


def allocate(particles: int) -> Rows:
    """Rows for so many particles, numbered in order."""
    rows = -(-particles // LANES) * LANES
    made = Rows(*(aligned(4 * rows, np.int32) for _ in Rows._fields))
    made.place[3::4] = np.where(np.arange(rows) < particles, np.arange(rows), -1)
    return made


def set_column(rows: Integers, values: NDArray[np.int32], numbers: NDArray[np.int32]) -> None:
    """Write array (particles, 3) into rows that hold particles of these numbers."""
    held = numbers >= 0
    rows.reshape(-1, 4)[held, :3] = values[numbers[held]]


def by_number(rows: Integers, numbers: NDArray[np.int32]) -> Integers:
    """Array (particles, 3) of rows, in the order of the particles' numbers."""
    held = numbers >= 0
    values = np.empty((int(held.sum()), 3), np.int32)
    values[numbers[held]] = rows.reshape(-1, 4)[held, :3]
    return values


def to_words(position: Array, side: float) -> Integers:
    """Positions as fixed-point numbers, wrapped into the box."""
    turns = np.asarray(position, dtype=float) / side
    words = np.rint((turns - np.floor(turns)) * 2.0**32).astype(np.int64)
    return words.astype(np.uint32).view(np.int32)
