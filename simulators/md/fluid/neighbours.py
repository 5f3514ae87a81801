"""Cells and neighbour lists in a periodic cube.

A list is made in two turns. Now and then particles are ordered by cells as wide as the outer radius, x
running fastest; the candidates of a cell, those near enough to it, are collected once for all its
particles, and each particle picks its outer list from them. More often the inner list, which forces are
computed from, is picked from the outer one. Both times neighbours are compared sixteen at a time.

Every pair is in the lists of both of its particles. A list holds its own particle again and again until it
is a multiple of sixteen long: a pair at no distance exerts no force (`simulators.md.fluid.pairs`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import (
    LANES,
    aligned,
    append,
    fma,
    gather_rows,
    inline,
    lanes,
    load,
    maximum,
    splat,
    to_float,
)

_ZERO = np.float32(0)
Integers = NDArray[np.int32]


class Cells(NamedTuple):
    """Rows in the order of their cells, ``across``^3 of them.

    Args:
        across: cells along each side.
        first: int64 array (across^3 + 1,): where each cell begins in the order.
        cell: array (rows,): the cell of each row.
        x, y, z, row: arrays (rows + 16,) in that order: places, and the rows themselves.
        near_x, near_y, near_z, near_row: arrays (rows + 32,): the same of one cell's candidates.
    """

    across: int
    first: NDArray[np.int64]
    cell: Integers
    x: Integers
    y: Integers
    z: Integers
    row: Integers
    near_x: Integers
    near_y: Integers
    near_z: Integers
    near_row: Integers


class Lists(NamedTuple):
    """Neighbours of rows: of row i, the rows ``near[begin[i] : end[i]]``; uint16 where that is enough."""

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    near: NDArray[np.int32] | NDArray[np.uint16]


def make_cells(rows: int, radius: float, side: float) -> Cells:
    """Cells for so many rows in a cube of this side, no narrower than the radius."""
    # No more cells than rows, or empty ones would be most of the work.
    across = max(1, min(math.floor(side / radius), math.ceil(rows ** (1 / 3))))
    ordered = [aligned(rows + LANES, np.int32) for _ in range(4)]
    candidates = [aligned(rows + 2 * LANES, np.int32) for _ in range(4)]
    return Cells(
        across,
        np.zeros(across**3 + 1, np.int64),
        np.zeros(rows, np.int32),
        *ordered,
        *candidates,
    )


def make_lists(rows: int, entries: int) -> Lists:
    """Empty lists with room for so many entries."""
    number = np.uint16 if rows <= 2**16 else np.int32
    return Lists(np.zeros(rows, np.int64), np.zeros(rows, np.int64), aligned(entries + LANES, number))


@inline
def order_by_cell(cells, place, rows):
    """Find the order of the first so many rows.

    Args:
        cells: a `Cells`, overwritten.
        place: int32 array (4 rows,).
        rows: how many.
    """
    across = np.uint64(cells.across)
    shift = np.uint64(32)
    first = cells.first
    first[:] = 0
    for i in range(rows):
        x = np.int64((np.uint64(np.uint32(place[4 * i])) * across) >> shift)
        y = np.int64((np.uint64(np.uint32(place[4 * i + 1])) * across) >> shift)
        z = np.int64((np.uint64(np.uint32(place[4 * i + 2])) * across) >> shift)
        cell = (z * cells.across + y) * cells.across + x
        cells.cell[i] = cell
        first[cell + 1] += 1
    for cell in range(first.size - 1):
        first[cell + 1] += first[cell]
    for i in range(rows):
        cell = cells.cell[i]
        cells.row[first[cell]] = i
        first[cell] += 1
    for cell in range(first.size - 1, 0, -1):
        first[cell] = first[cell - 1]
    first[0] = 0
    for k in range(rows):
        i = cells.row[k]
        cells.x[k], cells.y[k], cells.z[k] = place[4 * i], place[4 * i + 1], place[4 * i + 2]


@inline
def sort_rows(cells, array, room, rows):
    """Put the rows of an array into the order of their cells, by way of ``room``."""
    for k in range(rows):
        i = cells.row[k]
        for c in range(4):
            room[4 * k + c] = array[4 * i + c]
    array[: 4 * rows] = room[: 4 * rows]


@inline
def in_order(cells, rows):
    """Say that the rows are in the order of their cells, after they were put there."""
    for k in range(rows):
        cells.row[k] = k


@inline
def _beyond(difference, half):
    """How far something lies beyond a cell from whose middle it differs so."""
    distance = to_float(difference)
    return maximum(maximum(distance, splat(_ZERO) - distance) - half, splat(_ZERO))


@inline
def collect(cells, cx, cy, cz, limit):
    """Find the candidates of a cell: all that lie near it.

    Args:
        cells: a `Cells`, ordered; its candidates are overwritten.
        cx: the cell.
        cy: likewise.
        cz: likewise.
        limit: float16 vector: the square of the radius, in units of position.

    Returns:
        how many there are; sixteen that are near nothing follow them.
    """
    n, k = cells.across, 0
    count = min(n, 3)
    half_cell = np.uint64(1 << 31) // np.uint64(n)
    middle_x = splat(np.int32(np.uint32((2 * np.uint64(cx) + np.uint64(1)) * half_cell)))
    middle_y = splat(np.int32(np.uint32((2 * np.uint64(cy) + np.uint64(1)) * half_cell)))
    middle_z = splat(np.int32(np.uint32((2 * np.uint64(cz) + np.uint64(1)) * half_cell)))
    # Cells are counted from rounded corners: a thousandth more than half a cell covers that.
    half = splat(np.float32(half_cell) * np.float32(1.001))
    for a in range(count * count):
        ky, kz = (cy - 1 + a % count + n) % n, (cz - 1 + a // count + n) % n
        row = (kz * n + ky) * n
        low, high = cells.first[row], cells.first[row + n]
        split = high
        if n > 3:
            if cx == 0:
                low, split = cells.first[row + n - 1], cells.first[row + n]
            elif cx == n - 1:
                low, split = cells.first[row], cells.first[row + 1]
            else:
                low, split = cells.first[row + cx - 1], cells.first[row + cx + 2]
        for turn in range(2):
            if turn == 1:
                if n <= 3 or (cx > 0 and cx < n - 1):
                    break
                if cx == 0:
                    low, split = cells.first[row], cells.first[row + 2]
                else:
                    low, split = cells.first[row + n - 2], cells.first[row + n]
            for j in range(low, split, LANES):
                x, y, z = load(cells.x, j), load(cells.y, j), load(cells.z, j)
                dx, dy, dz = (
                    _beyond(x - middle_x, half),
                    _beyond(y - middle_y, half),
                    _beyond(z - middle_z, half),
                )
                square = fma(dx, dx, fma(dy, dy, dz * dz))
                there = (square < limit) & (lanes() < splat(np.int32(split - j)))
                append(cells.near_x, k, there, x)
                append(cells.near_y, k, there, y)
                append(cells.near_z, k, there, z)
                k = append(cells.near_row, k, there, load(cells.row, j))
    return k


@inline
def list_neighbours(cells, lists, local, limit):
    """List the neighbours of the rows below ``local`` among all rows that are in the cells.

    Args:
        cells: a `Cells`, ordered.
        lists: a `Lists`, overwritten.
        local: rows from this one on have no lists.
        limit: float32: the square of the radius, in units of position.

    Returns:
        whether there was room for all.
    """
    n, k = cells.across, 0
    near, within, nothing = lists.near, splat(limit), splat(_ZERO)
    for cell in range(n**3):
        if cells.first[cell] == cells.first[cell + 1]:
            continue
        candidates = collect(cells, cell % n, cell // n % n, cell // (n * n), within)
        for i in range(cells.first[cell], cells.first[cell + 1]):
            row = cells.row[i]
            if row >= local:
                continue
            if k + candidates + 2 * LANES > near.size:
                return False
            x, y, z = splat(cells.x[i]), splat(cells.y[i]), splat(cells.z[i])
            lists.begin[row] = k
            for j in range(0, candidates, LANES):
                dx = to_float(x - load(cells.near_x, j))
                dy = to_float(y - load(cells.near_y, j))
                dz = to_float(z - load(cells.near_z, j))
                square = fma(dx, dx, fma(dy, dy, dz * dz))
                there = (square < within) & (square > nothing)
                if j + LANES > candidates:
                    there = there & (lanes() < splat(np.int32(candidates - j)))
                k = append(near, k, there, load(cells.near_row, j))
            k = _filled(near, lists.begin[row], k, row)
            lists.end[row] = k
    return True


@inline
def pick_neighbours(place, outer, inner, local, limit):
    """Pick the neighbours within a radius from lists with a greater one.

    Args:
        place: int32 array (4 rows,).
        outer: a `Lists`.
        inner: a `Lists` with as much room, overwritten.
        local: rows that have lists.
        limit: float32: the square of the radius, in units of position.
    """
    k, near = 0, inner.near
    within, nothing = splat(limit), splat(_ZERO)
    for i in range(local):
        x, y, z = splat(place[4 * i]), splat(place[4 * i + 1]), splat(place[4 * i + 2])
        inner.begin[i] = k
        for j in range(outer.begin[i], outer.end[i], LANES):
            xj, yj, zj = gather_rows(place, outer.near, j)
            dx, dy, dz = to_float(x - xj), to_float(y - yj), to_float(z - zj)
            square = fma(dx, dx, fma(dy, dy, dz * dz))
            k = append(near, k, (square < within) & (square > nothing), load(outer.near, j))
        k = _filled(near, inner.begin[i], k, i)
        inner.end[i] = k


@inline
def _filled(near, begin, k, own):
    """Fill a list that ends at k; where it ends then."""
    append(near, k, lanes() > splat(np.int32(-1)), splat(np.int32(own)))
    return begin + (k - begin + LANES - 1) // LANES * LANES
