"""One replica of the slit: placed, run in stretches, and turned into densities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper, open_keeper
from simulators.contract import Failure, Frame, InvalidInputError
from simulators.md.laws.ions import RANK
from simulators.md.slit.composition import Composition, lattice_shape
from simulators.md.slit.energy import potential_energy
from simulators.md.slit.ions import allocate, first_anion
from simulators.md.slit.langevin import dynamics
from simulators.md.slit.pair import pair_table
from simulators.md.slit.run import FINE, NOT_FINITE, OUTSIDE, TOO_HOT, Slit, advance, forces, start
from simulators.md.slit.sheet import expansion_rows
from simulators.md.slit.tally import Tally
from simulators.md.statistics import BLOCKS, counted, highest, smoothed
from simulators.md.units import AVOGADRO, BJERRUM
from simulators.md.vector import LANES, aligned

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

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


def fine_bins(plan: Plan) -> int:
    """How many bins of equal width count the cations from a wall to the mid-plane."""
    return int(plan.gap / 2 / (_FINE_BIN * plan.cation_diameter)) + 1


class Replica:
    """A replica: lengths are in units of the smaller diameter, times in tau, energies in kT."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        composition, unit = plan.composition, min(plan.cation_diameter, plan.anion_diameter)
        kappa, half_gap = composition.side / unit / 2**32, plan.gap / unit / 2
        self.ions, occupied = allocate(composition.cations, composition.anions)
        self.occupied, self.unit = occupied, unit
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
            fine=np.zeros((BLOCKS, fine_bins(plan)), np.int64),
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

    def run(self, report: Callable[[float], None], keeper: Keeper | None = None) -> Failure | None:
        """All steps, from the checkpoint on if there is one; the reason where the replica went wrong."""
        steps = self.plan.steps
        with keeper or open_keeper(None, 0, steps) as keeper:
            step = self.begin(keeper)
            while True:
                self.visit(keeper, step)
                if step == steps:
                    return None
                good = self._motion()
                code, last = self._advance(step, min(step + self._stretch, keeper.next_stop(step)))
                if code != FINE:
                    for array, before in zip(self.ions, good, strict=True):
                        array[:] = before
                    return self.failure(code, last, self.frame(step))
                step = last
                report(step / steps)

    def begin(self, keeper: Keeper) -> int:
        """The checkpoint's state and step if there is one, else velocities and forces of the first step."""
        if (found := keeper.resume()) is not None:
            return self._restore(*found)
        self._begin(keeper.start)
        return 0

    def visit(self, keeper: Keeper, step: int) -> None:
        """Keep whatever is due."""
        frame = partial(self.frame, step)
        keeper.visit(step, frame=frame, row=self.thermodynamics, state=self._state)

    @property
    def _stretch(self) -> int:
        """Steps between two returns to Python."""
        return int(_STRETCH / max(self.slit.ions * (self.slit.ions - 1) / 2, 1)) + 1

    def _advance(self, first: int, last: int) -> tuple[int, int]:
        """Steps first to last - 1; how it ended, and at which step."""
        tables = (self.ions, self.table, self.slit, self.constants, self.tally)
        ended: tuple[int, int] = advance(*tables, first, last, self.plan.every)
        return ended

    def failure(self, code: int, step: int, frame: Frame) -> Failure:
        """What to say of a replica that ended so at a step, with its last good frame."""
        reason, what = _REASONS[code]
        safe = min(0.01, self.plan.timestep / 2)
        said = f"timestep = {self.plan.timestep:g} tau: {what} at step {step}"
        return Failure(reason, f"{said}; accepted: below about {safe:g} tau", frame)

    def _begin(self, given: Frame | None) -> None:
        """Velocities and forces of the first step."""
        start(self.ions, self.constants)
        if given is not None:
            self._put(given.position)
        forces(self.ions, self.table, self.slit)
        if given is not None and given.velocity is not None:
            # The integrator holds velocities before the last half kick of their step.
            for component, force, values in zip(*self._kicks(), given.velocity.T, strict=True):
                component[self.occupied] = values / self.unit
                component -= self.constants.half_kick * force

    def _kicks(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        ions = self.ions
        return (ions.vx, ions.vy, ions.vz), (ions.fx, ions.fy, ions.fz)

    def _put(self, position: Array) -> None:
        """Ions at these places, array (ions, 3) in nm, z from the mid-plane."""
        words = np.rint(position / self.plan.composition.side * 2**32).astype(np.int64)
        for array, word in zip((self.ions.x, self.ions.y, self.ions.z), words.T, strict=True):
            array[self.occupied] = word.astype(np.uint32).view(np.int32)

    def frame(self, step: int) -> Frame:
        """Where the ions are: nm from the middle of the box and nm / tau, cations first."""
        lanes, side = self.occupied, self.plan.composition.side
        words = np.stack([w[lanes] for w in (self.ions.x, self.ions.y, self.ions.z)], axis=1).astype(float)
        speeds = [v[lanes] + self.constants.half_kick * f[lanes] for v, f in zip(*self._kicks(), strict=True)]
        velocity = np.stack(speeds, axis=1).astype(float) * self.unit
        return Frame(step, words * (side / 2**32), np.array([side, side, 0.0]), velocity)

    def thermodynamics(self) -> dict[str, float]:
        """Kinetic temperature in units of the one that was set, and the potential energy in kT."""
        lanes, frame, plan = self.occupied, self.frame(0), self.plan
        assert frame.velocity is not None
        charge = self.ions.charge[lanes].astype(float)
        energy = potential_energy(
            frame.position / self.unit,
            charge,
            np.where(charge > 0, plan.cation_diameter, plan.anion_diameter) / self.unit,
            self.ions.wall_size[lanes].astype(float),
            self.ions.wall_depth[lanes].astype(float),
            side=plan.composition.side / self.unit,
            gap=plan.gap / self.unit,
            bjerrum=BJERRUM / self.unit,
        )
        temperature = float(((frame.velocity / self.unit) ** 2).mean())
        return {"temperature": temperature, "potential_energy": energy}

    def _motion(self) -> list[NDArray[Any]]:
        """A copy of the ions."""
        return [array.copy() for array in self.ions]

    def _state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the run and its averages depend on."""
        counts = {
            name: array for name, array in self.tally._asdict().items() if isinstance(array, np.ndarray)
        }
        return self.ions._asdict() | counts

    def _restore(self, step: int, arrays: dict[str, NDArray[Any]]) -> int:
        for name, array in self._state().items():
            array[:] = arrays[name]
        return step

    @property
    def temperature(self) -> float:
        """Mean kinetic temperature in units of the one that was set."""
        return float(self.tally.heat.sum() / self.tally.looks.sum() / (3 * self.slit.ions))

    def densities(self) -> tuple[Array, Array]:
        """Block averages of cations and anions in mol/L.

        Returns:
            two arrays (blocks, 2 sides, bins), bins from the wall to the mid-plane.
        """
        room = self._looks[:, None, None, None] * self._volume(self._bin_widths)
        density = self.tally.profile / room
        return density[:, 0], density[:, 1]

    @property
    def _bin_widths(self) -> Array:
        """nm, array (bins,), from the wall to the mid-plane."""
        plan = self.plan
        narrow = (plan.far - plan.near) / plan.narrow_bins
        wide = (plan.gap / 2 - plan.far) / plan.wide_bins
        return np.repeat([plan.near, narrow, wide], [1, plan.narrow_bins, plan.wide_bins])

    def estimates(self) -> dict[str, Estimate]:
        """Output -> mean and standard error; profiles from the mid-plane to the wall."""
        looks, seen = self._looks, self._looks.sum()
        # Both sides of the gap are in the fine histogram and in the middle.
        layer = self._volume(np.array(2 * _FINE_BIN * self.plan.cation_diameter))
        fine = self.tally.fine / looks[:, None] / layer
        at_wall = smoothed(fine[:, :-1], _AT_WALL)[:, : _FIRST_LAYER - _AT_WALL // 2]
        beyond = smoothed(fine[:, :-1], _BEYOND)[:, _FIRST_LAYER - _BEYOND // 2 :]
        contact = round(0.5 / _FINE_BIN)
        around_middle = self._volume(np.array(2 * self._middle_half_width))
        one = 1 / (2 * seen * self._volume(self._bin_widths))[::-1]
        cations, anions = (counted(d.mean(axis=1)[:, ::-1], looks, one) for d in self.densities())
        return {
            "contact_density": counted(
                fine[:, contact - 1 : contact + 1].mean(axis=1), looks, 1 / (2 * seen * layer)
            ),
            "mid_density": counted(
                self.tally.middle / looks / around_middle, looks, 1 / (seen * around_middle)
            ),
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


def check_start(plan: Plan, frame: Frame) -> None:
    """Refuse a frame that a replica of this plan cannot start from.

    Raises:
        InvalidInputError: other ions, another box, or ions outside the walls.
    """
    ions, side = plan.composition.cations + plan.composition.anions, plan.composition.side
    if len(frame.position) != ions:
        raise InvalidInputError(
            "start", f"{len(frame.position)} particles", f"this slit holds {ions} ions", f"a frame of {ions}"
        )
    if frame.box is not None and not np.allclose(frame.box[:2], side, rtol=1e-5):
        wide, deep = frame.box[:2]
        raise InvalidInputError(
            "start",
            f"a box of {wide:.6g} by {deep:.6g} nm",
            "not this slit's",
            f"{side:.6g} by {side:.6g} nm",
        )
    moving = frame.position if frame.velocity is None else np.hstack([frame.position, frame.velocity])
    if not np.isfinite(moving).all() or (np.abs(frame.position[:, 2]) >= plan.gap / 2).any():
        farthest = np.abs(frame.position[:, 2]).max()
        raise InvalidInputError(
            "start",
            f"{farthest:.4g} nm from the mid-plane",
            "an ion outside the walls",
            f"below {plan.gap / 2:.4g} nm",
        )


SMALL = Plan(
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
"""A step of a few ions, to compile with."""


def warm_up() -> None:
    """Compile, or load from the cache, everything that a replica needs."""
    Replica(SMALL, 0).run(lambda fraction: None)
