"""Kernels of a Lennard-Jones fluid of any size: a thread to a particle, a launch to each phase.

A step is one launch: each thread adds up the forces on its particle from a list and moves it, from one of
two copies of the state to the other. Forces of pairs are float32 and are added as the whole numbers of
`simulators.md.fluid.state`, as on the CPU: how particles are sorted, and when, has no say in the numbers.

Lists are made in four launches (cells, where each begins, particles in the order of cells, lists). They
reach `SKIN` beyond the cutoff; when a particle has moved by half of that, the replica is *stale*: steps do
nothing until lists are made, and making them does nothing before. So Python starts both alike, without
asking the card how far it is. What has to be done once to a phase is done by the block that ends last.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, types

from simulators.md.cuda.arithmetic import (
    SIMULATED,
    as_float,
    as_int,
    device,
    fma,
    kernel,
    nearest,
    to_float,
    word,
)
from simulators.md.cuda.block import block_sum
from simulators.md.cuda.fluid import (
    follow,
    is_far,
    next_state,
    pair_look,
    strength_sharp,
    strength_smooth,
    stronger,
)
from simulators.md.cuda.fluid_looks import MOST_BINS, STRUCTURE, add_to_bin, add_up, clear
from simulators.md.fluid.run import FINE, FULL, OVERLAP

SKIN = 0.4
THREADS = 128
"""Threads of a block, at most."""
_BLOCKS = 8


class Batch(NamedTuple):
    """The arrays of a batch on the card.

    Args:
        constants: array (replicas,) of `simulators.md.cuda.fluid.CONSTANTS`.
        units: float32 array (replicas, 3): `Pair.energy` and `Pair.virial`, and `Dynamics.heat`.
        place: int32 array (replicas, 2, 4 particles): x, y, z and the number of each.
        path: int64 array (replicas, 3, particles), by number, as of `Tally`.
        velocity: int32 array (replicas, 2, 3 particles), half a kick before the places; x of all, y, z.
        side: int32 array (replicas,): which of the two copies holds.
        listed: int32 array (replicas, 3, particles): places when neighbours were listed.
        near: int32 array (replicas, entries * particles): neighbours, particles side by side.
        count: int32 array (replicas, particles): how many of them there are.
        cell, rank: int32 arrays (replicas, particles): the cell of each, and its turn in there.
        members: int32 array (replicas, cells): particles in each cell; zeros between two listings.
        first: int32 array (replicas, cells + 1): where each begins.
        stale: int32 array (replicas,): whether lists have to be made.
        moved: int32 array (replicas,): whether a particle has moved too far, in the step that is under way.
        strongest: int32 array (replicas,): the bits of the square of the greatest force, likewise.
        done: int32 array (replicas,): blocks that have ended in the phase that is under way.
        step, code, value, lists: as of `simulators.md.cuda.fluid.Batch`.
        energies: int64 array (replicas, 4): of one look, as of `Tally.sums`.
    """

    constants: Any
    units: Any
    place: Any
    path: Any
    velocity: Any
    side: Any
    listed: Any
    near: Any
    count: Any
    cell: Any
    rank: Any
    members: Any
    first: Any
    stale: Any
    moved: Any
    strongest: Any
    done: Any
    step: Any
    code: Any
    value: Any
    lists: Any
    energies: Any


if SIMULATED:

    @device
    def _row(place, i):
        """Place of row ``i``."""
        return place[4 * i], place[4 * i + 1], place[4 * i + 2]

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    @intrinsic
    def _row(typing_context, place, i):
        """Place of row ``i`` of an int32 array of aligned rows of four words: one load takes them all."""

        def generate(context, builder, signature, arguments):
            array, row = arguments
            data = context.make_array(signature.args[0])(context, builder, array).data
            four = ir.VectorType(ir.IntType(32), 4)
            rows = builder.bitcast(data, ir.PointerType(four))
            words = builder.load(builder.gep(rows, [row]), align=16)
            values = [builder.extract_element(words, ir.Constant(ir.IntType(32), k)) for k in range(3)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.UniTuple(types.int32, 3)(place, i), generate


@device
def _apart(place, x, y, z, j):
    """From particle j, in units of position."""
    xj, yj, zj = _row(place, np.uint64(j))
    return to_float(x - xj), to_float(y - yj), to_float(z - zj)


@device
def _own(batch):
    """The replica and the particle of this thread; the latter may be beyond the last."""
    blocks = cuda.gridDim.x // batch.step.size
    replica, part = cuda.blockIdx.x // blocks, cuda.blockIdx.x % blocks
    return replica, part * cuda.blockDim.x + cuda.threadIdx.x


@device
def _ended_last(batch, replica):
    """Whether this is the one thread that goes on when all blocks of the replica have ended."""
    cuda.syncthreads()
    if cuda.threadIdx.x > 0:
        return False
    cuda.threadfence()
    blocks = cuda.gridDim.x // batch.step.size
    if cuda.atomic.add(batch.done, replica, 1) < blocks - 1:
        return False
    cuda.threadfence()
    batch.done[replica] = 0
    return True


# Lists ---------------------------------------------------------------------------------------------


@device
def _along(x, across):
    """The cell along one side that a place lies in."""
    return np.int32((np.uint64(np.uint32(x)) * np.uint64(across)) >> np.uint64(32))


@kernel(THREADS, _BLOCKS)
def find_cells(batch):
    """The cell of each particle of stale replicas, and how many there are in each."""
    replica, i = _own(batch)
    c = batch.constants[replica]
    if batch.stale[replica] == 0 or i >= c.particles:
        return
    place, n = batch.place[replica, batch.side[replica]], c.across
    x, y, z = _along(place[4 * i], n), _along(place[4 * i + 1], n), _along(place[4 * i + 2], n)
    cell = (z * n + y) * n + x
    batch.cell[replica, i] = cell
    batch.rank[replica, i] = cuda.atomic.add(batch.members[replica], cell, 1)


@kernel(THREADS, _BLOCKS)
def find_firsts(batch):
    """Where each cell begins; a block to a replica."""
    sums = cuda.shared.array(THREADS, np.int32)
    replica, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    if batch.stale[replica] == 0:
        return
    members, first = batch.members[replica], batch.first[replica]
    cells = batch.constants[replica].across ** 3
    each = (cells + threads - 1) // threads
    begin, end = min(thread * each, cells), min((thread + 1) * each, cells)
    total = np.int32(0)
    for k in range(begin, end):
        total += members[k]
    sums[thread] = total
    cuda.syncthreads()
    before = np.int32(0)
    for k in range(thread):
        before += sums[k]
    for k in range(begin, end):
        first[k] = before
        before += members[k]
        members[k] = 0
    if end == cells:
        first[cells] = before


@kernel(THREADS, _BLOCKS)
def sort_particles(batch):
    """Particles of stale replicas in the order of their cells, in the other copy of the state."""
    replica, i = _own(batch)
    if batch.stale[replica] == 0:
        return
    particles, side = batch.constants[replica].particles, batch.side[replica]
    if i < particles:
        k = batch.first[replica, batch.cell[replica, i]] + batch.rank[replica, i]
        place, sorted_place = batch.place[replica, side], batch.place[replica, 1 - side]
        velocity, sorted_velocity = batch.velocity[replica, side], batch.velocity[replica, 1 - side]
        for word_of_four in range(4):
            sorted_place[4 * k + word_of_four] = place[4 * i + word_of_four]
        for axis in range(3):
            sorted_velocity[axis * particles + k] = velocity[axis * particles + i]
    if _ended_last(batch, replica):
        batch.side[replica] = 1 - side


@kernel(THREADS, _BLOCKS)
def list_neighbours(batch):
    """The lists of stale replicas, which are not stale then unless a list has no room."""
    replica, i = _own(batch)
    if batch.stale[replica] == 0:
        return
    c = batch.constants[replica]
    n, particles, room = c.across, c.particles, batch.near.shape[1] // c.particles
    if i < particles:
        place = batch.place[replica, batch.side[replica]]
        near, first = batch.near[replica], batch.first[replica]
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        cx, cy, cz = _along(x, n), _along(y, n), _along(z, n)
        found, turns = np.int32(0), min(n, 3)
        for a in range(turns * turns * turns):
            kx, ky = (cx - 1 + a % turns + n) % n, (cy - 1 + a // turns % turns + n) % n
            kz = (cz - 1 + a // (turns * turns) + n) % n
            cell = (kz * n + ky) * n + kx
            for j in range(first[cell], first[cell + 1]):
                dx, dy, dz = _apart(place, x, y, z, j)
                square = fma(dx, dx, fma(dy, dy, dz * dz)) * c.square
                if square < c.reach_square and j != i:
                    if found < room:
                        near[found * particles + i] = j
                    found = np.int32(found + 1)
        batch.count[replica, i] = min(found, room)
        listed = batch.listed[replica]
        listed[0, i], listed[1, i], listed[2, i] = x, y, z
        if found > room and batch.code[replica] == FINE:
            batch.code[replica] = FULL
    if _ended_last(batch, replica):
        batch.stale[replica] = 0
        batch.lists[replica] += 1


# Steps ---------------------------------------------------------------------------------------------


def _listed_forces(strength):
    """The loop over the list of a particle; its force in units of force."""

    @device
    def add(place, x, y, z, j, c, fx, fy, fz):
        dx, dy, dz = _apart(place, x, y, z, j)
        square = fma(dx, dx, fma(dy, dy, dz * dz)) * c.square
        value = strength(square, c.cutoff_square, c.slope) * c.to_force
        return word(fx + nearest(value * dx)), word(fy + nearest(value * dy)), word(fz + nearest(value * dz))

    @device
    def forces(place, near, i, count, c):
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        fx = fy = fz = np.int32(0)
        n, one = np.uint64(i), np.uint64(c.particles)
        end, two = n + np.uint64(count) * one, one + one
        three, four = two + one, two + two
        while n + three < end:
            a, b, d, e = near[n], near[n + one], near[n + two], near[n + three]
            fx, fy, fz = add(place, x, y, z, a, c, fx, fy, fz)
            fx, fy, fz = add(place, x, y, z, b, c, fx, fy, fz)
            fx, fy, fz = add(place, x, y, z, d, c, fx, fy, fz)
            fx, fy, fz = add(place, x, y, z, e, c, fx, fy, fz)
            n += four
        while n < end:
            fx, fy, fz = add(place, x, y, z, near[n], c, fx, fy, fz)
            n += one
        return to_float(fx), to_float(fy), to_float(fz)

    return forces


_forces_sharp, _forces_smooth = _listed_forces(strength_sharp), _listed_forces(strength_smooth)


@device
def _forces(place, near, i, count, c):
    if c.slope == np.float32(0.0):
        return _forces_sharp(place, near, i, count, c)
    return _forces_smooth(place, near, i, count, c)


@kernel(THREADS, _BLOCKS)
def advance(batch, last):
    """One step of every replica that is neither stale nor wrong nor at ``last``."""
    replica, i = _own(batch)
    step, c = batch.step[replica], batch.constants[replica]
    if step >= last or batch.stale[replica] != 0 or batch.code[replica] != FINE:
        return
    particles, side = c.particles, batch.side[replica]
    if i < particles:
        place, velocity = batch.place[replica, side], batch.velocity[replica, side]
        next_place, next_velocity = batch.place[replica, 1 - side], batch.velocity[replica, 1 - side]
        listed, y_of, z_of = batch.listed[replica], particles + i, 2 * particles + i
        fx, fy, fz = _forces(place, batch.near[replica], i, batch.count[replica, i], c)
        strongest = stronger(fx, fy, fz, np.float32(0.0))
        if strongest > c.strongest:
            cuda.atomic.max(batch.strongest, replica, as_int(strongest))
        number = place[4 * i + 3]
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        vx, vy, vz = velocity[i], velocity[y_of], velocity[z_of]
        x, y, z, vx, vy, vz = next_state(x, y, z, vx, vy, vz, fx, fy, fz, number, c, step)
        next_place[4 * i], next_place[4 * i + 1], next_place[4 * i + 2] = x, y, z
        next_place[4 * i + 3] = number
        next_velocity[i], next_velocity[y_of], next_velocity[z_of] = vx, vy, vz
        if is_far(x, y, z, listed[0, i], listed[1, i], listed[2, i], c):
            batch.moved[replica] = 1
    if _ended_last(batch, replica):
        strongest_bits = cuda.atomic.exch(batch.strongest, replica, 0)
        if strongest_bits > 0:
            batch.value[replica] = math.sqrt(np.float64(as_float(strongest_bits)))
            batch.code[replica] = OVERLAP
        else:
            batch.stale[replica] = cuda.atomic.exch(batch.moved, replica, 0)
            batch.side[replica] = 1 - side
            batch.step[replica] = step + 1


# Looks ---------------------------------------------------------------------------------------------


@kernel(THREADS, _BLOCKS)
def add_energies(batch):
    """Follow the particles; energies of every replica, none of them stale, into `Batch.energies`."""
    scratch = cuda.shared.array(THREADS, np.int64)
    replica, i = _own(batch)
    c, energy_unit, virial_unit = batch.constants[replica], batch.units[replica, 0], batch.units[replica, 1]
    particles, side = c.particles, batch.side[replica]
    potential, virial, heat, pairs = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    if i < particles:
        place, near, count = batch.place[replica, side], batch.near[replica], batch.count[replica, i]
        velocity, half = batch.velocity[replica, side], c.kick * np.float32(0.5)
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        follow(batch.path[replica], place[4 * i + 3], x, y, z)
        for n in range(count):
            dx, dy, dz = _apart(place, x, y, z, near[n * particles + i])
            square = fma(dx, dx, fma(dy, dy, dz * dz)) * c.square
            energy, strength, within = pair_look(square, c)
            potential += np.int64(nearest(energy * energy_unit))
            virial += np.int64(nearest(strength * square * virial_unit))
            pairs += np.int64(within)
        fx, fy, fz = _forces(place, near, i, count, c)
        vx = fma(fx, half, to_float(velocity[i]))
        vy = fma(fy, half, to_float(velocity[particles + i]))
        vz = fma(fz, half, to_float(velocity[2 * particles + i]))
        heat = np.int64(nearest(fma(vx, vx, fma(vy, vy, vz * vz)) * batch.units[replica, 2]))
    energies = batch.energies[replica]
    for k in range(4):
        scratch[cuda.threadIdx.x] = (potential, virial, heat, pairs)[k]
        total = block_sum(scratch)
        if cuda.threadIdx.x == 0:
            cuda.atomic.add(energies, k, total)


@kernel(THREADS, _BLOCKS // 2)
def count_distances(batch, looks, reached, bins):
    """Add the distances of all pairs of replicas that are due; ``reached`` cells beyond a particle's own.

    Particles have to be in the order of their cells, as they are right after lists were made.
    """
    histogram = cuda.shared.array(MOST_BINS, np.int32)
    replica, i = _own(batch)
    block, c = looks.due[replica, STRUCTURE], batch.constants[replica]
    if block < 0:
        return
    clear(histogram, bins)
    if i < c.particles:
        n, first, place = c.across, batch.first[replica], batch.place[replica, batch.side[replica]]
        reach, to_bin = looks.scale[replica, 0], looks.scale[replica, 1]
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        wide = 2 * reached + 1
        turns = min(n, wide)
        for a in range(turns * turns):
            ky = (_along(y, n) - reached + a % turns + wide * n) % n
            kz = (_along(z, n) - reached + a // turns + wide * n) % n
            for turn in range(turns):
                cell = (kz * n + ky) * n + (_along(x, n) - reached + turn + wide * n) % n
                for j in range(max(first[cell], i + 1), first[cell + 1]):
                    add_to_bin(histogram, bins, reach, to_bin, x, y, z, place, j)
    add_up(histogram, bins, looks.distances[replica], block)
