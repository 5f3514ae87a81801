"""Kernels that look at fluids between two launches of steps: displacements, density waves, pair distances.

Python says which replicas are due (`Looks.due`). What is added up is what the CPU adds up
(`simulators.md.fluid.correlations`): pairs are counted and amplitudes are summed as whole numbers, the
displacements of each replica by one block in the order of the particles' numbers, so that nothing depends on
how particles are sorted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import device, fma, kernel, nearest, on_device, sqrt, to_float, word
from simulators.md.cuda.block import block_sum
from simulators.md.cuda.fluid import follow
from simulators.md.laws import random as laws

THREADS = 256
MOST_BINS = 256
"""Bins of pair distances for which there is room in shared memory."""
STRUCTURE, ORIGIN, LAG = 0, 1, 2
"""Columns of `Looks.due`."""
_BLOCKS = 4
_AMPLITUDE = np.float32(2.0**24)

_cos_sin = on_device(laws.cos_sin)


class Looks(NamedTuple):
    """What the kernels of this file look at and add to, on the card.

    Args:
        place: int32 array (replicas, sides, 4 particles).
        side: int32 array (replicas,): which of the sides holds the places.
        path, origin: int64 arrays (replicas, 3, particles), by number, as of `Tally`.
        due: int32 array (replicas, 3): the block to which the structure is to be added, whether a window
            begins, and the entry to which displacements are to be added; -1 for none, 0 and 1.
        displacements: float64 array (replicas, blocks * lags): mean squares, in units of position.
        waves: int32 array (waves, 3).
        power: float64 array (replicas, blocks * waves).
        distances: int64 array (replicas, blocks * bins): pairs, each once.
        scale: float32 array (replicas, 2): `reach` and `to_bin` of `Tally`.
    """

    place: Any
    side: Any
    path: Any
    origin: Any
    due: Any
    displacements: Any
    waves: Any
    power: Any
    distances: Any
    scale: Any


@kernel(THREADS, _BLOCKS)
def follow_particles(looks):
    """Bring all paths up to now; so many blocks to a replica as hold its particles."""
    thread, particles = cuda.threadIdx.x, looks.path.shape[2]
    blocks = cuda.gridDim.x // looks.due.shape[0]
    replica, part = cuda.blockIdx.x // blocks, cuda.blockIdx.x % blocks
    place, path = looks.place[replica, looks.side[replica]], looks.path[replica]
    for i in range(part * cuda.blockDim.x + thread, particles, blocks * cuda.blockDim.x):
        follow(path, place[4 * i + 3], place[4 * i], place[4 * i + 1], place[4 * i + 2])


@kernel(THREADS, _BLOCKS)
def count_displacements(looks):
    """Begin windows, and add mean square displacements, centre of mass at rest; a block to a replica."""
    scratch = cuda.shared.array(THREADS, np.float64)
    replica, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    path, origin, entry = looks.path[replica], looks.origin[replica], looks.due[replica, LAG]
    particles = path.shape[1]
    if looks.due[replica, ORIGIN] > 0:
        for axis in range(3):
            for i in range(thread, particles, threads):
                origin[axis, i] = path[axis, i]
    cuda.syncthreads()
    if entry < 0:
        return
    squares = 0.0
    for axis in range(3):
        drift = 0.0
        for i in range(thread, particles, threads):
            drift += np.float64(path[axis, i] - origin[axis, i])
        scratch[thread] = drift
        drift = block_sum(scratch) / particles
        for i in range(thread, particles, threads):
            difference = np.float64(path[axis, i] - origin[axis, i]) - drift
            squares += difference * difference
    scratch[thread] = squares
    squares = block_sum(scratch)
    if thread == 0:
        looks.displacements[replica, entry] = squares / particles


@kernel(THREADS, _BLOCKS)
def count_waves(looks):
    """Add squared amplitudes; a block to a wave of a replica."""
    scratch = cuda.shared.array(THREADS, np.float64)
    waves, particles = looks.waves.shape[0], looks.path.shape[2]
    replica, w = cuda.blockIdx.x // waves, cuda.blockIdx.x % waves
    block = looks.due[replica, STRUCTURE]
    if block < 0:
        return
    place = looks.place[replica, looks.side[replica]]
    a, b, c = looks.waves[w, 0], looks.waves[w, 1], looks.waves[w, 2]
    even, odd = np.int64(0), np.int64(0)
    for i in range(cuda.threadIdx.x, particles, cuda.blockDim.x):
        turn = word(word(a * place[4 * i]) + word(b * place[4 * i + 1]) + word(c * place[4 * i + 2]))
        cosine, sine = _cos_sin(turn)
        even += np.int64(nearest(cosine * _AMPLITUDE))
        odd += np.int64(nearest(sine * _AMPLITUDE))
    # Whole numbers below 2^53: a float64 holds them and their sums as they are.
    scratch[cuda.threadIdx.x] = np.float64(even)
    real_part = block_sum(scratch) / 2.0**24
    scratch[cuda.threadIdx.x] = np.float64(odd)
    imaginary_part = block_sum(scratch) / 2.0**24
    if cuda.threadIdx.x == 0:
        power = (real_part * real_part + imaginary_part * imaginary_part) / particles
        looks.power[replica, block * waves + w] += power


@device
def clear(histogram, bins):
    """Empty the bins that the threads of a block share."""
    for k in range(cuda.threadIdx.x, bins, cuda.blockDim.x):
        histogram[k] = 0
    cuda.syncthreads()


@device
def add_to_bin(histogram, bins, reach, to_bin, x, y, z, place, j):
    """Count a pair that is near enough."""
    k = np.uint64(4) * np.uint64(j)
    dx, dy = to_float(x - place[k]), to_float(y - place[k + np.uint64(1)])
    dz = to_float(z - place[k + np.uint64(2)])
    square = fma(dx, dx, fma(dy, dy, dz * dz))
    if square < reach:
        found = nearest(fma(sqrt(square), to_bin, np.float32(-0.5)))
        cuda.atomic.add(histogram, min(max(found, 0), bins - 1), 1)


@device
def add_up(histogram, bins, distances, block):
    """Add the bins that the threads of a block share to those of all."""
    cuda.syncthreads()
    for k in range(cuda.threadIdx.x, bins, cuda.blockDim.x):
        cuda.atomic.add(distances, block * bins + k, np.int64(histogram[k]))


@kernel(THREADS, _BLOCKS)
def count_distances(looks, blocks, bins):
    """Add the distances of all pairs to the blocks of the run; so many blocks of threads to a replica."""
    histogram = cuda.shared.array(MOST_BINS, np.int32)
    replica, part = cuda.blockIdx.x // blocks, cuda.blockIdx.x % blocks
    block, particles = looks.due[replica, STRUCTURE], looks.path.shape[2]
    if block < 0:
        return
    clear(histogram, bins)
    place = looks.place[replica, looks.side[replica]]
    reach, to_bin = looks.scale[replica, 0], looks.scale[replica, 1]
    for i in range(part * cuda.blockDim.x + cuda.threadIdx.x, particles, blocks * cuda.blockDim.x):
        x, y, z = place[4 * i], place[4 * i + 1], place[4 * i + 2]
        # Around a ring each pair comes up once; half-way round an even one, from its first half only.
        others = (particles - 1) // 2
        if particles % 2 == 0 and i < particles // 2:
            others += 1
        for k in range(others):
            j = i + k + 1
            if j >= particles:
                j -= particles
            add_to_bin(histogram, bins, reach, to_bin, x, y, z, place, j)
    add_up(histogram, bins, looks.distances[replica], block)
