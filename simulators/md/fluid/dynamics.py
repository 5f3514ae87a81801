"""Velocity Verlet and Langevin dynamics of rows of whole numbers.

Both are written from one set of forces to the next: the two half kicks between, then the drift; the state
between steps is where particles are, and their velocities half a kick ago. Langevin dynamics is the BAOAB
splitting (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34), which puts friction and noise into
the middle of the drift. Rounding to the nearest whole number is odd, so that velocity Verlet with all
velocities turned goes back through the same states to the bit. Unit mass.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from simulators.md.fluid.state import ENERGY, FORCE, SPEED
from simulators.md.random import NOISE, VELOCITIES, gaussians, split_seeds
from simulators.md.vector import (
    LANES,
    fma,
    inline,
    load_rows,
    maximum,
    reduce_max,
    select,
    splat,
    store_rows,
    to_float,
    to_int,
    total,
)

_ZERO = np.float32(0)


class Dynamics(NamedTuple):
    """Constants of the integrator; float32, and the seed's halves.

    Args:
        kick: a whole step, from units of force to units of velocity.
        drift: a whole step, from units of velocity to units of position.
        keep: exp(-gamma dt); 1 without a heat bath.
        noise: sqrt(T (1 - exp(-2 gamma dt))) in units of velocity; 0 without a heat bath.
        thermal: sqrt(T) in units of velocity.
        heat: from the square of a velocity to the unit of energy, twice the kinetic energy.
        strongest: the square of the greatest force that a step can follow, in units of force.
        key0, key1: the seed.
    """

    kick: np.float32
    drift: np.float32
    keep: np.float32
    noise: np.float32
    thermal: np.float32
    heat: np.float32
    strongest: np.float32
    key0: np.int32
    key1: np.int32


STRONGEST_KICK = 20.0
"""The change of velocity in one step, in reduced units, beyond which particles have overlapped."""


def dynamics(timestep: float, friction: float, temperature: float, side: float, seed: int) -> Dynamics:
    """Constants for a time step, a friction (0 for none) and a temperature in reduced units."""
    keep = math.exp(-friction * timestep)
    strongest = min(STRONGEST_KICK / timestep, 2.0**30 / FORCE) * FORCE
    values = [
        timestep * SPEED / FORCE,
        timestep / SPEED * 2.0**32 / side,
        keep,
        math.sqrt(temperature * (1 - keep**2)) * SPEED,
        math.sqrt(temperature) * SPEED,
        ENERGY / SPEED**2,
        strongest**2,
    ]
    keys: list[Any] = split_seeds(np.array([seed], np.uint64))[:, 0].tolist()
    constants: list[Any] = [np.float32(value) for value in values] + [np.int32(key) for key in keys]
    return Dynamics(*constants)


@inline
def thermalise(rows, d):
    """Draw all velocities from Maxwell's distribution."""
    thermal, nothing = splat(d.thermal), splat(np.int32(0))
    for i in range(0, rows.place.size // 4, LANES):
        _, _, _, number = load_rows(rows.place, i)
        a, b, c = gaussians(number, 0, VELOCITIES, d.key0, d.key1)
        there = number > splat(np.int32(-1))
        x = select(there, to_int(a * thermal), nothing)
        y = select(there, to_int(b * thermal), nothing)
        z = select(there, to_int(c * thermal), nothing)
        store_rows(rows.velocity, i, x, y, z, nothing)


@inline
def twice_kinetic_energy(rows, d):
    """Sum of v^2 at the whole step, where places are: half a kick after the stored velocity; int64."""
    half, heat = splat(d.kick * np.float32(0.5)), splat(d.heat)
    twice = np.int64(0)
    for i in range(0, rows.place.size // 4, LANES):
        vx, vy, vz, _ = load_rows(rows.velocity, i)
        fx, fy, fz, _ = load_rows(rows.force, i)
        x = fma(to_float(fx), half, to_float(vx))
        y = fma(to_float(fy), half, to_float(vy))
        z = fma(to_float(fz), half, to_float(vz))
        twice += total(to_int(fma(x, x, fma(y, y, z * z)) * heat))
    return twice


@inline
def kick(rows, d, halves):
    """Velocities so many halves of a kick later; earlier, if negative."""
    half = splat(d.kick * np.float32(0.5) * np.float32(halves))
    for i in range(0, rows.place.size // 4, LANES):
        vx, vy, vz, w = load_rows(rows.velocity, i)
        fx, fy, fz, _ = load_rows(rows.force, i)
        x, y, z = to_int(to_float(fx) * half), to_int(to_float(fy) * half), to_int(to_float(fz) * half)
        store_rows(rows.velocity, i, vx + x, vy + y, vz + z, w)


@inline
def farthest(place, before):
    """The square of the greatest distance between two arrays (4 rows,) of places, in units of position."""
    greatest = splat(_ZERO)
    for i in range(0, place.size // 4, LANES):
        x, y, z, _ = load_rows(place, i)
        greatest = maximum(_square_to(x, y, z, before, i), greatest)
    return reduce_max(greatest)


@inline
def _square_to(x, y, z, before, i):
    bx, by, bz, _ = load_rows(before, i)
    dx, dy, dz = to_float(x - bx), to_float(y - by), to_float(z - bz)
    return fma(dx, dx, fma(dy, dy, dz * dz))


@inline
def _step(rows, d, step, before, bath):
    kick, drift = splat(d.kick), splat(d.drift)
    half_drift, keep, noise = splat(d.drift * np.float32(0.5)), splat(d.keep), splat(d.noise)
    strongest, moved = splat(_ZERO), splat(_ZERO)
    nothing = splat(np.int32(0))
    for i in range(0, rows.place.size // 4, LANES):
        x, y, z, number = load_rows(rows.place, i)
        vx, vy, vz, w = load_rows(rows.velocity, i)
        fx, fy, fz, _ = load_rows(rows.force, i)
        ax, ay, az = to_float(fx), to_float(fy), to_float(fz)
        strongest = maximum(fma(ax, ax, fma(ay, ay, az * az)), strongest)
        vx, vy, vz = vx + to_int(ax * kick), vy + to_int(ay * kick), vz + to_int(az * kick)
        if bath:
            ux, uy, uz = to_float(vx), to_float(vy), to_float(vz)
            x, y, z = x + to_int(ux * half_drift), y + to_int(uy * half_drift), z + to_int(uz * half_drift)
            a, b, c = gaussians(number, step, NOISE, d.key0, d.key1)
            there = number > splat(np.int32(-1))
            vx = select(there, to_int(fma(noise, a, keep * ux)), nothing)
            vy = select(there, to_int(fma(noise, b, keep * uy)), nothing)
            vz = select(there, to_int(fma(noise, c, keep * uz)), nothing)
            x = x + to_int(to_float(vx) * half_drift)
            y = y + to_int(to_float(vy) * half_drift)
            z = z + to_int(to_float(vz) * half_drift)
        else:
            x = x + to_int(to_float(vx) * drift)
            y = y + to_int(to_float(vy) * drift)
            z = z + to_int(to_float(vz) * drift)
        store_rows(rows.place, i, x, y, z, number)
        store_rows(rows.velocity, i, vx, vy, vz, w)
        moved = maximum(_square_to(x, y, z, before, i), moved)
    return reduce_max(strongest), reduce_max(moved)


@inline
def advance_rows(rows, d, step, before):
    """From one set of forces to the next places.

    Args:
        rows: a `Rows`, advanced in place.
        d: a `Dynamics`.
        step: which names the noise.
        before: int32 array (4 rows,): where the particles were when their neighbours were picked.

    Returns:
        the squares of the greatest force and of the greatest distance from `before`, in their units.
    """
    if d.noise == 0:
        return _step(rows, d, step, before, False)
    return _step(rows, d, step, before, True)
