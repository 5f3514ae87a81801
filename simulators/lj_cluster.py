"""A few Lennard-Jones particles in a periodic box or a reflecting sphere: chaotic, conservative dynamics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from simulators.batch.keeping import Keeper, abreast, open_keeper
from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import Coordinate, InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.quantities import fixed
from simulators.contract.simulator import Array, Seeds
from simulators.md.laws.lennard_jones import Truncation, end
from simulators.md.statistics import BLOCKS

if TYPE_CHECKING:
    from simulators.md.cluster.replicas import Plan, Replicas, System

_BINS = 64
_FULLEST = 0.2
"""Fraction of the volume that particles with a diameter of sigma may take up to be placed at random."""


class LjCluster(BatchSimulator):
    """Lennard-Jones particles released from rest, by velocity Verlet at constant energy.

    Reduced units: sigma = 1; energy and mass in the units of ``epsilon`` and ``mass``, time in
    sigma sqrt(mass / energy). Systems of Kadupitiya, Fox and Jadhao (Mach. Learn.: Sci. Technol. 3, 025002,
    2022), who learn to solve Newton's equations in large time steps. Equations, precision and what was
    measured: docs/physics/lj_cluster.md.
    """

    kind: Literal["lj_cluster"] = "lj_cluster"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    particles: int = Field(16, ge=2, le=64, description="number of particles")
    boundary: Literal["periodic", "sphere"] = Field(
        "periodic", description="'periodic', a cube with the nearest images, or 'sphere', a reflecting wall"
    )
    truncation: Truncation = Field(
        "shifted_force",
        description="how the pair ends at the cutoff: 'shifted_force', smoothly, which conserves energy; "
        "'shifted', without a jump of the energy; 'cut', with one",
    )
    cutoff: float = Field(3.0, ge=1.5, le=100, description="where the pair ends (sigma)")
    placement: Literal["random", "lattice"] = Field(
        "random",
        description="where particles begin: 'random', anywhere but not nearer than sigma to each other, or "
        "'lattice', on random sites of a simple cubic one",
    )
    steps: int = Field(
        100_000, ge=BLOCKS, description="time steps, rounded down to a multiple of the recorded points"
    )
    timestep: float = Field(0.001, gt=0, le=0.05, description="time step (sigma sqrt(mass / energy))")
    points: int = Field(200, ge=BLOCKS, le=5000, description="recorded points, evenly spaced over the steps")
    equilibration: float = Field(
        0.1, ge=0, le=0.9, description="fraction of the recorded points that are left out of the averages"
    )
    tolerance: float = Field(
        0.01,
        gt=0,
        description="drift of the energy beyond which a replica fails (epsilon per particle)",
    )
    trajectory: Literal["none", "positions", "positions_and_velocities"] = Field(
        "none", description="what of each particle is an output at the recorded points"
    )

    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    together: ClassVar[int] = 16

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Mass, well depth, and the size of what holds the particles."""
        size = (
            Parameter("side", "", "of the periodic box (sigma)", 3, 50, default=6.0)
            if self.boundary == "periodic"
            else Parameter("radius", "", "of the reflecting sphere (sigma)", 1.5, 50, default=4.0)
        )
        return (
            Parameter("mass", "", "of each particle", 0.1, 100, default=1.0),
            Parameter("epsilon", "", "depth of the pair's well", 0.1, 10, default=1.0),
            size,
        )

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Averages over one trajectory, and the trajectory where it is asked for."""
        size = self.inputs[-1].name
        found = [
            Output("energy", "", "total energy per particle"),
            Output("temperature", "", "kinetic temperature, 2 K / (3 N - 3)", positive=True),
            Output("energy_drift", "", "largest |E(t) - E(0)|, epsilon per particle", positive=True),
            Output(
                "pair_density",
                "",
                "probability density of the distance of a pair",
                "distance",
                f"1 / ({self._farthest:.17g} * {size})",
                positive=True,
            ),
        ]
        kinds = {"none": (), "positions": (("", "position"),)}.get(
            self.trajectory, (("", "position"), ("v", "velocity"))
        )
        found += [
            Output(f"{prefix}{axis}{i + 1}", "", f"{quantity} of particle {i + 1} along {axis}", "time")
            for prefix, quantity in kinds
            for i in range(self.particles)
            for axis in "xyz"
        ]
        return tuple(found)

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Pair distances up to the longest, and recorded points' times, the middles of their bins."""
        distance = self._farthest * np.linspace(0, 1, _BINS + 1)
        found = [
            Coordinate("distance", "", "of a pair (sigma)", {self.inputs[-1].name: distance.tolist()}),
        ]
        if self.trajectory != "none":
            times = self._interval * self.timestep * (np.arange(self.points + 1) + 0.5)
            found.append(Coordinate("time", "", "since the release, at the middle of a bin", fixed(times)))
        return tuple(found)

    @property
    def _farthest(self) -> float:
        """The longest distance of a pair over the size."""
        return math.sqrt(3) / 2 if self.boundary == "periodic" else 2.0

    @property
    def _interval(self) -> int:
        return self.steps // self.points

    @property
    def _first(self) -> int:
        """The first recorded point that the averages take in."""
        return 1 + int(self.equilibration * self.points)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse what is too small for its particles or its nearest images, and what cannot be averaged."""
        if self._interval < 1:
            raise InvalidInputError("points", self.points, "more than the steps", f"up to {self.steps}")
        if self.points + 1 - self._first < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration)) + 1
            raise InvalidInputError("points", self.points, "too few for an error bar", f"at least {fewest}")
        periodic = self.boundary == "periodic"
        name = self.inputs[-1].name
        size = inputs[name]
        if periodic and size < 2 * self.cutoff:
            raise InvalidInputError(
                name,
                f"{size:g}",
                f"the nearest images reach half of it, the cutoff is {self.cutoff:g}",
                f"at least {2 * self.cutoff:g}, or a shorter cutoff",
            )
        if self.placement == "lattice":
            across = math.ceil(round(self.particles ** (1 / 3), 9))
            fewest_sigma = 0.95 * across * (1.0 if periodic else math.sqrt(3) / 2)
        else:
            volume = self.particles * math.pi / 6 / _FULLEST
            fewest_sigma = volume ** (1 / 3) if periodic else (volume * 0.75 / math.pi) ** (1 / 3) + 0.5
        if size < fewest_sigma:
            raise InvalidInputError(
                name,
                f"{size:g}",
                f"too small for {self.particles} particles with placement {self.placement}",
                f"above {fewest_sigma:.3g}",
            )

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times pairs."""
        return self.steps * self.particles * (self.particles - 1) / 2

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, sixteen replicas to a thread at a time."""
        from simulators.md.cluster.replicas import warm_up

        plan, systems, observations = (
            self._plan(),
            self._systems(inputs, seeds, keep),
            self.nothing_yet(inputs),
        )

        def simulate(indices: list[int], report: Progress) -> None:
            with ExitStack() as files:
                kept = indices if keep is not None else []
                keepers = {k: files.enter_context(self._keeper(keep, k, systems[k], plan)) for k in kept}
                for step, members, replicas in self._groups(plan, systems, indices, keepers):
                    lanes = {lane: keepers[k] for lane, k in enumerate(members) if k in keepers}
                    replicas.run(lanes, report, step)
                    self._write(observations, replicas, members)

        warm_up()  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress, together=self.together)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, a particle to a thread; energies are the CPU's."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.cluster.replicas import warm_up
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.cluster_replicas import ClustersOnCard, bytes_each

        plan, systems, observations = (
            self._plan(),
            self._systems(inputs, seeds, keep),
            self.nothing_yet(inputs),
        )
        warm_up()
        for indices, report in parts(observations, bytes_each(self.particles), card, progress):
            with ExitStack() as files:
                kept = indices if keep is not None else []
                keepers = {k: files.enter_context(self._keeper(keep, k, systems[k], plan)) for k in kept}
                groups = list(self._groups(plan, systems, list(indices), keepers))
                for step in sorted({at for at, _, _ in groups}):
                    alike = [(members, replicas) for at, members, replicas in groups if at == step]
                    lanes = [
                        {lane: keepers[k] for lane, k in enumerate(members) if k in keepers}
                        for members, _ in alike
                    ]
                    ClustersOnCard([replicas for _, replicas in alike], lanes).run(report, step)
                    for members, replicas in alike:
                        self._write(observations, replicas, members)
        return observations

    def _systems(self, inputs: Array, seeds: Seeds, keep: Keep | None) -> list[System]:
        """The replicas of a batch; refuses starts that do not fit."""
        from simulators.md.cluster.replicas import System, check_start

        starts = keep.starts if keep is not None else {}
        size = self.inputs[-1].name
        systems = [
            System(row["mass"], row["epsilon"], row[size], int(seed), starts.get(index))
            for index, (row, seed) in enumerate(zip(self.rows(inputs), seeds, strict=True))
        ]
        for system in systems:
            check_start(self._plan(), system)
        return systems

    def _groups(
        self, plan: Plan, systems: Sequence[System], indices: list[int], keepers: Mapping[int, Keeper]
    ) -> Iterator[tuple[int, list[int], Replicas]]:
        """Replicas sixteen at a time, with the step where their checkpoints left them; lanes share it."""
        from simulators.md.cluster.replicas import Replicas

        found = {k: keepers[k].resume() if k in keepers else None for k in indices}
        for step, members, saved in abreast(found, self.together):
            replicas = Replicas(plan, [systems[k] for k in members])
            if saved:
                replicas.restore(saved)
            yield step, members, replicas

    def _plan(self) -> Plan:
        from simulators.md.cluster.replicas import Plan

        return Plan(
            particles=self.particles,
            periodic=self.boundary == "periodic",
            end=end(self.truncation, self.cutoff),
            lattice=self.placement == "lattice",
            timestep=self.timestep,
            interval=self._interval,
            points=self.points,
            first=self._first,
            bins=_BINS,
            tolerance=self.tolerance,
            path=self.trajectory != "none",
        )

    def _keeper(self, keep: Keep | None, index: int, system: System, plan: Plan) -> Keeper:
        mass = np.full(self.particles, system.mass)
        return open_keeper(
            keep, index, plan.interval * plan.points, diameter=np.ones(self.particles), mass=mass
        )

    def _write(self, observations: Observations, replicas: Replicas, members: list[int]) -> None:
        """What a group has found, for its replicas in the batch."""
        for lane, index in enumerate(members):
            if lane in replicas.failures:
                observations.failures[index] = replicas.failures[lane]
                continue
            estimates = replicas.estimates(lane)
            for output in self.outputs:
                mean, error = estimates[output.name]
                observations.mean[output.name][index] = mean
                observations.stderr[output.name][index] = error
