"""Escape over the barrier of ``h (x^2 - 1)^2``: walkers that begin again at -1 whenever they reach 1.

Underdamped walkers move by BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34), overdamped
ones by Euler and Maruyama's step. A path that is looked at from step to step passes a line a little later
than the path between, as if the line lay 0.5826 standard deviations of a step farther off (Broadie,
Glasserman and Kou, Math. Finance 7, 325, 1997); an overdamped walker has arrived when it is that near.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper, open_keeper
from simulators.batch.replica_files import Arrays
from simulators.contract import Frame
from simulators.md.laws import landscapes
from simulators.md.random import NOISE, VELOCITIES, four_gaussians, split_seeds
from simulators.md.vector import (
    LANES,
    any_of,
    compiled,
    fma,
    inline,
    lanes,
    load,
    on_vectors,
    select,
    splat,
    store,
)

Array = NDArray[np.float64]

OVERSHOOT = 0.5826
_STRETCH = 20_000_000
"""Walkers' steps between two returns to Python, some tens of milliseconds."""

_slope = on_vectors(landscapes.double_well_slope)


class Motion(NamedTuple):
    """Constants of a step, float32, and the replica's key, int32.

    Args:
        kick: what the slope is multiplied by: minus the depth 4 h times dt / m, or times dt / (m friction).
        drift: dt / 2; 0 for overdamped walkers.
        keep, noise: of the velocity, exp(-friction dt) and sqrt(kT / m (1 - keep^2)); without inertia 0 and
            the standard deviation of a step.
        thermal: standard deviation of a fresh velocity.
        target: where a walker has arrived.
        key0, key1: halves of the seed.
    """

    kick: np.float32
    drift: np.float32
    keep: np.float32
    noise: np.float32
    thermal: np.float32
    target: np.float32
    key0: np.int32
    key1: np.int32


class System(NamedTuple):
    """What a walker's motion depends on.

    Args:
        barrier: h.
        friction: rate at which a free velocity decays.
        temperature: kT.
        mass: m.
        timestep: dt.
        overdamped: whether inertia is left out.
    """

    barrier: float
    friction: float
    temperature: float
    mass: float
    timestep: float
    overdamped: bool

    def motion(self, seed: int) -> Motion:
        """The constants of a step for a replica of this seed."""
        dt = self.timestep
        if self.overdamped:
            mobility = 1 / (self.mass * self.friction)
            spread = math.sqrt(2 * self.temperature * dt * mobility)
            constants = [-4 * self.barrier * dt * mobility, 0.0, 0.0, spread, 0.0, 1 - OVERSHOOT * spread]
        else:
            keep, thermal = math.exp(-self.friction * dt), math.sqrt(self.temperature / self.mass)
            noise = thermal * math.sqrt(-math.expm1(-2 * self.friction * dt))
            constants = [-4 * self.barrier * dt / self.mass, dt / 2, keep, noise, thermal, 1.0]
        keys = split_seeds(np.array([seed], np.uint64))[:, 0]
        return Motion(*np.array(constants, np.float32), *keys)


@inline
def langevin_step(x, v, slope, m, noise):
    """A step of BAOAB from the position between two half kicks to the next such: the new x and v.

    Args:
        x: position.
        v: velocity before the kicks.
        slope: U'(x) at unit strength.
        m: a `Motion`.
        noise: standard normal.
    """
    v = fma(splat(m.kick), slope, v)
    x = fma(splat(m.drift), v, x)
    v = fma(splat(m.noise), noise, splat(m.keep) * v)
    return fma(splat(m.drift), v, x), v


@inline
def diffusive_step(x, slope, m, noise):
    """A step of Euler and Maruyama's: the new x."""
    return fma(splat(m.noise), noise, fma(splat(m.kick), slope, x))


@inline
def _chosen(step, a, b, c, d):
    """The number of this step from a draw that serves four."""
    quarter = step & 3
    if quarter == 0:
        return a
    if quarter == 1:
        return b
    if quarter == 2:
        return c
    return d


@inline
def _begin_again(x, v, who, passages, step, m):
    """Send walkers that have arrived back to -1 with fresh velocities, and count them."""
    arrived = x > splat(m.target)
    fresh, _, _, _ = four_gaussians(who, step + 1, VELOCITIES, m.key0, m.key1)
    x = select(arrived, splat(np.float32(-1)), x)
    v = select(arrived, splat(m.thermal) * fresh, v)
    passages = passages + select(arrived, splat(np.int32(1)), splat(np.int32(0)))
    return x, v, passages


@compiled
def release(x, v, m):
    """All walkers to -1, with thermal velocities."""
    for k in range(0, x.size, LANES):
        fresh, _, _, _ = four_gaussians(lanes() + splat(np.int32(k)), 0, VELOCITIES, m.key0, m.key1)
        store(x, k, splat(np.float32(-1)))
        store(v, k, splat(m.thermal) * fresh)


@compiled
def advance(x, v, passages, m, overdamped, first, last):
    """Steps first to last - 1.

    Args:
        x: float32 array (walkers,), a multiple of sixteen; advanced in place.
        v: likewise, velocities before the kicks of the next step, of which the slope at -1 makes none.
        passages: int64 array (walkers,), added to.
        m: a `Motion`.
        overdamped: whether inertia is left out.
        first: step.
        last: step.
    """
    counted = np.empty(LANES, np.int32)
    target = splat(m.target)
    for k in range(0, x.size, LANES):
        who = lanes() + splat(np.int32(k))
        xk, vk, count = load(x, k), load(v, k), splat(np.int32(0))
        a, b, c, d = four_gaussians(who, first >> 2, NOISE, m.key0, m.key1)
        for step in range(first, last):
            if (step & 3) == 0 and step != first:
                a, b, c, d = four_gaussians(who, step >> 2, NOISE, m.key0, m.key1)
            noise, slope = _chosen(step, a, b, c, d), _slope(xk)
            if overdamped:
                xk = diffusive_step(xk, slope, m, noise)
            else:
                xk, vk = langevin_step(xk, vk, slope, m, noise)
            if any_of(xk > target):
                xk, vk, count = _begin_again(xk, vk, who, count, step, m)
        store(x, k, xk)
        store(v, k, vk)
        store(counted, 0, count)
        for lane in range(LANES):
            passages[k + lane] += counted[lane]


class Replica:
    """The walkers of one replica."""

    def __init__(self, system: System, walkers: int, steps: int, seed: int) -> None:
        self.system, self.steps, self.motion = system, steps, system.motion(seed)
        self.x, self.v = np.zeros(walkers, np.float32), np.zeros(walkers, np.float32)
        self.passages = np.zeros(walkers, np.int64)

    def begin(self, keeper: Keeper) -> int:
        """Walkers as a checkpoint has them, or at the start; the step that they are at."""
        step, state = keeper.resume() or (0, {})
        if not state:
            release(self.x, self.v, self.motion)
        else:
            self.x, self.v, self.passages = state["x"], state["v"], state["passages"]
        return step

    def run(self, keeper: Keeper, report: Callable[[float], None]) -> None:
        """All steps, or those that a checkpoint leaves."""
        step = self.begin(keeper)
        self._visit(keeper, step)
        stretch = max(1, _STRETCH // len(self.x))
        while step < self.steps:
            last = min(step + stretch, keeper.next_stop(step))
            advance(self.x, self.v, self.passages, self.motion, self.system.overdamped, step, last)
            step = last
            self._visit(keeper, step)
            report(step / self.steps)

    def _visit(self, keeper: Keeper, step: int) -> None:
        keeper.visit(step, frame=partial(self._frame, step), row=self._row, state=self._state)

    def _frame(self, step: int) -> Frame:
        position = np.zeros((len(self.x), 3))
        position[:, 0] = self.x
        return Frame(step, position)

    def _row(self) -> dict[str, float]:
        return {"passages": float(self.passages.sum())}

    def _state(self) -> Arrays:
        return {"x": self.x, "v": self.v, "passages": self.passages}

    def rate(self) -> tuple[float, float]:
        """Passages to a unit of a walker's time, with the error that the scatter over walkers gives.

        What was seen once or never has the error of one.
        """
        walkers, duration = len(self.x), self.steps * self.system.timestep
        error = max(float(self.passages.std(ddof=1)) / math.sqrt(walkers), 1 / walkers)
        return float(self.passages.mean()) / duration, error / duration


def warm_up() -> None:
    """Compile, or load from the cache, the kernels."""
    system = System(barrier=1.0, friction=1.0, temperature=1.0, mass=1.0, timestep=0.01, overdamped=False)
    Replica(system, LANES, 1, 0).run(open_keeper(None, 0, 1), lambda fraction: None)
