"""What a card can do at most for small systems: the arithmetic of their steps, from registers.

As `gpu_ceilings`, with nothing to load, nobody to wait for, and no other work; imported once there is a card.
"""

from __future__ import annotations

import numpy as np
from gpu_ceilings import THREADS
from numba import cuda

from simulators.md.cuda import chain, cluster, walkers
from simulators.md.cuda.arithmetic import device, fma, kernel, rsqrt, select, to_float, word
from simulators.md.cuda.newton import _fnma_on_device, slope


@device
def _bead(ax, ay, az, bx, by, bz, native):
    """Bond, angle, dihedral and gradient of one bead."""
    tx, ty, tz, inverse, length = chain._direction(ax, ay, az)
    _, pull = chain._bond(length, native)
    cosine, mx, my, mz, inverse_sine = chain._joint(tx, ty, tz, bx, by, bz)
    _, bend = chain._angle(cosine, inverse_sine, native)
    c, s = chain._torsion(tx, ty, tz, mx, my, mz, bx, by, bz, inverse_sine)
    _, twist = chain._dihedral(c, s, native, inverse)
    gx = chain._bond_gradient(pull, inverse, bend, cosine, bend, twist, s, tx, bx, ty, mx, my)
    gy = chain._bond_gradient(pull, inverse, bend, cosine, bend, twist, s, ty, by, tz, my, mz)
    gz = chain._bond_gradient(pull, inverse, bend, cosine, bend, twist, s, tz, bz, tx, mz, mx)
    return gx, gy, gz


@kernel(32, 32)
def steps_of_beads(turns, contacts, out):
    """A bead to a thread: its share of the backbone, so many native pairs, a draw of noise, a step."""
    i = cuda.threadIdx.x
    x, y, z = np.float32(i), np.float32(1.5) * np.float32(i), np.float32(0.3) * np.float32(i)
    vx = vy = vz = np.float32(0.1)
    native, half = np.float32(3.8), np.float32(0.005)
    for turn in range(turns):
        fx, fy, fz = _bead(x, y, z, vx, vy, vz, native)
        jx, jy, jz = y, z, x
        for _ in range(contacts):
            jx, jy, jz = jx + half, jy + native, jz - half
            dx, dy, dz = x - jx, y - jy, z - jz
            _, strength = chain._contact(fma(dx, dx, fma(dy, dy, dz * dz)), native)
            fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
        a, b, c, _ = chain._four_gaussians(word(i), word(turn), word(0), word(0), word(1), word(2))
        vx, vy, vz = fma(fx, half, vx), fma(fy, half, vy), fma(fz, half, vz)
        x, y, z = fma(half, vx, x), fma(half, vy, y), fma(half, vz, z)
        vx, vy, vz = fma(half, a, native * vx), fma(half, b, native * vy), fma(half, c, native * vz)
        x, y, z = fma(half, vx, x), fma(half, vy, y), fma(half, vz, z)
    out[i] = x + y + z


@kernel(THREADS, 4)
def steps_on_the_surface(turns, out):
    """Two walkers' steps to a turn, which share a draw."""
    i = cuda.threadIdx.x
    x, y, total = np.float32(0.001) * np.float32(i), np.float32(0.0), np.float32(0.0)
    dt, kick = np.float32(1e-4), np.float32(0.03)
    for turn in range(turns):
        a, b, c, d = walkers._gaussians(0, turn, 0, word(i), word(2))
        energy, slope_x, slope_y = walkers._surface(x, y)
        total += energy
        x, y = fma(kick, a, fma(-dt, slope_x, x)), fma(kick, b, fma(-dt, slope_y, y))
        energy, slope_x, slope_y = walkers._surface(x, y)
        total += energy
        x, y = fma(kick, c, fma(-dt, slope_x, x)), fma(kick, d, fma(-dt, slope_y, y))
    out[i] = x + y + total


@device
def _inert(x, v, normal, kick, drift):
    v = fma(kick, walkers._double_well(x), v)
    x = fma(drift, v, x)
    v = fma(kick, normal, drift * v)
    return fma(drift, v, x), v


@kernel(THREADS, 4)
def steps_in_the_well(turns, out):
    """Four steps of an underdamped walker to a turn, which share a draw."""
    i = cuda.threadIdx.x
    x, v = np.float32(0.01) * np.float32(i), np.float32(0.1)
    kick, drift = np.float32(-0.01), np.float32(0.9)
    for turn in range(turns):
        a, b, c, d = walkers._gaussians(i, turn, 0, word(1), word(2))
        x, v = _inert(x, v, a, kick, drift)
        x, v = _inert(x, v, b, kick, drift)
        x, v = _inert(x, v, c, kick, drift)
        x, v = _inert(x, v, d, kick, drift)
    out[i] = x + v


@device
def _push(x, y, z, xj, yj, zj, unit, cutoff_square, strength, fx, fy, fz):
    dx, dy, dz = to_float(x - xj), to_float(y - yj), to_float(z - zj)
    square = fma(dx, dx, fma(dy, dy, dz * dz)) * unit
    value = select(square < cutoff_square, cluster._force(rsqrt(square), strength), np.float32(0.0))
    return fma(value, dx, fx), fma(value, dy, fy), fma(value, dz, fz)


@kernel(THREADS, 4)
def pairs_in_clusters(turns, out):
    """A particle to a thread and four partners that move on by additions."""
    i = cuda.threadIdx.x
    x, y, z = word(i * 7_000_000), word(i * 9_000_000), word(i * 5_000_000)
    unit, cutoff_square, end = np.float32(1e-17), np.float32(9.0), np.float32(-0.03)
    fx = fy = fz = np.float32(0.0)
    a, b, c, d = word(1), word(20_000_003), word(500_000_003), word(1_000_000_007)
    for _ in range(turns):
        a, b, c, d = word(a + 1_000_003), word(b + 3_000_017), word(c + 2_000_003), word(d + 5_000_011)
        fx, fy, fz = _push(x, y, z, a, b, c, unit, cutoff_square, end, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, b, c, d, unit, cutoff_square, end, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, c, d, a, unit, cutoff_square, end, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, d, a, b, unit, cutoff_square, end, fx, fy, fz)
    out[i] = fx + fy + fz


@kernel(THREADS, 4)
def flights(turns, out):
    """Steps of four harmonic particles to a turn, in float64."""
    i = cuda.threadIdx.x
    c = 1e-6
    x0, x1, x2, x3 = 1.0 + i, 2.0 + i, 3.0 + i, 4.0 + i
    w0 = w1 = w2 = w3 = 0.0
    for _ in range(turns):
        x0, x1, x2, x3 = x0 + w0, x1 + w1, x2 + w2, x3 + w3
        w0, w1 = _fnma_on_device(c, slope(x0), w0), _fnma_on_device(c, slope(x1), w1)
        w2, w3 = _fnma_on_device(c, slope(x2), w2), _fnma_on_device(c, slope(x3), w3)
    out[i] = np.float32(x0 + x1 + x2 + x3)
