"""Noise in the switch that decides whether a cell divides: the MYC/E2F network in many cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import Coordinate, Keep, Observations, Output, Parameter, Progress
from simulators.contract.quantities import fixed
from simulators.contract.simulator import Array, Seeds

_SPECIES = (
    ("MC", "myc", "MYC"),
    ("EFm", "e2f_mrna", "mRNA of E2F"),
    ("EFp", "e2f", "free E2F"),
    ("CD", "cyclin_d", "cyclin D"),
    ("RB", "rb", "RB, free and not phosphorylated"),
    ("CE", "cyclin_e", "cyclin E"),
    ("RP", "rb_phosphorylated", "phosphorylated RB"),
    ("RE", "rb_e2f", "RB bound to E2F"),
    ("AF", "arf", "ARF"),
    ("MR", "mirna", "microRNA"),
)
"""Symbol, name of the output and description of each species."""

_CONSTANTS = (
    ("kMC", "uM/h", 1.0, "synthesis of MYC, driven by serum"),
    ("kS", "uM/h", 0.05, "synthesis of E2F's mRNA, driven by serum"),
    ("kEFm", "uM/h", 0.4, "synthesis of E2F's mRNA, by MYC and E2F together"),
    ("kb", "uM/h", 0.15, "synthesis of E2F's mRNA, by MYC alone"),
    ("kEFp", "1/h", 0.4, "translation of E2F"),
    ("kCD", "uM/h", 0.03, "synthesis of cyclin D, by MYC"),
    ("kCDS", "uM/h", 0.5, "synthesis of cyclin D, driven by serum"),
    ("kCE", "uM/h", 0.35, "synthesis of cyclin E, by E2F"),
    ("kRB", "uM/h", 0.18, "synthesis of RB"),
    ("kRE", "1/uM/h", 180.0, "binding of RB and E2F"),
    ("kRBDP", "uM/h", 3.6, "dephosphorylation of RB"),
    ("kRBP1", "1/h", 18.0, "phosphorylation of RB by cyclin D"),
    ("kRBP2", "1/h", 18.0, "phosphorylation of RB by cyclin E"),
    ("kAFb", "uM/h", 0.007, "synthesis of ARF without inducers"),
    ("kAFEF", "uM/h", 0.015, "synthesis of ARF, by E2F"),
    ("kAFMC", "uM/h", 0.01, "synthesis of ARF, by MYC"),
    ("kMREF", "uM/h", 0.8, "synthesis of microRNA, by E2F"),
    ("kMRMC", "uM/h", 0.2, "synthesis of microRNA, by MYC"),
    ("KAFMC", "uM", 1.0, "MYC of half the induction of ARF"),
    ("KAFEF", "uM", 0.5, "E2F of half the induction of ARF"),
    ("KMRMC", "uM", 0.25, "MYC of half the induction of microRNA"),
    ("KMREF", "uM", 0.25, "E2F of half the induction of microRNA"),
    ("KMC", "uM", 0.15, "MYC of half the induction of E2F with E2F"),
    ("KMC1", "uM", 2.5, "MYC of half the induction of E2F alone"),
    ("KS", "percent", 0.5, "serum of half the stimulus"),
    ("KEF", "uM", 0.15, "E2F of half the induction of itself and of cyclin E"),
    ("KR", "uM", 100.0, "MYC of half the repression of E2F's mRNA"),
    ("KMR", "uM", 0.6, "microRNA of half the suppression of E2F's translation"),
    ("KAFR", "1/uM", 0.01, "rise of E2F's decay with ARF"),
    ("KRP", "uM", 0.01, "phosphorylated RB of half the dephosphorylation"),
    ("KCD", "uM", 0.92, "RB of half the phosphorylation by cyclin D"),
    ("KCE", "uM", 0.92, "RB of half the phosphorylation by cyclin E"),
    ("KMCCD", "uM", 0.15, "MYC of half the induction of cyclin D"),
    ("dEFm", "1/h", 0.25, "decay of E2F's mRNA"),
    ("dEFp", "1/h", 0.35, "decay of E2F"),
    ("dCD", "1/h", 1.5, "decay of cyclin D"),
    ("dCE", "1/h", 1.5, "decay of cyclin E"),
    ("dRB", "1/h", 0.06, "decay of RB"),
    ("dRP", "1/h", 0.06, "decay of phosphorylated RB"),
    ("dRE", "1/h", 0.03, "decay of RB bound to E2F"),
    ("dMC", "1/h", 0.7, "decay of MYC"),
    ("dAF", "1/h", 0.12, "decay of ARF"),
    ("dMR", "1/h", 2.8, "decay of microRNA"),
)
"""Name, unit, default and description of each constant; the published study draws each from a fifth of its
default, rounded, to five times it."""

_CONCENTRATIONS = np.concatenate([[0.0], np.geomspace(0.01, 100.0, 65)])
"""Edges of the bins of E2F, uM: what is beyond the last is counted in the last bin."""
_CELLS = 16
"""To a vector."""


def _parameter(name: str, unit: str, default: float, description: str) -> Parameter:
    # Half saturations divide; reactions may be switched off.
    low = default / 10 if name.startswith("K") else 0.0
    return Parameter(name, unit, description, low, float(f"{5 * default:.9g}"), default=default)


class CellCycle(BatchSimulator):
    """Chemical Langevin simulation of the MYC/E2F network in many like cells, from empty cells on.

    Ten species, 43 rate constants, noise of the reactions and from outside; what counts is the state of the
    cells at the end. Equations, constants and noise of Wang et al., Nat. Commun. 10, 4354 (2019), after Yao
    et al., Nat. Cell Biol. 10, 476 (2008). Equations and measured accuracy: docs/physics/cell_cycle.md.
    """

    kind: Literal["cell_cycle"] = "cell_cycle"
    backend: Literal["cpu", "mpi"] = Field("cpu", description=f"{BACKEND}, or 'mpi', over processes")
    trials: int = Field(512, ge=16, le=1_000_000, description="cells")
    hours: float = Field(
        50.0, gt=0, le=10_000, description="time from the stimulus to the look at the cells (h)"
    )
    timestep: float = Field(
        0.01,
        gt=0,
        le=0.05,
        description="time step (h); published: 0.01, too long for fast binding of RB and E2F, which then "
        "makes RB from nothing; 0.0005 is short enough for most constants",
    )
    sigma: float = Field(
        2.0, ge=0, le=100, description="noise of reactions in units of that of single molecules"
    )
    delta: float = Field(
        100.0, ge=0, le=10_000, description="noise from outside (molecules/h, each drawn for 0.01 h)"
    )
    serum: float = Field(1.0, gt=0, le=100, description="stimulus (per cent of serum)")
    threshold: float = Field(
        0.15, gt=0, le=100, description="free E2F from which on a cell counts as on (uM)"
    )

    compiles: ClassVar[bool] = True
    length: ClassVar[str] = "trials"
    inputs: ClassVar[tuple[Parameter, ...]] = tuple(_parameter(*row) for row in _CONSTANTS)
    outputs: ClassVar[tuple[Output, ...]] = (
        *(
            Output(f"{name}_{moment}", "uM", f"{words} of {description} over cells", positive=True)
            for moment, words in (("mean", "mean"), ("std", "standard deviation"))
            for _, name, description in _SPECIES
        ),
        Output("fraction_on", "", "cells whose free E2F is above the threshold", positive=True),
        Output(
            "e2f_density", "1/uM", "probability density of free E2F", "e2f", average="1 / 100", positive=True
        ),
    )
    coordinates: ClassVar[tuple[Coordinate, ...]] = (
        Coordinate("e2f", "uM", "free E2F; the last bin holds all that is beyond", fixed(_CONCENTRATIONS)),
    )

    @model_validator(mode="after")
    def _at_least_one_step(self) -> Self:
        if self.timestep > self.hours:
            raise ValueError(
                f"timestep = {self.timestep:g} h: longer than hours; accepted: up to {self.hours:g}"
            )
        return self

    @property
    def _steps(self) -> int:
        return round(self.hours / self.timestep)

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times cells."""
        return float(self._steps * self.trials)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch: a replica to a thread, its cells sixteen at a time."""
        from simulators.cells.langevin_kinetics import advance, noise
        from simulators.cells.myc_e2f import MOLECULES, SPECIES, constants

        rows = self.rows(inputs)
        observations = self.nothing_yet(inputs)
        units = {p.name: p.unit for p in self.inputs}

        def final(row: Mapping[str, float], seed: int, cells: int, steps: int) -> Array:
            """Sixteen cells from this one on, array (species, 16) in uM."""
            state = np.zeros(len(SPECIES) * _CELLS, np.float32)
            advance(
                state,
                cells,
                constants(row, units, self.serum),
                noise(self.timestep, self.sigma, self.delta, seed),
                steps,
            )
            return state.reshape(len(SPECIES), _CELLS).astype(np.float64) / MOLECULES

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            found = []
            for cells in range(0, self.trials, _CELLS):
                found.append(final(rows[index], int(seeds[index]), cells, self._steps))
                report((cells + _CELLS) / (self.trials + _CELLS))
            concentration = np.concatenate(found, axis=1)[:, : self.trials]
            for name, (mean, error) in self._estimates(concentration).items():
                observations.mean[name][index] = mean
                observations.stderr[name][index] = error

        for row in rows[:1]:  # compiling is no part of any replica's cost
            final(row, 0, 0, 1)
        over_threads(observations, simulate, threads=threads, progress=progress)
        return observations

    def _estimates(self, concentration: Array) -> dict[str, tuple[Array | float, Array | float]]:
        """Output -> value and standard error, from array (species, cells)."""
        cells = concentration.shape[1]
        estimates: dict[str, tuple[Array | float, Array | float]] = {}
        for (_, name, _), x in zip(_SPECIES, concentration, strict=True):
            std = float(x.std(ddof=1))
            estimates[f"{name}_mean"] = float(x.mean()), std / np.sqrt(cells)
            # The scatter of a variance follows from the fourth moment, whatever the distribution.
            fourth = float(np.mean((x - x.mean()) ** 4))
            scatter = np.sqrt(max(fourth - std**4, 0.0) / cells)
            estimates[f"{name}_std"] = std, scatter / (2 * std) if std > 0 else 0.0
        e2f = concentration[2]
        estimates["fraction_on"] = _share(np.count_nonzero(e2f > self.threshold), cells)
        counts = np.histogram(np.minimum(e2f, _CONCENTRATIONS[-1]), _CONCENTRATIONS)[0]
        share, error = _share(counts, cells)
        widths = np.diff(_CONCENTRATIONS)
        estimates["e2f_density"] = share / widths, error / widths
        return estimates


def _share(counts: ArrayLike, cells: int) -> tuple[Array, Array]:
    """Fractions of the cells and their standard errors; where there is none, that of a single cell."""
    share = np.asarray(counts, dtype=np.float64) / cells
    at_most = np.clip(share, 1 / cells, 1 - 1 / cells)
    return share, np.sqrt(at_most * (1 - at_most) / cells)
