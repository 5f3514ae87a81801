"""Langevin dynamics by the BAOAB splitting (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34).

Kick, drift, friction and noise, drift, kick: its averages over positions are exact for a harmonic well at
any stable step and good to second order with a small coefficient elsewhere. Unit mass and kT = 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from simulators.md.random import NOISE, VELOCITIES, gaussians
from simulators.md.vector import LANES, fma, inline, lanes, load, reduce_add, splat, store, to_float, to_int

_ZERO = np.float32(0.0)


class Dynamics(NamedTuple):
    """Constants of the integrator, all float32 or int32.

    Args:
        half_kick: dt / 2.
        half_drift: dt / 2 in units of position for a unit velocity.
        keep, noise: exp(-gamma dt) and sqrt(1 - exp(-2 gamma dt)).
        key0, key1: the seed.
    """

    half_kick: np.float32
    half_drift: np.float32
    keep: np.float32
    noise: np.float32
    key0: np.int32
    key1: np.int32


def dynamics(timestep: float, friction: float, kappa: float, seed: int) -> Dynamics:
    """Constants for a step and a friction (per tau) given the length kappa of the unit of position."""
    keep = math.exp(-friction * timestep)
    return Dynamics(
        np.float32(timestep / 2),
        np.float32(timestep / 2 / kappa),
        np.float32(keep),
        np.float32(math.sqrt(1 - keep**2)),
        *np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32).view(np.int32),
    )


@inline
def thermalise(ions, d):
    """Draw all velocities from Maxwell's distribution."""
    for j in range(0, ions.x.size, LANES):
        a, b, c = gaussians(lanes() + splat(np.int32(j)), 0, VELOCITIES, d.key0, d.key1)
        store(ions.vx, j, a)
        store(ions.vy, j, b)
        store(ions.vz, j, c)


@inline
def twice_kinetic_energy(ions, d):
    """Sum of v^2 over ions at the whole step, where positions are: half a kick after the last drift."""
    half_kick, total = splat(d.half_kick), splat(_ZERO)
    for j in range(0, ions.x.size, LANES):
        vx = fma(load(ions.fx, j), half_kick, load(ions.vx, j))
        vy = fma(load(ions.fy, j), half_kick, load(ions.vy, j))
        vz = fma(load(ions.fz, j), half_kick, load(ions.vz, j))
        total = fma(load(ions.present, j), vx * vx + vy * vy + vz * vz, total)
    return reduce_add(total)


@inline
def advance_positions(ions, d, step, first=0):
    """From one set of forces to the next positions: the two half kicks between, drift, noise, drift.

    Args:
        ions: an `Ions`, or a stretch of one.
        d: a `Dynamics`.
        step: names the noise.
        first: lane at which the stretch begins.
    """
    kick, drift = splat(d.half_kick + d.half_kick), splat(d.half_drift)
    keep, noise = splat(d.keep), splat(d.noise)
    for j in range(0, ions.x.size, LANES):
        a, b, c = gaussians(lanes() + splat(np.int32(first + j)), step, NOISE, d.key0, d.key1)
        vx = fma(load(ions.fx, j), kick, load(ions.vx, j))
        vy = fma(load(ions.fy, j), kick, load(ions.vy, j))
        vz = fma(load(ions.fz, j), kick, load(ions.vz, j))
        x = load(ions.x, j) + to_int(vx * drift)
        y = load(ions.y, j) + to_int(vy * drift)
        z = load(ions.z, j) + to_int(vz * drift)
        vx, vy, vz = fma(noise, a, keep * vx), fma(noise, b, keep * vy), fma(noise, c, keep * vz)
        z = z + to_int(vz * drift)
        store(ions.x, j, x + to_int(vx * drift))
        store(ions.y, j, y + to_int(vy * drift))
        store(ions.z, j, z)
        store(ions.vx, j, vx)
        store(ions.vy, j, vy)
        store(ions.vz, j, vz)
        store(ions.height, j, fma(to_float(z), load(ions.present, j), load(ions.apart, j)))
