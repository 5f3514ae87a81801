"""Escape from a well by thermal motion: mean first-passage time over a barrier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.simulator import Array, Seeds

if TYPE_CHECKING:
    from simulators.md.landscapes.escape import Replica

_LONGEST = {"underdamped": 0.5, "overdamped": 0.25}
"""A step times the frequency, or the relaxation rate, of the potential where it is ten kT high."""

_MOST_FRICTION = 0.35
"""A step times the friction, underdamped: a free walker then diffuses 1 % too fast, (friction dt)^2 / 12."""


class DoubleWellEscape(BatchSimulator):
    """Walkers in U(x) = h (x^2 - 1)^2 that set out from -1 with thermal velocities until they first reach 1.

    Each begins again whenever it has arrived, so that passages and the time that they took are counted over
    all walkers and steps, and nothing is lost in walkers that were still under way at the end. Reduced units.
    Equations and measured accuracy: docs/physics/double_well_escape.md.
    """

    kind: Literal["double_well_escape"] = "double_well_escape"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    dynamics: Literal["underdamped", "overdamped"] = Field(
        "underdamped", description="'underdamped' (BAOAB) or, without inertia, 'overdamped' (Euler-Maruyama)"
    )
    steps: int = Field(200_000, ge=1, le=10**10, description="time steps of every walker")
    timestep: float = Field(0.002, gt=0, le=10, description="time step dt")
    walkers: int = Field(64, ge=16, le=65_536, description="independent walkers, a multiple of 16")

    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint"})
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("barrier", "", "height h of the barrier", 0.1, 100),
        Parameter("friction", "", "rate at which a free velocity decays", 0.001, 1000, default=1.0),
        Parameter("temperature", "", "kT", 0.01, 100, default=1.0),
        Parameter("mass", "", "mass m; the mobility is 1 / (m friction)", 0.01, 100, default=1.0),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output(
            "escape_time",
            "",
            "mean time from -1 to the first arrival at 1; lacking where no walker has arrived",
            positive=True,
            optional=True,
        ),
        Output("escape_rate", "", "arrivals to a unit of a walker's time", positive=True),
    )

    @field_validator("walkers")
    @classmethod
    def _whole_vectors(cls, walkers: int) -> int:
        if walkers % 16:
            raise ValueError(f"not a multiple of 16; accepted: {round(walkers / 16) * 16}, for one")
        return walkers

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a time step that is too long for the well."""
        barrier, mass = inputs["barrier"], inputs["mass"]
        reach = 1 + math.sqrt(10 * inputs["temperature"] / barrier)  # x^2 where U is ten kT
        curvature = 4 * barrier * (3 * reach - 1)
        rate = math.sqrt(curvature / mass)
        if self.dynamics == "overdamped":
            rate = curvature / (mass * inputs["friction"])
        longest = _LONGEST[self.dynamics] / rate
        if self.timestep > longest:
            raise InvalidInputError(
                "timestep", self.timestep, f"too long for a rate of {rate:.3g}", f"up to {longest:.2g}"
            )

        if self.dynamics == "underdamped" and self.timestep * inputs["friction"] > _MOST_FRICTION:
            raise InvalidInputError(
                "timestep",
                self.timestep,
                f"too long for the friction {inputs['friction']:g}",
                f"up to {_MOST_FRICTION / inputs['friction']:.2g}, or overdamped dynamics",
            )

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps of all walkers."""
        return float(self.steps * self.walkers)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, a replica to a thread and sixteen walkers to a vector."""
        from simulators.batch.keeping import open_keeper
        from simulators.md.landscapes.escape import warm_up

        observations = self._begun(inputs)

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            replica = self._replica(inputs, seeds, index)
            with open_keeper(keep, index, self.steps) as keeper:
                replica.run(keeper, report)
            self._write(observations, replica, index)

        warm_up()  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, a walker to a thread."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.batch.keeping import open_keeper
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.walker_replicas import EscapeOnCard, escape_bytes

        observations = self._begun(inputs)
        for indices, report in parts(observations, escape_bytes(self.walkers), card, progress):
            with ExitStack() as files:
                keepers = [files.enter_context(open_keeper(keep, k, self.steps)) for k in indices]
                replicas = [self._replica(inputs, seeds, k) for k in indices]
                EscapeOnCard(replicas, keepers).run(report)
                for index, replica in zip(indices, replicas, strict=True):
                    self._write(observations, replica, index)
        return observations

    def _begun(self, inputs: Array) -> Observations:
        observations = self.nothing_yet(inputs)
        observations.used["passages"] = np.full(len(inputs), np.nan)
        return observations

    def _replica(self, inputs: Array, seeds: Seeds, index: int) -> Replica:
        from simulators.md.landscapes.escape import Replica, System

        (row,) = self.rows(inputs[index : index + 1])
        system = System(**row, timestep=self.timestep, overdamped=self.dynamics == "overdamped")
        return Replica(system, self.walkers, self.steps, int(seeds[index]))

    @staticmethod
    def _write(observations: Observations, replica: Replica, index: int) -> None:
        """What the walkers of a replica have found."""
        rate, error = replica.rate()
        observations.mean["escape_rate"][index], observations.stderr["escape_rate"][index] = rate, error
        observations.used["passages"][index] = replica.passages.sum()
        if rate > 0:
            observations.mean["escape_time"][index] = 1 / rate
            observations.stderr["escape_time"][index] = error / rate**2
