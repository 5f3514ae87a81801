"""Forces in a slit and the run of one replica: the functions that Python calls, compiled once and cached."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws import ions as laws
from simulators.md.laws.ions import RANK
from simulators.md.slit.langevin import advance_positions, thermalise, twice_kinetic_energy
from simulators.md.slit.pair import pair_forces
from simulators.md.slit.sheet import add_moments, fields
from simulators.md.slit.tally import count
from simulators.md.vector import LANES, compiled, fma, inline, load, on_vectors, splat, store, to_float

_ZERO = np.float32(0)

_wall_force, _series = on_vectors(laws.wall_force), on_vectors(laws.series)

FINE, NOT_FINITE, OUTSIDE, TOO_HOT = 0, 1, 2, 3
"""How a stretch of a run ended."""


class Slit(NamedTuple):
    """The box.

    Args:
        kappa: the unit of position in lengths (side / 2^32), float32.
        half_gap: half the distance between the walls in lengths, float32.
        first_anion: lane.
        ions: how many there are.
        rows: the sheet term's expansion (`expansion_rows`).
        moments, field: room for its sums, float32 arrays (RANK * 16,) and (RANK,).
    """

    kappa: np.float32
    half_gap: np.float32
    first_anion: int
    ions: int
    rows: NDArray[np.float32]
    moments: NDArray[np.float32]
    field: NDArray[np.float32]


@inline
def sum_moments(ions, slit):
    """What the ions are to far images: overwrites the slit's moments."""
    to_t = splat(slit.kappa / slit.half_gap)
    for k in range(0, RANK * LANES, LANES):
        store(slit.moments, k, splat(_ZERO))
    for j in range(0, ions.x.size, LANES):
        add_moments(slit.moments, to_float(load(ions.z, j)) * to_t, load(ions.charge, j))


@inline
def forces_of_one(ions, slit):
    """Far images, from the slit's moments, and walls; overwrites the forces."""
    kappa, half_gap = splat(slit.kappa), splat(slit.half_gap)
    to_t = splat(slit.kappa / slit.half_gap)
    fields(slit.moments, slit.rows, slit.field)
    for j in range(0, ions.x.size, LANES):
        z = to_float(load(ions.z, j))
        size, reach = load(ions.wall_size, j), half_gap + load(ions.wall_depth, j)
        walls = _wall_force(fma(z, kappa, reach), size) - _wall_force(reach - z * kappa, size)
        store(ions.fz, j, fma(load(ions.charge, j), _series(slit.field, z * to_t), walls))
        store(ions.fx, j, splat(_ZERO))
        store(ions.fy, j, splat(_ZERO))


@inline
def _all_forces(ions, table, slit):
    """Far images and walls, then pairs; overwrites the forces."""
    sum_moments(ions, slit)
    forces_of_one(ions, slit)
    pair_forces(ions.x, ions.y, ions.height, ions.fx, ions.fy, ions.fz, table, slit.first_anion)


@inline
def look(tally, ions, slit, constants, step):
    """Count the ions, and say whether all is well with them."""
    heat = twice_kinetic_energy(ions, constants)
    if not np.isfinite(heat):
        return NOT_FINITE
    # A sum of squares of 3 n Gaussians is never this large: two ions overlapped.
    if heat > 6 * slit.ions + 200:
        return TOO_HOT
    if not count(tally, ions, slit, heat, step):
        return OUTSIDE
    return FINE


@compiled
def forces(ions, table, slit):
    """Forces at the current positions.

    Args:
        ions: an `Ions`, whose forces are overwritten.
        table: a `PairTable`.
        slit: a `Slit`.
    """
    for j in range(0, ions.x.size, LANES):
        z = to_float(load(ions.z, j))
        store(ions.height, j, fma(z, load(ions.present, j), load(ions.apart, j)))
    _all_forces(ions, table, slit)


@compiled
def start(ions, constants):
    """Draw velocities."""
    thermalise(ions, constants)


@compiled
def advance(ions, table, slit, constants, tally, first, last, every):
    """Steps first to last - 1, with a look at the ions before every so many.

    Args:
        ions: an `Ions`, advanced in place; its forces are those of its positions.
        table: a `PairTable`.
        slit: a `Slit`.
        constants: a `Dynamics`.
        tally: a `Tally`, added to from its first step on.
        first: step.
        last: step.
        every: steps between two looks.

    Returns:
        how it ended, and at which step.
    """
    for step in range(first, last):
        if step % every == 0:
            code = look(tally, ions, slit, constants, step)
            if code != FINE:
                return code, step
        advance_positions(ions, constants, step)
        _all_forces(ions, table, slit)
    return FINE, last
