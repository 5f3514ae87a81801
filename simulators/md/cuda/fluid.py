"""Kernels of a Lennard-Jones fluid of up to `MOST` particles: a block of threads to a replica.

Places and velocities are the whole numbers of `simulators.md.fluid.state`, and integrator and random numbers
are the CPU's; forces are float32 sums over a list, so that trajectories part from the CPU's as those round.

All places lie in shared memory for as long as a launch lasts. A thread has every so many-th particle: it
adds up the forces on it from a list of its own, in the order of particles' numbers, hence the same to the
bit each time. Lists reach `SKIN` beyond the cutoff and are made by comparing all pairs as soon as one
particle has moved by half the skin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import (
    SIMULATED,
    device,
    finite,
    fma,
    kernel,
    nearest,
    on_device,
    reciprocal,
    rsqrt,
    select,
    to_float,
    word,
)
from simulators.md.cuda.block import block_sum
from simulators.md.fluid.run import FINE, FULL, HOT, OVERLAP
from simulators.md.fluid.state import ENERGY, VIRIAL
from simulators.md.laws import lennard_jones as laws
from simulators.md.laws.random import four_gaussians

MOST = 2048
"""Particles for which there is room in shared memory."""
SKIN = 0.3
THREADS = 256
"""Most threads of a block."""
_BLOCKS = 4
_WORDS = 4 * MOST
_NOISE = 0

_force, _energy = on_device(laws.force), on_device(laws.energy)
_force_smooth, _energy_smooth = on_device(laws.force_shifted_force), on_device(laws.energy_shifted_force)
_four_gaussians = on_device(four_gaussians)

CONSTANTS = np.dtype(
    [
        *((name, np.int64) for name in ("start", "steps", "every")),
        *((name, np.float64) for name in ("hottest",)),
        *((name, np.float32) for name in ("square", "cutoff_square", "reach_square", "slack_square")),
        *((name, np.float32) for name in ("shift", "slope", "to_force", "strongest")),
        *((name, np.float32) for name in ("kick", "drift", "keep", "noise")),
        *((name, np.int32) for name in ("particles", "key0", "key1")),
    ],
    align=True,
)
"""A replica's numbers, as in `Pair`, `Dynamics` and `Tally`; squares of lengths in lengths; ``to_force`` from
a sum of strength times separation to the unit of force, ``hottest`` a sum of v^2 in reduced units."""


class Batch(NamedTuple):
    """The arrays of a batch on the card.

    Args:
        constants: array (replicas,) of `CONSTANTS`.
        place: int32 array (replicas, 3, particles).
        velocity: int32 array (replicas, 3, particles), half a kick before the places.
        force: float32 array (replicas, 3, particles), in units of force.
        listed: int32 array (replicas, 3, particles): places when neighbours were listed.
        near: uint16 array (replicas, entries * particles): neighbours' numbers, particles side by side.
        count: int32 array (replicas, particles): how many of them there are, or -1 before the first listing.
        step: int64 array (replicas,): the next step, or the one at which the replica went wrong.
        code: int32 array (replicas,): how it goes, as of `simulators.md.fluid.run`.
        looks: int32 array (replicas, blocks).
        sums: int64 array (replicas, blocks, 4): as of `Tally`.
        lists: int32 array (replicas,): how many times neighbours were listed.
    """

    constants: Any
    place: Any
    velocity: Any
    force: Any
    listed: Any
    near: Any
    count: Any
    step: Any
    code: Any
    looks: Any
    sums: Any
    lists: Any


if SIMULATED:

    @device
    def _shared_places():
        return cuda.shared.array(_WORDS, np.int32)

else:

    @cuda.jit(device=True, inline="always")
    def _shared_places():
        """Shared int32 array (4 MOST,): x, y, z and nothing of each particle, one load to all of them."""
        return cuda.shared.array(_WORDS, np.int32, alignment=16)


# Pairs ---------------------------------------------------------------------------------------------


@device
def _separation(places, x, y, z, j):
    """From particle j, in units of position."""
    k = np.uint64(4) * np.uint64(j)
    xj, yj, zj = places[k], places[k + np.uint64(1)], places[k + np.uint64(2)]
    return to_float(x - xj), to_float(y - yj), to_float(z - zj)


@device
def _strength(square, cutoff_square, slope):
    """What multiplies the separation to give the force, in lengths; ``slope`` is not used."""
    return select(square < cutoff_square, _force(reciprocal(square)), np.float32(0.0))


@device
def _strength_smooth(square, cutoff_square, slope):
    return select(square < cutoff_square, _force_smooth(rsqrt(square), slope), np.float32(0.0))


def _listed_forces(strength):
    """The loop over the list of a particle."""

    @device
    def add(places, x, y, z, j, factor, cutoff_square, slope, fx, fy, fz):
        dx, dy, dz = _separation(places, x, y, z, j)
        square = fma(dx, dx, fma(dy, dy, dz * dz)) * factor
        value = strength(square, cutoff_square, slope)
        return fma(value, dx, fx), fma(value, dy, fy), fma(value, dz, fz)

    @device
    def forces(places, near, i, count, c):
        k = 4 * i
        x, y, z = places[k], places[k + 1], places[k + 2]
        factor, cutoff_square, slope = c.square, c.cutoff_square, c.slope
        fx = fy = fz = np.float32(0.0)
        n, one = np.uint64(i), np.uint64(c.particles)
        end, two = n + np.uint64(count) * one, one + one
        three, four = two + one, two + two
        # Four numbers are on their way at a time: each takes longer to come than a pair to compute.
        while n + three < end:
            a, b, d, e = near[n], near[n + one], near[n + two], near[n + three]
            fx, fy, fz = add(places, x, y, z, a, factor, cutoff_square, slope, fx, fy, fz)
            fx, fy, fz = add(places, x, y, z, b, factor, cutoff_square, slope, fx, fy, fz)
            fx, fy, fz = add(places, x, y, z, d, factor, cutoff_square, slope, fx, fy, fz)
            fx, fy, fz = add(places, x, y, z, e, factor, cutoff_square, slope, fx, fy, fz)
            n += four
        while n < end:
            fx, fy, fz = add(places, x, y, z, near[n], factor, cutoff_square, slope, fx, fy, fz)
            n += one
        return fx, fy, fz

    return forces


_forces_sharp, _forces_smooth = _listed_forces(_strength), _listed_forces(_strength_smooth)


@device
def _list_neighbours(places, place, listed, near, count, c):
    """The neighbours of each particle, in the order of their numbers; whether there was room for all."""
    full, particles, room = np.int32(0), c.particles, near.size // c.particles
    unit, reach_square = c.square, c.reach_square
    for i in range(cuda.threadIdx.x, particles, cuda.blockDim.x):
        x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
        found = np.int32(0)
        for j in range(particles):
            dx, dy, dz = _separation(places, x, y, z, j)
            square = fma(dx, dx, fma(dy, dy, dz * dz)) * unit
            if square < reach_square and j != i:
                if found < room:
                    near[found * particles + i] = np.uint16(j)
                found = np.int32(found + 1)
        count[i] = min(found, room)
        if found > room:
            full = np.int32(1)
        listed[0, i], listed[1, i], listed[2, i] = x, y, z
    return cuda.syncthreads_or(full) == 0


# A step --------------------------------------------------------------------------------------------


@device
def _move(places, velocity, force, listed, c, step):
    """From one set of forces to the next places (`simulators.md.fluid.dynamics.advance_rows`).

    Returns:
        1 where a particle is far from where it was listed.
    """
    moved = np.int32(0)
    half_drift = c.drift * np.float32(0.5)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        ax, ay, az = force[0, i], force[1, i], force[2, i]
        x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
        vx = word(velocity[0, i] + nearest(ax * c.kick))
        vy = word(velocity[1, i] + nearest(ay * c.kick))
        vz = word(velocity[2, i] + nearest(az * c.kick))
        if c.noise > np.float32(0.0):
            ux, uy, uz = to_float(vx), to_float(vy), to_float(vz)
            x = word(x + nearest(ux * half_drift))
            y = word(y + nearest(uy * half_drift))
            z = word(z + nearest(uz * half_drift))
            gx, gy, gz, _ = _four_gaussians(
                word(i), word(step), word(step >> 32), word(_NOISE), c.key0, c.key1
            )
            vx = nearest(fma(c.noise, gx, c.keep * ux))
            vy = nearest(fma(c.noise, gy, c.keep * uy))
            vz = nearest(fma(c.noise, gz, c.keep * uz))
            x = word(x + nearest(to_float(vx) * half_drift))
            y = word(y + nearest(to_float(vy) * half_drift))
            z = word(z + nearest(to_float(vz) * half_drift))
        else:
            x = word(x + nearest(to_float(vx) * c.drift))
            y = word(y + nearest(to_float(vy) * c.drift))
            z = word(z + nearest(to_float(vz) * c.drift))
        places[4 * i], places[4 * i + 1], places[4 * i + 2] = x, y, z
        velocity[0, i], velocity[1, i], velocity[2, i] = vx, vy, vz
        dx, dy, dz = to_float(x - listed[0, i]), to_float(y - listed[1, i]), to_float(z - listed[2, i])
        if fma(dx, dx, fma(dy, dy, dz * dz)) * c.square > c.slack_square:
            moved = np.int32(1)
    return moved


# A look at energies --------------------------------------------------------------------------------


@device
def _look(batch, replica, c, places, scratch, step):
    """Add energies to the block that the step lies in; how the replica goes."""
    velocity, force, near = batch.velocity[replica], batch.force[replica], batch.near[replica]
    count, half = batch.count[replica], c.kick * np.float32(0.5)
    heat = np.float64(0.0)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        x = fma(force[0, i], half, to_float(velocity[0, i]))
        y = fma(force[1, i], half, to_float(velocity[1, i]))
        z = fma(force[2, i], half, to_float(velocity[2, i]))
        heat += np.float64(fma(x, x, fma(y, y, z * z)))
    scratch[cuda.threadIdx.x] = heat
    heat = block_sum(scratch) * _PER_SPEED_SQUARE
    if not heat <= c.hottest:
        return HOT
    if not c.start <= step < c.start + c.steps:
        return FINE
    potential, virial, pairs = np.float64(0.0), np.float64(0.0), np.float64(0.0)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
        for n in range(count[i]):
            dx, dy, dz = _separation(places, x, y, z, near[n * c.particles + i])
            square = fma(dx, dx, fma(dy, dy, dz * dz)) * c.square
            if square < c.cutoff_square:
                if c.slope == np.float32(0.0):
                    value = _energy(reciprocal(square), c.shift)
                    strength = _strength(square, c.cutoff_square, c.slope)
                else:
                    inverse = rsqrt(square)
                    value = _energy_smooth(square * inverse, inverse, c.shift, c.slope)
                    strength = _strength_smooth(square, c.cutoff_square, c.slope)
                potential += np.float64(value)
                virial += np.float64(strength * square)
                pairs += 1.0
    scratch[cuda.threadIdx.x] = potential
    potential = block_sum(scratch)
    scratch[cuda.threadIdx.x] = virial
    virial = block_sum(scratch)
    scratch[cuda.threadIdx.x] = pairs
    pairs = block_sum(scratch)
    if cuda.threadIdx.x == 0:
        block = (step - c.start) * batch.looks.shape[1] // c.steps
        sums = batch.sums[replica, block]
        batch.looks[replica, block] += 1
        sums[0] += np.int64(potential * ENERGY)
        sums[1] += np.int64(virial * VIRIAL)
        sums[2] += np.int64(heat * ENERGY)
        sums[3] += np.int64(pairs)
    return FINE


_PER_SPEED_SQUARE = 2.0**-50
"""From the square of a velocity in its unit (`simulators.md.fluid.state.SPEED`) to that in reduced units."""


@kernel(THREADS, _BLOCKS)
def advance(batch, last):
    """Steps of every replica from its own up to ``last``; one that goes wrong stays where it is.

    Args:
        batch: a `Batch` on the card.
        last: the first step that is not done; its forces are computed and not used where it is that of now.
    """
    places = _shared_places()
    scratch = cuda.shared.array(THREADS, np.float64)
    replica, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    c = batch.constants[replica]
    place, velocity, force = batch.place[replica], batch.velocity[replica], batch.force[replica]
    listed, near, count = batch.listed[replica], batch.near[replica], batch.count[replica]
    step, code = batch.step[replica], batch.code[replica]
    for i in range(thread, c.particles, threads):
        places[4 * i], places[4 * i + 1], places[4 * i + 2] = place[0, i], place[1, i], place[2, i]
    unlisted = count[0] < 0
    cuda.syncthreads()
    while step < last and code == FINE:
        if unlisted:
            if not _list_neighbours(places, place, listed, near, count, c):
                code = FULL
                break
            if thread == 0:
                batch.lists[replica] += 1
        overlap = np.int32(0)
        for i in range(thread, c.particles, threads):
            if c.slope == np.float32(0.0):
                fx, fy, fz = _forces_sharp(places, near, i, count[i], c)
            else:
                fx, fy, fz = _forces_smooth(places, near, i, count[i], c)
            fx, fy, fz = fx * c.to_force, fy * c.to_force, fz * c.to_force
            force[0, i], force[1, i], force[2, i] = fx, fy, fz
            strength = fma(fx, fx, fma(fy, fy, fz * fz))
            if strength > c.strongest or not finite(strength):
                overlap = np.int32(1)
        if cuda.syncthreads_or(overlap):
            code = OVERLAP
            break
        if (step - c.start) % c.every == 0:
            code = _look(batch, replica, c, places, scratch, step)
            if code != FINE:
                break
        unlisted = cuda.syncthreads_or(_move(places, velocity, force, listed, c, step)) != 0
        step += 1
    cuda.syncthreads()
    for i in range(thread, c.particles, threads):
        place[0, i], place[1, i], place[2, i] = places[4 * i], places[4 * i + 1], places[4 * i + 2]
    if thread == 0:
        batch.step[replica], batch.code[replica] = step, code
        if unlisted:
            count[0] = -1
