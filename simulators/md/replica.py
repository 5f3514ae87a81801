"""One replica of the slit: placed, run in stretches, and turned into densities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.contract import Failure
from simulators.md.composition import AVOGADRO, Composition, lattice_shape
from simulators.md.ions import allocate, first_anion
from simulators.md.langevin import dynamics
from simulators.md.pair import pair_table
from simulators.md.sheet import RANK, expansion_rows
from simulators.md.slit import FINE, NOT_FINITE, OUTSIDE, TOO_HOT, Slit, advance, forces, start
from simulators.md.statistics import BLOCKS, blocked, highest, smoothed
from simulators.md.tally import Tally
from simulators.md.vector import LANES, aligned

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

BJERRUM = 0.714
"""Bjerrum length of water at 298 K in the published model, nm."""
FRICTION = 1.0
"""Per tau."""

_FINE_BIN = 0.01
"""Width of the bins from which contact and peak are read, in units of the cation's diameter."""
_AT_WALL, _BEYOND, _FIRST_LAYER = 13, 55, 105
"""The peak is looked for on a curve smoothed over so many fine bins: within a diameter of the wall, where the
density bends within a tenth of one, and farther in, where it bends within a whole one."""
_STRETCH = 5e7
"""Pairs between two returns to Python, about 20 ms."""

_REASONS = {
    NOT_FINITE: ("not finite", "not finite"),
    OUTSIDE: ("outside the walls", "an ion outside the walls"),
    TOO_HOT: ("overlap", "twice the temperature that was set (ions overlapped)"),
}


@dataclass(frozen=True)
class Plan:
    """All that a replica's numbers depend on, besides its seed.

    Args:
        gap: nm.
        cation_valency, anion_valency: in elementary charges.
        cation_diameter, anion_diameter: nm.
        composition: numbers of ions and side of the box.
        wall: "dummy" or "current".
        timestep: tau.
        steps, equilibration: steps in all, and those before the averages.
        every: steps between two looks at the ions.
        near, far: ends of the first bin and of the narrow ones, nm from the wall.
        narrow_bins, wide_bins: how many there are of each.
    """

    gap: float
    cation_valency: int
    anion_valency: int
    cation_diameter: float
    anion_diameter: float
    composition: Composition
    wall: str
    timestep: float
    steps: int
    equilibration: int
    every: int
    near: float
    far: float
    narrow_bins: int
    wide_bins: int


class Replica:
    """A replica: lengths are in units of the smaller diameter, times in tau, energies in kT."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        composition, unit = plan.composition, min(plan.cation_diameter, plan.anion_diameter)
        kappa, half_gap = composition.side / unit / 2**32, plan.gap / unit / 2
        self.ions, occupied = allocate(composition.cations, composition.anions)
        anion = first_anion(composition.cations)
        cation_lanes, anion_lanes = occupied[: composition.cations], occupied[composition.cations :]
        diameter = np.zeros(self.ions.x.size)
        diameter[cation_lanes] = plan.cation_diameter / unit
        diameter[anion_lanes] = plan.anion_diameter / unit
        self.ions.charge[cation_lanes] = plan.cation_valency
        self.ions.charge[anion_lanes] = plan.anion_valency
        dummy = plan.wall == "dummy"
        self.ions.wall_size[occupied] = diameter[occupied] * (1.0 if dummy else 0.5)
        self.ions.wall_depth[occupied] = diameter[occupied] / 2 if dummy else 0.0

        self.table = pair_table(
            self.ions.charge.astype(float), diameter, min(anion, len(diameter) - 1), BJERRUM / unit, kappa
        )
        self.slit = Slit(
            np.float32(kappa),
            np.float32(half_gap),
            anion,
            len(occupied),
            expansion_rows(half_gap, composition.side / unit, BJERRUM / unit),
            aligned(RANK * LANES, np.float32),
            aligned(RANK, np.float32),
        )
        self.constants = dynamics(plan.timestep, FRICTION, kappa, seed)
        self.tally = self._tally(unit)
        self._place(occupied, diameter.max() * unit, seed)

    def _tally(self, unit: float) -> Tally:
        plan = self.plan
        fine_width = _FINE_BIN * plan.cation_diameter
        return Tally(
            profile=np.zeros((BLOCKS, 2, 2, 1 + plan.narrow_bins + plan.wide_bins), np.int64),
            fine=np.zeros((BLOCKS, int(plan.gap / 2 / fine_width) + 1), np.int64),
            middle=np.zeros(BLOCKS, np.int64),
            heat=np.zeros(BLOCKS),
            looks=np.zeros(BLOCKS, np.int64),
            start=plan.equilibration,
            steps=plan.steps - plan.equilibration,
            near=plan.near / unit,
            narrow=(plan.far - plan.near) / plan.narrow_bins / unit,
            narrow_bins=plan.narrow_bins,
            far=plan.far / unit,
            wide=(plan.gap / 2 - plan.far) / plan.wide_bins / unit,
            fine_width=fine_width / unit,
            middle_half_width=self._middle_half_width / unit,
        )

    @property
    def _middle_half_width(self) -> float:
        """nm: layers of ions repeat after a diameter, so that a fifth of one is flat at the mid-plane."""
        return 0.1 * self.plan.cation_diameter

    def _place(self, occupied: NDArray[np.intp], diameter: float, seed: int) -> None:
        """Ions on random sites of a lattice at least the larger diameter (nm) apart."""
        gap, side = self.plan.gap, self.plan.composition.side
        across, layers = lattice_shape(gap, side, diameter)
        # Raw words of a bit generator are the same in every version of numpy; its distributions are not.
        words = np.random.Philox(key=seed).random_raw(across * across * layers)
        site = np.argsort(words, kind="stable")[: len(occupied)]
        layer, row, column = np.unravel_index(site, (layers, across, across))
        spread = (gap - diameter) / max(layers - 1, 1)
        height = layer * spread - (gap - diameter) / 2 if layers > 1 else np.zeros(len(site))
        self.ions.x[occupied] = (column * (2**32 // across)).astype(np.uint32).view(np.int32)
        self.ions.y[occupied] = (row * (2**32 // across)).astype(np.uint32).view(np.int32)
        self.ions.z[occupied] = np.rint(height / side * 2**32).astype(np.int64)

    def run(self, report: Callable[[float], None]) -> Failure | None:
        """All steps; the reason where the replica went wrong."""
        plan = self.plan
        start(self.ions, self.constants)
        forces(self.ions, self.table, self.slit)
        pairs = self.slit.ions * (self.slit.ions - 1) / 2
        stretch = int(_STRETCH / max(pairs, 1)) + 1
        for first in range(0, plan.steps, stretch):
            last = min(first + stretch, plan.steps)
            code, step = advance(
                self.ions, self.table, self.slit, self.constants, self.tally, first, last, plan.every
            )
            if code != FINE:
                reason, what = _REASONS[code]
                safe = min(0.01, plan.timestep / 2)
                message = (
                    f"timestep = {plan.timestep:g} tau: {what} at step {step}; "
                    f"accepted: below about {safe:g} tau"
                )
                return Failure(reason, message)
            report(last / plan.steps)
        return None

    @property
    def temperature(self) -> float:
        """Mean kinetic temperature in units of the one that was set."""
        return float(self.tally.heat.sum() / self.tally.looks.sum() / (3 * self.slit.ions))

    def densities(self) -> tuple[Array, Array]:
        """Block averages of cations and anions in mol/L.

        Returns:
            two arrays (blocks, 2 sides, bins), bins from the wall to the mid-plane.
        """
        plan = self.plan
        narrow = (plan.far - plan.near) / plan.narrow_bins
        wide = (plan.gap / 2 - plan.far) / plan.wide_bins
        width = np.repeat([plan.near, narrow, wide], [1, plan.narrow_bins, plan.wide_bins])
        density = self.tally.profile / (self._looks[:, None, None, None] * self._volume(width))
        return density[:, 0], density[:, 1]

    def estimates(self) -> dict[str, Estimate]:
        """Output -> mean and standard error; profiles from the mid-plane to the wall."""
        looks = self._looks
        # Both sides of the gap are in the fine histogram and in the middle.
        fine = self.tally.fine / looks[:, None]
        fine /= self._volume(np.array(2 * _FINE_BIN * self.plan.cation_diameter))
        at_wall = smoothed(fine[:, :-1], _AT_WALL)[:, : _FIRST_LAYER - _AT_WALL // 2]
        beyond = smoothed(fine[:, :-1], _BEYOND)[:, _FIRST_LAYER - _BEYOND // 2 :]
        contact = round(0.5 / _FINE_BIN)
        middle = self.tally.middle / looks / self._volume(np.array(2 * self._middle_half_width))
        cations, anions = (blocked(d.mean(axis=1)[:, ::-1], looks) for d in self.densities())
        return {
            "contact_density": blocked(fine[:, contact - 1 : contact + 1].mean(axis=1), looks),
            "mid_density": blocked(middle, looks),
            "peak_density": highest(np.concatenate([at_wall, beyond], axis=1), looks),
            "density_cation": cations,
            "density_anion": anions,
        }

    @property
    def _looks(self) -> Array:
        return self.tally.looks.astype(np.float64)

    def _volume(self, width: Array) -> Array:
        """Width (nm) -> number of ions at 1 mol/L in layers of such widths."""
        return np.asarray(AVOGADRO * self.plan.composition.side**2 * width)


def warm_up() -> None:
    """Compile, or load from the cache, everything that a replica needs."""
    plan = Plan(
        gap=3.0,
        cation_valency=1,
        anion_valency=-1,
        cation_diameter=0.7,
        anion_diameter=0.7,
        composition=Composition(8, 8, 10.0, 0.0),
        wall="dummy",
        timestep=0.005,
        steps=1,
        equilibration=0,
        every=1,
        near=0.3,
        far=0.7,
        narrow_bins=1,
        wide_bins=1,
    )
    Replica(plan, 0).run(lambda fraction: None)
