"""What is counted while a fluid runs: energies, pair distances, displacements and density waves.

Everything is added up block by block in place; there is never a trajectory. Sums over particles are sums of
whole numbers, or run in the order of the particles' numbers, so that they do not depend on how particles
are sorted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.fluid.neighbours import Cells, collect, order_by_cell
from simulators.md.laws import random as random_laws
from simulators.md.vector import (
    LANES,
    append,
    fma,
    inline,
    lanes,
    load,
    load_rows,
    on_vectors,
    select,
    splat,
    sqrt,
    to_float,
    to_int,
    total,
)

_ZERO, _HALF = np.float32(0), np.float32(0.5)
_AMPLITUDE = np.float32(2.0**24)
_CHUNK = 64 * LANES
"""Particles whose amplitudes fit in a sum of 32 bits."""

cos_sin = on_vectors(random_laws.cos_sin)

Counts = NDArray[np.int64]
Array = NDArray[np.float64]


class Tally(NamedTuple):
    """Sums over looks at the particles, in blocks of the production.

    Args:
        start, steps: the first step that counts and how many follow.
        every: steps between two looks at energies.
        looks: array (blocks,): how many there were.
        sums: array (blocks, 4): of energy and virial of both partners of every pair, of v^2, and of pairs
            within the cutoff, twice; in the units of `simulators.md.fluid.state`.
        first_energy: array (1,): energy per particle at the first look, NaN before.
        structure_every: steps between two looks at distances and waves.
        structure_looks: array (blocks,).
        cells: a `Cells` for the distances that are counted.
        found: int32 array (rows + 32,): room for the bins of one particle's pairs.
        distances: array (blocks, bins): pairs, each once.
        reach, to_bin: float32: the square of the farthest distance counted, and from distances to bins, in
            units of position.
        waves: int32 array (waves, 3): wave vectors in units of 2 pi / side.
        power: array (blocks, waves): sums of |sum exp(i q r)|^2 / N.
        lag: half the steps between two lags.
        path: int64 array (particles, 3): places followed out of the box, in the order of numbers.
        last: int32 array (particles, 3): places when they were last followed.
        origin: int64 array (particles, 3): the path at the beginning of this block's window.
        displacements: array (blocks, lags): mean squares, centre of mass at rest, units of position.
    """

    start: int
    steps: int
    every: int
    looks: Counts
    sums: Counts
    first_energy: Array
    structure_every: int
    structure_looks: Counts
    cells: Cells
    found: NDArray[np.int32]
    distances: Counts
    reach: np.float32
    to_bin: np.float32
    waves: NDArray[np.int32]
    power: Array
    lag: int
    path: Counts
    last: NDArray[np.int32]
    origin: Counts
    displacements: Array


@inline
def block_of(tally, step):
    """The block that a step of the production lies in."""
    return (step - tally.start) * tally.looks.size // tally.steps


@inline
def count_distances(tally, place, block, share=0, shares=1):
    """Add the distances between all pairs to a block, or one of several shares of them."""
    cells = tally.cells
    order_by_cell(cells, place, tally.path.shape[0])
    n = cells.across
    within, nothing = splat(tally.reach), splat(_ZERO)
    for cell in range(share, n**3, shares):
        if cells.first[cell] == cells.first[cell + 1]:
            continue
        candidates = collect(cells, cell % n, cell // n % n, cell // (n * n), within)
        for i in range(cells.first[cell], cells.first[cell + 1]):
            x, y, z = splat(cells.x[i]), splat(cells.y[i]), splat(cells.z[i])
            own, k = splat(cells.row[i]), 0
            for j in range(0, candidates, LANES):
                dx = to_float(x - load(cells.near_x, j))
                dy = to_float(y - load(cells.near_y, j))
                dz = to_float(z - load(cells.near_z, j))
                square = fma(dx, dx, fma(dy, dy, dz * dz))
                there = (square < within) & (load(cells.near_row, j) > own)
                if j + LANES > candidates:
                    there = there & (lanes() < splat(np.int32(candidates - j)))
                bins = to_int(fma(sqrt(select(there, square, nothing)), splat(tally.to_bin), splat(-_HALF)))
                k = append(tally.found, k, there, bins)
            for j in range(k):
                tally.distances[block, min(max(tally.found[j], 0), tally.distances.shape[1] - 1)] += 1


@inline
def count_waves(tally, place, block, share=0, shares=1):
    """Add the squared amplitudes of density waves to a block, or one of several shares of them."""
    size = place.size // 4
    for w in range(share, tally.waves.shape[0], shares):
        a, b, c = splat(tally.waves[w, 0]), splat(tally.waves[w, 1]), splat(tally.waves[w, 2])
        real_part, imaginary_part = np.int64(0), np.int64(0)
        for begin in range(0, size, _CHUNK):
            even, odd = splat(np.int32(0)), splat(np.int32(0))
            for i in range(begin, min(begin + _CHUNK, size), LANES):
                x, y, z, number = load_rows(place, i)
                cosine, sine = cos_sin(a * x + b * y + c * z)
                there = number > splat(np.int32(-1))
                even = even + to_int(select(there, cosine, splat(_ZERO)) * splat(_AMPLITUDE))
                odd = odd + to_int(select(there, sine, splat(_ZERO)) * splat(_AMPLITUDE))
            real_part += total(even)
            imaginary_part += total(odd)
        even_sum, odd_sum = real_part / 2.0**24, imaginary_part / 2.0**24
        tally.power[block, w] += (even_sum * even_sum + odd_sum * odd_sum) / tally.path.shape[0]


@inline
def follow(tally, place):
    """Follow the particles out of the box: no farther than half a side since the last time."""
    for i in range(tally.path.shape[0]):
        number = place[4 * i + 3]
        for c in range(3):
            word = place[4 * i + c]
            tally.path[number, c] += np.int64(np.int32(word - tally.last[number, c]))
            tally.last[number, c] = word


@inline
def count_displacements(tally, place, step):
    """Begin a window, or add the displacements in it, at the steps where that is due."""
    window = tally.steps // tally.looks.size
    block, passed = (step - tally.start) // window, (step - tally.start) % window
    lags = tally.displacements.shape[1]
    if block >= tally.looks.size:
        return
    if passed == 0:
        follow(tally, place)
        tally.origin[:] = tally.path
    if passed % tally.lag != 0 or passed // tally.lag % 2 == 0 or passed // tally.lag >= 2 * lags:
        return
    follow(tally, place)
    particles = tally.path.shape[0]
    square = 0.0
    for c in range(3):
        drift = 0.0
        for i in range(particles):
            drift += np.float64(tally.path[i, c] - tally.origin[i, c])
        drift /= particles
        for i in range(particles):
            difference = np.float64(tally.path[i, c] - tally.origin[i, c]) - drift
            square += difference * difference
    tally.displacements[block, passed // tally.lag // 2] = square / particles
