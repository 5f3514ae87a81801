"""What a card can do at most: the arithmetic of a simulator's pairs with nothing to load or to wait for.

Imported once there is known to be a card.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import device, fma, kernel, to_float, word
from simulators.md.cuda.device import Card, launch
from simulators.md.cuda.fluid import strength_sharp
from simulators.md.cuda.slit import _push as push_ion

THREADS = 256
SECONDS = 1.0
"""To time for, after launches to compile and to warm up."""


def seconds(run: Callable[[int], None], first: int) -> float:
    """Seconds to a unit of what ``run`` starts so many of: as many as take about `SECONDS`."""
    count = first
    run(count)
    cuda.synchronize()
    while True:
        start = time.perf_counter()
        run(count)
        cuda.synchronize()
        took = time.perf_counter() - start
        if took > SECONDS / 2:
            return took / count
        count = int(count * min(8.0, 1.2 * SECONDS / max(took, 1e-4))) + 1


def most(card: Card, loop: Any, each: int) -> float:
    """Operations a second of a kernel that does so many to a thread and a turn, the best of some launches."""
    out, best = cuda.device_array(THREADS, np.float32), 0.0
    for blocks in (2, 4, 8):
        grid = blocks * card.multiprocessors

        def run(turns: int, grid: int = grid) -> None:
            launch(loop, grid, THREADS, turns, out)

        best = max(best, each * THREADS * grid / seconds(run, 1000))
    return best


@kernel(THREADS, 4)
def multiply_adds(turns, out):
    """Eight chains of multiplications with additions to a thread."""
    i = cuda.threadIdx.x
    x, y = np.float32(0.999), np.float32(i)
    a, b, c, d = y, y + x, y - x, x
    e, f, g, h = -y, -x, x - y, y * x
    for _ in range(turns):
        a, b, c, d = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y)
        e, f, g, h = fma(e, x, y), fma(f, x, y), fma(g, x, y), fma(h, x, y)
    out[i] = a + b + c + d + e + f + g + h


@kernel(THREADS, 4)
def pairs_of_ions(turns, out):
    """Four ions to a thread and a partner that moves on by additions."""
    i = cuda.threadIdx.x
    x0, y0, z0 = word(i * 7_000_000), word(i * 9_000_000), np.float32(i * 5e6)
    x1, y1, z1 = word(i * 3_000_000), word(i * 1_000_000), np.float32(i * 4e6)
    x2, y2, z2 = word(i * 5_000_000), word(i * 2_000_000), np.float32(i * 3e6)
    x3, y3, z3 = word(i * 4_000_000), word(i * 8_000_000), np.float32(i * 2e6)
    coulomb, core, threshold, soft = np.float32(1e8), np.float32(1e17), np.float32(3.5), np.float32(1e10)
    a0 = b0 = c0 = a1 = b1 = c1 = a2 = b2 = c2 = a3 = b3 = c3 = np.float32(0.0)
    xj, yj, zj = word(1), word(2), np.float32(3.0)
    for _ in range(turns):
        xj, yj, zj = word(xj + 1_000_003), word(yj + 3_000_017), zj + np.float32(1000.0)
        a0, b0, c0 = push_ion(x0, y0, z0, xj, yj, zj, soft, coulomb, core, threshold, a0, b0, c0)
        a1, b1, c1 = push_ion(x1, y1, z1, xj, yj, zj, soft, coulomb, core, threshold, a1, b1, c1)
        a2, b2, c2 = push_ion(x2, y2, z2, xj, yj, zj, soft, coulomb, core, threshold, a2, b2, c2)
        a3, b3, c3 = push_ion(x3, y3, z3, xj, yj, zj, soft, coulomb, core, threshold, a3, b3, c3)
    out[i] = a0 + b0 + c0 + a1 + b1 + c1 + a2 + b2 + c2 + a3 + b3 + c3


@device
def _push(x, y, z, xj, yj, zj, unit, cutoff_square, slope, fx, fy, fz):
    dx, dy, dz = to_float(x - xj), to_float(y - yj), to_float(z - zj)
    square = fma(dx, dx, fma(dy, dy, dz * dz)) * unit
    value = strength_sharp(square, cutoff_square, slope)
    return fma(value, dx, fx), fma(value, dy, fy), fma(value, dz, fz)


@kernel(THREADS, 4)
def pairs_of_particles(turns, out):
    """A particle to a thread and four neighbours that move on by additions."""
    i = cuda.threadIdx.x
    x, y, z = word(i * 7_000_000), word(i * 9_000_000), word(i * 5_000_000)
    unit, cutoff_square, slope = np.float32(1e-17), np.float32(6.25), np.float32(0.0)
    fx = fy = fz = np.float32(0.0)
    a, b, c, d = word(1), word(20_000_003), word(500_000_003), word(1_000_000_007)
    for _ in range(turns):
        a, b, c, d = word(a + 1_000_003), word(b + 3_000_017), word(c + 2_000_003), word(d + 5_000_011)
        fx, fy, fz = _push(x, y, z, a, b, c, unit, cutoff_square, slope, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, b, c, d, unit, cutoff_square, slope, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, c, d, a, unit, cutoff_square, slope, fx, fy, fz)
        fx, fy, fz = _push(x, y, z, d, a, b, unit, cutoff_square, slope, fx, fy, fz)
    out[i] = fx + fy + fz
