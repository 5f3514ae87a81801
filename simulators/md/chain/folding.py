"""Sixteen Go chains: placed, run in stretches, and turned into averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.batch.replica_files import Arrays
from simulators.contract import Failure, Frame, InvalidInputError
from simulators.md.chain.dynamics import (
    CONTACTS,
    GYRATION,
    KINETIC,
    OVERSTRETCHED,
    POTENTIAL,
    RMSD,
    Motion,
    Tally,
    advance,
    thermalise,
)
from simulators.md.chain.forces import BEAD, State, forces, model, room
from simulators.md.chain.protein import Native, native_contacts, radius_of_gyration, rmsd
from simulators.md.random import split_seeds
from simulators.md.statistics import BLOCKS, blocked, counted
from simulators.md.vector import LANES, aligned

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

_STRETCH = 2e7
"""Pairs and steps between two returns to Python, some 20 ms."""
_BY_LANE = ("unfolded", "broken", "good_at")
_SCALE_OF_STEP = 0.02
"""The longest stable time step: a bond of stiffness 200 has a period of 0.44."""


@dataclass(frozen=True)
class Plan:
    """All that a replica's numbers depend on, besides its temperature, its seed and its starting state.

    Args:
        native: structure.
        extended: whether to start from the stretched chain instead of the native structure.
        timestep, friction: in reduced units.
        steps, equilibration: steps in all, and those before the averages.
        every: steps between two looks.
        threshold: fraction of native contacts below which the chain has unfolded.
        levels: numbers of contacts to a bin of the histogram of Q.
    """

    native: Native
    extended: bool
    timestep: float
    friction: float
    steps: int
    equilibration: int
    every: int
    threshold: float
    levels: int


class Chains:
    """Up to sixteen replicas of a chain, one to a lane; lanes left over repeat the first."""

    def __init__(
        self,
        plan: Plan,
        temperatures: Sequence[float],
        seeds: NDArray[np.uint64],
        starts: Sequence[Frame | None],
    ) -> None:
        self.plan, self.replicas = plan, len(seeds)
        self.beads, self.contacts = len(plan.native.position), len(plan.native.contact_distances)
        lanes = [*range(self.replicas), *[0] * (LANES - self.replicas)]
        keep = math.exp(-plan.friction * plan.timestep)
        temperature = np.asarray(temperatures, dtype=float)[lanes]
        self.motion = Motion(
            np.float32(plan.timestep / 2),
            np.float32(keep),
            np.sqrt(temperature * (1 - keep**2)).astype(np.float32),
            np.sqrt(temperature).astype(np.float32),
            np.ascontiguousarray(split_seeds(np.asarray(seeds, np.uint64)[lanes]).ravel()),
        )
        self.model = model(plan.native)
        self.state: State = room(self.beads, len(self.model.others))
        self.tally = self._tally()
        self.step = 0
        self._energy = np.zeros(LANES, np.float32)
        self._place([starts[lane] for lane in lanes])

    def _tally(self) -> Tally:
        plan = self.plan
        return Tally(
            threshold=np.float32(plan.threshold * self.contacts),
            start=plan.equilibration,
            steps=plan.steps - plan.equilibration,
            looks=np.zeros(BLOCKS, np.int64),
            sums=np.zeros((BLOCKS, 5, LANES)),
            formed=np.zeros(BLOCKS * self.contacts * LANES, np.int32),
            counts=np.zeros((BLOCKS, self.contacts + 1, LANES), np.int32),
            unfolded=np.full(LANES, -1),
            broken=np.full(LANES, -1),
            good_at=np.full(LANES, -1),
            good=aligned(self.state.position.size, np.float32),
            values=aligned(7 * LANES, np.float32),
        )

    def _place(self, starts: list[Frame | None]) -> None:
        """Positions from the frames, or the usual ones; velocities from them too, or Maxwell's."""
        usual = self.plan.native.extended() if self.plan.extended else self.plan.native.position
        thermalise(self.state, self.motion)
        positions, velocities = self._vectors(self.state.position), self._vectors(self.state.velocity)
        for lane, start in enumerate(starts):
            there = usual if start is None else start.position
            positions[:, :, lane] = there - there.mean(axis=0)
            if start is not None and start.velocity is not None:
                velocities[:, :, lane] = start.velocity
        forces(self.model, self.state, self._energy)
        # What is kept is the velocity half a kick before the step.
        self.state.velocity[:] -= self.motion.half_step * self.state.force

    def _vectors(self, components: NDArray[np.float32]) -> NDArray[np.float32]:
        """A view, array (beads, 3, 16)."""
        return components[: self.beads * BEAD].reshape(self.beads, 3, LANES)

    # Running -----------------------------------------------------------------------------------

    def run(self, keepers: Sequence[Keeper], report: Callable[[float], None]) -> None:
        """All steps that are left, files kept on the way."""
        pairs = self.beads * (self.beads - 1) // 2
        stretch = max(1, int(_STRETCH / (pairs + 50 * self.beads)))
        self._visit(keepers)
        while self.step < self.plan.steps:
            stops = [keeper.next_stop(self.step) for keeper in keepers]
            last = min(self.step + stretch, self.plan.steps, *stops)
            advance(self.model, self.state, self.motion, self.tally, self.step, last, self.plan.every)
            self.step = last
            self._visit(keepers)
            report(last / self.plan.steps)

    def _visit(self, keepers: Sequence[Keeper]) -> None:
        now = _Now(self)
        for lane, keeper in enumerate(keepers):
            frame, row = partial(now.frame, lane), partial(now.row, lane)
            whole = now.whole[lane]
            keeper.visit(
                self.step,
                frame=frame if whole else None,
                row=row if whole else None,
                state=partial(self.save, lane),
            )

    def save(self, lane: int) -> Arrays:
        """All that the rest of a replica's simulation depends on."""
        tally = self.tally
        return {
            "position": self.state.position.reshape(-1, LANES)[:, lane],
            "velocity": self.state.velocity.reshape(-1, LANES)[:, lane],
            "good": tally.good.reshape(-1, LANES)[:, lane],
            "looks": tally.looks,
            "sums": tally.sums[:, :, lane],
            "formed": tally.formed.reshape(-1, LANES)[:, lane],
            "counts": tally.counts[:, :, lane],
            **{name: getattr(tally, name)[lane] for name in _BY_LANE},
        }

    def load(self, step: int, saved: Sequence[Arrays]) -> None:
        """Go on at this step from what `save` gave for each replica."""
        self.step = step
        self.tally.looks[:] = saved[0]["looks"]
        for lane in range(LANES):
            arrays = saved[lane] if lane < self.replicas else saved[0]
            for name, values in (
                ("position", self.state.position),
                ("velocity", self.state.velocity),
                ("good", self.tally.good),
                ("formed", self.tally.formed),
            ):
                values.reshape(-1, LANES)[:, lane] = arrays[name]
            self.tally.sums[:, :, lane] = arrays["sums"]
            self.tally.counts[:, :, lane] = arrays["counts"]
            for name in _BY_LANE:
                getattr(self.tally, name)[lane] = arrays[name]

    # Results -----------------------------------------------------------------------------------

    def failure(self, lane: int) -> Failure | None:
        """Why a replica went wrong, if it did."""
        step, plan = int(self.tally.broken[lane]), self.plan
        if step < 0:
            return None
        good_at = int(self.tally.good_at[lane])
        good = self._vectors(self.tally.good)[:, :, lane].astype(float)
        safe = min(_SCALE_OF_STEP, plan.timestep / 2)
        message = (
            f"timestep = {plan.timestep:g}: by step {step} a bond was {OVERSTRETCHED:g} angstrom from its "
            f"native length, or the energy not finite; accepted: below about {safe:g}, or a lower temperature"
        )
        return Failure("overstretched", message, Frame(good_at, good) if good_at >= 0 else None)

    @cached_property
    def _looks(self) -> Array:
        return self.tally.looks.astype(float)

    def temperature(self, lane: int) -> float:
        """Mean kinetic temperature."""
        return float(self.tally.sums[:, KINETIC, lane].sum() / self._looks.sum() / (3 * self.beads))

    def estimates(self, lane: int) -> dict[str, Estimate]:
        """Output -> mean and standard error; that of a passage, which is a single draw, is not known."""
        looks = self._looks
        sums = self.tally.sums[:, :, lane] / looks[:, None]
        formed = self.tally.formed.reshape(BLOCKS, self.contacts, LANES)[:, :, lane] / looks[:, None]
        counts = self.tally.counts[:, :, lane] / looks[:, None]
        bins = -(-counts.shape[1] // self.plan.levels)
        padded = np.zeros((BLOCKS, bins * self.plan.levels))
        padded[:, : counts.shape[1]] = counts
        per_share = self.contacts / self.plan.levels
        density = padded.reshape(BLOCKS, bins, -1).sum(axis=2) * per_share
        one = 1 / looks.sum()
        unfolded = int(self.tally.unfolded[lane])
        return {
            "native_contacts": blocked(sums[:, CONTACTS] / self.contacts, looks),
            "radius_of_gyration": blocked(sums[:, GYRATION], looks),
            "rmsd": blocked(sums[:, RMSD], looks),
            "potential_energy": blocked(sums[:, POTENTIAL], looks),
            "first_unfolded": (float(unfolded) if unfolded >= 0 else math.nan, math.nan),
            "contact_formed": counted(formed, looks, one),
            "contacts_density": counted(density, looks, one * per_share),
        }


def check_start(plan: Plan, frame: Frame) -> None:
    """Refuse a frame that is not one of this chain.

    Raises:
        InvalidInputError: of another number of beads, not finite, or with a broken bond.
    """
    beads = len(plan.native.position)
    if frame.position.shape != (beads, 3):
        raise InvalidInputError(
            "start", f"{len(frame.position)} particles", "of another chain", f"positions of {beads} beads"
        )
    stretch = np.abs(np.linalg.norm(np.diff(frame.position, axis=0), axis=1) - plan.native.bonds)
    if not (stretch < OVERSTRETCHED).all():
        bond = int(np.argmax(np.nan_to_num(stretch, nan=np.inf)))
        raise InvalidInputError(
            "start",
            f"step {frame.step}",
            f"the bond after bead {bond + 1} is {stretch[bond]:.3g} angstrom from its native length",
            f"less than {OVERSTRETCHED:g} angstrom",
        )


def warm_up() -> None:
    """Compile, or load from the cache, everything that a replica needs."""
    native = Native(np.array([[0.0, 0, 0], [3.8, 0, 0], [3.8, 3.8, 0], [0, 3.8, 0], [0, 3.8, 3.8]]))
    plan = Plan(native, False, 0.001, 1.0, 1, 0, 1, 0.3, 1)
    Chains(plan, [1.0], np.zeros(1, np.uint64), [None]).run([], lambda fraction: None)


class _Now:
    """What files may want of the present step, made when asked for."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    @cached_property
    def _positions(self) -> Array:
        """Array (16, beads, 3)."""
        return self._chains._vectors(self._chains.state.position).transpose(2, 0, 1).astype(float)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Which replicas have neither broken nor are about to, array (16,)."""
        chains = self._chains
        bonds = np.linalg.norm(np.diff(self._positions, axis=1), axis=2)
        stretch = np.abs(bonds - chains.plan.native.bonds).max(axis=1)
        return np.asarray((chains.tally.broken < 0) & (stretch < OVERSTRETCHED))

    @cached_property
    def _energy(self) -> NDArray[np.float32]:
        chains = self._chains
        forces(chains.model, chains.state, chains._energy)
        return chains._energy

    @cached_property
    def _velocities(self) -> Array:
        """At the step, array (16, beads, 3)."""
        chains = self._chains
        assert self._energy is not None  # the forces are those of the present positions
        velocity = chains.state.velocity + chains.motion.half_step * chains.state.force
        return chains._vectors(velocity).transpose(2, 0, 1).astype(float)

    def frame(self, lane: int) -> Frame:
        return Frame(self._chains.step, self._positions[lane], None, self._velocities[lane])

    @cached_property
    def _rows(self) -> dict[str, Array]:
        """Column -> values of all replicas at once, array (16,)."""
        positions, native = self._positions, self._chains.plan.native
        # A broken chain is in no file, and its positions may be no numbers.
        positions = np.where(self.whole[:, None, None], positions, native.position)
        return {
            "native_contacts": native_contacts(positions, native),
            "rmsd": rmsd(positions, native.position),
            "radius_of_gyration": radius_of_gyration(positions),
            "potential_energy": self._energy.astype(float),
            "temperature": np.mean(self._velocities**2, axis=(1, 2)),
        }

    def row(self, lane: int) -> dict[str, float]:
        return {name: float(values[lane]) for name, values in self._rows.items()}
