"""Kernels of single particles, a thread to each, in float64 like the CPU's (`landscapes.newton`)."""

from __future__ import annotations

import math
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from simulators.md.arithmetic import Law, rebound
from simulators.md.landscapes.newton import POTENTIALS
from simulators.md.laws import landscapes

THREADS = 64
"""Particles to a block."""
AT_TURN = 3
"""The turn that ends a period which began with the first."""


class Flight(NamedTuple):
    """Particles on the card, arrays (particles,) as in `simulators.md.landscapes.newton.Particles`."""

    x: Any
    w: Any
    c: Any
    turns: Any
    first: Any
    period: Any


def _real(x):
    return np.float64(x)


def _fma(a, b, c):
    return cuda.fma(a, b, c)


def _fnma(a, b, c):
    return cuda.fma(-a, b, c)


def _reciprocal(x):
    return 1.0 / x


def _cos(x):
    return math.cos(x)


def _device(function: Law) -> Any:
    # Nothing is fused or reordered that is not written so.
    return cuda.jit(function, device=True, fastmath=False)


_ARITHMETIC = {
    "real": _device(_real),
    "fma": _device(_fma),
    "fnma": _device(_fnma),
    "reciprocal": _device(_reciprocal),
    "cos": _device(_cos),
}
_fnma_on_device = _ARITHMETIC["fnma"]
slope = rebound(landscapes.harmonic_slope, _ARITHMETIC, _device)
"""What `_bound` replaces by another potential's."""


def _advance(particles, first, points, stride, positions, steps):
    """So many recorded points of every particle, each a stride of steps after the one before.

    Args:
        particles: a `Flight` on the card, advanced in place.
        first: steps done before.
        points: how many to record.
        stride: steps to a point.
        positions: array (points, particles), overwritten.
        steps: array (points, particles): velocities times dt, overwritten.
    """
    k = cuda.grid(1)
    if k >= particles.x.size:
        return
    x, w, c, turns = particles.x[k], particles.w[k], particles.c[k], particles.turns[k]
    for point in range(points):
        old = w
        for step in range(first + point * stride, first + (point + 1) * stride):
            old = w
            x = x + w
            w = _fnma_on_device(c, slope(x), w)
            # Differing signs, that of zero included, as the CPU's kernel has it.
            if turns < AT_TURN and (math.copysign(1.0, old) != math.copysign(1.0, w)):
                turn = step + 0.5 + old / (old - w)
                turns += 1
                if turns == 1:
                    particles.first[k] = turn
                elif turns == AT_TURN:
                    particles.period[k] = turn - particles.first[k]
        positions[point, k] = x
        steps[point, k] = 0.5 * (old + w)
    particles.x[k], particles.w[k], particles.turns[k] = x, w, turns


def _bound(potential: str) -> Any:
    """The kernel for one potential."""
    names = {**globals(), "slope": rebound(POTENTIALS[potential].slope, _ARITHMETIC, _device)}
    return cuda.jit(FunctionType(_advance.__code__, names, f"advance_{potential}"), fastmath=False)


ADVANCE = {potential: _bound(potential) for potential in POTENTIALS}
"""Potential -> the kernel `_advance` for it."""


def trajectories(
    potential: str, start: Any, points: int, stride: int, chunk: int, report: Any
) -> tuple[Any, Any, Any]:
    """Positions and velocities times dt at recorded points, arrays (points, particles), and periods in steps.

    Args:
        potential: one of `POTENTIALS`.
        start: `Particles`, any number of them.
        points: how many to record.
        stride: steps to a point.
        chunk: points to a launch.
        report: told the fraction that is done.
    """
    from simulators.md.cuda.device import launch

    count = len(start.x)
    particles = Flight(*(cuda.to_device(array) for array in start))
    position, velocity = np.empty((points, count)), np.empty((points, count))
    for first in range(0, points, chunk):
        here = slice(first, min(first + chunk, points))
        arrays = [cuda.device_array(position[here].shape, np.float64) for _ in range(2)]
        blocks = -(-count // THREADS)
        number = here.stop - here.start
        launch(ADVANCE[potential], blocks, THREADS, particles, first * stride, number, stride, *arrays)
        position[here], velocity[here] = (array.copy_to_host() for array in arrays)
        report(here.stop / points)
    return position, velocity, particles.period.copy_to_host()
