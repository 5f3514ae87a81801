"""Where the particles of a fluid begin: on a lattice, or where a frame says."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from simulators.contract import Frame, InvalidInputError
from simulators.md.fluid.state import to_words

Array = NDArray[np.float64]


def lattice(particles: int, side: float, seed: int) -> Array:
    """Particles on random sites of the cubic lattice with the farthest neighbours, array (particles, 3)."""
    basis: dict[float, list[tuple[float, float, float]]] = {
        1.0: [(0, 0, 0)],
        math.sqrt(3) / 2: [(0, 0, 0), (0.5, 0.5, 0.5)],
        math.sqrt(0.5): [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)],
    }
    choices: list[tuple[float, int, Array]] = []
    for neighbour, offsets in basis.items():
        cells = math.ceil(round((particles / len(offsets)) ** (1 / 3), 9))
        choices.append((neighbour / cells, cells, np.array(offsets, dtype=float)))
    _, cells, sites = max(choices, key=lambda choice: choice[0])
    corners = np.array(list(itertools.product(range(cells), repeat=3)), dtype=float)
    points: Array = (corners[:, None] + sites).reshape(-1, 3) / cells * side
    # Raw words of a bit generator are the same in every version of numpy; its distributions are not.
    words = np.random.Philox(key=seed).random_raw(len(points))
    return points[np.argsort(words, kind="stable")[:particles]]


def check_start(frame: Frame, particles: int, side: float) -> None:
    """Refuse a frame that so many particles in a cube of this side cannot start from.

    Raises:
        InvalidInputError: other particles, another box, no numbers, two particles in one place.
    """
    if len(frame.position) != particles:
        given = f"{len(frame.position)} particles"
        raise InvalidInputError("start", given, "not as many as `particles`", f"a frame of {particles}")
    if frame.box is not None and not np.allclose(frame.box, side, rtol=1e-5):
        given, wanted = " by ".join(f"{side:.6g}" for side in frame.box), f"a cube of {side:.6g}"
        raise InvalidInputError("start", f"a box of {given}", "not the box of this density", wanted)
    moving = frame.position if frame.velocity is None else np.hstack([frame.position, frame.velocity])
    if not np.isfinite(moving).all():
        raise InvalidInputError("start", "not finite", "a position or velocity is no number", "numbers")
    if len(np.unique(to_words(frame.position, side), axis=0)) < particles:
        raise InvalidInputError(
            "start", "two particles in one place", "they have no force", "a frame without"
        )
