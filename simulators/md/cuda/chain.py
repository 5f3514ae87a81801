"""Kernels of Go chains of up to `MOST` beads: a block of threads to a replica, a thread to a bead.

Laws, integrator, random numbers and looks are the CPU's (`simulators.md.chain`), in float32
but for sums over time and superposition; sums over beads are taken in another order, so that two trajectories
part as float32 rounds.

A chain of 32 beads or fewer is one warp. All that beads ask of each other lies in shared memory: places, unit
vectors along the bonds, their cross products, gradients. A bead adds up the forces of all its partners, each
pair twice: the native ones from a list that all replicas share, the repelling ones from a list of its own,
made by comparing all pairs as soon as one bead has moved by half the skin. Partners come in the order of
their numbers and one beyond the cut adds an exact zero, so that no number depends on when lists were made.
"""

from __future__ import annotations

import math
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.chain.dynamics import (
    CONTACTS,
    GYRATION,
    KINETIC,
    OVERSTRETCHED,
    PASSAGE,
    POTENTIAL,
    RMSD,
    overlap,
)
from simulators.md.chain.forces import SKIN
from simulators.md.chain.protein import FORMED
from simulators.md.cuda.arithmetic import SIMULATED, device, finite, fma, kernel, on_device, sqrt, word
from simulators.md.cuda.block import block_sum
from simulators.md.laws import chain as laws
from simulators.md.laws.random import four_gaussians

ROOMS = {32: (32, 32), 128: (128, 8), 512: (256, 4)}
"""Beads that there is room for -> most threads of a block, and blocks to a multiprocessor (64 registers)."""
MOST = max(ROOMS)
PLACES, TWICE, COMPONENTS, JOINTS = 4 * MOST, 8 * MOST, 3 * MOST, (3, MOST)
THREADS = ROOMS[MOST][0]
"""Sizes in shared memory, which `_with_room` replaces by those of another room; `quads` likewise."""

_REACH_SQUARE = np.float32((laws.REPULSION_CUT + SKIN) ** 2)
_FREE_SQUARE = np.float32((0.499 * SKIN) ** 2)
_FORMED_SQUARE = np.float32(FORMED**2)
_BROKEN_PULL = np.float32(200.0 * OVERSTRETCHED)
_NOISE = 0
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)

_bond, _angle, _dihedral = on_device(laws.bond), on_device(laws.angle), on_device(laws.dihedral)
_direction, _joint, _torsion = on_device(laws.direction), on_device(laws.joint), on_device(laws.torsion)
_bond_gradient = on_device(laws.bond_gradient)
_contact, _repulsion = on_device(laws.contact), on_device(laws.repulsion)
_four_gaussians, _overlap = on_device(four_gaussians), device(overlap)

CONSTANTS = np.dtype(
    [
        *((name, np.int64) for name in ("start", "steps", "every")),
        *((name, np.float32) for name in ("half_step", "keep", "noise", "threshold")),
        *((name, np.int32) for name in ("key0", "key1", "beads")),
    ],
    align=True,
)
"""A replica's numbers, as in `Motion` and `Tally`."""


class Chain(NamedTuple):
    """The structure, on the card; the same for all replicas.

    Args:
        bonds, angles, torsions: as in `simulators.md.chain.forces.Model`.
        partners: uint16 array (most * beads,): native partners of each bead, in the order of their numbers;
            beads side by side.
        squares: float32 array (most * beads,): squares of their native distances.
        degree: int32 array (beads,): how many native partners a bead has.
        contacts: int32 array (contacts, 2): beads.
        contact_squares: float32 array (contacts,).
        repels: uint8 array (beads, beads): whether a pair is one that only repels.
        native: float64 array (beads, 3): places around their centre.
    """

    bonds: Any
    angles: Any
    torsions: Any
    partners: Any
    squares: Any
    degree: Any
    contacts: Any
    contact_squares: Any
    repels: Any
    native: Any


class Batch(NamedTuple):
    """The arrays of a batch on the card.

    Args:
        constants: array (replicas,) of `CONSTANTS`.
        position, velocity, good: float32 arrays (replicas, 3, beads), as in `State` and `Tally`.
        listed: float32 array (replicas, 3, beads): places when pairs were listed.
        near: uint16 array (replicas, beads * beads): partners that repel; beads side by side.
        count: int32 array (replicas, beads): how many of them there are.
        step: int64 array (replicas,): the next step, or the one at which the replica was found broken.
        broken, unfolded, good_at: int64 arrays (replicas,), as in `Tally`.
        looks: int32 array (replicas, blocks).
        sums: float64 array (replicas, blocks, 5).
        formed: int32 array (replicas, blocks, contacts).
        counts: int32 array (replicas, blocks, contacts + 1).
    """

    constants: Any
    position: Any
    velocity: Any
    good: Any
    listed: Any
    near: Any
    count: Any
    step: Any
    broken: Any
    unfolded: Any
    good_at: Any
    looks: Any
    sums: Any
    formed: Any
    counts: Any


def _quads(beads: int) -> Any:
    """Makes a shared float32 array, thrice four words to a bead."""
    words = 12 * beads
    if SIMULATED:

        @device
        def quads():
            return cuda.shared.array(words, np.float32)

    else:

        @cuda.jit(device=True, inline="always")
        def quads():
            """Aligned so that one load takes four words."""
            return cuda.shared.array(words, np.float32, alignment=16)

    return quads


quads = _quads(MOST)


# Loops over a thread's beads are written with ``while`` where they are part of a step: to find out how often
# a ``range`` turns takes a division of integers, which is forty instructions.

# The backbone --------------------------------------------------------------------------------------


@device
def _vector(quads, k):
    """Three components, from four words to each."""
    at = np.uint64(4) * np.uint64(k)
    return quads[at], quads[at + np.uint64(1)], quads[at + np.uint64(2)]


@device
def _apart(places, i, j):
    """Separation of two beads."""
    xi, yi, zi = _vector(places, i)
    xj, yj, zj = _vector(places, j)
    return xi - xj, yi - yj, zi - zj


@device
def _backbone(chain, places, along, across, slopes, joints, beads):
    """Gradients by the bond vectors, and the energy of this thread's bonds, angles and dihedrals.

    Args:
        chain: a `Chain`.
        places: of beads, and fourth the pull of the bond that begins there.
        along: filled with unit vectors along the bonds, and fourth the inverse of a length.
        across: filled with the cross product of a bond and the next, and fourth the inverse of its length.
        slopes: filled with gradients, three to a bond.
        joints: room for cosine, bend and twist, each (beads,).
        beads: how many.
    """
    thread, threads, bonds = cuda.threadIdx.x, cuda.blockDim.x, beads - 1
    energy = _ZERO
    k = thread
    while k < bonds:
        x, y, z = _apart(places, k + 1, k)
        x, y, z, inverse, length = _direction(x, y, z)
        of_bond, pull = _bond(length, chain.bonds[k])
        energy += of_bond
        along[4 * k], along[4 * k + 1], along[4 * k + 2], along[4 * k + 3] = x, y, z, inverse
        places[4 * k + 3] = pull
        k += threads
    cuda.syncthreads()
    k = thread
    while k < bonds - 1:
        ax, ay, az = _vector(along, k)
        bx, by, bz = _vector(along, k + 1)
        cosine, x, y, z, inverse_sine = _joint(ax, ay, az, bx, by, bz)
        of_angle, bend = _angle(cosine, inverse_sine, chain.angles[k])
        energy += of_angle
        across[4 * k], across[4 * k + 1], across[4 * k + 2], across[4 * k + 3] = x, y, z, inverse_sine
        joints[0, k], joints[1, k] = cosine, bend
        k += threads
    cuda.syncthreads()
    k = thread
    while k < bonds - 2:
        ax, ay, az = _vector(along, k)
        mx, my, mz = _vector(across, k)
        nx, ny, nz = _vector(across, k + 1)
        scale = across[4 * k + 3] * across[4 * k + 7]
        cosine, sine = _torsion(ax, ay, az, mx, my, mz, nx, ny, nz, scale)
        of_dihedral, twist = _dihedral(cosine, sine, chain.torsions[k, 0], chain.torsions[k, 1])
        energy += of_dihedral
        joints[2, k] = twist
        k += threads
    cuda.syncthreads()
    k = thread
    while k < bonds:
        _slope(places, along, across, slopes, joints, bonds, k)
        k += threads
    cuda.syncthreads()
    return energy


@device
def _slope(places, along, across, slopes, joints, bonds, k):
    """The gradient by bond vector k; what lies past the ends of the chain is zero."""
    # A vector that does not exist is multiplied by zero: any other, which is finite, will do for it.
    first, last = k == 0, k == bonds - 1
    b, a = max(k - 1, 0), min(k + 1, bonds - 1)
    m, n = max(k - 1, 0), min(k, bonds - 2)
    cosine = _ZERO if first else joints[0, m]
    cosine_after = _ZERO if last else joints[0, n]
    bend, bend_after = _ZERO if first else joints[1, m], _ZERO if last else joints[1, n]
    sine, sine_after = _ZERO if first else across[4 * m + 3], _ZERO if last else across[4 * n + 3]
    twist_before = joints[2, k - 2] if k > 1 else _ZERO
    twist = joints[2, k - 1] if k > 0 and k < bonds - 1 else _ZERO
    twist_after = joints[2, k] if k < bonds - 2 else _ZERO
    turned = _ZERO - fma(bend, cosine, bend_after * cosine_after)
    before = fma(-twist, cosine, twist_before) * (sine * sine)
    after = fma(-twist, cosine_after, twist_after) * (sine_after * sine_after)
    pull, inverse = places[4 * k + 3], along[4 * k + 3]
    for axis in range(3):
        slopes[3 * k + axis] = _bond_gradient(
            pull,
            inverse,
            turned,
            bend,
            bend_after,
            before,
            after,
            along[4 * k + axis],
            along[4 * b + axis],
            along[4 * a + axis],
            across[4 * m + axis],
            across[4 * n + axis],
        )


# Pairs ---------------------------------------------------------------------------------------------


@device
def _native_forces(chain, places, x, y, z, i, beads):
    """Forces on bead i of its native partners, and their energy."""
    energy = fx = fy = fz = _ZERO
    # Unsigned, since a negative index would count from the end.
    n, row = np.uint64(i), np.uint64(beads)
    end = n + np.uint64(chain.degree[i]) * row
    while n < end:
        xj, yj, zj = _vector(places, chain.partners[n])
        dx, dy, dz = x - xj, y - yj, z - zj
        of_pair, strength = _contact(fma(dx, dx, fma(dy, dy, dz * dz)), chain.squares[n])
        energy += of_pair
        fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
        n += row
    return fx, fy, fz, energy


@device
def _listed_forces(places, near, count, x, y, z, i, beads, fx, fy, fz, energy):
    """The same with those of the partners in its list added."""
    n, row = np.uint64(i), np.uint64(beads)
    end = n + np.uint64(count[i]) * row
    while n < end:
        xj, yj, zj = _vector(places, near[n])
        dx, dy, dz = x - xj, y - yj, z - zj
        of_pair, strength = _repulsion(fma(dx, dx, fma(dy, dy, dz * dz)))
        energy += of_pair
        fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
        n += row
    return fx, fy, fz, energy


@device
def _forces(chain, places, along, across, slopes, joints, near, count, beads):
    """Forces on all beads, left in ``along``, four words to each; gives this thread's share of the energy.

    ``across`` is free once this has returned; all threads are in step before the last pairs, not after.
    """
    bonds = beads - 1
    energy = _backbone(chain, places, along, across, slopes, joints, beads)
    i = cuda.threadIdx.x
    while i < beads:
        x, y, z = _vector(places, i)
        fx, fy, fz, of_pairs = _native_forces(chain, places, x, y, z, i, beads)
        fx, fy, fz, of_pairs = _listed_forces(places, near, count, x, y, z, i, beads, fx, fy, fz, of_pairs)
        energy += _HALF * of_pairs
        if i < bonds:
            fx, fy, fz = fx + slopes[3 * i], fy + slopes[3 * i + 1], fz + slopes[3 * i + 2]
        if i > 0:
            fx, fy, fz = fx - slopes[3 * i - 3], fy - slopes[3 * i - 2], fz - slopes[3 * i - 1]
        along[4 * i], along[4 * i + 1], along[4 * i + 2] = fx, fy, fz
        i += cuda.blockDim.x
    return energy


@device
def _list_pairs(chain, places, near, count, listed, beads):
    """The partners of each bead that repel it and are within reach, in the order of their numbers."""
    for i in range(cuda.threadIdx.x, beads, cuda.blockDim.x):
        x, y, z = _vector(places, i)
        found = np.int32(0)
        for j in range(beads):
            xj, yj, zj = _vector(places, j)
            dx, dy, dz = x - xj, y - yj, z - zj
            if fma(dx, dx, fma(dy, dy, dz * dz)) < _REACH_SQUARE and chain.repels[i, j]:
                near[found * beads + i] = np.uint16(j)
                found = np.int32(found + 1)
        count[i] = found
        listed[0, i], listed[1, i], listed[2, i] = x, y, z


# Motion --------------------------------------------------------------------------------------------


@device
def _draw(noise, c, step, beads):
    """Normal numbers for all components of the chain; four neighbours share one draw."""
    low, high = word(step), word(step >> 32)
    who = cuda.threadIdx.x
    while who < (3 * beads + 3) // 4:
        a, b, d, e = _four_gaussians(word(who), low, high, word(_NOISE), c.key0, c.key1)
        noise[4 * who], noise[4 * who + 1], noise[4 * who + 2], noise[4 * who + 3] = a, b, d, e
        who += cuda.blockDim.x


@device
def _move(places, velocity, forces, noise, listed, c, beads):
    """From one set of forces to the next places; 1 where a bead is far from where it was listed."""
    moved = np.int32(0)
    half, kick = c.half_step, c.half_step + c.half_step
    i = cuda.threadIdx.x
    while i < beads:
        square = _ZERO
        for axis in range(3):
            v = fma(forces[4 * i + axis], kick, velocity[3 * i + axis])
            x = fma(half, v, places[4 * i + axis])
            v = fma(c.noise, noise[3 * i + axis], c.keep * v)
            x = fma(half, v, x)
            places[4 * i + axis], velocity[3 * i + axis] = x, v
            d = x - listed[axis, i]
            square = fma(d, d, square)
        if not square <= _FREE_SQUARE:
            moved = np.int32(1)
        i += cuda.blockDim.x
    return moved


# Looks ---------------------------------------------------------------------------------------------


@device
def _is_formed(chain, places, k):
    x, y, z = _apart(places, chain.contacts[k, 0], chain.contacts[k, 1])
    return fma(x, x, fma(y, y, z * z)) < _FORMED_SQUARE * chain.contact_squares[k]


@device
def _count_formed(chain, places, formed, add):
    """How many contacts are formed, to every thread; ``add`` to the count of each of them."""
    number, contacts = np.int32(0), chain.contact_squares.size
    for first in range(0, contacts, cuda.blockDim.x):
        k = first + cuda.threadIdx.x
        here = np.int32(0)
        if k < contacts and _is_formed(chain, places, k):
            here = np.int32(1)
            formed[k] += add
        number += np.int32(cuda.syncthreads_count(here))
    return number


@device
def _centre(places, listed, scratch, beads):
    """Move the chain to the origin; ends with all threads in step."""
    for axis in range(3):
        total = _ZERO
        for i in range(cuda.threadIdx.x, beads, cuda.blockDim.x):
            total += places[4 * i + axis]
        scratch[cuda.threadIdx.x] = total
        centre = block_sum(scratch) / np.float32(beads)
        for i in range(cuda.threadIdx.x, beads, cuda.blockDim.x):
            places[4 * i + axis] -= centre
            listed[axis, i] -= centre
    cuda.syncthreads()


@device
def _rmsd(places, native, beads):
    """Distance of the centred chain from the native structure, superposed (`chain_dynamics.overlap`)."""
    squares = np.float64(0.0)
    xx = xy = xz = yx = yy = yz = zx = zy = zz = np.float64(0.0)
    for i in range(beads):
        x, y, z = (np.float64(places[4 * i]), np.float64(places[4 * i + 1]), np.float64(places[4 * i + 2]))
        a, b, c = native[i, 0], native[i, 1], native[i, 2]
        squares += x * x + y * y + z * z + a * a + b * b + c * c
        xx, xy, xz = xx + x * a, xy + x * b, xz + x * c
        yx, yy, yz = yx + y * a, yy + y * b, yz + y * c
        zx, zy, zz = zx + z * a, zy + z * b, zz + z * c
    least = squares - 2.0 * _overlap(xx, xy, xz, yx, yy, yz, zx, zy, zz)
    return math.sqrt(max(least, 0.0) / beads)


@device
def _look(chain, batch, replica, c, places, velocity, forces, scratch, energy, step):
    """Count this step's state; whether the chain is whole, to every thread."""
    thread, threads, beads = cuda.threadIdx.x, cuda.blockDim.x, c.beads
    scratch[thread] = energy
    potential = block_sum(scratch)
    stretched, size, heat = np.int32(0), _ZERO, _ZERO
    for i in range(thread, beads, threads):
        if i < beads - 1 and not abs(places[4 * i + 3]) < _BROKEN_PULL:
            stretched = np.int32(1)
        for axis in range(3):
            x, v = places[4 * i + axis], fma(c.half_step, forces[4 * i + axis], velocity[3 * i + axis])
            size, heat = fma(x, x, size), fma(v, v, heat)
    if cuda.syncthreads_or(stretched) or not finite(potential):
        return False
    scratch[thread] = size
    size = block_sum(scratch)
    scratch[thread] = heat
    heat = block_sum(scratch)
    good = batch.good[replica]
    for i in range(thread, beads, threads):
        good[0, i], good[1, i], good[2, i] = places[4 * i], places[4 * i + 1], places[4 * i + 2]
    if thread == 0:
        batch.good_at[replica] = step
    if c.start <= step < c.start + c.steps:
        block = (step - c.start) * batch.looks.shape[1] // c.steps
        number = _count_formed(chain, places, batch.formed[replica, block], np.int32(1))
        if thread == 0:
            batch.looks[replica, block] += 1
            batch.counts[replica, block, number] += 1
            sums = batch.sums[replica, block]
            sums[CONTACTS] += np.float64(number)
            sums[GYRATION] += np.float64(sqrt(size / np.float32(beads)))
            sums[RMSD] += np.float64(np.float32(_rmsd(places, chain.native, beads)))
            sums[POTENTIAL] += np.float64(potential)
            sums[KINETIC] += np.float64(heat)
    return True


# Launches ------------------------------------------------------------------------------------------


def _advance(chain, batch, last):
    """Steps of every replica from its own up to ``last``; one that breaks stays where it is.

    Args:
        chain: a `Chain` on the card.
        batch: a `Batch` on the card.
        last: the first step that is not done.
    """
    words = quads()
    places, along, across = words[:PLACES], words[PLACES:TWICE], words[TWICE:]
    slopes = cuda.shared.array(COMPONENTS, np.float32)
    velocity = cuda.shared.array(COMPONENTS, np.float32)
    joints = cuda.shared.array(JOINTS, np.float32)
    scratch = cuda.shared.array(THREADS, np.float32)
    replica, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    c, step = batch.constants[replica], batch.step[replica]
    beads, whole = c.beads, batch.broken[replica] < 0
    position, speed = batch.position[replica], batch.velocity[replica]
    near, count, listed = batch.near[replica], batch.count[replica], batch.listed[replica]
    for i in range(thread, beads, threads):
        for axis in range(3):
            places[4 * i + axis], velocity[3 * i + axis] = position[axis, i], speed[axis, i]
    cuda.syncthreads()
    unlisted = True
    # Divided once: for a card that takes as long as a hundred other instructions.
    watch, look = step + -step % PASSAGE, step + -step % c.every
    while step < last and whole:
        if unlisted:
            _list_pairs(chain, places, near, count, listed, beads)
        if step == watch:
            watch += PASSAGE
            number = _count_formed(chain, places, batch.formed[replica, 0], np.int32(0))
            if thread == 0 and np.float32(number) < c.threshold and batch.unfolded[replica] < 0:
                batch.unfolded[replica] = step
        if step == look:
            look += c.every
            _centre(places, listed, scratch, beads)
            energy = _forces(chain, places, along, across, slopes, joints, near, count, beads)
            cuda.syncthreads()
            whole = _look(chain, batch, replica, c, places, velocity, along, scratch, energy, step)
            if not whole:
                if thread == 0:
                    batch.broken[replica] = step
                break
        else:
            _forces(chain, places, along, across, slopes, joints, near, count, beads)
        _draw(across, c, step, beads)
        cuda.syncthreads()
        unlisted = cuda.syncthreads_or(_move(places, velocity, along, across, listed, c, beads)) != 0
        step += 1
    for i in range(thread, beads, threads):
        for axis in range(3):
            position[axis, i], speed[axis, i] = places[4 * i + axis], velocity[3 * i + axis]
    if thread == 0:
        batch.step[replica] = step


def _with_room(beads: int) -> Any:
    """The kernel `_advance` with shared memory for so many beads."""
    threads, blocks = ROOMS[beads]
    sizes = {"PLACES": 4 * beads, "TWICE": 8 * beads, "COMPONENTS": 3 * beads, "JOINTS": (3, beads)}
    names = {**globals(), **sizes, "THREADS": threads, "quads": _quads(beads)}
    function = FunctionType(_advance.__code__, names, "advance")
    function.__qualname__ = f"advance_{beads}"
    return kernel(threads, blocks)(function)


ADVANCE = {beads: _with_room(beads) for beads in ROOMS}
"""Beads that there is room for -> the kernel `_advance`."""
