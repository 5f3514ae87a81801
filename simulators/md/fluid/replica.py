"""One replica of a Lennard-Jones fluid: placed, melted, run in stretches, and turned into averages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper, open_keeper
from simulators.contract import Failure, Frame
from simulators.md.fluid.correlations import Tally
from simulators.md.fluid.dynamics import Dynamics, dynamics
from simulators.md.fluid.neighbours import make_cells, make_lists
from simulators.md.fluid.pairs import pair_constants
from simulators.md.fluid.placing import lattice
from simulators.md.fluid.run import (
    DRIFT,
    FINE,
    FULL,
    HOT,
    OVERLAP,
    UNLISTED,
    Limits,
    Surroundings,
    advance,
    draw_velocities,
    follow_particles,
    forces,
    kick_rows,
    measure,
)
from simulators.md.fluid.state import (
    ENERGY,
    FORCE,
    SPEED,
    VIRIAL,
    Rows,
    allocate,
    by_number,
    set_column,
    to_words,
)
from simulators.md.laws.lennard_jones import Truncation, end, energy_correction, pressure_correction
from simulators.md.statistics import BLOCKS, blocked, counted
from simulators.md.vector import LANES, aligned

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

OUTER_SKIN, INNER_SKIN = 0.7, 0.3
"""How far the two lists reach beyond the cutoff: what runs quickest in a dense liquid."""
MELTING_TEMPERATURE, MELTING_PART = 2.5, 0.25
"""Dense starts are lattices; this part of the equilibration is at least so hot, to forget them."""

_STRETCH = 3e5
"""Particles times steps between two returns to Python, about 20 ms."""
_ROOM = 1.3
"""Room in the lists, in units of what a uniform liquid of density 1 takes; they grow where that is short."""


@dataclass(frozen=True)
class Plan:
    """All that a replica's numbers depend on, besides its seed; reduced units.

    Args:
        particles: how many.
        side: of the cube.
        temperature: of the heat bath, and of the start.
        cutoff, truncation: of the pair.
        long_range: whether energy and pressure are corrected for what lies beyond the cutoff.
        timestep, friction: of the integrator.
        steps, equilibration: steps in all, and those before the averages.
        conserve: whether the production is without a heat bath.
        drift: of the energy per particle that is tolerated then.
        reach, bins: the farthest pair distance that is counted, and in how many bins.
        waves: array (waves, 3), wave vectors in units of 2 pi / side.
        bin_of_wave: array (waves,).
        every, structure_every, lag: steps between looks at energies, at structure, and half of those
            between two lags.
        lags: how many.
    """

    particles: int
    side: float
    temperature: float
    cutoff: float
    truncation: Truncation
    long_range: bool
    timestep: float
    friction: float
    steps: int
    equilibration: int
    conserve: bool
    drift: float
    reach: float
    bins: int
    waves: NDArray[np.int32]
    bin_of_wave: NDArray[np.int64]
    every: int
    structure_every: int
    lag: int
    lags: int

    @property
    def volume(self) -> float:
        """Of the cube."""
        return self.side**3

    @property
    def density(self) -> float:
        """Particles per volume."""
        return self.particles / self.volume


class Replica:
    """A replica; reduced units."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self.unit = plan.side / 2.0**32
        """Length of the unit of position."""
        self.rows: Rows = allocate(plan.particles)
        self.end = end(plan.truncation, plan.cutoff)
        self.pair = pair_constants(self.end, plan.side)
        self.around = self._surroundings(self._entries())
        self.tally = self._tally()
        hottest = max(plan.temperature, MELTING_TEMPERATURE)
        self.limits = Limits(
            # No fluctuation of 3 N squares of Gaussians is this large.
            hottest * (6 * plan.particles + 200) * ENERGY,
            plan.drift if plan.conserve else math.inf,
            self.end.jump,
        )
        self.place(lattice(plan.particles, plan.side, seed))

    def _entries(self) -> int:
        plan = self.plan
        sphere = 4 / 3 * math.pi * (plan.cutoff + OUTER_SKIN) ** 3
        each = min(plan.particles, _ROOM * max(plan.density, 0.1) * sphere) + LANES
        return int(plan.particles * each) + plan.particles

    def _surroundings(self, entries: int) -> Surroundings:
        n, inner, outer = self.plan.particles, self.plan.cutoff + INNER_SKIN, self.plan.cutoff + OUTER_SKIN
        # A little less than half the skins, for the rounding of distances.
        slack = 0.4999 * (OUTER_SKIN - INNER_SKIN), 0.4999 * INNER_SKIN
        return Surroundings(
            n,
            make_cells(n, outer, self.plan.side),
            make_lists(n, entries),
            make_lists(n, entries),
            aligned(self.rows.place.size, np.int32),
            np.array([UNLISTED]),
            *(np.float32((length / self.unit) ** 2) for length in (outer, inner, *slack)),
        )

    def _tally(self) -> Tally:
        plan, n = self.plan, self.plan.particles
        return Tally(
            start=plan.equilibration,
            steps=plan.steps - plan.equilibration,
            every=plan.every,
            looks=np.zeros(BLOCKS, np.int64),
            sums=np.zeros((BLOCKS, 4), np.int64),
            first_energy=np.full(1, np.nan),
            structure_every=plan.structure_every,
            structure_looks=np.zeros(BLOCKS, np.int64),
            cells=make_cells(n, plan.reach, plan.side),
            found=aligned(n + 2 * LANES, np.int32),
            distances=np.zeros((BLOCKS, plan.bins), np.int64),
            reach=np.float32((plan.reach / self.unit) ** 2),
            to_bin=np.float32(plan.bins / plan.reach * self.unit),
            waves=plan.waves,
            power=np.zeros((BLOCKS, len(plan.waves))),
            lag=plan.lag,
            path=np.zeros((n, 3), np.int64),
            last=np.zeros((n, 3), np.int32),
            origin=np.zeros((n, 3), np.int64),
            displacements=np.zeros((BLOCKS, plan.lags)),
        )

    # State -----------------------------------------------------------------------------------------

    @property
    def _numbers(self) -> NDArray[np.int32]:
        return self.rows.place[3::4]

    def place(self, position: Array) -> None:
        """Put the particles there, array (particles, 3) in the order of their numbers."""
        words = to_words(position, self.plan.side)
        set_column(self.rows.place, words, self._numbers)
        self.tally.last[:] = words
        turns = np.floor(np.asarray(position) / self.plan.side + 0.5).astype(np.int64)
        self.tally.path[:] = words + (turns << 32)
        self.around.state[0] = UNLISTED

    def set_velocities(self, velocity: Array) -> None:
        """Give the particles velocities at the places where they are, array (particles, 3)."""
        words = np.rint(velocity * SPEED).astype(np.int32)
        set_column(self.rows.velocity, words, self._numbers)
        self.forces()
        kick_rows(self.rows, self._bath(0), -1)

    def forces(self) -> Array:
        """Forces on the particles, array (particles, 3)."""
        while not forces(self.rows, self.around, self.pair):
            self._grow()
        return by_number(self.rows.force, self._numbers) / FORCE

    def _grow(self) -> None:
        self.around = self._surroundings(2 * self.around.outer.near.size)

    def frame(self, step: int) -> Frame:
        """Where the particles are, followed out of the box, and their velocities."""
        self.forces()
        follow_particles(self.rows, self.tally)
        side = self.plan.side
        words = (by_number(words, self._numbers) for words in (self.rows.velocity, self.rows.force))
        speed, force = (word.astype(np.float64) for word in words)
        velocity = speed / SPEED + self.plan.timestep / 2 * force / FORCE
        position = self.tally.path.astype(np.float64) * self.unit
        return Frame(step, position, np.full(3, side), velocity)

    def thermodynamics(self) -> dict[str, float]:
        """What a row of the series says: per particle, at this step."""
        self.forces()
        sums = measure(self.rows, self.around, self.pair, self._bath(0))
        values = self._thermodynamics(np.array(sums, dtype=float))
        return {name: float(value) for name, value in values.items()}

    def _thermodynamics(self, sums: Array) -> dict[str, Array]:
        """From sums over the particles, array (..., 4), as `Tally.sums` has them, to intensive quantities."""
        plan, n = self.plan, self.plan.particles
        potential, virial, heat = sums[..., 0] / 2 / ENERGY, sums[..., 1] / 2 / VIRIAL, sums[..., 2] / ENERGY
        energy, correction = potential / n, 0.0
        conserved = energy + heat / 2 / n - self.end.jump * sums[..., 3] / 2 / n
        # The centre of mass rests where the energy is conserved.
        temperature = heat / (3 * n - (3 if plan.conserve else 0))
        if plan.long_range:
            energy = energy + energy_correction(plan.density, plan.cutoff)
            correction = pressure_correction(plan.density, plan.cutoff)
        kinetic = temperature if plan.conserve else np.full_like(temperature, plan.temperature)
        pressure = plan.density * kinetic + virial / (3 * plan.volume) + correction
        return {
            "temperature": temperature,
            "potential_energy": energy,
            "pressure": pressure,
            "total_energy": conserved,
        }

    # Run -------------------------------------------------------------------------------------------

    def _bath(self, step: int, melting: bool = False) -> Dynamics:
        """Constants of the integrator at a step."""
        plan = self.plan
        friction = 0.0 if plan.conserve and step >= plan.equilibration else plan.friction
        hot = max(plan.temperature, MELTING_TEMPERATURE)
        temperature = hot if melting else plan.temperature
        return dynamics(plan.timestep, friction, temperature, plan.side, self.seed)

    def begin(self, keeper: Keeper) -> int:
        """Go on from the checkpoint, from the start that was given or from the lattice; at which step."""
        if (found := keeper.resume()) is not None:
            step, arrays = found
            self._restore(arrays)
            return step
        self._begin(keeper.start)
        return 0

    def melted(self, keeper: Keeper) -> int:
        """The first step that is not so hot as to melt a lattice."""
        return 0 if keeper.start is not None else int(MELTING_PART * self.plan.equilibration)

    def visit(self, keeper: Keeper, step: int) -> None:
        """Keep whatever is due at this step."""
        frame = partial(self.frame, step)
        keeper.visit(step, frame=frame, row=self.thermodynamics, state=self._state)

    def run(self, report: Callable[[float], None], keeper: Keeper | None = None) -> Failure | None:
        """All steps, from the checkpoint on if there is one; the reason where the replica went wrong."""
        plan = self.plan
        with keeper or open_keeper(None, 0, plan.steps) as keeper:
            melted = self.melted(keeper)
            step = self.begin(keeper)
            while True:
                self.visit(keeper, step)
                if step == plan.steps:
                    return None
                if step == plan.equilibration and plan.conserve:
                    self.rest()
                stops = [k for k in (melted, plan.equilibration) if k > step]
                last = min(step + self._stretch, keeper.next_stop(step), *stops, plan.steps)
                failure = self._advance(step, last, self._bath(step, melting=step < melted))
                if failure is not None:
                    return failure
                step = last
                report(step / plan.steps)

    @property
    def _stretch(self) -> int:
        """Steps between two returns to Python."""
        return int(_STRETCH / self.plan.particles) + 1

    def _advance(self, first: int, last: int, bath: Dynamics) -> Failure | None:
        good = [array.copy() for array in self._motion()]
        code, step, value = self._steps(first, last, bath)
        if code == FINE:
            return None
        for array, before in zip(self._motion(), good, strict=True):
            array[:] = before
        self.around.state[0] = UNLISTED
        return self.failure(code, step, value, self.frame(first))

    def _steps(self, first: int, last: int, bath: Dynamics) -> tuple[int, int, float]:
        """Steps first to last - 1; how they ended, at which step, and the number that was too great."""
        while True:
            code, first, value = advance(
                self.rows, self.around, self.pair, bath, self.tally, self.limits, first, last
            )
            if code != FULL:
                return code, first, value
            self._grow()

    def failure(self, code: int, step: int, value: float, frame: Frame) -> Failure:
        """Why a replica went wrong: how, at which step, the number too great; its last good frame."""
        dt = self.plan.timestep
        safe = f"accepted: below about {min(0.005, dt / 2):g}"
        if code == OVERLAP:
            what = f"a force of {value / FORCE:.4g} at step {step}, particles overlapped"
            return Failure("overlap", f"timestep = {dt:g}: {what}; {safe}, or a start without overlap", frame)
        if code == HOT:
            what = f"a kinetic temperature of {value:.4g} at step {step}"
            return Failure("too hot", f"timestep = {dt:g}: {what}; {safe}", frame)
        assert code == DRIFT
        what = f"the energy per particle drifted by {value:.4g} until step {step}"
        also = f", or drift_tolerance above {abs(value):.2g}"
        return Failure("energy drift", f"timestep = {dt:g}: {what}; {safe}{also}", frame)

    def _begin(self, start: Frame | None) -> None:
        if start is not None:
            self.place(start.position)
        if start is not None and start.velocity is not None:
            self.set_velocities(start.velocity)
            return
        draw_velocities(self.rows, self._bath(0))
        self.forces()
        kick_rows(self.rows, self._bath(0), -1)

    def _motion(self) -> list[NDArray[Any]]:
        """Where the particles are, and how they move."""
        return [self.rows.place, self.rows.velocity, self.tally.path, self.tally.last]

    def rest(self) -> None:
        """Bring the centre of mass to rest."""
        words = by_number(self.rows.velocity, self._numbers).astype(np.int64)
        words -= np.rint(words.mean(axis=0)).astype(np.int64)
        set_column(self.rows.velocity, words.astype(np.int32), self._numbers)

    def _state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the run and its averages depend on."""
        energies = ["looks", "sums", "first_energy"]
        structure = ["structure_looks", "distances", "power", "path", "last", "origin", "displacements"]
        counts = {name: getattr(self.tally, name) for name in energies + structure}
        return counts | {"place": self.rows.place, "velocity": self.rows.velocity}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        for name, array in self._state().items():
            array[:] = arrays[name]
        self.around.state[0] = UNLISTED

    # Averages --------------------------------------------------------------------------------------

    def estimates(self) -> dict[str, Estimate]:
        """Output -> mean and standard error."""
        plan, tally = self.plan, self.tally
        looks = tally.looks.astype(float)
        blocks = self._thermodynamics(tally.sums / looks[:, None])
        found: dict[str, Estimate] = {
            name: blocked(blocks[name], looks) for name in ("potential_energy", "pressure")
        }
        found["temperature_kinetic"] = blocked(blocks["temperature"], looks)
        time = (np.arange(BLOCKS) + 0.5) / BLOCKS * tally.steps * plan.timestep
        found["energy_drift"] = slope(time, blocks["total_energy"])

        structure_looks = tally.structure_looks.astype(float)
        edges = np.linspace(0, plan.reach, plan.bins + 1)
        shells = 4 / 3 * math.pi * np.diff(edges**3)
        # Each particle has N - 1 others, so that g(r) of an ideal gas is 1 in a system of any size.
        pairs = plan.particles * (plan.particles - 1) / 2 * shells / plan.volume
        found["g"] = counted(
            tally.distances / structure_looks[:, None] / pairs,
            structure_looks,
            1 / (structure_looks.sum() * pairs),
        )

        power = tally.power / structure_looks[:, None]
        members = plan.bin_of_wave == np.arange(plan.bin_of_wave.max() + 1)[:, None]
        found["structure_factor"] = blocked(
            power @ (members / members.sum(axis=1)[:, None]).T, structure_looks
        )

        squares, windows = tally.displacements * self.unit**2, np.ones(BLOCKS)
        found["msd"] = blocked(squares, windows)
        lags = (2 * np.arange(plan.lags) + 1) * plan.lag * plan.timestep
        late = slice(plan.lags // 2, None)
        slopes = np.polynomial.polynomial.polyfit(lags[late], squares[:, late].T, 1)[1]
        found["diffusion"] = blocked(slopes / 6, windows)
        return found


def slope(x: Array, y: Array) -> tuple[float, float]:
    """Slope of a straight line through points, and its standard error from their scatter."""
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


SMALL = Plan(
    particles=32,
    side=6.0,
    temperature=1.0,
    cutoff=2.5,
    truncation="cut",
    long_range=False,
    timestep=0.001,
    friction=1.0,
    steps=BLOCKS,
    equilibration=0,
    conserve=False,
    drift=1.0,
    reach=2.0,
    bins=1,
    waves=np.ones((1, 3), np.int32),
    bin_of_wave=np.zeros(1, np.int64),
    every=1,
    structure_every=1,
    lag=1,
    lags=1,
)
"""A step of a few particles, to compile with."""


def warm_up() -> None:
    """Compile, or load from the cache, everything that a replica needs."""
    replica = Replica(SMALL, 0)
    replica.run(lambda fraction: None)
    replica.frame(1)
    replica.thermodynamics()
