"""Kernels of a Lennard-Jones fluid of up to `MOST` particles: a block of threads to a replica.

Places and velocities are the whole numbers of `simulators.md.fluid.state`, and integrator and random numbers
are the CPU's; forces are float32 sums over a list, so that trajectories part from the CPU's as those round.

All places lie in shared memory for as long as a launch lasts. A thread has every so many-th particle: it
adds up the forces on it from a list of its own, in the order of particles' numbers, hence the same to the
bit each time. Lists reach `SKIN` beyond the cutoff and are made by comparing all pairs as soon as one
particle has moved by half the skin.
"""

from __future__ import annotations

import math
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
from simulators.md.fluid.run import DRIFT, FINE, FULL, HOT, OVERLAP
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
_GREATEST = np.float32(3e38)
PER_SPEED_SQUARE = 2.0**-50
"""From the square of a velocity in its unit (`simulators.md.fluid.state.SPEED`) to that in reduced units."""

_force, _energy = on_device(laws.force), on_device(laws.energy)
_force_smooth, _energy_smooth = on_device(laws.force_shifted_force), on_device(laws.energy_shifted_force)
_four_gaussians = on_device(four_gaussians)

CONSTANTS = np.dtype(
    [
        *((name, np.int64) for name in ("start", "steps", "every", "melted", "rests")),
        *((name, np.float64) for name in ("hottest", "drift_limit", "jump")),
        *((name, np.float32) for name in ("square", "cutoff_square", "reach_square", "slack_square")),
        *((name, np.float32) for name in ("shift", "slope", "to_force", "strongest")),
        *((name, np.float32) for name in ("kick", "drift", "keep", "noise", "noise_hot")),
        *((name, np.int32) for name in ("particles", "across", "key0", "key1")),
    ],
    align=True,
)
"""A replica's numbers, as in `Pair`, `Dynamics`, `Tally` and `Limits`; squares of lengths in lengths.

``melted`` is the first step that is not hot, ``rests`` the first without a heat bath; ``to_force`` goes from
a sum of strength times separation to the unit of force, ``hottest`` is a sum of v^2 and ``jump`` an energy
in reduced units, ``across`` the number of cells along each side where there are cells.
"""


class Batch(NamedTuple):
    """The arrays of a batch on the card.

    Args:
        constants: array (replicas,) of `CONSTANTS`.
        place: int32 array (replicas, 1, 4 particles): x, y, z and the number of each particle.
        path: int64 array (replicas, 3, particles): places followed out of the box, as of `Tally`.
        velocity: int32 array (replicas, 3, particles), half a kick before the places.
        force: float32 array (replicas, 3, particles), in units of force.
        listed: int32 array (replicas, 3, particles): places when neighbours were listed.
        near: uint16 array (replicas, entries * particles): neighbours' numbers, particles side by side.
        count: int32 array (replicas, particles): how many of them there are, or -1 before the first listing.
        step: int64 array (replicas,): the next step, or the one at which the replica went wrong.
        code: int32 array (replicas,): how it goes, as of `simulators.md.fluid.run`.
        value: float64 array (replicas,): the number that was too great, as of `simulators.md.fluid.run`.
        looks: int32 array (replicas, blocks).
        sums: int64 array (replicas, blocks, 4): as of `Tally`.
        first_energy: float64 array (replicas, 2): whether there was a look, and the energy per particle then.
        lists: int32 array (replicas,): how many times neighbours were listed.
    """

    constants: Any
    place: Any
    path: Any
    velocity: Any
    force: Any
    listed: Any
    near: Any
    count: Any
    step: Any
    code: Any
    value: Any
    looks: Any
    sums: Any
    first_energy: Any
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
def separation(places, x, y, z, j):
    """From particle j, in units of position."""
    k = np.uint64(4) * np.uint64(j)
    xj, yj, zj = places[k], places[k + np.uint64(1)], places[k + np.uint64(2)]
    return to_float(x - xj), to_float(y - yj), to_float(z - zj)


@device
def strength_sharp(square, cutoff_square, slope):
    """What multiplies the separation to give the force, in lengths; ``slope`` is not used."""
    return select(square < cutoff_square, _force(reciprocal(square)), np.float32(0.0))


@device
def strength_smooth(square, cutoff_square, slope):
    """The same where the force goes to zero at the cutoff."""
    return select(square < cutoff_square, _force_smooth(rsqrt(square), slope), np.float32(0.0))


def _listed_forces(strength):
    """The loop over the list of a particle."""

    @device
    def add(places, x, y, z, j, factor, cutoff_square, slope, fx, fy, fz):
        dx, dy, dz = separation(places, x, y, z, j)
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


_forces_sharp, _forces_smooth = _listed_forces(strength_sharp), _listed_forces(strength_smooth)


@device
def _list_neighbours(places, listed, near, count, c):
    """The neighbours of each particle, in the order of their numbers; whether there was room for all."""
    full, particles, room = np.int32(0), c.particles, near.size // c.particles
    unit, reach_square = c.square, c.reach_square
    for i in range(cuda.threadIdx.x, particles, cuda.blockDim.x):
        x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
        found = np.int32(0)
        for j in range(particles):
            dx, dy, dz = separation(places, x, y, z, j)
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
def next_state(x, y, z, vx, vy, vz, ax, ay, az, number, c, step):
    """From one force to the next place of a particle (`simulators.md.fluid.dynamics.advance_rows`)."""
    vx = word(vx + nearest(ax * c.kick))
    vy = word(vy + nearest(ay * c.kick))
    vz = word(vz + nearest(az * c.kick))
    if step < c.rests:
        half_drift = c.drift * np.float32(0.5)
        noise = c.noise_hot if step < c.melted else c.noise
        ux, uy, uz = to_float(vx), to_float(vy), to_float(vz)
        x = word(x + nearest(ux * half_drift))
        y = word(y + nearest(uy * half_drift))
        z = word(z + nearest(uz * half_drift))
        gx, gy, gz, _ = _four_gaussians(
            word(number), word(step), word(step >> 32), word(_NOISE), c.key0, c.key1
        )
        vx = nearest(fma(noise, gx, c.keep * ux))
        vy = nearest(fma(noise, gy, c.keep * uy))
        vz = nearest(fma(noise, gz, c.keep * uz))
        x = word(x + nearest(to_float(vx) * half_drift))
        y = word(y + nearest(to_float(vy) * half_drift))
        z = word(z + nearest(to_float(vz) * half_drift))
    else:
        x = word(x + nearest(to_float(vx) * c.drift))
        y = word(y + nearest(to_float(vy) * c.drift))
        z = word(z + nearest(to_float(vz) * c.drift))
    return x, y, z, vx, vy, vz


@device
def is_far(x, y, z, listed_x, listed_y, listed_z, c):
    """Whether a particle has moved too far since neighbours were listed."""
    dx, dy, dz = to_float(x - listed_x), to_float(y - listed_y), to_float(z - listed_z)
    return fma(dx, dx, fma(dy, dy, dz * dz)) * c.square > c.slack_square


@device
def _move(places, velocity, force, listed, c, step):
    """The next state of all particles; 1 where one is far from where it was listed."""
    moved = np.int32(0)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
        vx, vy, vz = velocity[0, i], velocity[1, i], velocity[2, i]
        ax, ay, az = force[0, i], force[1, i], force[2, i]
        x, y, z, vx, vy, vz = next_state(x, y, z, vx, vy, vz, ax, ay, az, i, c, step)
        places[4 * i], places[4 * i + 1], places[4 * i + 2] = x, y, z
        velocity[0, i], velocity[1, i], velocity[2, i] = vx, vy, vz
        if is_far(x, y, z, listed[0, i], listed[1, i], listed[2, i], c):
            moved = np.int32(1)
    return moved


# A look at energies --------------------------------------------------------------------------------


@device
def pair_look(square, c):
    """Energy, strength and whether a pair is within the cutoff."""
    if square >= c.cutoff_square:
        return np.float32(0.0), np.float32(0.0), np.int32(0)
    if c.slope == np.float32(0.0):
        inverse = reciprocal(square)
        return _energy(inverse, c.shift), _force(inverse), np.int32(1)
    inverse = rsqrt(square)
    energy = _energy_smooth(square * inverse, inverse, c.shift, c.slope)
    return energy, _force_smooth(inverse, c.slope), np.int32(1)


@device
def _energies(places, near, count, i, c):
    """Energy and virial of a particle, and how many are within the cutoff."""
    x, y, z = places[4 * i], places[4 * i + 1], places[4 * i + 2]
    potential = virial = np.float32(0.0)
    pairs = np.int32(0)
    for n in range(count):
        dx, dy, dz = separation(places, x, y, z, near[n * c.particles + i])
        square = fma(dx, dx, fma(dy, dy, dz * dz)) * c.square
        energy, strength, within = pair_look(square, c)
        potential += energy
        virial = fma(strength, square, virial)
        pairs += within
    return potential, virial, pairs


@device
def _sum(scratch, value):
    """The sum over the block of a number of each thread."""
    scratch[cuda.threadIdx.x] = value
    return block_sum(scratch)


@device
def follow(path, i, x, y, z):
    """Bring the path of a particle up to now: its lower words are the place when it was last followed."""
    path[0, i] += np.int64(word(x - word(path[0, i])))
    path[1, i] += np.int64(word(y - word(path[1, i])))
    path[2, i] += np.int64(word(z - word(path[2, i])))


@device
def _look(batch, replica, c, places, scratch, step):
    """Follow the particles, and add energies to the block that the step lies in; how the replica goes."""
    velocity, force, near = batch.velocity[replica], batch.force[replica], batch.near[replica]
    count, path, half = batch.count[replica], batch.path[replica], c.kick * np.float32(0.5)
    heat = np.float64(0.0)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        x = fma(force[0, i], half, to_float(velocity[0, i]))
        y = fma(force[1, i], half, to_float(velocity[1, i]))
        z = fma(force[2, i], half, to_float(velocity[2, i]))
        heat += np.float64(fma(x, x, fma(y, y, z * z)))
        follow(path, i, places[4 * i], places[4 * i + 1], places[4 * i + 2])
    heat = _sum(scratch, heat) * PER_SPEED_SQUARE
    if heat > c.hottest:
        batch.value[replica] = heat / (3 * c.particles)
        return HOT
    if not c.start <= step < c.start + c.steps:
        return FINE
    potential, virial, pairs = np.float64(0.0), np.float64(0.0), np.float64(0.0)
    for i in range(cuda.threadIdx.x, c.particles, cuda.blockDim.x):
        energy, strength, within = _energies(places, near, count[i], i, c)
        potential += np.float64(energy)
        virial += np.float64(strength)
        pairs += np.float64(within)
    potential, virial, pairs = _sum(scratch, potential), _sum(scratch, virial), _sum(scratch, pairs)
    energy = (potential + heat - c.jump * pairs) / (2 * c.particles)
    first = batch.first_energy[replica]
    drift = energy - first[1] if first[0] > 0.0 else 0.0
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        if first[0] == 0.0:
            first[0], first[1] = 1.0, energy
        block = (step - c.start) * batch.looks.shape[1] // c.steps
        sums = batch.sums[replica, block]
        batch.looks[replica, block] += 1
        sums[0] += np.int64(potential * ENERGY)
        sums[1] += np.int64(virial * VIRIAL)
        sums[2] += np.int64(heat * ENERGY)
        sums[3] += np.int64(pairs)
    if abs(drift) > c.drift_limit:
        batch.value[replica] = drift
        return DRIFT
    return FINE


@device
def stronger(fx, fy, fz, strongest):
    """The square of a force where it is greater than the strongest; one that is no number is greatest."""
    square = fma(fx, fx, fma(fy, fy, fz * fz))
    if not finite(square):
        square = _GREATEST
    return square if square > strongest else strongest


@device
def _say_greatest(batch, replica, scratch, strongest):
    """Leave the strongest force of all."""
    scratch[cuda.threadIdx.x] = strongest
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        for k in range(cuda.blockDim.x):
            strongest = max(strongest, np.float32(scratch[k]))
        batch.value[replica] = math.sqrt(np.float64(strongest))


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
    place, velocity, force = batch.place[replica, 0], batch.velocity[replica], batch.force[replica]
    listed, near, count = batch.listed[replica], batch.near[replica], batch.count[replica]
    step, code = batch.step[replica], batch.code[replica]
    for i in range(thread, c.particles, threads):
        places[4 * i], places[4 * i + 1], places[4 * i + 2] = place[4 * i], place[4 * i + 1], place[4 * i + 2]
    unlisted = count[0] < 0
    cuda.syncthreads()
    while step < last and code == FINE:
        if unlisted:
            if not _list_neighbours(places, listed, near, count, c):
                code = FULL
                break
            if thread == 0:
                batch.lists[replica] += 1
        strongest = np.float32(0.0)
        for i in range(thread, c.particles, threads):
            if c.slope == np.float32(0.0):
                fx, fy, fz = _forces_sharp(places, near, i, count[i], c)
            else:
                fx, fy, fz = _forces_smooth(places, near, i, count[i], c)
            fx, fy, fz = fx * c.to_force, fy * c.to_force, fz * c.to_force
            force[0, i], force[1, i], force[2, i] = fx, fy, fz
            strongest = stronger(fx, fy, fz, strongest)
        if cuda.syncthreads_or(np.int32(1 if strongest > c.strongest else 0)):
            _say_greatest(batch, replica, scratch, strongest)
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
        place[4 * i], place[4 * i + 1], place[4 * i + 2] = places[4 * i], places[4 * i + 1], places[4 * i + 2]
    if thread == 0:
        batch.step[replica], batch.code[replica] = step, code
        if unlisted:
            count[0] = -1
