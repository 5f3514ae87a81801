"""Overdamped Langevin dynamics on the Mueller-Brown surface, sixteen walkers at a time, each of a replica.

``x' = x - dt U'(x) + sqrt(kT dt / 2) (R + R')`` with mobility 1, R' of one step being R of the next: the
limit of BAOAB at high friction (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34), whose averages
over positions are exact in a harmonic well and good to second order elsewhere. With one fresh number instead,
the variance across the stiff well A would be too large by a quarter at the customary step of 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.batch.replica_files import Arrays
from simulators.contract import Failure, Frame, InvalidInputError
from simulators.md.laws import landscapes
from simulators.md.random import NOISE, four_gaussians, split_seeds
from simulators.md.statistics import BLOCKS, blocked, counted
from simulators.md.vector import (
    LANES,
    compiled,
    fma,
    inline,
    load,
    on_vectors,
    select,
    splat,
    store,
    to_long,
)

Array = NDArray[np.float64]

MINIMUM_A, MINIMUM_B = (-0.558224, 1.441726), (0.623499, 0.028038)
CORE = 0.2
"""Radius of the discs around the deep minima: a walker has arrived when it is in one."""

SADDLE_A, ACROSS_A = (-0.822002, 0.624313), (-0.761396, 0.648287)
SADDLE_B, ACROSS_B = (0.212487, 0.292988), (0.500306, -0.865848)
"""The passes towards A and towards B, each with its unstable direction, which leads to that minimum; the line
through a pass and at right angles to that direction is where the basin ends."""

_FAR = 10.0
_STRETCH = 2_000_000
"""Steps of sixteen walkers between two returns to Python, some tens of milliseconds."""
_ENERGY_UNIT = 2.0**-16

_surface = on_vectors(landscapes.mueller_brown)


class Walkers(NamedTuple):
    """Sixteen walkers, arrays (16,); all but what is said are float32.

    Args:
        x, y: positions.
        px, py: the noise of the step before.
        core: the core set visited last, int32: 1 for A, 2 for B, 0 for none yet.
        kick: sqrt(kT dt / 2).
        keys: int32 array (2, 16).
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    px: NDArray[np.float32]
    py: NDArray[np.float32]
    core: NDArray[np.int32]
    kick: NDArray[np.float32]
    keys: NDArray[np.int32]


class Tally(NamedTuple):
    """What is counted, int64 arrays (blocks, 16).

    Args:
        in_a, in_b: steps in the basins.
        transitions: arrivals in one core set from the other.
        energy: sum of the energy in units of 2^-16, so that sums are exact.
    """

    in_a: NDArray[np.int64]
    in_b: NDArray[np.int64]
    transitions: NDArray[np.int64]
    energy: NDArray[np.int64]


@inline
def _distance_square(x, y, centre):
    u, v = x - splat(np.float32(centre[0])), y - splat(np.float32(centre[1]))
    return fma(u, u, v * v)


@inline
def _beyond(x, y, saddle, across):
    """Positive on the far side of the line at a saddle."""
    u, v = x - splat(np.float32(saddle[0])), y - splat(np.float32(saddle[1]))
    return fma(u, splat(np.float32(across[0])), v * splat(np.float32(across[1])))


@inline
def _add(total, row, lanes, counted):
    """Add int32 lanes to a row of an int64 array."""
    store(lanes, 0, counted)
    for lane in range(LANES):
        total[row, lane] += lanes[lane]


@compiled
def advance(walkers, tally, block, dt, first, last):
    """Steps first to last - 1, each counted by where it starts.

    Args:
        walkers: a `Walkers`, advanced in place.
        tally: a `Tally`.
        block: row of the tally to add to; -1 to count nothing but where the walkers come from.
        dt: time step, float32.
        first: step.
        last: step.
    """
    x, y, px, py = load(walkers.x, 0), load(walkers.y, 0), load(walkers.px, 0), load(walkers.py, 0)
    core, kick, minus_dt = load(walkers.core, 0), load(walkers.kick, 0), splat(-dt)
    key0, key1 = load(walkers.keys[0], 0), load(walkers.keys[1], 0)
    none, one, two = splat(np.int32(0)), splat(np.int32(1)), splat(np.int32(2))
    reach, zero = splat(np.float32(CORE * CORE)), splat(np.float32(0))
    to_unit = splat(np.float32(1 / _ENERGY_UNIT))
    in_a, in_b, transitions = none, none, none
    row = max(block, 0)
    energies = tally.energy[row].copy()
    energy_sum = load(energies, 0)
    # A draw of four numbers serves an even step and the odd one after it.
    a, b, c, d = four_gaussians(none, first >> 1, NOISE, key0, key1)
    for step in range(first, last):
        if step & 1:
            nx, ny = c, d
        else:
            if step != first:
                a, b, c, d = four_gaussians(none, step >> 1, NOISE, key0, key1)
            nx, ny = a, b
        energy, slope_x, slope_y = _surface(x, y)
        now = select(_distance_square(x, y, MINIMUM_A) < reach, one, core)
        now = select(_distance_square(x, y, MINIMUM_B) < reach, two, now)
        # Words 1 and 2 differ in both bits, 0 and either in one.
        transitions = transitions + (((now ^ core) + one) >> two)
        core = now
        in_a = in_a + select(_beyond(x, y, SADDLE_A, ACROSS_A) > zero, one, none)
        in_b = in_b + select(_beyond(x, y, SADDLE_B, ACROSS_B) > zero, one, none)
        energy_sum = energy_sum + to_long(energy * to_unit)
        x = fma(kick, nx + px, fma(minus_dt, slope_x, x))
        y = fma(kick, ny + py, fma(minus_dt, slope_y, y))
        px, py = nx, ny
    store(walkers.x, 0, x)
    store(walkers.y, 0, y)
    store(walkers.px, 0, px)
    store(walkers.py, 0, py)
    store(walkers.core, 0, core)
    if block >= 0:
        lanes = np.empty(LANES, np.int32)
        _add(tally.in_a, block, lanes, in_a)
        _add(tally.in_b, block, lanes, in_b)
        _add(tally.transitions, block, lanes, transitions)
        store(energies, 0, energy_sum)
        tally.energy[block] = energies


class Plan(NamedTuple):
    """What is common to all replicas of a batch.

    Args:
        timestep: dt.
        steps, equilibration: in all, and those before anything is counted.
        start: where walkers begin, (x, y).
    """

    timestep: float
    steps: int
    equilibration: int
    start: tuple[float, float]

    def block_ends(self) -> NDArray[np.int64]:
        """The step that ends the equilibration and those that end each block, array (1 + blocks,)."""
        production = self.steps - self.equilibration
        return self.equilibration + np.arange(BLOCKS + 1) * production // BLOCKS

    def next_look(self, step: int, stops: Sequence[int]) -> tuple[int, int]:
        """The block that a step lies in, -1 before the first, and where Python looks next."""
        ends = self.block_ends()
        block = int(np.searchsorted(ends, step, side="right")) - 1
        return block, min(step + _STRETCH, int(ends[block + 1]), *stops)


def check_start(frame: Frame) -> None:
    """Refuse a state that is none of a walker on the surface."""
    position = np.asarray(frame.position)
    if position.shape != (1, 3):
        raise InvalidInputError("start", f"{len(position)} particles", "a walker is one", "a frame of one")
    if not np.all(np.abs(position[0, :2]) < _FAR):
        x, y = position[0, :2]
        raise InvalidInputError(
            "start", f"({x:g}, {y:g})", "off the surface", f"within {_FAR:g} of the origin"
        )


class Replicas:
    """Up to sixteen replicas that are at the same step, one to a lane; the other lanes idle along."""

    def __init__(
        self, plan: Plan, temperature: Array, seeds: NDArray[np.uint64], starts: Sequence[Frame | None]
    ):
        self.plan, self.n = plan, len(seeds)
        position = np.full((LANES, 2), plan.start, np.float32)
        for lane, start in enumerate(starts):
            if start is not None:
                position[lane] = start.position[0, :2]
        kick, keys = np.zeros(LANES, np.float32), np.zeros((2, LANES), np.int32)
        kick[: self.n] = np.sqrt(temperature * plan.timestep / 2)
        keys[:, : self.n] = split_seeds(seeds)
        x, y = (np.ascontiguousarray(position[:, axis]) for axis in (0, 1))
        px, py = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
        self.walkers = Walkers(x, y, px, py, np.zeros(LANES, np.int32), kick, keys)
        self.tally = Tally(*(np.zeros((BLOCKS, LANES), np.int64) for _ in Tally._fields))
        self.failures: dict[int, Failure] = {}
        self._good, self._good_step = position.copy(), 0

    def run(self, keepers: Sequence[Keeper], report: Callable[[float], None], first: int) -> None:
        """From a step to the end; each lane that goes wrong is noted in `failures`."""
        dt, step = np.float32(self.plan.timestep), first
        self._good_step = first
        self._visit(keepers, step)
        while step < self.plan.steps:
            block, last = self.plan.next_look(step, [keeper.next_stop(step) for keeper in keepers])
            advance(self.walkers, self.tally, block, dt, step, last)
            step = last
            self._look_for_failures(step)
            self._visit(keepers, step)
            report(step / self.plan.steps)

    def _look_for_failures(self, step: int) -> None:
        position = np.stack([self.walkers.x, self.walkers.y], axis=1)
        fine = np.all(np.abs(position) < _FAR, axis=1)
        for lane in np.flatnonzero(np.logical_not(fine[: self.n])).tolist():
            if lane in self.failures:
                continue
            x, y = position[lane]
            self.failures[lane] = Failure(
                "left the surface",
                f"timestep = {self.plan.timestep:g}: the walker is at ({x:.3g}, {y:.3g}) by step {step}; "
                f"accepted: below about {self.plan.timestep / 2:.2g}, or a lower temperature",
                Frame(self._good_step, np.array([[*self._good[lane], 0.0]])),
            )
        self._good[fine], self._good_step = position[fine], step

    def _visit(self, keepers: Sequence[Keeper], step: int) -> None:
        for lane, keeper in enumerate(keepers):
            if lane not in self.failures:
                keeper.visit(
                    step,
                    frame=partial(self._frame, lane, step),
                    row=partial(self._row, lane),
                    state=partial(self._state, lane),
                )

    def _frame(self, lane: int, step: int) -> Frame:
        return Frame(step, np.array([[self.walkers.x[lane], self.walkers.y[lane], 0.0]]))

    def _row(self, lane: int) -> dict[str, float]:
        x, y = float(self.walkers.x[lane]), float(self.walkers.y[lane])
        return {"x": x, "y": y, "energy": float(landscapes.mueller_brown(x, y)[0])}

    def _state(self, lane: int) -> Arrays:
        walker = {name: getattr(self.walkers, name)[lane : lane + 1] for name in _MOVING}
        return walker | {name: getattr(self.tally, name)[:, lane] for name in Tally._fields}

    def restore(self, lane: int, state: Arrays) -> None:
        """A lane as a checkpoint has it."""
        for name in _MOVING:
            getattr(self.walkers, name)[lane] = state[name][0]
        for name in Tally._fields:
            getattr(self.tally, name)[:, lane] = state[name]
        self._good[lane] = self.walkers.x[lane], self.walkers.y[lane]

    def estimates(self, lane: int) -> dict[str, tuple[float, float]]:
        """Output -> mean and standard error."""
        looks = np.diff(self.plan.block_ends()).astype(np.float64)
        counts = {name: getattr(self.tally, name)[:, lane] for name in Tally._fields}
        transitions = counts["transitions"].astype(np.float64)
        found = {
            "population_a": counted(counts["in_a"] / looks, looks, 1 / looks.sum()),
            "population_b": counted(counts["in_b"] / looks, looks, 1 / looks.sum()),
            "mean_energy": blocked(counts["energy"] * _ENERGY_UNIT / looks, looks),
            # What was seen once or never has the error of one.
            "transitions": (transitions.sum(), max(1.0, transitions.std(ddof=1) * np.sqrt(BLOCKS))),
        }
        return {name: (float(mean), float(error)) for name, (mean, error) in found.items()}


_MOVING = ("x", "y", "px", "py", "core")
"""What changes of `Walkers`."""


def warm_up() -> None:
    """Compile, or load from the cache, the kernel."""
    plan = Plan(1e-4, BLOCKS, 0, MINIMUM_A)
    Replicas(plan, np.ones(1), np.zeros(1, np.uint64), [None]).run([], lambda fraction: None, 0)
