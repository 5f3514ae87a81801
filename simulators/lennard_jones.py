"""The Lennard-Jones fluid: particles that attract and repel each other in a periodic cube."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulators.batch.decomposed import DecomposedSimulator, TeamKeeper
from simulators.batch.keeping import Keeper, open_keeper
from simulators.batch.simulator import BACKEND
from simulators.batch.threads import over_threads
from simulators.contract import (
    Coordinate,
    Failure,
    InvalidInputError,
    Keep,
    Observations,
    Output,
    Parameter,
    Progress,
)
from simulators.contract.quantities import fixed
from simulators.contract.simulator import Array, Seeds
from simulators.md.statistics import BLOCKS

if TYPE_CHECKING:
    from simulators.md.fluid.replica import Plan, Replica

_BINS, _LAGS, _MOST_WAVE_BINS, _WAVES_PER_BIN = 100, 16, 24, 6
_LARGEST_WAVE_NUMBER, _USUAL_DENSITY = 15.0, 0.8
_SHORTEST = BLOCKS * 2 * _LAGS
"""Steps of a production in which every lag of every block lies."""


class LennardJones(DecomposedSimulator):
    """Particles in a periodic cube with the pair energy 4 (r^-12 - r^-6), in reduced units.

    Langevin dynamics (BAOAB), or Newton's after an equilibration with a heat bath. Equations, estimators and
    measured accuracy: docs/physics/lennard_jones.md.
    """

    kind: Literal["lennard_jones"] = "lennard_jones"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    particles: int = Field(500, ge=32, le=100_000, description="particles in the cube")
    cutoff: float = Field(2.5, ge=1, le=10, description="distance beyond which a pair has no energy")
    truncation: Literal["cut", "shifted", "shifted_force"] = Field(
        "cut",
        description="what becomes of the pair at the cutoff: 'cut', nothing; 'shifted', the energy goes to "
        "zero; 'shifted_force', energy and force do",
    )
    long_range: bool = Field(
        True,
        description="add to energy and pressure what a fluid without structure has beyond the cutoff "
        "(truncation: cut; without effect for the others)",
    )
    ensemble: Literal["nvt", "nve"] = Field(
        "nvt",
        description="'nvt', a heat bath throughout (Langevin); 'nve', energy conserved after equilibration",
    )
    friction: float = Field(1.0, gt=0, le=100, description="of the heat bath, per unit of time")
    steps: int = Field(50_000, ge=100, description="time steps, equilibration included")
    timestep: float = Field(0.005, ge=1e-5, le=0.02, description="time step")
    equilibration: float = Field(
        0.2, ge=0, le=0.9, description="fraction of the steps that are left out of the averages"
    )
    reach: float = Field(
        4.0, ge=1, le=10, description="the farthest pair distance in g(r); half the cube where that is less"
    )
    drift_tolerance: float = Field(
        0.02, gt=0, description="energy per particle that may come or go with ensemble: nve"
    )

    version: ClassVar[int] = 3
    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("density", "", "particles per volume, in units of sigma^-3", 1e-4, 1.2),
        Parameter("temperature", "", "in units of epsilon / k", 0.3, 10),
    )

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What comes out; the drift of the energy where it is conserved."""
        always = (
            Output("potential_energy", "", "per particle, in units of epsilon"),
            Output("pressure", "", "in units of epsilon / sigma^3"),
            Output("temperature_kinetic", "", "from velocities, in units of epsilon / k", positive=True),
            Output("diffusion", "", "coefficient of self-diffusion, from the later half of the lags"),
            Output("g", "", "radial distribution function", "r", positive=True),
            Output("msd", "", "mean square displacement, centre of mass at rest", "lag", positive=True),
            Output("structure_factor", "", "of density waves that fit into the cube", "q", positive=True),
        )
        drift = Output("energy_drift", "", "of the energy per particle, per unit of time")
        return (*always, drift) if self.ensemble == "nve" else always

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Axes of g(r), of the displacement and of the structure factor."""
        half = 0.5 * self.particles ** (1 / 3)
        reach = f"min({self.reach!r}, {half!r} * density ** (-1 / 3))"
        lag = self.lag * self.timestep
        waves = 2 * math.pi * self.particles ** (-1 / 3) * self._wave_edges
        return (
            Coordinate(
                "r", "", "distance, in units of sigma", {reach: np.linspace(0, 1, _BINS + 1).tolist()}
            ),
            Coordinate("lag", "", "time, its middle the lag itself", fixed(2 * lag * np.arange(_LAGS + 1))),
            Coordinate("q", "", "wave number, in units of 1 / sigma", {"density ** (1 / 3)": waves.tolist()}),
        )

    @property
    def _equilibration_steps(self) -> int:
        return int(self.equilibration * self.steps)

    @property
    def _production(self) -> int:
        return self.steps - self._equilibration_steps

    @property
    def lag(self) -> int:
        """Half the steps between two lags: lags are odd multiples of it."""
        return max(1, self._production // _SHORTEST)

    @property
    def sampling_interval(self) -> int:
        """Steps between two looks at energies: 0.2 in time, over which they hardly change."""
        return max(1, min(round(0.2 / self.timestep), self._production // BLOCKS))

    def _longest_followed(self, side: float, temperature: float) -> int:
        """Steps in which not even a particle of six thermal speeds crosses half the cube.

        A look follows the particles out of the cube, and takes each to have gone the shorter way round.
        """
        return max(1, int(side / 2 / (6 * math.sqrt(temperature) * self.timestep)))

    @property
    def structure_interval(self) -> int:
        """Steps between two looks at the structure, which cost as much as eight steps: 1 in time."""
        return max(1, min(round(1 / self.timestep), self._production // BLOCKS))

    @property
    def _wave_edges(self) -> Array:
        """Edges of the bins of wave numbers, in units of 2 pi / side."""
        side = (self.particles / _USUAL_DENSITY) ** (1 / 3)
        largest = math.floor(_LARGEST_WAVE_NUMBER * side / (2 * math.pi))
        return np.linspace(0.5, largest + 0.5, min(largest, _MOST_WAVE_BINS) + 1)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a cube too small for the cutoff, and runs too short for error bars."""
        if self._production < _SHORTEST:
            fewest = math.ceil(_SHORTEST / (1 - self.equilibration)) + 1
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")
        side = self.side(inputs)
        if side < 2 * self.cutoff * (1 - 1e-9):
            enough = math.ceil(inputs["density"] * (2 * self.cutoff) ** 3 * (1 - 1e-9))
            raise InvalidInputError(
                "particles",
                self.particles,
                f"makes a cube of {side:.3g}, less than twice the cutoff",
                f"at least {enough}, or a cutoff below {side / 2:.3g}",
            )

    def side(self, inputs: Mapping[str, float]) -> float:
        """Of the cube."""
        return float((self.particles / inputs["density"]) ** (1 / 3))

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times pairs within the cutoff, and what a particle costs besides."""
        pairs = 2 * math.pi / 3 * inputs["density"] * (self.cutoff + 0.15) ** 3
        return self.steps * self.particles * (10 + pairs)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, a replica to a thread."""
        from simulators.md.fluid.replica import Replica, warm_up

        def one(inputs: Mapping[str, float], index: int, report: Progress) -> tuple[Replica, Failure | None]:
            replica = Replica(self.plan(inputs), int(seeds[index]))
            return replica, replica.run(report, self._keeper(keep, index))

        observations = self._begun(inputs, keep)
        warm_up()  # compiling is no part of any replica's cost
        return self._batch(observations, inputs, threads, progress, one)

    def on_ranks(
        self,
        team: Any,
        inputs: Array,
        seeds: Seeds,
        threads: int,
        progress: Progress | None,
        keep: Keep | None,
    ) -> Observations:
        """Simulate a batch, each replica over all ranks of a team and so many threads of each."""
        from simulators.md.fluid.team import TeamReplica, warm_up

        def one(inputs: Mapping[str, float], index: int, report: Progress) -> tuple[Replica, Failure | None]:
            with closing(TeamReplica(self.plan(inputs), int(seeds[index]), team, threads)) as replica:
                ours = self._keeper(keep, index) if team.rank == 0 else None
                return replica, replica.run(report, TeamKeeper(team, ours))

        observations = self._begun(inputs, keep)
        warm_up()
        return self._batch(observations, inputs, 1, progress, one)

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, as many replicas at once as its memory holds."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.fluid_replicas import FluidReplicas, bytes_each
        from simulators.md.fluid.replica import Replica, warm_up

        rows, observations = self.rows(inputs), self._begun(inputs, keep)
        plans = [self.plan(row) for row in rows]
        warm_up()
        for indices, report in parts(observations, bytes_each(plans), card, progress):
            with ExitStack() as files:
                replicas = [Replica(plans[k], int(seeds[k])) for k in indices]
                keepers = [files.enter_context(self._keeper(keep, k)) for k in indices]
                failures = FluidReplicas(replicas, keepers).run(report)
                for k, (index, replica) in enumerate(zip(indices, replicas, strict=True)):
                    self._observe(observations, index, replica, failures.get(k))
        return observations

    def _begun(self, inputs: Array, keep: Keep | None) -> Observations:
        """Observations of a batch with nothing measured yet; refuses starts that do not fit."""
        from simulators.md.fluid.placing import check_start

        rows, observations = self.rows(inputs), self.nothing_yet(inputs)
        for index, frame in (keep.starts if keep is not None else {}).items():
            check_start(frame, self.particles, self.side(rows[index]))
        observations.used["side"] = np.array([self.side(row) for row in rows])
        return observations

    def _observe(
        self, observations: Observations, index: int, replica: Replica, failure: Failure | None
    ) -> None:
        """Write down what came of a replica."""
        if failure is not None:
            observations.failures[index] = failure
            return
        found = replica.estimates()
        for name in observations.mean:
            observations.mean[name][index], observations.stderr[name][index] = found[name]

    def _keeper(self, keep: Keep | None, index: int) -> Keeper:
        return open_keeper(keep, index, self.steps, length_unit="sigma")

    def _batch(
        self,
        observations: Observations,
        inputs: Array,
        threads: int,
        progress: Progress | None,
        run: Callable[[Mapping[str, float], int, Progress], tuple[Replica, Failure | None]],
    ) -> Observations:
        rows = self.rows(inputs)

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            self._observe(observations, index, *run(rows[index], index, report))

        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def plan(self, inputs: Mapping[str, float]) -> Plan:
        """All that a replica with these inputs depends on, besides its seed."""
        from simulators.md.fluid.replica import Plan

        side = self.side(inputs)
        waves, bin_of_wave = self._waves()
        return Plan(
            particles=self.particles,
            side=side,
            temperature=inputs["temperature"],
            cutoff=self.cutoff,
            truncation=self.truncation,
            long_range=self.long_range and self.truncation == "cut",
            timestep=self.timestep,
            friction=self.friction,
            steps=self.steps,
            equilibration=self._equilibration_steps,
            conserve=self.ensemble == "nve",
            drift=self.drift_tolerance,
            reach=min(self.reach, side / 2),
            bins=_BINS,
            waves=waves,
            bin_of_wave=bin_of_wave,
            every=min(self.sampling_interval, self._longest_followed(side, inputs["temperature"])),
            structure_every=self.structure_interval,
            lag=self.lag,
            lags=_LAGS,
        )

    def _waves(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """A few wave vectors for each bin, spread over directions, (waves, 3); and the bin of each."""
        edges = self._wave_edges
        turn = np.arange(24) * math.pi * (3 - math.sqrt(5))  # points of a spiral around half the sphere
        height = (np.arange(24) + 0.5) / 24
        across = np.sqrt(1 - height**2)
        spiral = np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
        waves, bins = [], []
        for k, middle in enumerate((edges[1:] + edges[:-1]) / 2):
            near = np.rint(np.vstack([np.eye(3), spiral]) * middle).astype(np.int32)
            length = np.linalg.norm(near, axis=1)
            near = near[(length > edges[k]) & (length < edges[k + 1])]
            _, first = np.unique(near, axis=0, return_index=True)
            chosen = near[np.sort(first)[:_WAVES_PER_BIN]]
            waves.append(chosen)
            bins.append(np.full(len(chosen), k))
        return np.vstack(waves), np.concatenate(bins)
