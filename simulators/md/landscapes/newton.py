"""Newton's equation for one coordinate by velocity Verlet, sixty-four particles at a time.

The kernel holds the velocity as ``w``, the displacement of a whole step (velocity times dt), half a step
after the position, so that a step is ``x += w; w -= c U'(x)`` with c = strength dt^2 / m. Velocity Verlet
and this leapfrog are one trajectory; the velocity at a recorded time is the mean of the half steps around it.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.arithmetic import Law
from simulators.md.laws import landscapes
from simulators.md.vector import compiled
from simulators.md.wide import WIDTH, fnma, load, on_wide, real, signs_that_differ, store

Array = NDArray[np.float64]


class Potential(NamedTuple):
    """A potential of one coordinate: laws of energy and slope at unit strength."""

    energy: Law
    slope: Law


POTENTIALS = {
    "harmonic": Potential(landscapes.harmonic_energy, landscapes.harmonic_slope),
    "lennard_jones": Potential(landscapes.lennard_jones_energy, landscapes.lennard_jones_slope),
    "double_well": Potential(landscapes.double_well_energy, landscapes.double_well_slope),
    "rugged": Potential(landscapes.rugged_energy, landscapes.rugged_slope),
}


class Particles(NamedTuple):
    """Sixty-four particles, arrays (64,).

    Args:
        x: positions.
        w: displacements of a step, half a step later.
        c: strength of the potential times dt^2 / m.
        turns: how many times each has turned, a release from rest included.
        first: time of the first turn, in steps.
        period: time from the first turn to the third, in steps; NaN until then.
    """

    x: Array
    w: Array
    c: Array
    turns: NDArray[np.int64]
    first: Array
    period: Array


def release(
    potential: str, strength: Array, mass: Array, position: Array, velocity: Array, dt: float
) -> Particles:
    """Particles at the start.

    Args:
        potential: one of `POTENTIALS`.
        strength: array (particles,), what the potential is multiplied by; sixty-four for a kernel of the CPU.
        mass: array (particles,).
        position: array (particles,).
        velocity: array (particles,).
        dt: time step.
    """
    c = strength * dt * dt / mass
    w = velocity * dt - 0.5 * c * POTENTIALS[potential].slope(position)
    resting = (velocity == 0.0).astype(np.int64)
    return Particles(position.copy(), w, c, resting, np.zeros(len(w)), np.full(len(w), np.nan))


slope = on_wide(landscapes.harmonic_slope)
"""What `_bound` replaces by another potential's."""
_AT_TURN = 3
"""The turn that ends a period which began with the first."""


def _advance(particles, first, points, stride, positions, steps):
    """So many recorded points, each a stride of steps after the one before.

    Turns are looked for until every particle has been through a period, or for good where one never is.

    Args:
        particles: a `Particles`, advanced in place.
        first: steps done before.
        points: how many to record.
        stride: steps to a point.
        positions: array (points * 64,), overwritten.
        steps: array (points * 64,): velocities times dt, overwritten.
    """
    x, w, c = load(particles.x, 0), load(particles.w, 0), load(particles.c, 0)
    before, after = np.empty(WIDTH), np.empty(WIDTH)
    watching = particles.turns.min() < _AT_TURN
    for point in range(points):
        if watching:
            for step in range(first + point * stride, first + (point + 1) * stride):
                old = w
                x = x + w
                w = fnma(c, slope(x), w)
                turned = signs_that_differ(old, w)
                if turned != 0:
                    store(before, 0, old)
                    store(after, 0, w)
                    for lane in range(WIDTH):
                        if (turned >> np.uint64(lane)) & np.uint64(1):
                            turn = step + 0.5 + before[lane] / (before[lane] - after[lane])
                            particles.turns[lane] += 1
                            if particles.turns[lane] == 1:
                                particles.first[lane] = turn
                            elif particles.turns[lane] == _AT_TURN:
                                particles.period[lane] = turn - particles.first[lane]
                    watching = particles.turns.min() < _AT_TURN
            store(before, 0, old)
            last = load(before, 0)
        else:
            for _ in range(stride - 1):
                x = x + w
                w = fnma(c, slope(x), w)
            last = w
            x = x + w
            w = fnma(c, slope(x), w)
        store(positions, point * WIDTH, x)
        store(steps, point * WIDTH, real(0.5) * (last + w))
    store(particles.x, 0, x)
    store(particles.w, 0, w)


def _bound(template: Any, potential: str) -> Any:
    """A kernel for one potential: its template with the slope in place, kept under a name of its own."""
    names = dict(template.__globals__) | {"slope": on_wide(POTENTIALS[potential].slope)}
    kernel = FunctionType(template.__code__, names, template.__name__)
    kernel.__qualname__ = f"{template.__qualname__}_{potential}"
    return compiled(kernel)


ADVANCE = {potential: _bound(_advance, potential) for potential in POTENTIALS}
"""Potential -> the kernel `_advance` for it."""


def warm_up(potential: str) -> None:
    """Compile, or load from the cache, the kernel of a potential."""
    one, none = np.ones(WIDTH), np.zeros(WIDTH)
    ADVANCE[potential](release(potential, one, one, one, none, 0.001), 0, 1, 1, none.copy(), none.copy())
