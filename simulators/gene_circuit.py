"""Rings of gene expression in a growing colony of bacteria: a published reaction-diffusion model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import Coordinate, Failure, Keep, Observations, Output, Parameter, Progress
from simulators.contract.quantities import fixed
from simulators.contract.simulator import Array, Seeds

if TYPE_CHECKING:
    from simulators.cells.colony import Circuit, Colony

_RADIUS, _INTERVALS = 80.0, 500
"""Of the disc, and between the points of a profile."""
_CHUNK = 500
"""Steps between two reports of progress, some hundredths of a second."""
_UNDERSHOOT = 1e-6
"""Negative densities up to this fraction of the peak are rounding."""


def _around_points() -> list[float]:
    """Edges of bins around the equidistant points of a profile; half bins at both ends."""
    edges = (np.arange(_INTERVALS + 2) - 0.5) * _RADIUS / _INTERVALS
    return [float(edge) for edge in np.clip(edges, 0.0, _RADIUS)]


class GeneCircuit(BatchSimulator):
    """A colony with a synthetic gene circuit that spreads over a disc and forms rings.

    T7 RNA polymerase activates its own gene and that of T7 lysozyme, which inhibits it, once the signal AHL
    has built up. Cells, lysozyme, polymerase, their complex and a red reporter are fields over the radius;
    nutrient and AHL are uniform. Model and ranges of inputs: Wang et al., Nat. Commun. 10, 4354 (2019), in
    the circuit's units of length and time. Deterministic. Equations and measured accuracy:
    docs/physics/gene_circuit.md.
    """

    kind: Literal["gene_circuit"] = "gene_circuit"
    backend: Literal["cpu", "mpi"] = Field("cpu", description=f"{BACKEND}, or 'mpi', over processes")
    points: int = Field(
        2001, ge=501, le=8001, description="of the grid: 500 times a whole number, and one; published: 2001"
    )
    timestep: float = Field(
        0.01, ge=1e-4, le=0.01, description="time step: 0.01 divided by a whole number (unit of time 1/ac)"
    )
    equilibrium: Literal["published", "stable"] = Field(
        "published",
        description="how the binding of lysozyme is computed: 'published', by a difference that loses traces "
        "of lysozyme to rounding, which shows in one profile of seven, or 'stable', without",
    )

    compiles: ClassVar[bool] = True
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("g4", "", "synthesis of AHL", 1e-4, 10),
        Parameter("alpha", "", "burden of T7 RNA polymerase on growth", 0, 5),
        Parameter("beta", "", "burden of lysozyme on growth", 0, 2000),
        Parameter("Kphi", "", "depth below the colony's rim of half the gene expression", 1e-4, 10),
        Parameter("n", "", "Hill coefficient of the gene expression's fall with depth", 0, 5),
        Parameter("ac", "", "growth rate of cells, the inverse of the unit of time", 0.2, 5, default=1.0),
        Parameter("aT", "", "synthesis of T7 RNA polymerase", 80, 8000),
        Parameter("aL", "", "synthesis of lysozyme", 90, 9000),
        Parameter("KC", "", "diffusion coefficient of cells", 0.001, 0.005, default=0.0025),
        Parameter("KT", "", "T7 RNA polymerase of half the activation", 50, 5000),
        Parameter("KP", "", "complex of half the inhibition", 50, 5000),
        Parameter("dA", "", "decay of AHL", 0.05, 2, default=0.3),
        Parameter("R", "", "radius of the disc over that of the smallest", 1, 3, default=1.0),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("profile", "", "red reporter at the end over its highest value", "radius", positive=True),
        Output("log_peak", "", "natural logarithm of the reporter's highest value"),
        Output("rings", "", "peaks of the profile over a diameter", positive=True),
    )
    coordinates: ClassVar[tuple[Coordinate, ...]] = (
        Coordinate(
            "radius",
            "",
            "from the middle of the disc, bins around the points of the profile",
            fixed(_around_points()),
        ),
    )

    @model_validator(mode="after")
    def _whole_intervals(self) -> Self:
        if (self.points - 1) % _INTERVALS:
            nearest = max(1, round((self.points - 1) / _INTERVALS)) * _INTERVALS + 1
            raise ValueError(
                f"points = {self.points}: not 500 times a whole number, and one; accepted: {nearest}, say"
            )
        parts = 0.01 / self.timestep
        if abs(parts - round(parts)) > 1e-9 * parts:
            raise ValueError(
                f"timestep = {self.timestep:g}: not 0.01 over a whole number; "
                f"accepted: {0.01 / math.ceil(parts):g}, say"
            )
        return self

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times points."""
        return 150 / self.timestep * self.points

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, a colony to a thread."""
        from simulators.cells.colony import advance, circuit, colony
        from simulators.cells.rings import rings

        rows = self.rows(inputs)
        observations = self.nothing_yet(inputs)

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            reporter = self._grown(rows[index], report)
            if isinstance(reporter, Failure):
                observations.failures[index] = reporter
                return
            peak = reporter.max()
            profile = np.maximum(reporter / peak, 0.0)
            observations.mean["profile"][index] = profile
            observations.mean["log_peak"][index] = math.log(peak)
            observations.mean["rings"][index] = rings(profile)
            for errors in observations.stderr.values():
                errors[index] = 0.0

        for row in rows[:1]:  # compiling is no part of any replica's cost
            advance(colony(circuit(**row), 501, 0.01, False), circuit(**row), 0, 1)
        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def _grown(self, inputs: Mapping[str, float], report: Progress) -> Array | Failure:
        """The reporter at the points of a profile when the experiment ends, array (501,)."""
        from simulators.cells.colony import DURATION, advance, circuit, colony, saved

        groups = circuit(**inputs)
        state = colony(groups, self.points, self.timestep, self.equilibrium == "stable")
        steps = round(DURATION / self.timestep)
        for first in range(0, steps, _CHUNK):
            last = min(first + _CHUNK, steps)
            before = saved(state)
            advance(state, groups, first, last)
            if not np.isfinite(state.fields).all():
                return self._lost(before, groups, first)
            report(last / steps)
        reporter: Array = state.fields[0] * state.fields[4]
        if not reporter.min() >= -_UNDERSHOOT * reporter.max():
            return self._negative("the reporter", reporter, state.radius, DURATION)
        return reporter[:: (self.points - 1) // _INTERVALS]

    def _lost(self, state: Colony, groups: Circuit, step: int) -> Failure:
        """Why a colony that was well at this step was not soon after: the last state with numbers in it."""
        from simulators.cells.colony import advance

        T = state.fields[2].copy()
        while np.isfinite(state.fields).all():
            T[:] = state.fields[2]
            advance(state, groups, step, step + 1)
            step += 1
        return self._negative("T7 RNA polymerase", T, state.radius, (step - 1) * self.timestep)

    def _negative(self, what: str, field: Array, radius: Array, time: float) -> Failure:
        where = radius[field.argmin()]
        return Failure(
            "negative concentration",
            f"{what} = {field.min():.3g} at radius {where:.4g} and time {time:g}, {field.max():.3g} at most "
            "elsewhere: its front is too steep for the published differences, with any time step; accepted: "
            "inputs whose fronts are less steep, as with a smaller aT / (ac KT)",
        )
