"""Up to sixteen replicas of a cluster, run side by side: placed, advanced, looked at, and kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.contract import Failure, Frame, InvalidInputError, ReplicaError
from simulators.md.cluster.run import Cluster, advance, cluster, look, positions, refresh, velocities
from simulators.md.laws.lennard_jones import End, end
from simulators.md.statistics import BLOCKS, blocked, counted
from simulators.md.vector import LANES

Array = NDArray[np.float64]

APART = 1.0
"""No two particles begin nearer than this, sigma: there the pair's energy is that of particles far apart."""
_TRIES = 10_000
"""Random places tried for a particle."""
_MARGIN = 1.25
"""A particle may leave the sphere by a step before it is turned back; the period is wider by so much."""


@dataclass(frozen=True)
class Plan:
    """What is common to all replicas of a batch, in reduced units.

    Args:
        particles: in each replica.
        periodic: whether ``size`` is the side of a periodic box, or else the radius of a reflecting sphere.
        end: the pair's truncation.
        lattice: whether particles begin on a lattice, or else at random.
        timestep: in sigma sqrt(m / epsilon) for unit m and epsilon.
        interval, points: steps between two recorded points, and how many there are after the first state.
        first: the first recorded point that the averages take in.
        bins: of pair distance.
        tolerance: drift of the energy, epsilon per particle, beyond which a replica has failed.
        path: whether positions and velocities at the recorded points are results.
    """

    particles: int
    periodic: bool
    end: End
    lattice: bool
    timestep: float
    interval: int
    points: int
    first: int
    bins: int
    tolerance: float
    path: bool

    def farthest(self, size: float) -> float:
        """The longest distance of a pair."""
        return math.sqrt(3) / 2 * size if self.periodic else 2 * size


@dataclass(frozen=True)
class System:
    """One replica.

    Args:
        mass, epsilon: of every particle.
        size: side of the box or radius of the sphere, sigma.
        seed: of the places where particles begin.
        start: the state to begin with instead.
    """

    mass: float
    epsilon: float
    size: float
    seed: int
    start: Frame | None = None


def place(plan: Plan, system: System) -> Array:
    """Where the particles begin, array (particles, 3) from the middle.

    Raises:
        ReplicaError: no room was found at random.
    """
    if plan.lattice:
        across = math.ceil(round(plan.particles ** (1 / 3), 9))
        side = system.size if plan.periodic else 2 * system.size / math.sqrt(3)
        # Raw words of a bit generator are the same in every version of numpy; its distributions are not.
        words = np.random.Philox(key=system.seed).random_raw(across**3)
        sites = np.stack(np.unravel_index(np.argsort(words, kind="stable")[: plan.particles], (across,) * 3))
        return np.asarray((sites.T + 0.5) * (side / across) - side / 2)
    words = np.random.Philox(key=system.seed)
    side = system.size if plan.periodic else 2 * system.size
    placed = np.empty((0, 3))
    for _ in range(_TRIES * plan.particles):
        if len(placed) == plan.particles:
            return placed
        place = (words.random_raw(3) * 2.0**-64 - 0.5) * side
        apart = placed - place
        if plan.periodic:
            apart -= side * np.rint(apart / side)
        elif np.linalg.norm(place) > system.size - APART / 2:
            continue
        if ((apart**2).sum(axis=1) > APART**2).all():
            placed = np.vstack([placed, place])
    raise ReplicaError(
        f"size = {system.size:g}: no room was found at random for particle {len(placed) + 1} of "
        f"{plan.particles}; accepted: a larger size, or placement: lattice"
    )


def _begin(plan: Plan, system: System) -> tuple[Array, Array]:
    """Positions and velocities at the start, two arrays (particles, 3, 1)."""
    frame = system.start or Frame(0, place(plan, system))
    velocity = np.zeros((plan.particles, 3)) if frame.velocity is None else frame.velocity
    return frame.position[..., None], velocity[..., None]


def check_start(plan: Plan, system: System) -> None:
    """Refuse a frame that this system cannot start from.

    Raises:
        InvalidInputError: other particles, another box, or particles outside the sphere.
    """
    frame = system.start
    if frame is None:
        return
    if len(frame.position) != plan.particles:
        raise InvalidInputError(
            "start", f"{len(frame.position)} particles", "another number", f"{plan.particles} particles"
        )
    if plan.periodic and frame.box is not None and not np.allclose(frame.box, system.size, rtol=1e-5):
        raise InvalidInputError(
            "start", f"a box of {frame.box.tolist()}", "not this one", f"sides of {system.size:g}"
        )
    farthest = np.linalg.norm(frame.position, axis=1).max()
    if not plan.periodic and not farthest <= system.size:
        raise InvalidInputError(
            "start", f"{farthest:.4g} from the middle", "outside the sphere", f"up to {system.size:g}"
        )


class Replicas:
    """Sixteen lanes, of which the first ones hold replicas."""

    def __init__(self, plan: Plan, systems: Sequence[System]) -> None:
        self.plan, self.systems = plan, systems
        self.failures: dict[int, Failure] = {}
        count = len(systems)
        self.mass, self.epsilon, self.size = (
            np.array([getattr(systems[k % count], name) for k in range(LANES)])
            for name in ("mass", "epsilon", "size")
        )
        where, speed = np.zeros((2, plan.particles, 3, LANES))
        for lane, system in enumerate(systems):
            try:
                where[..., lane::count], speed[..., lane::count] = _begin(plan, system)
            except ReplicaError as error:
                self.failures[lane] = Failure("no room", str(error))
        period = self.size if plan.periodic else 4 * _MARGIN * self.size
        radius = None if plan.periodic else self.size
        self.state = cluster(where, speed, period, self.epsilon / self.mass, plan.timestep, plan.end, radius)
        self.width = np.array([plan.farthest(size) for size in self.size]) / plan.bins
        self.counts = np.zeros((BLOCKS, LANES, plan.bins), np.int64)
        self.potential, self.kinetic = np.zeros((2, plan.points + 1, LANES))
        self.path = np.zeros((plan.points if plan.path else 0, 2, plan.particles, 3, LANES))
        self._good = self._motion(0)
        self.potential[0], self.kinetic[0] = self._energies(np.zeros((LANES, plan.bins), np.int64))

    def run(self, keepers: Mapping[int, Keeper], report: Callable[[float], None], step: int = 0) -> None:
        """All steps from this one on; replicas that go wrong become ``failures``.

        Args:
            keepers: lane -> what keeps its replica's files.
            report: told the fraction that is done.
            step: that the state is at.
        """
        plan, steps = self.plan, self.plan.interval * self.plan.points
        while True:
            self._visit(keepers, step)
            if step == steps or len(self.failures) == len(self.systems):
                return
            point = step // plan.interval + 1
            last = min([point * plan.interval, *(keeper.next_stop(step) for keeper in keepers.values())])
            advance(self.state, last - step)
            step = last
            if step == point * plan.interval:
                self._record(point)
            report(step / steps)

    def _energies(self, counts: NDArray[np.int64]) -> tuple[Array, Array]:
        """Potential and kinetic energies of all replicas, arrays (16,); distances are counted."""
        end, state = self.plan.end, self.state
        potential, square = look(state, end.shift, end.slope, end.cutoff, self.width, counts)
        unit = state.period * 2.0**-64 / self.plan.timestep
        return self.epsilon * potential, self.mass / 2 * square * unit**2

    def _record(self, point: int) -> None:
        """Energies, distances and the path at a recorded point, and who has gone wrong there."""
        plan = self.plan
        counted = np.zeros((LANES, plan.bins), np.int64)
        self.potential[point], self.kinetic[point] = self._energies(counted)
        if point >= plan.first:
            self.counts[(point - plan.first) * BLOCKS // (plan.points + 1 - plan.first)] += counted
        if plan.path:
            self.path[point - 1] = positions(self.state), velocities(self.state, plan.timestep)
        step, drift = point * plan.interval, self._drift(slice(point, point + 1))[0]
        for lane in range(len(self.systems)):
            if lane not in self.failures and not drift[lane] <= plan.tolerance:
                self.failures[lane] = self._drifted(lane, step, drift[lane])
        self._good = self._motion(step)

    def _drift(self, points: slice) -> Array:
        """How far the energy is from that at the start, epsilon per particle, array (points, 16)."""
        with np.errstate(invalid="ignore"):  # a replica that has gone wrong may have no energy
            change = self.potential[points] + self.kinetic[points] - (self.potential[0] + self.kinetic[0])
        return np.asarray(np.abs(change) / (self.plan.particles * self.epsilon))

    def _drifted(self, lane: int, step: int, drift: float) -> Failure:
        message = (
            f"timestep = {self.plan.timestep:g}: at step {step} the energy was off by {drift:.3g} epsilon "
            f"per particle, where {self.plan.tolerance:g} is tolerated; accepted: below about "
            f"{self.plan.timestep / 2:g}, or a larger tolerance"
        )
        step, state = self._good
        return Failure("energy drift", message, self._frame(step, lane, state))

    def _motion(self, step: int) -> tuple[int, Cluster]:
        """The step, and a copy of what moves."""
        moving = {name: getattr(self.state, name).copy() for name in ("position", "velocity", "force")}
        return step, self.state._replace(**moving)

    # Files ---------------------------------------------------------------------------------------

    def _visit(self, keepers: Mapping[int, Keeper], step: int) -> None:
        wanted = any(keeper.wants_row(step) for keeper in keepers.values())
        energies = self._energies(np.zeros((LANES, self.plan.bins), np.int64)) if wanted else None
        for lane, keeper in keepers.items():
            if lane not in self.failures:
                keeper.visit(
                    step,
                    frame=partial(self._frame, step, lane),
                    row=partial(self._row, lane, energies),
                    state=partial(self._saved, lane),
                )

    def _frame(self, step: int, lane: int, state: Cluster | None = None) -> Frame:
        box = np.full(3, self.size[lane]) if self.plan.periodic else None
        state = state or self.state
        where, speed = positions(state), velocities(state, self.plan.timestep)
        return Frame(step, where[..., lane], box, speed[..., lane])

    def _row(self, lane: int, energies: tuple[Array, Array] | None) -> dict[str, float]:
        assert energies is not None
        potential, kinetic = (float(e[lane]) for e in energies)
        n = self.plan.particles
        return {
            "energy": (potential + kinetic) / n,
            "potential_energy": potential / n,
            "temperature": 2 * kinetic / (3 * n - 3),
        }

    def _lane(self, lane: int) -> dict[str, NDArray[Any]]:
        """Views of all that the rest of a replica depends on, but for its forces."""
        return {
            "position": self.state.position.reshape(-1, LANES)[:, lane],
            "velocity": self.state.velocity.reshape(-1, LANES)[:, lane],
            "counts": self.counts[:, lane],
            "potential": self.potential[:, lane],
            "kinetic": self.kinetic[:, lane],
            "path": self.path[..., lane],
        }

    def _saved(self, lane: int) -> dict[str, NDArray[Any]]:
        return {name: array.copy() for name, array in self._lane(lane).items()}

    def restore(self, saved: Sequence[dict[str, NDArray[Any]]]) -> None:
        """Go on from checkpoints of the same step, one for each replica."""
        for lane, arrays in enumerate(saved):
            for name, array in self._lane(lane).items():
                array[...] = arrays[name]
        refresh(self.state)

    # Results -------------------------------------------------------------------------------------

    def estimates(self, lane: int) -> dict[str, tuple[Array | float, Array | float]]:
        """Output -> mean and standard error of one replica."""
        plan, n = self.plan, self.plan.particles
        taken = np.arange(plan.first, plan.points + 1)
        block = (taken - plan.first) * BLOCKS // len(taken)
        weights = np.bincount(block, minlength=BLOCKS).astype(float)

        def averaged(values: Array) -> tuple[Array, Array]:
            sums = np.bincount(block, values[plan.first :, lane], BLOCKS)
            return blocked(sums / weights, weights)

        pairs, width = n * (n - 1) / 2, self.width[lane]
        density = self.counts[:, lane] / (weights[:, None] * pairs * width)
        one = 1 / (len(taken) * pairs * width)
        drift = float(self._drift(slice(None))[:, lane].max())
        found: dict[str, tuple[Array | float, Array | float]] = {
            "energy": averaged((self.potential + self.kinetic) / n),
            "temperature": averaged(self.kinetic * (2 / (3 * n - 3))),
            "energy_drift": (drift, 0.0),
            "pair_density": counted(density, weights, one),
        }
        if plan.path:
            nothing = np.zeros(plan.points)
            for kind, prefix in enumerate(("", "v")):
                for i in range(n):
                    for c, axis in enumerate("xyz"):
                        found[f"{prefix}{axis}{i + 1}"] = self.path[:, kind, i, c, lane], nothing
        return found


def warm_up() -> None:
    """Compile, or load from the cache, everything that replicas need."""
    plan = Plan(2, True, end("cut", 1.5), True, 0.001, 1, 1, 1, 1, 1.0, False)
    Replicas(plan, [System(1.0, 1.0, 4.0, 0)]).run({}, lambda fraction: None)
