"""Langevin dynamics of Go chains, sixteen replicas at a time, and what is written down on the way.

The integrator is BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34): kick, drift, friction
and noise, drift, kick. Four components of a chain share one draw of the random number generator.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.chain.forces import BEAD, Floats, Ints, all_forces, apart, list_is_stale, list_pairs
from simulators.md.chain.protein import FORMED
from simulators.md.random import NOISE, VELOCITIES, eight_gaussians, four_gaussians
from simulators.md.vector import (
    LANES,
    any_of,
    compiled,
    fma,
    inline,
    load,
    maximum,
    select,
    splat,
    sqrt,
    store,
    to_float,
)

OVERSTRETCHED = 2.0
"""A bond that differs from its native length by more, angstrom, is broken: that is 400 epsilon."""
PASSAGE = 10
"""Steps between two looks at whether a chain has unfolded."""
CONTACTS, GYRATION, RMSD, POTENTIAL, KINETIC = range(5)
"""What is summed: contacts formed, radius of gyration, RMSD, potential energy, twice the kinetic energy."""

_ZERO, _ONE = np.float32(0), np.float32(1)
_DRAW = 4 * LANES
_BROKEN_PULL = np.float32(200.0 * OVERSTRETCHED)
_Counts = NDArray[np.int64]


class Motion(NamedTuple):
    """Constants of the integrator.

    Args:
        half_step: dt / 2.
        keep: exp(-gamma dt).
        noise: sqrt(T (1 - keep^2)) of each lane, float32 array (16,).
        thermal: sqrt(T) of each lane, float32 array (16,).
        keys: the lower and then the upper halves of the lanes' seeds, int32 array (32,).
    """

    half_step: np.float32
    keep: np.float32
    noise: Floats
    thermal: Floats
    keys: Ints


class Tally(NamedTuple):
    """What is written down, lane by lane.

    Args:
        threshold: a chain has unfolded when fewer contacts than this are formed, float32.
        start, steps: the first step that counts for the averages and how many follow.
        looks: how often was looked, array (blocks,).
        sums: float64 array (blocks, 5, 16), see `CONTACTS`.
        formed: times that each contact was formed, int32 array (blocks, contacts * 16,).
        counts: times that so many contacts were formed, int32 array (blocks, contacts + 1, 16).
        unfolded: first step at which the chain was, -1 before, array (16,).
        broken: step at which it was found broken, -1 if it was not, array (16,).
        good_at: step of the last look at which it was whole, array (16,).
        good: positions at that look, float32 array as in `State`.
        values: room for vectors, float32 array (7 * 16,); those of the last look.
    """

    threshold: np.float32
    start: int
    steps: int
    looks: _Counts
    sums: NDArray[np.float64]
    formed: Ints
    counts: Ints
    unfolded: _Counts
    broken: _Counts
    good_at: _Counts
    good: Floats
    values: Floats


# Motion --------------------------------------------------------------------------------------------


@inline
def _draw(at, step, purpose, d):
    """Four normal numbers for the components from ``at`` on."""
    who = splat(np.int32(at // _DRAW))
    return four_gaussians(who, step, purpose, load(d.keys, 0), load(d.keys, LANES))


@inline
def _move_four(s, d, at, a, b, c, e):
    _move_component(s, d, at, a)
    _move_component(s, d, at + LANES, b)
    _move_component(s, d, at + 2 * LANES, c)
    _move_component(s, d, at + 3 * LANES, e)


@inline
def _move_component(s, d, at, gaussian):
    half, kick = splat(d.half_step), splat(d.half_step + d.half_step)
    v = fma(load(s.force, at), kick, load(s.velocity, at))
    x = fma(half, v, load(s.position, at))
    v = fma(load(d.noise, 0), gaussian, splat(d.keep) * v)
    store(s.position, at, fma(half, v, x))
    store(s.velocity, at, v)


@inline
def _move(s, d, step):
    """From one set of forces to the next positions: the two half kicks between, drift, noise, drift."""
    odd = s.position.size % (2 * _DRAW)
    for at in range(0, s.position.size - odd, 2 * _DRAW):
        who, other = splat(np.int32(at // _DRAW)), splat(np.int32(at // _DRAW + 1))
        a, b, c, e, f, g, h, k = eight_gaussians(
            who, other, step, NOISE, load(d.keys, 0), load(d.keys, LANES)
        )
        _move_four(s, d, at, a, b, c, e)
        _move_four(s, d, at + _DRAW, f, g, h, k)
    if odd:
        at = s.position.size - odd
        a, b, c, e = _draw(at, step, NOISE, d)
        _move_four(s, d, at, a, b, c, e)


@compiled
def thermalise(s, d):
    """Draw all velocities from Maxwell's distribution.

    Args:
        s: a `State`.
        d: a `Motion`.
    """
    thermal = load(d.thermal, 0)
    for at in range(0, s.velocity.size, _DRAW):
        a, b, c, e = _draw(at, 0, VELOCITIES, d)
        store(s.velocity, at, thermal * a)
        store(s.velocity, at + LANES, thermal * b)
        store(s.velocity, at + 2 * LANES, thermal * c)
        store(s.velocity, at + 3 * LANES, thermal * e)


# Looks ---------------------------------------------------------------------------------------------


@inline
def _is_formed(m, s, k):
    """One where native pair k is formed, else zero."""
    x, y, z = apart(s.position, np.intp(m.contacts[k, 0]), np.intp(m.contacts[k, 1]))
    reach = splat(np.float32(FORMED**2) * m.contact_squares[k])
    return select(fma(x, x, fma(y, y, z * z)) < reach, splat(np.int32(1)), splat(np.int32(0)))


@inline
def _watch(m, s, tally, step):
    """Write down which chains have unfolded by now."""
    formed = splat(np.int32(0))
    for k in range(m.contact_squares.size):
        formed = formed + _is_formed(m, s, k)
    few = to_float(formed) < splat(tally.threshold)
    if any_of(few):
        store(tally.values, 0, select(few, splat(_ONE), splat(_ZERO)))
        for lane in range(LANES):
            if tally.values[lane] > _ZERO and tally.unfolded[lane] < 0:
                tally.unfolded[lane] = step


@inline
def _centre(m, s):
    """Move every chain to the origin, where float32 is finest; nothing depends on where it is."""
    end = (m.bonds.size + 1) * BEAD
    for axis in range(0, BEAD, LANES):
        total = splat(_ZERO)
        for at in range(axis, end, BEAD):
            total = total + load(s.position, at)
        centre = total / splat(np.float32(m.bonds.size + 1))
        for at in range(axis, end, BEAD):
            store(s.position, at, load(s.position, at) - centre)
            store(s.listed_at, at, load(s.listed_at, at) - centre)


def overlap(xx, xy, xz, yx, yy, yz, zx, zy, zz):
    """Sum of the singular values of a matrix of 3 by 3, the least with the sign of its determinant.

    Of the covariance of two centred sets of places it is what superposing them takes off half the sum of
    their squares (Kabsch, Acta Cryst. A 32, 922, 1976).
    """
    aa, bb, cc = xx * xx + yx * yx + zx * zx, xy * xy + yy * yy + zy * zy, xz * xz + yz * yz + zz * zz
    ab, ac, bc = xx * xy + yx * yy + zx * zy, xx * xz + yx * yz + zx * zz, xy * xz + yy * yz + zy * zz
    # Eigenvalues of a symmetric matrix in closed form (O. K. Smith, Comm. ACM 4, 168, 1961).
    mean = (aa + bb + cc) / 3
    p = 2 * (ab * ab + ac * ac + bc * bc)
    aa, bb, cc = aa - mean, bb - mean, cc - mean
    p = math.sqrt((p + aa * aa + bb * bb + cc * cc) / 6)
    determinant = aa * (bb * cc - bc * bc) - ab * (ab * cc - bc * ac) + ac * (ab * bc - bb * ac)
    turn = math.acos(min(1.0, max(-1.0, determinant / (2 * p * p * p)))) / 3 if p > 0 else 0.0
    first = mean + 2 * p * math.cos(turn)
    last = mean + 2 * p * math.cos(turn + 2 * math.pi / 3)
    total = math.sqrt(max(first, 0.0)) + math.sqrt(max(3 * mean - first - last, 0.0))
    handed = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)
    return total + math.copysign(math.sqrt(max(last, 0.0)), handed)


_overlap = inline(overlap)


@inline
def _rmsd(position, lane, reference):
    """Distance of a centred chain from the centred reference, superposed."""
    beads = len(reference)
    c = np.zeros((3, 3))
    squares = 0.0
    for k in range(beads):
        for a in range(3):
            x = np.float64(position[k * BEAD + a * LANES + lane])
            squares += x * x + reference[k, a] * reference[k, a]
            for b in range(3):
                c[a, b] += x * reference[k, b]
    least = squares - 2 * _overlap(
        *(c[0, 0], c[0, 1], c[0, 2], c[1, 0], c[1, 1], c[1, 2], c[2, 0], c[2, 1], c[2, 2])
    )
    return np.sqrt(max(least, 0.0) / beads)


@inline
def _look(m, s, d, tally, step):
    """Count this step's state; gives whether a chain was found broken (and laid aside)."""
    _centre(m, s)
    energy = all_forces(m, s)
    values = tally.values
    store(values, POTENTIAL * LANES, energy)
    stretch = splat(_ZERO)
    for k in range(0, m.bonds.size * LANES, LANES):
        pull = load(s.pull, k)
        stretch = maximum(maximum(pull, splat(_ZERO) - pull), stretch)
    store(values, 5 * LANES, stretch)
    size, heat, half = splat(_ZERO), splat(_ZERO), splat(d.half_step)
    for at in range(0, (m.bonds.size + 1) * BEAD, LANES):
        x, v = load(s.position, at), fma(half, load(s.force, at), load(s.velocity, at))
        size, heat = fma(x, x, size), fma(v, v, heat)
    store(values, GYRATION * LANES, sqrt(size / splat(np.float32(m.bonds.size + 1))))
    store(values, KINETIC * LANES, heat)

    counting = tally.start <= step < tally.start + tally.steps
    block = (step - tally.start) * tally.looks.size // tally.steps if counting else 0
    one = np.int32(1 if counting else 0)
    number = splat(np.int32(0))
    for k in range(m.contact_squares.size):
        formed, at = _is_formed(m, s, k), (block * m.contact_squares.size + k) * LANES
        number = number + formed
        store(tally.formed, at, load(tally.formed, at) + formed * splat(one))
    store(values, CONTACTS * LANES, to_float(number))
    tally.looks[block] += one

    found = False
    for lane in range(LANES):
        broken = not (
            values[5 * LANES + lane] < _BROKEN_PULL and np.isfinite(values[POTENTIAL * LANES + lane])
        )
        values[6 * LANES + lane] = _ZERO if broken else _ONE
        if broken:
            found = True
            if tally.broken[lane] < 0:
                tally.broken[lane] = step
            for k in range(len(m.position)):
                for a in range(3):
                    at = k * BEAD + a * LANES + lane
                    s.position[at], s.velocity[at] = m.position[k, a], _ZERO
        elif tally.broken[lane] < 0:
            tally.good_at[lane] = step
            if counting:
                values[RMSD * LANES + lane] = _rmsd(s.position, lane, m.position)
                for k in range(5):
                    tally.sums[block, k, lane] += values[k * LANES + lane]
                tally.counts[block, np.intp(values[CONTACTS * LANES + lane]), lane] += 1
    whole = load(values, 6 * LANES) > splat(_ZERO)
    for at in range(0, s.position.size, LANES):
        store(tally.good, at, select(whole, load(s.position, at), load(tally.good, at)))
    return found


@compiled
def advance(m, s, d, tally, first, last, every):
    """Steps first to last - 1.

    Args:
        m: a `Model`.
        s: a `State`, advanced in place.
        d: a `Motion`.
        tally: a `Tally`, added to.
        first: step.
        last: step.
        every: steps between two looks.
    """
    list_pairs(m, s)
    all_forces(m, s)
    for step in range(first, last):
        if step % PASSAGE == 0:
            _watch(m, s, tally, step)
        if step % every == 0 and _look(m, s, d, tally, step):
            list_pairs(m, s)
            all_forces(m, s)
        _move(s, d, step)
        if list_is_stale(m, s):
            list_pairs(m, s)
        all_forces(m, s)
