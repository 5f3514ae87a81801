"""Ions in water between two planar walls: the primitive model of a confined electrolyte."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
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
from simulators.contract.simulator import Array, Seeds
from simulators.md.slit.composition import WALL_IONS, Composition, compose, lattice_shape
from simulators.md.statistics import BLOCKS
from simulators.md.units import AVOGADRO

if TYPE_CHECKING:
    from simulators.md.slit.replica import Plan, Replica

_MOST_SITES = 2e7
"""Of the lattice that ions start from: more would take minutes to draw from."""
_SMALLER = "min(cation_diameter, anion_diameter)"
_LARGER = "max(cation_diameter, anion_diameter)"
_NARROW_BINS, _WIDE_BINS = 33, 24
_NEAR, _FAR = 0.39, 1.05
"""The layer at contact, in diameters from the wall: no ion comes nearer, and structure fades beyond."""

_FEWEST = 16
"""Ions to a rank: the lanes of a vector."""

_WALL_IONS = f"2 * {WALL_IONS:.10g} * surface_charge / (gap * cation_valency)"
_CATIONS = f"-concentration * anion_valency / cation_valency - {_WALL_IONS}"


def _edges() -> dict[str, list[float]]:
    """Bin edges as heights above the mid-plane, each linear in the gap and the two diameters."""
    inner = np.arange(_WIDE_BINS) / _WIDE_BINS
    outer = np.arange(_NARROW_BINS + 1) / _NARROW_BINS
    gap = np.concatenate([inner / 2, np.full(_NARROW_BINS + 2, 0.5)])
    larger = -_FAR * np.concatenate([inner, 1 - outer, [0.0]])
    smaller = -_NEAR * np.concatenate([np.zeros(_WIDE_BINS), outer, [0.0]])
    return {"gap": gap.tolist(), _SMALLER: smaller.tolist(), _LARGER: larger.tolist()}


class SlitElectrolyte(DecomposedSimulator):
    """Ions as charged soft spheres in a dielectric continuum between hard, perhaps charged, walls.

    Langevin dynamics at 298 K, relative permittivity 80 everywhere (Bjerrum length 0.714 nm). Pairs:
    Coulomb with the nearest image, the far images as charged sheets, and a purely repulsive Lennard-Jones
    core. Equations, estimators and measured accuracy: docs/physics/slit_electrolyte.md.

    The unit of length is the smaller diameter u, the unit of time tau = u sqrt(m / kT) with the ions'
    common mass m = 23 u.
    """

    kind: Literal["slit_electrolyte"] = "slit_electrolyte"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    wall: Literal["dummy", "current"] = Field(
        "dummy",
        description="repulsion of the walls: 'dummy', an ion's diameter from half a diameter behind the wall "
        "(the published data up to September 2019), or 'current', half a diameter from the wall itself",
    )
    ions: int = Field(
        424,
        ge=8,
        le=20_000,
        description="ions of both kinds together; rounded to the nearest number that is neutral",
    )
    steps: int = Field(100_000, ge=100, description="time steps, equilibration included")
    timestep: float = Field(0.01, gt=0, le=0.1, description="time step (tau)")
    equilibration: float = Field(
        0.1, ge=0, le=0.9, description="fraction of the steps that are left out of the averages"
    )

    version: ClassVar[int] = 2
    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("gap", "nm", "distance between the walls", 0.5, 20),
        Parameter("cation_valency", "", "charge of a cation in elementary charges", 1, 3, integer=True),
        Parameter(
            "anion_valency", "", "charge of an anion in elementary charges", -3, -1, integer=True, default=-1
        ),
        Parameter(
            "concentration", "mol/L", "anions in the gap; 0 for the counterions of charged walls alone", 0, 5
        ),
        Parameter("diameter", "nm", "of all ions", 0.1, 2, default="cation_diameter"),
        Parameter("cation_diameter", "nm", "of the cations", 0.1, 2, default="diameter"),
        Parameter("anion_diameter", "nm", "of the anions", 0.1, 2, default="diameter"),
        Parameter("surface_charge", "C/m^2", "of each wall", -0.5, 0.5, default=0.0),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("contact_density", "mol/L", "cations half a cation diameter from a wall", positive=True),
        Output("mid_density", "mol/L", "cations at the mid-plane", positive=True),
        Output("peak_density", "mol/L", "highest density of cations", positive=True),
        Output("density_cation", "mol/L", "profile of the cations", "z", _CATIONS, positive=True),
        Output("density_anion", "mol/L", "profile of the anions", "z", "concentration", positive=True),
    )
    coordinates: ClassVar[tuple[Coordinate, ...]] = (
        Coordinate("z", "nm", "height above the mid-plane; both halves of the gap averaged", _edges()),
    )

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse what cannot be neutral, cannot be placed, or cannot be sampled."""
        if self.steps - self._equilibration_steps < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration))
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")
        gap, larger = inputs["gap"], max(inputs["cation_diameter"], inputs["anion_diameter"])
        if gap < 2.2 * larger:
            raise InvalidInputError(
                "gap",
                f"{gap:g} nm",
                f"too narrow for ions of {larger:g} nm to pass each other",
                f"above {2.2 * larger:.3g} nm",
            )
        composition = self.composition(inputs)
        cations, anions, side, _ = composition
        widest = max(gap / 0.95, 2.5 * larger)
        if side < widest:
            enough = math.ceil((cations + anions) * (widest / side) ** 2 * 1.06)
            raise InvalidInputError(
                "ions",
                self.ions,
                f"makes walls of {side:.3g} nm, narrower than the nearest images need",
                f"at least {enough}",
            )
        if cations + anions < _FEWEST * self.ranks_per_replica:
            raise InvalidInputError(
                "ranks_per_replica",
                self.ranks_per_replica,
                f"too many for {cations + anions} ions",
                f"at most {(cations + anions) // _FEWEST}",
            )
        across, layers = lattice_shape(gap, side, larger)
        if across * across * layers > _MOST_SITES:
            raise InvalidInputError(
                "concentration",
                f"{inputs['concentration']:g} mol/L",
                f"so dilute that {self.ions} ions take walls of {side:.3g} nm",
                "more salt, a wider gap or fewer ions",
            )
        if cations + anions > across * across * layers:
            fraction = across * across * layers / (cations + anions)
            raise InvalidInputError(
                "concentration",
                f"{inputs['concentration']:g} mol/L",
                f"{cations + anions} ions of {larger:g} nm do not fit",
                f"below about {0.95 * fraction * inputs['concentration']:.2g} mol/L, or smaller ions",
            )

    @property
    def _equilibration_steps(self) -> int:
        return int(self.equilibration * self.steps)

    @property
    def sampling_interval(self) -> int:
        """Steps between two looks at the ions: a tenth of tau, over which positions hardly change."""
        production = self.steps - self._equilibration_steps
        return max(1, min(round(0.1 / self.timestep), production // BLOCKS))

    def composition(self, inputs: Mapping[str, float]) -> Composition:
        """Numbers of ions and side of the box for these inputs."""
        return compose(
            gap=inputs["gap"],
            cation_valency=int(inputs["cation_valency"]),
            anion_valency=int(inputs["anion_valency"]),
            concentration=inputs["concentration"],
            surface_charge=inputs["surface_charge"],
            ions=self.ions,
        )

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times pairs."""
        ions = sum(self.composition(inputs)[:2])
        return self.steps * ions * (ions - 1) / 2

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, a replica to a thread."""
        from simulators.md.slit.replica import Replica, warm_up

        def one(inputs: Mapping[str, float], index: int, report: Progress) -> tuple[Replica, Failure | None]:
            replica = Replica(self._plan(inputs), int(seeds[index]))
            return replica, replica.run(report, self._keeper(keep, index, inputs))

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
        from simulators.md.slit.team import TeamReplica, warm_up

        def one(inputs: Mapping[str, float], index: int, report: Progress) -> tuple[Replica, Failure | None]:
            with closing(TeamReplica(self._plan(inputs), int(seeds[index]), team, threads)) as replica:
                ours = self._keeper(keep, index, inputs) if team.rank == 0 else None
                return replica, replica.run(report, TeamKeeper(team, ours))

        observations = self._begun(inputs, keep)
        warm_up()
        return self._batch(observations, inputs, 1, progress, one)

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
            self._observe(observations, index, rows[index], *run(rows[index], index, report))

        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, as many replicas at once as its memory holds."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.slit_replicas import SlitReplicas, bytes_each
        from simulators.md.slit.replica import Replica, warm_up

        rows, observations = self.rows(inputs), self._begun(inputs, keep)
        plans = [self._plan(row) for row in rows]
        warm_up()
        for indices, report in parts(observations, bytes_each(plans), card, progress):
            with ExitStack() as files:
                replicas = [Replica(plans[k], int(seeds[k])) for k in indices]
                keepers = [files.enter_context(self._keeper(keep, k, rows[k])) for k in indices]
                failures = SlitReplicas(replicas, keepers).run(report)
                for k, (index, replica) in enumerate(zip(indices, replicas, strict=True)):
                    self._observe(observations, index, rows[index], replica, failures.get(k))
        return observations

    def _begun(self, inputs: Array, keep: Keep | None) -> Observations:
        """Observations of a batch with nothing measured yet; refuses starts that do not fit."""
        from simulators.md.slit.replica import check_start

        rows, observations = self.rows(inputs), self.nothing_yet(inputs)
        for index, frame in (keep.starts if keep is not None else {}).items():
            check_start(self._plan(rows[index]), frame)
        used = np.array([self.composition(row) for row in rows]).reshape(-1, 4).T
        observations.used.update(zip(("cations", "anions", "side", "surface_charge"), used, strict=True))
        observations.used["temperature"] = np.full(len(rows), np.nan)
        return observations

    def _observe(
        self,
        observations: Observations,
        index: int,
        inputs: Mapping[str, float],
        replica: Replica,
        failure: Failure | None,
    ) -> None:
        """Write down what came of a replica."""
        if failure is not None:
            observations.failures[index] = failure
            return
        observations.used["temperature"][index] = replica.temperature
        correction = self._correction(inputs)
        for name, (mean, error) in replica.estimates().items():
            factor = 1.0 if name == "density_anion" else correction
            observations.mean[name][index] = mean * factor
            observations.stderr[name][index] = error * factor

    def _keeper(self, keep: Keep | None, index: int, inputs: Mapping[str, float]) -> Keeper:
        cations, anions, _, _ = self.composition(inputs)
        count = (cations, anions)
        return open_keeper(
            keep,
            index,
            self.steps,
            length_unit="nm",
            types=["cation"] * cations + ["anion"] * anions,
            charge=np.repeat([inputs["cation_valency"], inputs["anion_valency"]], count),
            diameter=np.repeat([inputs["cation_diameter"], inputs["anion_diameter"]], count),
        )

    def _plan(self, inputs: Mapping[str, float]) -> Plan:
        from simulators.md.slit.replica import Plan

        cation, anion = inputs["cation_diameter"], inputs["anion_diameter"]
        return Plan(
            gap=inputs["gap"],
            cation_valency=int(inputs["cation_valency"]),
            anion_valency=int(inputs["anion_valency"]),
            cation_diameter=cation,
            anion_diameter=anion,
            composition=self.composition(inputs),
            wall=self.wall,
            timestep=self.timestep,
            steps=self.steps,
            equilibration=self._equilibration_steps,
            every=self.sampling_interval,
            near=_NEAR * min(cation, anion),
            far=_FAR * max(cation, anion),
            narrow_bins=_NARROW_BINS,
            wide_bins=_WIDE_BINS,
        )

    def _correction(self, inputs: Mapping[str, float]) -> float:
        """What scales the cations to the average that the inputs ask for.

        Whole ions meet a wall charge to within 2 %, mostly 0.1 %, and exactly without one.
        """
        composition = self.composition(inputs)
        wall = inputs["surface_charge"] * 2 * WALL_IONS / inputs["gap"]
        asked = -(inputs["concentration"] * inputs["anion_valency"] + wall) / inputs["cation_valency"]
        return asked * AVOGADRO * composition.side**2 * inputs["gap"] / composition.cations
