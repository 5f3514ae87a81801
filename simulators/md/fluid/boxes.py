"""A cube cut into boxes, one to a rank: which box a particle is in, and what lies near one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import compiled, inline

Array = NDArray[np.float64]
Integers = NDArray[np.int32]


@inline
def _from_middle(place, i, c, middle):
    """How far a row is from a place along an axis, in sides of the cube."""
    turns = np.uint32(place[4 * i + c]) * 2.0**-32 - middle
    return abs(turns - np.rint(turns))


@compiled
def find_boxes(place, across, box):
    """The box that each row lies in; across is int64 array (3,), box an int16 array, overwritten."""
    n = across.astype(np.uint64)
    for i in range(box.size):
        corner = np.uint64(0)
        for c in range(3):
            corner = corner * n[c] + ((np.uint64(np.uint32(place[4 * i + c])) * n[c]) >> np.uint64(32))
        box[i] = np.int16(corner)


@compiled
def find_near(place, rows, middle, half, reach, found):
    """The rows within a distance of a box or in it, into array ``found``; how many there are."""
    count = 0
    for i in range(rows):
        square = 0.0
        for c in range(3):
            square += max(_from_middle(place, i, c, middle[c]) - half[c], 0.0) ** 2
        if square < reach * reach:
            found[count] = i
            count += 1
    return count


@compiled
def find_border(place, middle, half, reach, border):
    """Which rows of a box have anything outside it within a distance, into a bool array."""
    for i in range(border.size):
        border[i] = False
        for c in range(3):
            if half[c] < 0.5 and half[c] - _from_middle(place, i, c, middle[c]) < reach:
                border[i] = True


class Boxes:
    """A cube cut into boxes, as many along each axis as array (3,) ``across`` says."""

    def __init__(self, across: list[int]) -> None:
        self.across = np.array(across, np.int64)
        corner = np.stack(np.unravel_index(np.arange(self.across.prod()), across), axis=1)
        self.half: Array = 0.5 / self.across
        """Half the sides of a box, (3,), in sides of the cube."""
        self.middle: Array = (2 * corner + 1) * self.half
        """Array (boxes, 3), likewise."""

    def of(self, place: Integers) -> NDArray[np.int16]:
        """The box that each row lies in; place is array (4 rows,)."""
        box = np.empty(place.size // 4, np.int16)
        find_boxes(place, self.across, box)
        return box

    def near(self, place: Integers, box: int, reach: float) -> NDArray[np.int32]:
        """The rows within a distance (in sides of the cube) of a box, or in it."""
        found = np.empty(place.size // 4, np.int32)
        return found[: find_near(place, found.size, self.middle[box], self.half, reach, found)].copy()

    def at_border(self, place: Integers, box: int, reach: float) -> NDArray[np.bool_]:
        """Which rows of a box have anything outside it within this distance."""
        border = np.empty(place.size // 4, np.bool_)
        find_border(place, self.middle[box], self.half, reach, border)
        return border
