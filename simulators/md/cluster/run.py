"""Sixteen clusters of a few Lennard-Jones particles at a time: each lane of a vector is a replica.

Positions and velocities are 64-bit integers, 2^64 to the period along each direction, of which the forces see
the upper 32 bits. The nearest image is integer wrap-around, a drift is exact, and since a kick is a function
of the positions alone, velocity Verlet in a box can be run back to the same bits (Levesque and Verlet,
J. Stat. Phys. 72, 519, 1993). Forces are float32; energies, which are only looked at, are float64.

Unit mass is the replica's own, sigma = 1; epsilon and the mass are folded into the kick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws.lennard_jones import End, energy_shifted_force, force_shifted_force
from simulators.md.vector import (
    LANES,
    aligned,
    compiled,
    fma,
    fnma,
    inline,
    load,
    on_numbers,
    on_vectors,
    reduce_add,
    rsqrt,
    select,
    splat,
    store,
    to_float,
    to_long,
    upper_half,
)

_force = on_vectors(force_shifted_force)
_energy = on_numbers(energy_shifted_force)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)

Array = NDArray[np.float64]


class Cluster(NamedTuple):
    """State of sixteen replicas; element ``(3 i + c) 16 + lane`` is component c of particle i.

    Args:
        position: int64 array (particles * 3 * 16,), 2^64 to the period.
        velocity: likewise, per step, half a kick before the positions' time.
        word: int32, the upper half of the position.
        force: float32, in epsilon / (sigma * unit of a word).
        period: float64 array (16,), sigma.
        kappa: float32 array (16,), sigma to the unit of a word.
        kick: float32 array (16,), what makes a force a kick.
        radius: float64 array (16,), where the sphere reflects, in units of position; infinite for a box.
        reach: float32 array (16,), a little less in units of a word.
        cutoff_square: float32, likewise `slope`: the truncation (`lennard_jones.End`).
    """

    position: NDArray[np.int64]
    velocity: NDArray[np.int64]
    word: NDArray[np.int32]
    force: NDArray[np.float32]
    period: Array
    kappa: NDArray[np.float32]
    kick: NDArray[np.float32]
    radius: Array
    reach: NDArray[np.float32]
    cutoff_square: np.float32
    slope: np.float32


def cluster(
    position: Array,
    velocity: Array,
    period: Array,
    epsilon_over_mass: Array,
    timestep: float,
    end: End,
    radius: Array | None = None,
) -> Cluster:
    """The state at positions and velocities.

    Args:
        position: array (particles, 3, 16) from the middle of the period, sigma.
        velocity: likewise, sigma per unit of time.
        period: array (16,), sigma.
        epsilon_over_mass: array (16,).
        timestep: in units of time.
        end: the pair's truncation.
        radius: array (16,), of a reflecting sphere in place of a periodic box.
    """
    unit = period * 2.0**-64
    size = position.size
    state = Cluster(
        aligned(size, np.int64),
        aligned(size, np.int64),
        aligned(size, np.int32),
        aligned(size, np.float32),
        np.array(period, dtype=np.float64),
        aligned(LANES, np.float32),
        aligned(LANES, np.float32),
        np.full(LANES, np.inf) if radius is None else radius / unit,
        aligned(LANES, np.float32),
        np.float32(end.cutoff**2),
        np.float32(end.slope),
    )
    state.kappa[:] = period * 2.0**-32
    state.reach[:] = state.radius * (2.0**-32 * (1 - 1e-6))
    state.kick[:] = epsilon_over_mass * timestep**2 * 2.0**32
    folded = position / period - np.rint(position / period)
    # The end of the period is where it begins; 2^64 has no place among the integers, hence in two steps.
    state.position[:] = (np.rint(folded * 2.0**62).astype(np.int64) << 2).ravel()
    state.velocity[:] = np.rint(velocity * timestep / unit).astype(np.int64).ravel()
    refresh(state)
    with np.errstate(invalid="ignore"):  # particles in one place have no force, which is for `look` to tell
        half_kick = (state.force.reshape(-1, LANES) * (state.kick / 2)).astype(np.int64)
    state.velocity[:] -= half_kick.ravel()
    return state


@inline
def _forces(state):
    """Forces on all particles, each pair once."""
    word, force = state.word, state.force
    n = word.size // (3 * LANES)
    kappa = load(state.kappa, 0)
    kappa_square, cutoff_square = kappa * kappa, splat(state.cutoff_square)
    slope, zero = splat(state.slope), splat(_ZERO)
    for k in range(0, word.size, LANES):
        store(force, k, zero)
    for i in range(n):
        a = i * 3 * LANES
        xi, yi, zi = load(word, a), load(word, a + LANES), load(word, a + 2 * LANES)
        fx, fy, fz = load(force, a), load(force, a + LANES), load(force, a + 2 * LANES)
        for j in range(i + 1, n):
            b = j * 3 * LANES
            dx = to_float(xi - load(word, b))
            dy = to_float(yi - load(word, b + LANES))
            dz = to_float(zi - load(word, b + 2 * LANES))
            square = fma(dx, dx, fma(dy, dy, dz * dz)) * kappa_square
            strength = select(square < cutoff_square, _force(rsqrt(square), slope), zero)
            fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
            store(force, b, fnma(strength, dx, load(force, b)))
            store(force, b + LANES, fnma(strength, dy, load(force, b + LANES)))
            store(force, b + 2 * LANES, fnma(strength, dz, load(force, b + 2 * LANES)))
        store(force, a, fx)
        store(force, a + LANES, fy)
        store(force, a + 2 * LANES, fz)


@inline
def _kick_and_drift(state):
    """The two half kicks between two drifts, together, and the drift."""
    kick = load(state.kick, 0)
    for k in range(0, state.word.size, LANES):
        v = load(state.velocity, k) + to_long(load(state.force, k) * kick)
        x = load(state.position, k) + v
        store(state.velocity, k, v)
        store(state.position, k, x)
        store(state.word, k, upper_half(x))


@inline
def _near_the_sphere(state):
    """Whether any particle may have left it: single precision, and a little inside."""
    reach, one, zero = load(state.reach, 0), splat(_ONE), splat(_ZERO)
    reach_square, outside = reach * reach, splat(_ZERO)
    for k in range(0, state.word.size, 3 * LANES):
        x, y = to_float(load(state.word, k)), to_float(load(state.word, k + LANES))
        z = to_float(load(state.word, k + 2 * LANES))
        outside = outside + select(fma(x, x, fma(y, y, z * z)) > reach_square, one, zero)
    return reduce_add(outside) > _ZERO


@inline
def _reflect(state):
    """Turn back the particles that have left the sphere: v -> v - 2 (v r) r / r^2 at the positions' time.

    Energy and angular momentum stay as they are, since the kick is along r and does no work.
    """
    for i in range(state.word.size // (3 * LANES)):
        for lane in range(LANES):
            k = i * 3 * LANES + lane
            x = np.float64(state.position[k])
            y = np.float64(state.position[k + LANES])
            z = np.float64(state.position[k + 2 * LANES])
            square = x * x + y * y + z * z
            if square > state.radius[lane] * state.radius[lane]:
                half = 0.5 * state.kick[lane]
                outward = (
                    x * (state.velocity[k] + half * state.force[k])
                    + y * (state.velocity[k + LANES] + half * state.force[k + LANES])
                    + z * (state.velocity[k + 2 * LANES] + half * state.force[k + 2 * LANES])
                )
                if outward > 0.0:
                    turn = 2.0 * outward / square
                    state.velocity[k] -= np.int64(turn * x)
                    state.velocity[k + LANES] -= np.int64(turn * y)
                    state.velocity[k + 2 * LANES] -= np.int64(turn * z)


@compiled
def refresh(state):
    """Make the forces of a `Cluster` those of its positions."""
    for k in range(0, state.word.size, LANES):
        store(state.word, k, upper_half(load(state.position, k)))
    _forces(state)


@compiled
def advance(state, steps):
    """Velocity Verlet.

    Args:
        state: a `Cluster`, advanced in place; its forces are those of its positions.
        steps: how many.
    """
    reflecting = np.isfinite(state.radius[0])
    for _ in range(steps):
        _kick_and_drift(state)
        _forces(state)
        if reflecting and _near_the_sphere(state):
            _reflect(state)


@compiled
def look(state, shift, slope, cutoff, width, counts):
    """Energies at the positions' time, and distances counted.

    Args:
        state: a `Cluster`.
        shift: `lennard_jones.End`, likewise `slope` and `cutoff`.
        slope: float64.
        cutoff: float64.
        width: float64 array (16,), of the bins of distance.
        counts: int64 array (16, bins), added to; the last bin takes what lies beyond.

    Returns:
        two arrays (16,): potential energy in epsilon, and sum of squared velocities in (units of position per
        step)^2.
    """
    potential, square_velocity = np.zeros(LANES), np.zeros(LANES)
    n = state.word.size // (3 * LANES)
    for lane in range(LANES):
        unit = state.period[lane] * 2.0**-64
        for i in range(n):
            for j in range(i + 1, n):
                square = 0.0
                for c in range(3):
                    k = c * LANES + lane
                    d = (
                        np.float64(state.position[i * 3 * LANES + k] - state.position[j * 3 * LANES + k])
                        * unit
                    )
                    square += d * d
                distance = np.sqrt(square)
                if distance < cutoff:
                    potential[lane] += _energy(distance, 1.0 / distance, shift, slope)
                counts[lane, min(int(distance / width[lane]), counts.shape[1] - 1)] += 1
    for k in range(state.word.size):
        lane = k % LANES
        v = state.velocity[k] + 0.5 * state.force[k] * state.kick[lane]
        square_velocity[lane] += v * v
    return potential, square_velocity


def positions(state: Cluster) -> Array:
    """Array (particles, 3, 16) in sigma, from the middle of the period."""
    return state.position.reshape(-1, 3, LANES) * (state.period * 2.0**-64)


def velocities(state: Cluster, timestep: float) -> Array:
    """Array (particles, 3, 16) in sigma per unit of time, at the positions' time."""
    force, velocity = (a.reshape(-1, 3, LANES).astype(np.float64) for a in (state.force, state.velocity))
    return np.asarray((velocity + force * state.kick / 2) * (state.period * 2.0**-64 / timestep))
