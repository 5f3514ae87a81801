"""One particle in one dimension: Newton's equation in four potentials, solved by velocity Verlet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from simulators.batch.simulator import BACKEND, BatchSimulator
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

_MASS = Parameter("mass", "", "mass m", 0.01, 1000, default=1.0)
_STIFFNESS = Parameter("stiffness", "", "force constant k", 0.001, 1000, default=1.0)
_VELOCITY = Parameter("start_velocity", "", "where it is not released from rest", -100, 100, default=0.0)
_STARTS = {
    "harmonic": (-100, 100),
    "lennard_jones": (0.7, 100),
    "double_well": (-10, 10),
    "rugged": (-10, 10),
}
"""Where the particle may start."""

_BROKEN = 0.25
"""The energy has no business to depart by this fraction of the largest kinetic energy."""
_STRETCH = 2_000_000
"""Steps of sixty-four particles between two reports of progress, some tenths of a second."""


class OneParticle(BatchSimulator):
    """A particle in a potential U(x) of unit depth, in reduced units; nothing is random.

    Potentials: ``harmonic`` k x^2 / 2; ``lennard_jones`` 4 (x^-12 - x^-6), its partner fixed at 0;
    ``double_well`` x^4 / 4 - x^2 / 2; ``rugged`` (x^4 - x^3 - 16 x^2 + 4 x + 48) / 50 + sin(30 (x + 5)) / 5.
    All numbers are float64: a trajectory is as good as its time step. Equations and measured accuracy:
    docs/physics/one_particle.md.
    """

    kind: Literal["one_particle"] = "one_particle"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    potential: Literal["harmonic", "lennard_jones", "double_well", "rugged"] = Field(
        "harmonic", description="U(x): 'harmonic', 'lennard_jones', 'double_well' or 'rugged'"
    )
    steps: PositiveInt = Field(50_000, description="time steps; a multiple of the recorded points")
    timestep: float = Field(0.001, gt=0, le=1, description="time step dt")
    points: int = Field(
        500,
        ge=2,
        le=100_000,
        description="recorded points of the trajectory, evenly spaced, the last at the end",
    )

    compiles: ClassVar[bool] = True
    together: ClassVar[int] = 64

    @model_validator(mode="after")
    def _whole_strides(self) -> Self:
        if self.steps % self.points:
            nearest = max(1, round(self.steps / self.points)) * self.points
            raise ValueError(
                f"steps = {self.steps}: not a multiple of points = {self.points}; accepted: {nearest}, say"
            )
        return self

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Mass, start and velocity, and the stiffness of a harmonic potential."""
        low, high = _STARTS[self.potential]
        start = Parameter("start_position", "", "x at time 0", low, high)
        stiffness = (_STIFFNESS,) if self.potential == "harmonic" else ()
        return (start, _MASS, *stiffness, _VELOCITY)

    outputs: ClassVar[tuple[Output, ...]] = (
        Output("position", "", "x at the recorded times", "time"),
        Output("velocity", "", "dx/dt at the recorded times", "time"),
        Output(
            "period",
            "",
            "of the oscillation, from a turning point to the next one on the same side; lacking where the "
            "particle has not come back by the end",
            positive=True,
            optional=True,
        ),
        Output(
            "energy_error",
            "",
            "largest departure of the total energy from its first value, over the recorded times",
            positive=True,
        ),
    )

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Time, each bin around the time that it stands for."""
        spacing = self.steps // self.points * self.timestep
        edges = (np.arange(self.points + 1) + 0.5) * spacing
        return (Coordinate("time", "", "a trajectory is recorded at the middles of the bins", fixed(edges)),)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a step beyond the stability limit of a harmonic well."""
        if self.potential != "harmonic":
            return
        frequency = math.sqrt(inputs["stiffness"] / inputs["mass"])
        if self.timestep * frequency >= 1:
            raise InvalidInputError(
                "timestep",
                self.timestep,
                f"too long for a frequency of {frequency:g}",
                f"below {1 / frequency:.2g}, well below {0.1 / frequency:.2g} for accuracy",
            )

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps."""
        return float(self.steps)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, sixty-four particles to a kernel."""
        from simulators.md.landscapes.newton import warm_up

        observations = self.nothing_yet(inputs)

        def simulate(indices: list[int], report: Progress) -> None:
            given = self._given(inputs, indices)
            self._write(observations, indices, given, *self._trajectories(given, report))

        warm_up(self.potential)  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress, together=self.together)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, a particle to a thread."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.newton import trajectories
        from simulators.md.landscapes.newton import release

        observations, stride = self.nothing_yet(inputs), self.steps // self.points
        for indices, report in parts(observations, 64.0 + 16 * self.points, card, progress):
            given = self._given(inputs, list(indices))
            start, speed = given["start_position"], given["start_velocity"]
            particles = release(
                self.potential, given["stiffness"], given["mass"], start, speed, self.timestep
            )
            chunk = max(1, _STRETCH // stride)
            position, steps, period = trajectories(
                self.potential, particles, self.points, stride, chunk, report
            )
            for first in range(0, len(start), self.together):
                here = slice(first, first + self.together)
                self._write(
                    observations,
                    list(indices)[here],
                    {name: values[here] for name, values in given.items()},
                    np.ascontiguousarray(position[:, here]),
                    steps[:, here] / self.timestep,
                    period[here] * self.timestep,
                )
        return observations

    def _given(self, inputs: Array, indices: list[int]) -> dict[str, Array]:
        """Inputs of these replicas by name; the last sixty-four are filled up with copies of the first."""
        lanes = np.array(indices + [indices[0]] * (-len(indices) % self.together))
        columns = {p.name: inputs[:, k] for k, p in enumerate(self.inputs)}
        given = {name: np.ascontiguousarray(column[lanes]) for name, column in columns.items()}
        given.setdefault("stiffness", np.ones(len(lanes)))  # the other potentials are of unit depth
        return given

    def _write(
        self,
        observations: Observations,
        indices: list[int],
        given: Mapping[str, Array],
        position: Array,
        velocity: Array,
        period: Array,
    ) -> None:
        """What came of sixty-four particles, for those that are replicas of the batch."""
        departure, limit = self._departures(given, position, velocity)
        worst = departure.max(axis=0)
        for lane, index in enumerate(indices):
            if not worst[lane] <= limit[lane]:
                point = int(np.argmin(departure[:, lane] <= limit[lane]))
                observations.failures[index] = self._failure(point, worst[lane])
                continue
            observations.mean["position"][index] = position[:, lane]
            observations.mean["velocity"][index] = velocity[:, lane]
            observations.mean["period"][index] = period[lane]
            observations.mean["energy_error"][index] = worst[lane]
            for errors in observations.stderr.values():
                errors[index] = 0.0
            observations.stderr["period"][index] = 0.0 * period[lane]

    def _trajectories(self, given: Mapping[str, Array], report: Progress) -> tuple[Array, Array, Array]:
        """Positions and velocities, arrays (points, 64), and periods, array (64,)."""
        from simulators.md.landscapes.newton import ADVANCE, release

        start, speed = given["start_position"], given["start_velocity"]
        particles = release(self.potential, given["stiffness"], given["mass"], start, speed, self.timestep)
        position, velocity = np.empty((self.points, len(start))), np.empty((self.points, len(start)))
        stride = self.steps // self.points
        chunk = max(1, _STRETCH // stride)
        for first in range(0, self.points, chunk):
            x, v = position[first : first + chunk], velocity[first : first + chunk]
            ADVANCE[self.potential](particles, first * stride, len(x), stride, x.ravel(), v.ravel())
            report((first + len(x)) / self.points)
        return position, velocity / self.timestep, particles.period * self.timestep

    def _departures(
        self, given: Mapping[str, Array], position: Array, velocity: Array
    ) -> tuple[Array, Array]:
        """How far the energy has departed from its first value, (points, 64), and how far it may, (64,).

        Rows of sixty-four are whole vectors to numpy too: no lane is computed in another way than the others.
        """
        from simulators.md.landscapes.newton import POTENTIALS

        energy, mass, stiffness = POTENTIALS[self.potential].energy, given["mass"], given["stiffness"]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            kinetic = 0.5 * mass * velocity**2
            start = stiffness * energy(given["start_position"]) + 0.5 * mass * given["start_velocity"] ** 2
            departure = np.abs(kinetic + stiffness * energy(position) - start)
            return departure, _BROKEN * kinetic.max(axis=0) + 1e-6 * np.maximum(1.0, np.abs(start))

    def _failure(self, point: int, departure: float) -> Failure:
        step = (point + 1) * (self.steps // self.points)
        return Failure(
            "energy not conserved",
            f"timestep = {self.timestep:g}: the total energy is off by {departure:.3g} (first seen at step "
            f"{step}); accepted: below about {self.timestep / 4:.2g}",
        )
