"""Ions around a charged, polarizable sphere by Car-Parrinello dynamics: to tune its settings on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from simulators.batch.keeping import Keeper, open_keeper
from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import Coordinate, InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.simulator import Array, Seeds
from simulators.md.statistics import BLOCKS
from simulators.md.units import AVOGADRO

if TYPE_CHECKING:
    from simulators.md.sphere.replica import Plan

_NEAR_BINS, _FAR_BINS = 20, 20
_NEAR = 2.0
"""How far from the sphere bins are narrow, in diameters."""
_FULLEST = 0.1
"""Fraction of the volume that ions may take up to be placed at random."""
_MOST_IONS = 2048


class Composition(NamedTuple):
    """Numbers of ions, and the charges of all with their signs, in elementary charges."""

    counterions: int
    coions: int
    counterion_valency: int
    coion_valency: int
    sphere_valency: int


def _edges() -> dict[str, list[float]]:
    """Bin edges as distances from the centre: narrow near the sphere, then up to the boundary."""
    near, far = np.arange(_NEAR_BINS) / _NEAR_BINS, np.arange(_FAR_BINS + 1) / _FAR_BINS
    outward = np.concatenate([np.zeros(_NEAR_BINS), far])
    return {
        "radius": (1 - outward).tolist(),
        "boundary_radius": outward.tolist(),
        "diameter": (_NEAR * np.concatenate([near, 1 - far])).tolist(),
    }


class ChargedSphere(BatchSimulator):
    """Ions in a dielectric continuum around a sphere of another permittivity, inside a spherical boundary.

    The sphere's induced multipoles are variables of their own, with a mass and a cold heat bath, that follow
    the ions; how well they do depends on the time step, that mass and that temperature, which are inputs here
    since they are there to be tuned. The exact answer is known, so that their error is. After Kadupitiya, Fox
    and Jadhao, arXiv 1910.14620, with multipoles in place of surface charges. Equations, units and what was
    measured: docs/physics/charged_sphere.md.

    The unit of length is the ions' diameter d, the unit of time tau = d sqrt(m / kT); Bjerrum length 0.714 nm
    at a relative permittivity of 80.
    """

    kind: Literal["charged_sphere"] = "charged_sphere"
    backend: Literal["cpu", "mpi"] = Field("cpu", description=f"{BACKEND}, or 'mpi', over processes")
    degree: int = Field(10, ge=1, le=16, description="highest degree n of the sphere's multipoles")
    steps: int = Field(100_000, ge=100, description="time steps, equilibration included")
    equilibration: float = Field(
        0.2, ge=0, le=0.9, description="fraction of the steps that are left out of the averages"
    )

    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("epsilon_inside", "", "relative permittivity of the sphere", 1, 1e6),
        Parameter("epsilon_outside", "", "relative permittivity of the solvent", 1, 200, default=78.5),
        Parameter("sphere_charge", "", "charge of the sphere, elementary charges", -300, 300, integer=True),
        Parameter(
            "ion_valency", "", "charge of a counterion, without its sign", 1, 3, integer=True, default=1
        ),
        Parameter("concentration", "mol/L", "salt besides, of the counterions' kind", 0, 2, default=0.0),
        Parameter("radius", "nm", "of the sphere", 0.2, 20, default=2.6775),
        Parameter("boundary_radius", "nm", "of the outer wall", 1, 100, default=14.28),
        Parameter("diameter", "nm", "of the ions", 0.1, 2, default=0.357),
        Parameter("timestep", "", "time step (tau)", 1e-5, 0.05, default=0.001, setting="time step"),
        Parameter(
            "fake_mass",
            "",
            "mass of the scaled multipoles (kT tau^2)",
            1e-6,
            1e3,
            default=3e-4,
            setting="other",
        ),
        Parameter(
            "fake_temperature",
            "",
            "of the multipoles' heat bath, the ions' is 1",
            1e-6,
            1,
            default=2e-4,
            setting="other",
        ),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("R", "", "std of the extended energy over that of the ions' kinetic energy", positive=True),
        Output("R_v", "", "the same over that of the multipoles' kinetic energy", positive=True),
        Output(
            "FD",
            "",
            "multipoles' energy off the exact answer, per cent; none without contrast",
            optional=True,
        ),
        Output("good", "", "1 where R < 0.05, R_v < 0.15 and |FD| < 1, else 0", positive=True, verdict=True),
        Output("temperature", "", "kinetic, of the ions; 1 was set", positive=True),
        Output("fake_temperature_kinetic", "", "kinetic, of the multipoles", positive=True),
        Output("polarization_energy", "", "energy of the induced multipoles (kT)"),
        Output("contact_density", "mol/L", "counterions half a diameter from the sphere", positive=True),
        Output("density_counterion", "mol/L", "profile of the counterions", "distance", positive=True),
        Output("density_coion", "mol/L", "profile of the coions", "distance", positive=True),
    )
    coordinates: ClassVar[tuple[Coordinate, ...]] = (
        Coordinate("distance", "nm", "from the centre of the sphere", _edges()),
    )

    def composition(self, inputs: Mapping[str, float]) -> Composition:
        """Whole ions: the sphere's charge is met by the nearest number of counterions, and rounded to it."""
        valency, charge = int(inputs["ion_valency"]), int(inputs["sphere_charge"])
        sign = 1 if charge > 0 else -1  # of the sphere; counterions of none are cations
        own = round(abs(charge) / valency)
        volume = 4 / 3 * math.pi * (inputs["boundary_radius"] ** 3 - inputs["radius"] ** 3)
        salt = round(inputs["concentration"] * AVOGADRO * volume)
        return Composition(own + salt, salt * valency, -sign * valency, sign, sign * own * valency)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse what cannot be placed or averaged."""
        production = self.steps // self._every(inputs) - self._first(inputs)
        if production < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration)) + 1
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")
        radius, boundary, diameter = (inputs[n] for n in ("radius", "boundary_radius", "diameter"))
        if boundary < radius + 2 * _NEAR * diameter:
            raise InvalidInputError(
                "boundary_radius",
                f"{boundary:g} nm",
                "too near to the sphere",
                f"above {radius + 2 * _NEAR * diameter:.4g} nm",
            )
        composition = self.composition(inputs)
        ions = composition.counterions + composition.coions
        if ions == 0:
            raise InvalidInputError(
                "sphere_charge",
                int(inputs["sphere_charge"]),
                "no ions at all",
                "a charge, or a concentration",
            )
        room = _FULLEST * 8 * (boundary**3 - radius**3) / diameter**3
        most = int(min(_MOST_IONS, room))
        if ions > most:
            raise InvalidInputError(
                "concentration",
                f"{inputs['concentration']:g} mol/L",
                f"makes {ions} ions with those of the sphere",
                f"up to {most} ions: less salt, less charge, or another boundary",
            )

    def _every(self, inputs: Mapping[str, float]) -> int:
        """Steps between two looks: a twentieth of tau, about the time of the fastest collisions."""
        production = (1 - self.equilibration) * self.steps
        return max(1, min(round(0.05 / inputs["timestep"]), int(production / (BLOCKS + 1))))

    def _first(self, inputs: Mapping[str, float]) -> int:
        return int(self.equilibration * self.steps) // self._every(inputs)

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times what an ion costs with its partners and harmonics."""
        composition = self.composition(inputs)
        ions = composition.counterions + composition.coions
        return self.steps * ions * (ions + 2.0 * (self.degree + 2) ** 2)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, a replica to a thread."""
        from simulators.md.sphere.replica import Replica, check_start, warm_up

        rows = self.rows(inputs)
        starts = keep.starts if keep is not None else {}
        observations = self.nothing_yet(inputs)
        edges = observations.edges["distance"]
        for index, frame in starts.items():
            check_start(self._plan(rows[index], edges[index]), frame)
        compositions = [self.composition(row) for row in rows]
        for name in ("counterions", "coions", "sphere_valency"):
            observations.used[name] = np.array([getattr(c, name) for c in compositions], dtype=float)

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            plan = self._plan(rows[index], edges[index])
            replica = Replica(plan, int(seeds[index]), starts.get(index))
            failure = replica.run(report, self._keeper(keep, index, plan))
            if failure is not None:
                observations.failures[index] = failure
                return
            estimates = replica.estimates()
            for output in self.outputs:
                if output.name in estimates:
                    mean, error = estimates[output.name]
                    observations.mean[output.name][index] = mean
                    observations.stderr[output.name][index] = error

        warm_up()  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def _plan(self, inputs: Mapping[str, float], edges: Array) -> Plan:
        from simulators.md.sphere.replica import Plan

        return Plan(
            *self.composition(inputs),
            radius=inputs["radius"],
            boundary=inputs["boundary_radius"],
            diameter=inputs["diameter"],
            inside=inputs["epsilon_inside"],
            outside=inputs["epsilon_outside"],
            degree=self.degree,
            timestep=inputs["timestep"],
            fake_mass=inputs["fake_mass"],
            fake_temperature=inputs["fake_temperature"],
            steps=self.steps,
            every=self._every(inputs),
            first=self._first(inputs),
            edges=edges,
        )

    def _keeper(self, keep: Keep | None, index: int, plan: Plan) -> Keeper:
        return open_keeper(
            keep,
            index,
            self.steps,
            length_unit="nm",
            types=["counterion"] * plan.counterions + ["coion"] * plan.coions,
            charge=np.repeat([plan.counterion_valency, plan.coion_valency], [plan.counterions, plan.coions]),
            diameter=np.full(plan.ions, plan.diameter),
        )
