"""Forces, energies and virials of listed pairs: the loop that a simulation of a fluid spends its time in.

Sixteen neighbours of a particle are loaded and transposed at a time. The force of a pair is computed in
float32, rounded to a whole number and added as such, to each of its two particles by itself; both get the
same number, since the difference of their places is the same but for its sign. A comparison with the cutoff
that a pair at no distance cannot meet (its reciprocal is not a number) drops the list's filling.

Any rows will do, in any order: those of one process with copies of its neighbours' after them, say. The
copies keep their places in the common box and need no lists of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.md.fluid.state import ENERGY, FORCE, VIRIAL
from simulators.md.laws import lennard_jones as law
from simulators.md.vector import (
    LANES,
    fma,
    gather_rows,
    inline,
    on_vectors,
    reciprocal,
    rsqrt,
    select,
    splat,
    store_three_sums,
    to_float,
    to_int,
    total,
)

_ZERO, _ONE = np.float32(0), np.float32(1)

force = on_vectors(law.force)
energy = on_vectors(law.energy)
force_shifted_force = on_vectors(law.force_shifted_force)
energy_shifted_force = on_vectors(law.energy_shifted_force)


class Pair(NamedTuple):
    """Constants of the pair, float32.

    Args:
        square: the square of the unit of position in lengths.
        nearest: the reciprocal of the cutoff; of its square where ``slope`` is 0.
        shift, slope: of the energy (`simulators.md.laws.lennard_jones.End`).
        force: to the unit of force, for a separation in units of position.
        virial, energy: to their units.
    """

    square: np.float32
    nearest: np.float32
    shift: np.float32
    slope: np.float32
    force: np.float32
    virial: np.float32
    energy: np.float32


def pair_constants(end: law.End, side: float) -> Pair:
    """The pair that ends so, in a box of this side."""
    kappa = side / 2.0**32
    power = 1 if end.slope else 2
    values = kappa**2, end.cutoff**-power, end.shift, end.slope, kappa * FORCE, VIRIAL, ENERGY
    return Pair(*(np.float32(value) for value in values))


@inline
def _separation(place, x, y, z, near, k, pair):
    """From sixteen neighbours to a particle, in units of position; and the squares in lengths."""
    xj, yj, zj = gather_rows(place, near, k)
    dx, dy, dz = to_float(x - xj), to_float(y - yj), to_float(z - zj)
    return dx, dy, dz, fma(dx, dx, fma(dy, dy, dz * dz)) * splat(pair.square)


@inline
def _coefficient(square, pair, smooth):
    """What multiplies the separation to give the force."""
    if smooth:
        inverse = rsqrt(square)
        value = force_shifted_force(inverse, splat(pair.slope))
    else:
        inverse = reciprocal(square)
        value = force(inverse)
    return select(inverse > splat(pair.nearest), value, splat(_ZERO))


@inline
def _energy(square, pair, smooth):
    """Energy, and one where the pair is within the cutoff."""
    if smooth:
        inverse = rsqrt(square)
        value = energy_shifted_force(square * inverse, inverse, splat(pair.shift), splat(pair.slope))
    else:
        inverse = reciprocal(square)
        value = energy(inverse, splat(pair.shift))
    within = inverse > splat(pair.nearest)
    return select(within, value, splat(_ZERO)), select(within, splat(_ONE), splat(_ZERO))


@inline
def _forces(place, force_rows, lists, first, local, pair, smooth):
    factor, nothing = splat(pair.force), splat(np.int32(0))
    for i in range(first, local):
        x, y, z = splat(place[4 * i]), splat(place[4 * i + 1]), splat(place[4 * i + 2])
        fx, fy, fz = nothing, nothing, nothing
        for k in range(lists.begin[i], lists.end[i], LANES):
            dx, dy, dz, square = _separation(place, x, y, z, lists.near, k, pair)
            strength = _coefficient(square, pair, smooth) * factor
            fx, fy, fz = fx + to_int(strength * dx), fy + to_int(strength * dy), fz + to_int(strength * dz)
        store_three_sums(force_rows, 4 * i, fx, fy, fz)


@inline
def pair_forces(place, force_rows, lists, local, pair, first=0):
    """Forces on the rows from ``first`` to ``local`` of all rows in their lists.

    Args:
        place: int32 array (4 rows,), as `state.Rows`.
        force_rows: likewise, overwritten.
        lists: a `neighbours.Lists` that reaches beyond the cutoff.
        local: rows from this one on are only acted from.
        pair: a `Pair`.
        first: rows before this one are left alone.
    """
    if pair.slope == 0:
        _forces(place, force_rows, lists, first, local, pair, False)
    else:
        _forces(place, force_rows, lists, first, local, pair, True)


@inline
def _energies(place, lists, local, pair, smooth):
    potential, virial, pairs = np.int64(0), np.int64(0), np.int64(0)
    nothing = splat(np.int32(0))
    for i in range(local):
        x, y, z = splat(place[4 * i]), splat(place[4 * i + 1]), splat(place[4 * i + 2])
        u, w, n = nothing, nothing, nothing
        for k in range(lists.begin[i], lists.end[i], LANES):
            _, _, _, square = _separation(place, x, y, z, lists.near, k, pair)
            value, within = _energy(square, pair, smooth)
            strength = _coefficient(square, pair, smooth)
            u = u + to_int(value * splat(pair.energy))
            w = w + to_int(strength * square * splat(pair.virial))
            n = n + to_int(within)
        potential += total(u)
        virial += total(w)
        pairs += total(n)
    return potential, virial, pairs


@inline
def pair_energies(place, lists, local, pair):
    """Sums over the lists of the rows below ``local``, every pair being in two: of both, then, twice.

    Args:
        place: int32 array (4 rows,), as `state.Rows`.
        lists: a `neighbours.Lists` that reaches beyond the cutoff.
        local: rows from this one on are only acted from.
        pair: a `Pair`.

    Returns:
        energy, virial (the sum of r f) and number of pairs within the cutoff, int64.
    """
    if pair.slope == 0:
        return _energies(place, lists, local, pair, False)
    return _energies(place, lists, local, pair, True)
