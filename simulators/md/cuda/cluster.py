"""Kernels of clusters of a few Lennard-Jones particles: a thread to a particle, several replicas to a block.

Positions and velocities are the CPU's 64-bit integers (`simulators.md.cluster`), which stay in registers for
as long as a launch lasts; what the others see of a particle, the upper halves of its position, lies in shared
memory. Forces are float32 sums in the order of particles' numbers, each pair twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import SIMULATED, device, fma, kernel, on_device, rsqrt, select, to_float
from simulators.md.laws.lennard_jones import force_shifted_force

THREADS = 128
"""Most threads of a block."""
_BLOCKS = 8
_ZERO = np.float32(0.0)

_force = on_device(force_shifted_force)

CONSTANTS = np.dtype(
    [
        ("radius", np.float64),
        *((name, np.float32) for name in ("kappa_square", "kick", "reach")),
    ],
    align=True,
)
"""A replica's numbers, as in `cluster.run.Cluster`; ``kappa_square`` makes squares of words those
of lengths."""


class Batch(NamedTuple):
    """The arrays of a batch on the card.

    Args:
        constants: array (replicas,) of `CONSTANTS`.
        position, velocity: int64 arrays (replicas, 3, particles), as in `Cluster`.
        force: float32 array (replicas, 3, particles), likewise.
        cutoff_square, slope: float32 arrays (1,), of the truncation.
    """

    constants: Any
    position: Any
    velocity: Any
    force: Any
    cutoff_square: Any
    slope: Any


_WORDS = 4 * THREADS

if SIMULATED:

    @device
    def _shared_words():
        return cuda.shared.array(_WORDS, np.int32)

else:

    @cuda.jit(device=True, inline="always")
    def _shared_words():
        """Shared int32 array (4 THREADS,): x, y, z and nothing of each particle, one load to all of them."""
        return cuda.shared.array(_WORDS, np.int32, alignment=16)


@device
def _forces(words, first, end, x, y, z, me, kappa_square, cutoff_square, slope):
    """Force on a particle at (x, y, z) of those from ``first`` to ``end`` but itself, number ``me``."""
    fx = fy = fz = _ZERO
    j = first
    while j < end:
        k = np.uint64(4) * np.uint64(j)
        dx = to_float(x - words[k])
        dy = to_float(y - words[k + np.uint64(1)])
        dz = to_float(z - words[k + np.uint64(2)])
        square = fma(dx, dx, fma(dy, dy, dz * dz)) * kappa_square
        strength = select(square < cutoff_square, _force(rsqrt(square), slope), _ZERO)
        strength = select(j == me, _ZERO, strength)
        fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
        j += 1
    return fx, fy, fz


@device
def _turned_back(c, x, y, z, vx, vy, vz, fx, fy, fz):
    """Velocities of a particle, reflected if it has left the sphere (`cluster.run._reflect`)."""
    ax, ay, az = np.float64(x), np.float64(y), np.float64(z)
    square = ax * ax + ay * ay + az * az
    if square > c.radius * c.radius:
        half = 0.5 * np.float64(c.kick)
        outward = ax * (np.float64(vx) + half * np.float64(fx))
        outward += ay * (np.float64(vy) + half * np.float64(fy))
        outward += az * (np.float64(vz) + half * np.float64(fz))
        if outward > 0.0:
            turn = 2.0 * outward / square
            vx, vy, vz = vx - np.int64(turn * ax), vy - np.int64(turn * ay), vz - np.int64(turn * az)
    return vx, vy, vz


@kernel(THREADS, _BLOCKS)
def advance(batch, steps):
    """Velocity Verlet, so many steps of every replica.

    Args:
        batch: a `Batch` on the card; its forces become those of its positions.
        steps: how many.
    """
    words = _shared_words()
    particles = batch.position.shape[2]
    each = cuda.blockDim.x // particles
    place, i = cuda.threadIdx.x // particles, cuda.threadIdx.x % particles
    replica = cuda.blockIdx.x * each + place
    # Threads without a particle go along, for the others wait for them.
    present = place < each and replica < batch.position.shape[0]
    own = min(replica, batch.position.shape[0] - 1)
    me, first = cuda.threadIdx.x, place * particles
    end = first + particles if present else first
    c, cutoff_square, slope = batch.constants[own], batch.cutoff_square[0], batch.slope[0]
    position, velocity, force = batch.position[own], batch.velocity[own], batch.force[own]
    x, y, z = position[0, i], position[1, i], position[2, i]
    vx, vy, vz = velocity[0, i], velocity[1, i], velocity[2, i]
    kick, kappa_square, reach_square = c.kick, c.kappa_square, c.reach * c.reach
    reflecting = c.radius > 0.0
    k = 4 * me
    wx, wy, wz = np.int32(x >> 32), np.int32(y >> 32), np.int32(z >> 32)
    words[k], words[k + 1], words[k + 2] = wx, wy, wz
    cuda.syncthreads()
    fx, fy, fz = _forces(words, first, end, wx, wy, wz, me, kappa_square, cutoff_square, slope)
    cuda.syncthreads()
    for _ in range(steps):
        # The two half kicks between two drifts, together, and the drift.
        vx, vy, vz = vx + np.int64(fx * kick), vy + np.int64(fy * kick), vz + np.int64(fz * kick)
        x, y, z = x + vx, y + vy, z + vz
        wx, wy, wz = np.int32(x >> 32), np.int32(y >> 32), np.int32(z >> 32)
        words[k], words[k + 1], words[k + 2] = wx, wy, wz
        cuda.syncthreads()
        fx, fy, fz = _forces(words, first, end, wx, wy, wz, me, kappa_square, cutoff_square, slope)
        cuda.syncthreads()
        if reflecting:
            ax, ay, az = to_float(wx), to_float(wy), to_float(wz)
            if fma(ax, ax, fma(ay, ay, az * az)) > reach_square:
                vx, vy, vz = _turned_back(c, x, y, z, vx, vy, vz, fx, fy, fz)
    if present:
        position[0, i], position[1, i], position[2, i] = x, y, z
        velocity[0, i], velocity[1, i], velocity[2, i] = vx, vy, vz
        force[0, i], force[1, i], force[2, i] = fx, fy, fz
