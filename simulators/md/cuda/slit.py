"""Kernels of ions in a slit: a block of threads to a replica, all pairs from shared memory.

The same fixed-point positions, laws, integrator and random numbers as on the CPU (`simulators.md.slit.run`),
so that a replica starts in the same state and follows the same noise; sums are taken in another order, so
that two runs part slowly as float32 rounds.

A thread adds up the forces on `ROWS` ions of one species from every `PARTS`-th partner. All pairs are
computed twice, once for either ion: Newton's third law would need sums across threads. Partners are staged
in shared memory `TILE` at a time and read by all lanes of a warp at once. Coefficients of a pair depend on
the two species alone, so that with cations and anions apart they stay in registers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import (
    as_float,
    as_int,
    device,
    finite,
    fma,
    kernel,
    nearest,
    on_device,
    rsqrt,
    to_float,
    word,
)
from simulators.md.cuda.block import TILE, block_sum, shared_tile
from simulators.md.laws import ions as laws
from simulators.md.laws.random import four_gaussians
from simulators.md.slit.pair import ROWS
from simulators.md.slit.run import FINE, NOT_FINITE, OUTSIDE, TOO_HOT
from simulators.md.slit.tally import bin_of

PARTS = 2
"""Threads that share the partners of the same ions."""
THREADS = 256
"""Most threads of a block."""
_BLOCKS = 4
"""As many as have room at a time leave 64 registers, enough for the loop over pairs."""
RANK = laws.RANK

_NOISE = 0
_COLUMN = THREADS + 1
"""From one polynomial's partial sums to the next one's: odd, so that lanes reach different banks."""
_PARTIAL = THREADS // RANK + 1
_COLUMNS, _PARTIALS = RANK * _COLUMN, RANK * _PARTIAL

_pair_force, _wall_force = on_device(laws.pair_force), on_device(laws.wall_force)
_next_polynomial, _series = on_device(laws.next_polynomial), on_device(laws.series)
_four_gaussians, _bin_of = on_device(four_gaussians), device(bin_of)

CONSTANTS = np.dtype(
    [
        *(
            (name, np.float64)
            for name in ("near", "narrow", "far", "wide", "fine_width", "middle_half_width")
        ),
        *((name, np.int64) for name in ("start", "steps", "every")),
        *((name, np.float32) for name in ("kappa", "inverse_kappa", "half_gap", "to_t")),
        *((name, np.float32) for name in ("half_kick", "half_drift", "keep", "noise")),
        *((name, np.float32) for name in ("coulomb_cation", "coulomb_unlike", "coulomb_anion")),
        *((name, np.float32) for name in ("core_cation", "core_unlike", "core_anion", "threshold")),
        *((name, np.float32) for name in ("soft_cation", "soft_anion", "charge_cation", "charge_anion")),
        *((name, np.float32) for name in ("size_cation", "size_anion", "depth_cation", "depth_anion")),
        *((name, np.int32) for name in ("key0", "key1", "cations", "first_anion", "end")),
        *((name, np.int32) for name in ("narrow_bins", "bins", "fine_bins")),
    ],
    align=True,
)
"""A replica's numbers: those of its `Dynamics`, `Slit` and `Tally`, and by species what `Ions` has by ion.

`end` is the lane after the last ion; `soft_...` is added to squared distances (`SOFTENING`).
"""

SOFTENING = 1e-6
"""A millionth of the diameter squared is added to the squared distance of like ions, so that the force of an
ion on itself, which the loop does not leave out, is a finite number times a separation of nought."""


class Batch(NamedTuple):
    """The arrays of a batch on the card; lanes as in `Ions`.

    Args:
        constants: array (replicas,) of `CONSTANTS`.
        rows: float32 array (replicas, RANK * RANK): `expansion_rows` of each.
        place: int32 array (replicas, 3, lanes): fixed-point positions.
        speed: float32 array (replicas, 3, lanes).
        force: float32 array (replicas, PARTS, 3, lanes): parts of the forces of pairs.
        field: float32 array (replicas, RANK): the far images' series at the current positions.
        step: int64 array (replicas,): the next step, or the one at which the replica went wrong.
        code: int32 array (replicas,): how it goes, as of `simulators.md.slit.run.advance`.
        profile, fine, middle, looks: int32 arrays (replicas, ...) of a `Tally`'s counts, each made flat.
        heat: float64 array (replicas, blocks).
    """

    constants: Any
    rows: Any
    place: Any
    speed: Any
    force: Any
    field: Any
    step: Any
    code: Any
    profile: Any
    fine: Any
    middle: Any
    looks: Any
    heat: Any


# Pairs ---------------------------------------------------------------------------------------------


@device
def _push(xi, yi, zi, xj, yj, zj, soft, coulomb, core, threshold, fx, fy, fz):
    """The force on ion i with that of its partner j added."""
    dx, dy, dz = to_float(xi - xj), to_float(yi - yj), zi - zj
    square = fma(dx, dx, fma(dy, dy, fma(dz, dz, soft)))
    strength = _pair_force(rsqrt(square), coulomb, core, threshold)
    return fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)


@device
def _push_rows(tile, first, last, at, soft, coulomb, core, threshold, forces):
    """Forces on `ROWS` ions of every `PARTS`-th partner from ``first`` to ``last`` in shared memory."""
    x0, y0, z0, x1, y1, z1, x2, y2, z2, x3, y3, z3 = at
    fx0, fy0, fz0, fx1, fy1, fz1, fx2, fy2, fz2, fx3, fy3, fz3 = forces
    # Unsigned, since a negative index would count from the end, which costs a fifth of the loop.
    j, end, step = np.uint64(first * 4), np.uint64(max(last, 0) * 4), np.uint64(PARTS * 4)
    while j < end:
        xj, yj, zj = tile[j], tile[j + np.uint64(1)], as_float(tile[j + np.uint64(2)])
        fx0, fy0, fz0 = _push(x0, y0, z0, xj, yj, zj, soft, coulomb, core, threshold, fx0, fy0, fz0)
        fx1, fy1, fz1 = _push(x1, y1, z1, xj, yj, zj, soft, coulomb, core, threshold, fx1, fy1, fz1)
        fx2, fy2, fz2 = _push(x2, y2, z2, xj, yj, zj, soft, coulomb, core, threshold, fx2, fy2, fz2)
        fx3, fy3, fz3 = _push(x3, y3, z3, xj, yj, zj, soft, coulomb, core, threshold, fx3, fy3, fz3)
        j += step
    return fx0, fy0, fz0, fx1, fy1, fz1, fx2, fy2, fz2, fx3, fy3, fz3


@device
def _pair_forces(place, force, tile, c):
    """Overwrite the parts of the forces of pairs; starts and ends with all threads in step."""
    thread, threads, lanes = cuda.threadIdx.x, cuda.blockDim.x, place.shape[1]
    groups = lanes // ROWS
    zero, none = np.float32(0.0), np.float32(0.0)
    for round_ in range(0, groups * PARTS, threads):
        part = (round_ + thread) % PARTS
        group = (round_ + thread) // PARTS
        # Threads without ions go along, for the others wait for them.
        i = min(group, groups - 1) * ROWS
        at = (
            *(place[0, i], place[1, i], to_float(place[2, i])),
            *(place[0, i + 1], place[1, i + 1], to_float(place[2, i + 1])),
            *(place[0, i + 2], place[1, i + 2], to_float(place[2, i + 2])),
            *(place[0, i + 3], place[1, i + 3], to_float(place[2, i + 3])),
        )
        if i < c.first_anion:
            with_cations, core_cations, soft_cations = c.coulomb_cation, c.core_cation, c.soft_cation
            with_anions, core_anions, soft_anions = c.coulomb_unlike, c.core_unlike, none
        else:
            with_cations, core_cations, soft_cations = c.coulomb_unlike, c.core_unlike, none
            with_anions, core_anions, soft_anions = c.coulomb_anion, c.core_anion, c.soft_anion
        threshold = c.threshold
        forces = (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
        for start in range(0, lanes, TILE):
            if round_ == 0 or lanes > TILE:
                cuda.syncthreads()
                for j in range(start + thread, min(start + TILE, lanes), threads):
                    k = 4 * (j - start)  # x, y, the bits of z, and nothing
                    tile[k], tile[k + 1] = place[0, j], place[1, j]
                    tile[k + 2] = as_int(to_float(place[2, j]))
                cuda.syncthreads()
            stop = min(start + TILE, c.cations) - start
            forces = _push_rows(
                tile, part, stop, at, soft_cations, with_cations, core_cations, threshold, forces
            )
            first, stop = max(c.first_anion - start, 0), min(start + TILE, c.end) - start
            forces = _push_rows(
                tile, first + part, stop, at, soft_anions, with_anions, core_anions, threshold, forces
            )
        if group < groups:
            for row in range(ROWS):
                for axis in range(3):
                    force[part, axis, i + row] = forces[3 * row + axis] * c.inverse_kappa
    cuda.syncthreads()


# One ion -------------------------------------------------------------------------------------------


@device
def _present(c, i):
    return i < c.cations or c.first_anion <= i < c.end


@device
def _force_on(place, force, field, c, i):
    """The whole force on an ion: pairs, walls and far images."""
    charge, size, depth = c.charge_cation, c.size_cation, c.depth_cation
    if i >= c.first_anion:
        charge, size, depth = c.charge_anion, c.size_anion, c.depth_anion
    z, reach = to_float(place[2, i]), c.half_gap + depth
    walls = _wall_force(fma(z, c.kappa, reach), size) - _wall_force(reach - z * c.kappa, size)
    fz = fma(charge, _series(field, z * c.to_t), walls)
    fx, fy = force[0, 0, i], force[0, 1, i]
    fz += force[0, 2, i]
    for part in range(1, PARTS):
        fx, fy, fz = fx + force[part, 0, i], fy + force[part, 1, i], fz + force[part, 2, i]
    return fx, fy, fz


@device
def _move(place, speed, force, field, c, step):
    """The two half kicks between positions, drift, friction and noise, drift (`advance_positions`)."""
    kick, drift = c.half_kick + c.half_kick, c.half_drift
    for i in range(cuda.threadIdx.x, place.shape[1], cuda.blockDim.x):
        if not _present(c, i):
            continue
        fx, fy, fz = _force_on(place, force, field, c, i)
        vx, vy, vz = fma(fx, kick, speed[0, i]), fma(fy, kick, speed[1, i]), fma(fz, kick, speed[2, i])
        x = word(place[0, i] + nearest(vx * drift))
        y = word(place[1, i] + nearest(vy * drift))
        z = word(place[2, i] + nearest(vz * drift))
        low, high = word(step), word(step >> 32)
        gx, gy, gz, _ = _four_gaussians(word(i), low, high, word(_NOISE), c.key0, c.key1)
        vx, vy, vz = (
            fma(c.noise, gx, c.keep * vx),
            fma(c.noise, gy, c.keep * vy),
            fma(c.noise, gz, c.keep * vz),
        )
        place[0, i] = word(x + nearest(vx * drift))
        place[1, i] = word(y + nearest(vy * drift))
        place[2, i] = word(z + nearest(vz * drift))
        speed[0, i], speed[1, i], speed[2, i] = vx, vy, vz


# Far images ----------------------------------------------------------------------------------------


@device
def _far_images(place, rows, columns, partial, field, c):
    """The series of the far images' force from the moments of all ions; ends with all threads in step."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    for k in range(RANK):
        columns[k * _COLUMN + thread] = np.float32(0.0)
    for i in range(thread, place.shape[1], threads):
        if not _present(c, i):
            continue
        charge = c.charge_cation if i < c.first_anion else c.charge_anion
        t = to_float(place[2, i]) * c.to_t
        twice, before, now = t + t, np.float32(1.0), t
        for k in range(RANK):
            columns[k * _COLUMN + thread] = fma(charge, before, columns[k * _COLUMN + thread])
            before, now = now, _next_polynomial(twice, now, before)
    cuda.syncthreads()
    k, shares = thread % RANK, threads // RANK
    total = np.float32(0.0)
    for other in range(thread // RANK, threads, shares):
        total += columns[k * _COLUMN + other]
    partial[k * _PARTIAL + thread // RANK] = total
    cuda.syncthreads()
    if thread < RANK:
        total = np.float32(0.0)
        for share in range(shares):
            total += partial[thread * _PARTIAL + share]
        columns[thread] = total
    cuda.syncthreads()
    if thread < RANK:
        total = np.float32(0.0)
        for b in range(RANK):
            total = fma(rows[b * RANK + thread], columns[b], total)
        field[thread] = total
    cuda.syncthreads()


# A look at the ions --------------------------------------------------------------------------------


@device
def _look(batch, replica, c, place, speed, field, scratch, step):
    """Count the ions if the step is one that counts; how the replica goes, the same for every thread."""
    force = batch.force[replica]
    kappa, half_gap = np.float64(c.kappa), np.float64(c.half_gap)
    heat, outside = np.float32(0.0), np.int32(0)
    for i in range(cuda.threadIdx.x, place.shape[1], cuda.blockDim.x):
        if not _present(c, i):
            continue
        fx, fy, fz = _force_on(place, force, field, c, i)
        vx, vy = fma(fx, c.half_kick, speed[0, i]), fma(fy, c.half_kick, speed[1, i])
        vz = fma(fz, c.half_kick, speed[2, i])
        heat = fma(vx, vx, fma(vy, vy, fma(vz, vz, heat)))
        if half_gap - abs(place[2, i] * kappa) < 0.0:
            outside = np.int32(1)
    scratch[cuda.threadIdx.x] = heat
    heat = block_sum(scratch)
    anywhere = cuda.syncthreads_or(outside)
    if not finite(heat):
        return NOT_FINITE
    ions = c.cations + c.end - c.first_anion
    # A sum of squares of 3 n Gaussians is never this large: two ions overlapped.
    if heat > np.float32(6 * ions + 200):
        return TOO_HOT
    if anywhere:
        return OUTSIDE
    if c.start <= step < c.start + c.steps:
        _count(batch, replica, c, place, heat, step)
    return FINE


@device
def _count(batch, replica, c, place, heat, step):
    """Add the ions to the block that the step lies in, as `simulators.md.slit.tally.count` does."""
    profile, fine, middle = batch.profile[replica], batch.fine[replica], batch.middle[replica]
    blocks = middle.size
    block = (step - c.start) * blocks // c.steps
    if cuda.threadIdx.x == 0:
        batch.looks[replica, block] += 1
        batch.heat[replica, block] += np.float64(heat)
    kappa, half_gap = np.float64(c.kappa), np.float64(c.half_gap)
    for i in range(cuda.threadIdx.x, place.shape[1], cuda.blockDim.x):
        if not _present(c, i):
            continue
        z = place[2, i] * kappa
        distance = half_gap - abs(z)
        species, side = 0 if i < c.first_anion else 1, 1 if z > 0 else 0
        k = _bin_of(distance, c.near, c.narrow, c.narrow_bins, c.far, c.wide, c.bins - 1)
        cuda.atomic.add(profile, ((block * 2 + species) * 2 + side) * c.bins + k, 1)
        if species == 0:
            k = min(int(distance / c.fine_width), c.fine_bins - 1)
            cuda.atomic.add(fine, block * c.fine_bins + k, 1)
            if abs(z) < c.middle_half_width:
                cuda.atomic.add(middle, block, 1)


# Launches ------------------------------------------------------------------------------------------


@kernel(THREADS, _BLOCKS)
def forces(batch):
    """Forces at the current positions, of every replica.

    Args:
        batch: a `Batch` on the card.
    """
    tile = shared_tile()
    columns = cuda.shared.array(_COLUMNS, np.float32)
    partial = cuda.shared.array(_PARTIALS, np.float32)
    replica = cuda.blockIdx.x
    c, place = batch.constants[replica], batch.place[replica]
    _far_images(place, batch.rows[replica], columns, partial, batch.field[replica], c)
    _pair_forces(place, batch.force[replica], tile, c)


@kernel(THREADS, _BLOCKS)
def advance(batch, last):
    """Steps of every replica from its own up to ``last``; one that goes wrong stays where it is.

    Args:
        batch: a `Batch` on the card, with the forces of its positions.
        last: the first step that is not done.
    """
    tile = shared_tile()
    columns = cuda.shared.array(_COLUMNS, np.float32)
    partial = cuda.shared.array(_PARTIALS, np.float32)
    replica = cuda.blockIdx.x
    c, place, speed = batch.constants[replica], batch.place[replica], batch.speed[replica]
    force, field = batch.force[replica], batch.field[replica]
    step = batch.step[replica]
    while step < last and batch.code[replica] == FINE:
        if step % c.every == 0:
            code = _look(batch, replica, c, place, speed, field, columns, step)
            if code != FINE:
                cuda.syncthreads()
                if cuda.threadIdx.x == 0:
                    batch.code[replica] = code
                break
        _move(place, speed, force, field, c, step)
        cuda.syncthreads()
        _far_images(place, batch.rows[replica], columns, partial, field, c)
        _pair_forces(place, force, tile, c)
        step += 1
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        batch.step[replica] = step
