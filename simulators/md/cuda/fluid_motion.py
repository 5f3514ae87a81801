"""The motion of a batch of fluids on the card, in either of two ways: in blocks or in cells.

`InBlocks` gives each replica to a block of threads that goes through many steps in one launch; it has room
for `MOST` particles in shared memory. `InCells` spreads each replica over as many blocks as it takes, a
launch to a step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from simulators.md.cuda import fluid_cells, fluid_looks
from simulators.md.cuda.device import WARP, launch, threads_per_block
from simulators.md.cuda.fluid import CONSTANTS, SKIN, THREADS, Batch, advance
from simulators.md.cuda.fluid_looks import Looks
from simulators.md.fluid.dynamics import Dynamics, dynamics
from simulators.md.fluid.replica import MELTING_TEMPERATURE, Plan, Replica
from simulators.md.fluid.run import DRIFT, FINE, FULL, HOT
from simulators.md.fluid.state import ENERGY, FORCE, by_number, set_column
from simulators.md.statistics import BLOCKS

_ROOM = 1.5
"""Room in a list over the mean length; a liquid's fluctuate by a tenth. It doubles where it is short."""

Integers = NDArray[np.int32]


class Motion(ABC):
    """Replicas whose particles are on the card.

    Args:
        replicas: of as many particles each.
        step: array (replicas,), where they are.
        melted: for each the first step that is not hot.
    """

    skin: float
    threads: int
    """Of a block that looks at one replica."""
    card: Any
    """The named tuple of arrays."""

    def __init__(self, replicas: Sequence[Replica], step: NDArray[np.int64], melted: Sequence[int]) -> None:
        self.replicas, self.particles = replicas, replicas[0].plan.particles
        self.threads = threads_per_block([self.particles] * len(replicas), THREADS)
        self._entries = max(entries(replica.plan, self.skin) for replica in replicas)
        rows = [
            constants(r, first, self.skin, self._across(r.plan))
            for r, first in zip(replicas, melted, strict=True)
        ]
        self.constants = cuda.to_device(np.array(rows, CONSTANTS))
        self.path = cuda.to_device(np.stack([np.ascontiguousarray(r.tally.path.T) for r in replicas]))
        self._good_path = cuda.device_array_like(self.path)

    def _across(self, plan: Plan) -> int:
        return 0

    @property
    @abstractmethod
    def place(self) -> Any:
        """Places on the card, as of `Looks.place`."""

    @property
    @abstractmethod
    def side(self) -> Any:
        """Which of their sides holds."""

    @abstractmethod
    def run(self, last: int) -> tuple[Integers, NDArray[np.int64]]:
        """Steps up to ``last``.

        Returns:
            arrays (replicas,): how each went, and the step at which it is.
        """

    @abstractmethod
    def values(self) -> NDArray[np.float64]:
        """The number that was too great, of each replica that went wrong; array (replicas,)."""

    @abstractmethod
    def remember(self) -> None:
        """Keep the state of now, to go back to it."""

    @abstractmethod
    def fetch(self, k: int, remembered: bool = False) -> None:
        """Bring places, velocities and energies of a replica back."""

    @abstractmethod
    def put_velocities(self, k: int) -> None:
        """Take those of the replica."""

    @abstractmethod
    def count_distances(self, looks: Looks) -> None:
        """Add the pair distances of replicas that are due."""

    @property
    @abstractmethod
    def listed(self) -> tuple[Any, Any]:
        """How often neighbours were listed, and how many entries there are, of each replica."""

    def _fetch_paths(self, k: int, remembered: bool) -> None:
        path = (self._good_path if remembered else self.path)[k].copy_to_host().T
        tally = self.replicas[k].tally
        tally.path[:] = path
        tally.last[:] = path.astype(np.uint32).view(np.int32)

    def _set(self, k: int, numbers: Integers, place: Integers, velocity: Integers) -> None:
        """Arrays (particles, 3) of particles with these numbers become the replica's state."""
        replica, order = self.replicas[k], np.argsort(numbers)
        here = replica.rows.place[3::4]
        set_column(replica.rows.place, place[order], here)
        set_column(replica.rows.velocity, velocity[order], here)
        replica.around.state[0] = 0

    def _rows(self, name: str) -> NDArray[np.int32]:
        """Array (replicas, 3, particles) by number."""
        rows = [by_number(getattr(r.rows, name), r.rows.place[3::4]).T for r in self.replicas]
        return np.ascontiguousarray(np.stack(rows))

    def _places(self) -> NDArray[np.int32]:
        """Array (replicas, 4 particles): places and numbers."""
        place = np.empty((len(self.replicas), self.particles, 4), np.int32)
        place[:, :, :3] = self._rows("place").transpose(0, 2, 1)
        place[:, :, 3] = np.arange(self.particles)
        return place.reshape(len(self.replicas), -1)


class InBlocks(Motion):
    """A block of threads to a replica."""

    skin = SKIN

    def __init__(self, replicas: Sequence[Replica], step: NDArray[np.int64], melted: Sequence[int]) -> None:
        super().__init__(replicas, step, melted)
        n, particles = len(replicas), self.particles
        first = [(float(not np.isnan(r.tally.first_energy[0])), r.tally.first_energy[0]) for r in replicas]
        self._side = cuda.to_device(np.zeros(n, np.int32))
        self.card = Batch(
            constants=self.constants,
            place=cuda.to_device(self._places().reshape(n, 1, -1)),
            path=self.path,
            velocity=cuda.to_device(self._rows("velocity")),
            force=cuda.to_device(np.zeros((n, 3, particles), np.float32)),
            listed=cuda.to_device(np.zeros((n, 3, particles), np.int32)),
            near=self._lists(),
            count=self._no_counts(),
            step=cuda.to_device(np.array(step, np.int64)),
            code=cuda.to_device(np.full(n, FINE, np.int32)),
            value=cuda.to_device(np.zeros(n)),
            looks=cuda.to_device(np.stack([r.tally.looks for r in replicas]).astype(np.int32)),
            sums=cuda.to_device(np.stack([r.tally.sums for r in replicas])),
            first_energy=cuda.to_device(np.nan_to_num(np.array(first))),
            lists=cuda.to_device(np.zeros(n, np.int32)),
        )
        self._good = tuple(cuda.device_array_like(a) for a in (self.card.place, self.card.velocity))

    def _lists(self) -> Any:
        return cuda.device_array((len(self.replicas), self._entries * self.particles), np.uint16)

    def _no_counts(self) -> Any:
        return cuda.to_device(np.full((len(self.replicas), self.particles), -1, np.int32))

    @property
    def place(self) -> Any:  # noqa: D102
        return self.card.place

    @property
    def side(self) -> Any:  # noqa: D102
        return self._side

    def launch(self, last: int) -> None:
        """Start steps up to ``last``; returns before they are done."""
        launch(advance, len(self.replicas), self.threads, self.card, last)

    def run(self, last: int) -> tuple[Integers, NDArray[np.int64]]:  # noqa: D102
        while True:
            self.launch(last)
            code = self.card.code.copy_to_host()
            if not (code == FULL).any():
                return code, self.card.step.copy_to_host()
            self._entries *= 2
            code[code == FULL] = FINE
            self.card.code.copy_to_device(code)
            # Lists are made anew wherever they are short, and everywhere else since these are new arrays.
            self.card = self.card._replace(near=self._lists(), count=self._no_counts())

    def values(self) -> NDArray[np.float64]:  # noqa: D102
        value: NDArray[np.float64] = self.card.value.copy_to_host()
        return value

    def remember(self) -> None:  # noqa: D102
        for copy, array in zip(
            (*self._good, self._good_path), (self.card.place, self.card.velocity, self.path), strict=True
        ):
            copy.copy_to_device(array)

    def fetch(self, k: int, remembered: bool = False) -> None:  # noqa: D102
        place, velocity = self._good if remembered else (self.card.place, self.card.velocity)
        rows = place[k].copy_to_host().reshape(-1, 4)
        self._set(k, rows[:, 3], rows[:, :3], velocity[k].copy_to_host().T)
        self._fetch_paths(k, remembered)
        tally, first = self.replicas[k].tally, self.card.first_energy[k].copy_to_host()
        tally.looks[:] = self.card.looks[k].copy_to_host()
        tally.sums[:] = self.card.sums[k].copy_to_host()
        tally.first_energy[0] = first[1] if first[0] else np.nan

    def put_velocities(self, k: int) -> None:  # noqa: D102
        rows = self.replicas[k].rows
        velocity = by_number(rows.velocity, rows.place[3::4])
        self.card.velocity[k].copy_to_device(np.ascontiguousarray(velocity.T))

    def count_distances(self, looks: Looks) -> None:  # noqa: D102
        bins = looks.distances.shape[1] // BLOCKS
        each = -(-self.particles // self.threads)
        blocks = len(self.replicas) * each
        launch(fluid_looks.count_distances, blocks, self.threads, looks, each, bins)

    @property
    def listed(self) -> tuple[Any, Any]:  # noqa: D102
        return self.card.lists.copy_to_host(), self.card.count.copy_to_host().sum(axis=1)


class InCells(Motion):
    """A thread to a particle, a launch to a step; energies are added up here."""

    skin = fluid_cells.SKIN

    def __init__(self, replicas: Sequence[Replica], step: NDArray[np.int64], melted: Sequence[int]) -> None:
        super().__init__(replicas, step, melted)
        n, particles = len(replicas), self.particles
        self._step, self._looked = np.array(step, np.int64), np.full(n, -1)
        self._value = np.zeros(n)
        self._block = min(fluid_cells.THREADS, -(-particles // WARP) * WARP)
        self._blocks = n * -(-particles // self._block)
        self._between = 8
        self._cells = max(1, *(self._across(r.plan) for r in replicas)) ** 3
        place, velocity = self._places(), self._rows("velocity").reshape(n, -1)
        units = [(r.pair.energy, r.pair.virial, r._bath(0).heat) for r in replicas]

        def zeros(*shape: int) -> Any:
            return cuda.to_device(np.zeros((n, *shape), np.int32))

        self.card = fluid_cells.Batch(
            constants=self.constants,
            units=cuda.to_device(np.array(units, np.float32)),
            place=cuda.to_device(np.stack([place, place], axis=1)),
            path=self.path,
            velocity=cuda.to_device(np.stack([velocity, velocity], axis=1)),
            side=zeros(),
            listed=zeros(3, particles),
            near=self._lists(),
            count=zeros(particles),
            cell=zeros(particles),
            rank=zeros(particles),
            members=zeros(self._cells),
            first=zeros(self._cells + 1),
            stale=cuda.to_device(np.ones(n, np.int32)),
            moved=zeros(),
            strongest=zeros(),
            done=zeros(),
            step=cuda.to_device(self._step),
            code=zeros(),
            value=cuda.to_device(np.zeros(n)),
            lists=zeros(),
            energies=cuda.to_device(np.zeros((n, 4), np.int64)),
        )
        self._good = tuple(
            cuda.device_array_like(a) for a in (self.card.place, self.card.velocity, self.card.side)
        )

    def _across(self, plan: Plan) -> int:
        # No more cells than particles, or empty ones would be most of the work.
        most: int = math.ceil(np.cbrt(plan.particles))
        return max(1, min(int(plan.side / (plan.cutoff + self.skin)), most))

    def _lists(self) -> Any:
        return cuda.device_array((len(self.replicas), self._entries * self.particles), np.int32)

    @property
    def place(self) -> Any:  # noqa: D102
        return self.card.place

    @property
    def side(self) -> Any:  # noqa: D102
        return self.card.side

    def run(self, last: int) -> tuple[Integers, NDArray[np.int64]]:  # noqa: D102
        code = self.card.code.copy_to_host()
        while (running := np.flatnonzero((code == FINE) & (self._step < last))).size:
            code = self._look(running, code)
            running = running[code[running] == FINE]
            if running.size:
                tally = self.replicas[0].tally
                ahead = tally.every - (self._step[running] - tally.start) % tally.every
                code = self._advance(min(last, int((self._step[running] + ahead).min())), code)
        return code, self._step

    def _advance(self, last: int, code: Integers) -> Integers:
        """Steps up to ``last``, with no look in between."""
        while (running := (code == FINE) & (self._step < last)).any():
            before, lists = self._step[running], self.card.lists.copy_to_host()[running]
            left = int(last - before.min())
            for _ in range(0, left, self._between):
                self._list()
                for _ in range(min(left, self._between)):
                    launch(fluid_cells.advance, self._blocks, self._block, self.card, last)
            code, self._step = self.card.code.copy_to_host(), self.card.step.copy_to_host()
            if (code == FULL).any():
                code = self._grow(code)
            made = (self.card.lists.copy_to_host()[running] - lists).max()
            if made:
                self._between = 1 + math.ceil(int((self._step[running] - before).max()) / made)
        return code

    def _list(self) -> None:
        """Start making lists wherever they are stale."""
        for phase in (fluid_cells.find_cells, fluid_cells.find_firsts):
            blocks = len(self.replicas) if phase is fluid_cells.find_firsts else self._blocks
            launch(phase, blocks, self._block, self.card)
        for phase in (fluid_cells.sort_particles, fluid_cells.list_neighbours):
            launch(phase, self._blocks, self._block, self.card)

    def _list_all(self, anew: bool = False) -> None:
        """Make lists of all stale replicas, or of all, with room for them."""
        if anew:
            self.card.stale.copy_to_device(np.ones(len(self.replicas), np.int32))
        while True:
            self._list()
            code = self.card.code.copy_to_host()
            if not (code == FULL).any():
                return
            self._grow(code)

    def _grow(self, code: Integers) -> Integers:
        """Longer lists, to be made anew."""
        self._entries *= 2
        code = np.where(code == FULL, FINE, code).astype(np.int32)
        self.card.code.copy_to_device(code)
        self.card.stale.copy_to_device(np.ones(len(self.replicas), np.int32))
        self.card = self.card._replace(near=self._lists())
        return code

    def _look(self, running: NDArray[np.int64], code: Integers) -> Integers:
        """Follow the particles and add energies of replicas that are due, once; how all are then."""
        start, every = self.replicas[0].tally.start, self.replicas[0].tally.every
        due = (self._step[running] - start) % every == 0
        new = running[due & (self._looked[running] != self._step[running])]
        if not new.size:
            return code
        self._list_all()
        self.card.energies.copy_to_device(np.zeros((len(self.replicas), 4), np.int64))
        launch(fluid_cells.add_energies, self._blocks, self._block, self.card)
        energies, code = self.card.energies.copy_to_host(), code.copy()
        for k in new.tolist():
            self._looked[k] = self._step[k]
            code[k] = self._add(k, *energies[k].tolist())
        self.card.code.copy_to_device(code)
        return code

    def _add(self, k: int, potential: int, virial: int, heat: int, pairs: int) -> int:
        """Add a look at energies to the replica's, as `simulators.md.fluid.run` does; how it goes."""
        replica, step = self.replicas[k], int(self._step[k])
        tally, limits, particles = replica.tally, replica.limits, self.particles
        if heat > limits.heat:
            self._value[k] = heat / ENERGY / (3 * particles)
            return HOT
        if step < tally.start:
            return FINE
        energy = ((potential + heat) / ENERGY - limits.jump * pairs) / 2 / particles
        if np.isnan(tally.first_energy[0]):
            tally.first_energy[0] = energy
        block = (step - tally.start) * BLOCKS // tally.steps
        tally.looks[block] += 1
        tally.sums[block] += [potential, virial, heat, pairs]
        drift = energy - tally.first_energy[0]
        if abs(drift) > limits.drift:
            self._value[k] = drift
            return DRIFT
        return FINE

    def values(self) -> NDArray[np.float64]:  # noqa: D102
        value = self.card.value.copy_to_host()
        return np.where(value > 0, value, self._value)

    def remember(self) -> None:  # noqa: D102
        now = (self.card.place, self.card.velocity, self.card.side, self.path)
        for copy, array in zip((*self._good, self._good_path), now, strict=True):
            copy.copy_to_device(array)

    def fetch(self, k: int, remembered: bool = False) -> None:  # noqa: D102
        now = (self.card.place, self.card.velocity, self.card.side)
        place, velocity, sides = self._good if remembered else now
        side = int(sides.copy_to_host()[k])
        rows = place[k, side].copy_to_host().reshape(-1, 4)
        self._set(k, rows[:, 3], rows[:, :3], velocity[k, side].copy_to_host().reshape(3, -1).T)
        self._fetch_paths(k, remembered)

    def put_velocities(self, k: int) -> None:  # noqa: D102
        rows, side = self.replicas[k].rows, int(self.card.side.copy_to_host()[k])
        velocity = by_number(rows.velocity, rows.place[3::4])
        numbers = self.card.place[k, side].copy_to_host()[3::4]
        self.card.velocity[k, side].copy_to_device(np.ascontiguousarray(velocity[numbers].T).ravel())

    def count_distances(self, looks: Looks) -> None:  # noqa: D102
        self._list_all(anew=True)
        bins = looks.distances.shape[1] // BLOCKS
        reached = max(
            math.ceil(r.plan.reach / (r.plan.side / self._across(r.plan)) * (1 - 1e-9)) for r in self.replicas
        )
        launch(fluid_cells.count_distances, self._blocks, self._block, self.card, looks, reached, bins)

    @property
    def listed(self) -> tuple[Any, Any]:  # noqa: D102
        return self.card.lists.copy_to_host(), self.card.count.copy_to_host().sum(axis=1)


def entries(plan: Plan, skin: float) -> int:
    """Room for the neighbours of one particle."""
    sphere = 4 / 3 * math.pi * (plan.cutoff + skin) ** 3
    return min(plan.particles, int(_ROOM * max(plan.density, 0.1) * sphere) + 16)


def constants(replica: Replica, melted: int, skin: float, across: int) -> tuple[Any, ...]:
    """A replica's row of `CONSTANTS`."""
    plan, tally, end = replica.plan, replica.tally, replica.end

    def bath(temperature: float) -> Dynamics:
        return dynamics(plan.timestep, plan.friction, temperature, plan.side, replica.seed)

    usual, hot = bath(plan.temperature), bath(max(plan.temperature, MELTING_TEMPERATURE))
    shared = {name: getattr(usual, name) for name in ("kick", "drift", "keep", "noise", "key0", "key1")}
    values: dict[str, Any] = shared | {
        "noise_hot": hot.noise,
        "melted": melted,
        "rests": plan.equilibration if plan.conserve else np.iinfo(np.int64).max,
        "start": tally.start,
        "steps": tally.steps,
        "every": tally.every,
        "hottest": replica.limits.heat / ENERGY,
        "drift_limit": replica.limits.drift,
        "jump": end.jump,
        "square": replica.unit**2,
        "cutoff_square": plan.cutoff**2,
        "reach_square": (plan.cutoff + skin) ** 2,
        # A little less than half the skin, for the rounding of distances.
        "slack_square": (0.4999 * skin) ** 2,
        "shift": end.shift,
        "slope": end.slope,
        "to_force": replica.unit * FORCE,
        "strongest": usual.strongest,
        "particles": plan.particles,
        "across": across,
    }
    return tuple(values[name] for name in CONSTANTS.names or ())
