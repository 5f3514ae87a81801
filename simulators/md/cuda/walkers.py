"""Kernels of walkers in one or two dimensions: a thread to a walker, whose state stays in registers.

The constants, laws, random numbers and sums are those of the CPU's kernels (`landscapes.escape` and
`landscapes.surface`); nothing is summed over threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.cuda.arithmetic import device, fma, kernel, on_device, word
from simulators.md.landscapes.surface import (
    ACROSS_A,
    ACROSS_B,
    CORE,
    MINIMUM_A,
    MINIMUM_B,
    SADDLE_A,
    SADDLE_B,
)
from simulators.md.laws import landscapes
from simulators.md.laws.random import four_gaussians

THREADS = 128
"""Walkers to a block."""
_BLOCKS = 8
_NOISE, _VELOCITIES = 0, 1

_four_gaussians = on_device(four_gaussians)
_surface, _double_well = on_device(landscapes.mueller_brown), on_device(landscapes.double_well_slope)


@device
def _gaussians(who, step, purpose, key0, key1):
    return _four_gaussians(word(who), word(step), word(step >> 32), word(purpose), key0, key1)


# The surface of Mueller and Brown ------------------------------------------------------------------


class Surface(NamedTuple):
    """Walkers on the card, one to a replica; arrays as in `landscapes.surface.Walkers` and `Tally`.

    Args:
        x, y, px, py, kick: float32 arrays (replicas,).
        core: int32 array (replicas,).
        keys: int32 array (2, replicas).
        counts: int32 array (3, replicas): what has to be added to `in_a`, `in_b` and `transitions`.
        energy: int64 array (replicas,): likewise to `energy`.
    """

    x: Any
    y: Any
    px: Any
    py: Any
    kick: Any
    core: Any
    keys: Any
    counts: Any
    energy: Any


_ONE, _TWO = np.int32(1), np.int32(2)
_ZERO = np.float32(0.0)
_REACH = np.float32(CORE * CORE)
_TO_UNIT = np.float32(2.0**16)
_AX, _AY = np.float32(MINIMUM_A[0]), np.float32(MINIMUM_A[1])
_BX, _BY = np.float32(MINIMUM_B[0]), np.float32(MINIMUM_B[1])
_SADDLE_AX, _SADDLE_AY = np.float32(SADDLE_A[0]), np.float32(SADDLE_A[1])
_SADDLE_BX, _SADDLE_BY = np.float32(SADDLE_B[0]), np.float32(SADDLE_B[1])
_ACROSS_AX, _ACROSS_AY = np.float32(ACROSS_A[0]), np.float32(ACROSS_A[1])
_ACROSS_BX, _ACROSS_BY = np.float32(ACROSS_B[0]), np.float32(ACROSS_B[1])


@device
def _within(x, y, cx, cy):
    u, v = x - cx, y - cy
    return fma(u, u, v * v) < _REACH


@device
def _beyond(x, y, cx, cy, ax, ay):
    """One on the far side of the line at a saddle, else zero."""
    return np.int32(fma(x - cx, ax, (y - cy) * ay) > _ZERO)


@kernel(THREADS, _BLOCKS)
def advance_surface(walkers, dt, first, last):
    """Steps first to last - 1 of every walker, each counted by where it starts.

    Args:
        walkers: a `Surface` on the card, advanced in place; its counts and energies are added to.
        dt: time step, float32.
        first: step.
        last: step.
    """
    k = cuda.grid(1)
    if k >= walkers.x.size:
        return
    x, y, px, py = walkers.x[k], walkers.y[k], walkers.px[k], walkers.py[k]
    core, kick = walkers.core[k], walkers.kick[k]
    key0, key1 = walkers.keys[0, k], walkers.keys[1, k]
    in_a, in_b, transitions, total = np.int32(0), np.int32(0), np.int32(0), np.int64(0)
    a, b, c, d = _gaussians(0, first >> 1, _NOISE, key0, key1)
    for step in range(first, last):
        nx, ny = c, d
        if (step & 1) == 0:
            # A draw of four numbers serves an even step and the odd one after it.
            if step != first:
                a, b, c, d = _gaussians(0, step >> 1, _NOISE, key0, key1)
            nx, ny = a, b
        energy, slope_x, slope_y = _surface(x, y)
        now = _ONE if _within(x, y, _AX, _AY) else core
        now = _TWO if _within(x, y, _BX, _BY) else now
        # Words 1 and 2 differ in both bits, 0 and either in one.
        transitions += np.int32(((now ^ core) + _ONE) >> _TWO)
        core = now
        in_a += _beyond(x, y, _SADDLE_AX, _SADDLE_AY, _ACROSS_AX, _ACROSS_AY)
        in_b += _beyond(x, y, _SADDLE_BX, _SADDLE_BY, _ACROSS_BX, _ACROSS_BY)
        total += np.int64(energy * _TO_UNIT)
        x = fma(kick, nx + px, fma(-dt, slope_x, x))
        y = fma(kick, ny + py, fma(-dt, slope_y, y))
        px, py = nx, ny
    walkers.x[k], walkers.y[k], walkers.px[k], walkers.py[k] = x, y, px, py
    walkers.core[k] = core
    walkers.energy[k] += total
    walkers.counts[0, k] += in_a
    walkers.counts[1, k] += in_b
    walkers.counts[2, k] += transitions


# Escape --------------------------------------------------------------------------------------------


class Escape(NamedTuple):
    """Walkers on the card, so many to a replica, side by side.

    Args:
        motion: array (replicas,) of `MOTION`.
        x, v: float32 arrays (replicas, walkers), as in `simulators.md.landscapes.escape.advance`.
        passages: int64 array (replicas, walkers).
        step: int64 array (replicas,): the next step of each, which a launch leaves as it is.
    """

    motion: Any
    x: Any
    v: Any
    passages: Any
    step: Any


MOTION = np.dtype(
    [
        *((name, np.float32) for name in ("kick", "drift", "keep", "noise", "thermal", "target")),
        *((name, np.int32) for name in ("key0", "key1")),
    ],
    align=True,
)
"""A replica's `simulators.md.landscapes.escape.Motion`."""


@kernel(THREADS, _BLOCKS)
def advance_escape(walkers, last):
    """Steps of all walkers, from the one that each replica is at to ``last`` - 1.

    With a drift of zero a walker has no inertia (`simulators.md.landscapes.escape.diffusive_step`).

    Args:
        walkers: an `Escape` on the card, advanced in place.
        last: step.
    """
    k = cuda.grid(1)
    across = walkers.x.shape[1]
    replica, who = k // across, k % across
    if replica >= walkers.x.shape[0]:
        return
    m, first = walkers.motion[replica], walkers.step[replica]
    if first >= last:
        return
    x, v = walkers.x[replica, who], walkers.v[replica, who]
    passages, key0, key1 = np.int32(0), m.key0, m.key1
    kick, drift, keep, noise, target = m.kick, m.drift, m.keep, m.noise, m.target
    inert = drift > _ZERO
    a, b, c, d = _gaussians(who, first >> 2, _NOISE, key0, key1)
    for step in range(first, last):
        quarter = step & 3
        if quarter == 0 and step != first:
            a, b, c, d = _gaussians(who, step >> 2, _NOISE, key0, key1)
        normal = a if quarter == 0 else (b if quarter == 1 else (c if quarter == 2 else d))
        slope = _double_well(x)
        if inert:
            v = fma(kick, slope, v)
            x = fma(drift, v, x)
            v = fma(noise, normal, keep * v)
            x = fma(drift, v, x)
        else:
            x = fma(noise, normal, fma(kick, slope, x))
        if x > target:
            fresh, _, _, _ = _gaussians(who, step + 1, _VELOCITIES, key0, key1)
            x, v = np.float32(-1.0), m.thermal * fresh
            passages += _ONE
    walkers.x[replica, who], walkers.v[replica, who] = x, v
    walkers.passages[replica, who] += np.int64(passages)
