"""One replica of a polarizable sphere and its ions: placed, run in stretches, turned into averages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper, open_keeper
from simulators.contract import Failure, Frame, InvalidInputError
from simulators.md.sphere.forces import build, refresh
from simulators.md.sphere.run import (
    FINE,
    LOST,
    NOT_FINITE,
    RUN_AWAY,
    TOO_HOT,
    Looks,
    advance,
    energies,
)
from simulators.md.sphere.thermostat import chain
from simulators.md.statistics import BLOCKS, blocked, counted
from simulators.md.units import AVOGADRO, BJERRUM

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

BJERRUM_VACUUM = BJERRUM * 80
"""Bjerrum length in vacuum at 298 K, nm: 0.714 nm at a relative permittivity of 80."""
CONTACT_HALF_WIDTH = 0.05
"""Of the layer whose density is the contact density, diameters."""
BATH_PERIOD = 1.0
"""Within which the ions' heat bath answers, tau."""

_HOTTEST = 10.0
"""Times the kinetic energy that an ion's degree of freedom has: nothing comes back from there."""
_STRETCH = 5e7
"""Pairs between two returns to Python, about 20 ms."""

_REASONS = {
    NOT_FINITE: ("not finite", "not finite", "a shorter timestep"),
    RUN_AWAY: (
        "virtual variables ran away",
        "multipoles hotter than 10 kT",
        "a shorter timestep or a larger fake_mass",
    ),
    TOO_HOT: ("overlap", "ions hotter than 10 kT (they overlapped)", "a shorter timestep"),
    LOST: ("lost ion", "an ion inside the sphere or outside the boundary", "a shorter timestep"),
}


@dataclass(frozen=True)
class Plan:
    """All that a replica's numbers depend on, besides its seed.

    Args:
        counterions, coions: how many.
        counterion_valency, coion_valency, sphere_valency: charges with their signs.
        radius, boundary, diameter: nm.
        inside, outside: relative permittivities.
        degree: highest n of the multipoles.
        timestep: tau.
        fake_mass: of the amplitudes, kT tau^2.
        fake_temperature: of their heat bath, units of the ions'.
        steps, every, first: steps in all, between two looks, and the first look that counts.
        edges: array (bins + 1,), nm from the centre.
    """

    counterions: int
    coions: int
    counterion_valency: int
    coion_valency: int
    sphere_valency: int
    radius: float
    boundary: float
    diameter: float
    inside: float
    outside: float
    degree: int
    timestep: float
    fake_mass: float
    fake_temperature: float
    steps: int
    every: int
    first: int
    edges: Array

    @property
    def ions(self) -> int:
        """How many there are of both kinds."""
        return self.counterions + self.coions

    @property
    def modes(self) -> int:
        """How many amplitudes there are."""
        return self.degree * (self.degree + 2)


def check_start(plan: Plan, frame: Frame) -> None:
    """Refuse a frame that a replica of this plan cannot start from.

    Raises:
        InvalidInputError: other ions, or ions inside the sphere or outside the boundary.
    """
    if len(frame.position) != plan.ions:
        raise InvalidInputError(
            "start", f"{len(frame.position)} particles", "another number of ions", f"{plan.ions} ions"
        )
    distance = np.linalg.norm(frame.position, axis=1)
    if not ((distance > plan.radius) & (distance < plan.boundary)).all():
        raise InvalidInputError(
            "start",
            f"{distance.min():.4g} to {distance.max():.4g} nm from the centre",
            "ions inside the sphere or outside the boundary",
            f"{plan.radius:g} to {plan.boundary:g} nm",
        )


class Replica:
    """A replica: lengths are in diameters, times in tau, energies in kT."""

    def __init__(self, plan: Plan, seed: int, start: Frame | None = None) -> None:
        self.plan, unit = plan, plan.diameter
        words = np.random.Philox(key=seed)
        position, velocity = (start.position / unit, start.velocity) if start else (_place(plan, words), None)
        velocity = _maxwell(plan.ions, words) if velocity is None else velocity / unit
        self.ions, self.sphere = build(
            position,
            velocity,
            np.repeat([plan.counterion_valency, plan.coion_valency], [plan.counterions, plan.coions]),
            radius=plan.radius / unit,
            boundary=plan.boundary / unit,
            bjerrum=BJERRUM_VACUUM / plan.outside / unit,
            valency=plan.sphere_valency,
            inside=plan.inside,
            outside=plan.outside,
            degree=plan.degree,
            mass=plan.fake_mass,
        )
        degrees = self.sphere.constants.degrees()
        moving = (degrees > 0) & (degrees <= plan.degree)
        warmth = np.sqrt(plan.fake_temperature / plan.fake_mass)
        self.sphere.velocity[moving] = warmth * _maxwell(plan.modes, words)[:, 0]
        self.bath = chain(3 * plan.ions, 1.0, BATH_PERIOD)
        # The amplitudes' own time is sqrt(mass), since each costs mu^2 / 2.
        self.cold_bath = chain(plan.modes, plan.fake_temperature, 2 * math.sqrt(plan.fake_mass))
        bins = len(plan.edges) - 1
        self.looks = Looks(
            plan.every,
            plan.first,
            plan.counterions,
            np.zeros((plan.steps // plan.every, 6)),
            plan.edges / unit,
            np.zeros((BLOCKS, 2, bins), np.int64),
            np.zeros(BLOCKS, np.int64),
            CONTACT_HALF_WIDTH,
            _HOTTEST / 2,
        )

    def run(self, report: Callable[[float], None], keeper: Keeper | None = None) -> Failure | None:
        """All steps, from the checkpoint on if there is one; the reason where the replica went wrong."""
        steps, step = self.plan.steps, 0
        with keeper or open_keeper(None, 0, steps) as keeper:
            if (found := keeper.resume()) is not None:
                step = self._restore(*found)
            stretch = int(_STRETCH / max(self.plan.ions, 16) ** 2) + 1
            while True:
                keeper.visit(step, frame=partial(self.frame, step), row=self._row, state=self._state)
                if step == steps:
                    return None
                good = self.frame(step)
                until = min(step + stretch, keeper.next_stop(step))
                code, step = advance(
                    self.ions,
                    self.sphere,
                    self.bath,
                    self.cold_bath,
                    self.plan.timestep,
                    step,
                    until,
                    self.looks,
                )
                if code != FINE:
                    return self._failure(code, step, good)
                report(step / steps)

    def _failure(self, code: int, step: int, good: Frame) -> Failure:
        reason, what, cure = _REASONS[code]
        plan = self.plan
        message = (
            f"timestep = {plan.timestep:g} tau, fake_mass = {plan.fake_mass:g}: {what} at step {step}; "
            f"accepted: {cure}, such as timestep = "
            f"{min(0.003, plan.timestep / 2, math.sqrt(plan.fake_mass) / 5):.2g} tau"
        )
        return Failure(reason, message, good)

    # Files ---------------------------------------------------------------------------------------

    def frame(self, step: int) -> Frame:
        """Where the ions are, nm from the centre, and their velocities, nm / tau."""
        n, unit = self.plan.ions, self.plan.diameter
        ions = self.ions
        position = np.stack([ions.x, ions.y, ions.z], axis=1)[:n] * unit
        return Frame(step, position, None, np.stack([ions.vx, ions.vy, ions.vz], axis=1)[:n] * unit)

    def _row(self) -> dict[str, float]:
        real, fake, direct, answer, exact, baths = energies(self.ions, self.sphere, self.bath, self.cold_bath)
        return {
            "temperature": 2 * real / (3 * self.plan.ions),
            "fake_temperature": 2 * fake / self.plan.modes,
            "extended_energy": real + fake + direct + answer + baths,
            "polarization_energy": answer,
            "exact_polarization_energy": exact,
        }

    def _views(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the run and its results depend on, but for the forces."""
        looks = {name: getattr(self.looks, name) for name in ("energies", "profile", "contact")}
        motion = {name: getattr(self.ions, name) for name in ("x", "y", "z", "vx", "vy", "vz")}
        virtual = {"amplitude": self.sphere.amplitude, "amplitude_velocity": self.sphere.velocity}
        baths = {
            f"{name}_{part}": getattr(bath, part)
            for name, bath in (("bath", self.bath), ("cold_bath", self.cold_bath))
            for part in ("place", "speed")
        }
        return looks | motion | virtual | baths

    def _state(self) -> dict[str, NDArray[Any]]:
        return {name: array.copy() for name, array in self._views().items()}

    def _restore(self, step: int, arrays: dict[str, NDArray[Any]]) -> int:
        for name, array in self._views().items():
            array[...] = arrays[name]
        refresh(self.ions, self.sphere)
        return step

    # Results -------------------------------------------------------------------------------------

    def estimates(self) -> dict[str, Estimate]:
        """Output -> mean and standard error; densities in mol/L."""
        plan, looks = self.plan, self.looks
        taken = looks.energies[plan.first :]
        real, fake, _, answer, exact, _ = taken.T
        extended = taken.sum(axis=1) - exact
        block = np.arange(len(taken)) * BLOCKS // len(taken)
        weights = np.bincount(block, minlength=BLOCKS).astype(float)

        def averaged(values: Array) -> Estimate:
            return blocked(np.bincount(block, values, BLOCKS) / weights, weights)

        volume = 4 / 3 * np.pi * np.diff(plan.edges**3) * AVOGADRO
        inner, half = plan.radius + plan.diameter / 2, CONTACT_HALF_WIDTH * plan.diameter
        layer = 4 / 3 * np.pi * ((inner + half) ** 3 - (inner - half) ** 3) * AVOGADRO
        looked = weights.sum()

        def density(counts: NDArray[np.int64], room: Array | float) -> Estimate:
            return counted((counts.T / weights).T / room, weights, 1 / (looked * room))

        found: dict[str, Estimate] = {
            "R": _ratio(extended, real, block),
            "R_v": _ratio(extended, fake, block),
            "temperature": averaged(real * (2 / (3 * plan.ions))),
            "fake_temperature_kinetic": averaged(fake * (2 / plan.modes)),
            "polarization_energy": averaged(answer),
            "contact_density": density(looks.contact, layer),
            "density_counterion": density(looks.profile[:, 0], volume),
            "density_coion": density(looks.profile[:, 1], volume),
        }
        good = bool(found["R"][0] < 0.05) and bool(found["R_v"][0] < 0.15)
        if plan.inside != plan.outside:  # otherwise there is nothing that the answer could be off from
            found["FD"] = averaged(100 * (answer - exact) / exact)
            good = good and bool(np.abs(found["FD"][0]) < 1)
        found["good"] = float(good), 0.0
        return found


def _ratio(values: Array, others: Array, block: NDArray[np.intp]) -> Estimate:
    """Standard deviation of one quantity over that of another, and the jackknife's error over blocks."""
    without = np.array([values[block != k].std() / others[block != k].std() for k in range(BLOCKS)])
    error = np.sqrt((BLOCKS - 1) / BLOCKS * np.sum((without - without.mean()) ** 2))
    return float(values.std() / others.std()), float(error)


def _uniform(words: np.random.Philox, count: int) -> Array:
    """Numbers in (0, 1); raw words are the same in every version of numpy, its distributions are not."""
    return np.asarray((words.random_raw(count) + 0.5) * 2.0**-64)


def _maxwell(count: int, words: np.random.Philox) -> Array:
    """Normal numbers by Box and Muller, array (count, 3)."""
    radius = np.sqrt(-2 * np.log(_uniform(words, 3 * count)))
    return np.asarray(radius * np.cos(2 * np.pi * _uniform(words, 3 * count))).reshape(count, 3)


def _place(plan: Plan, words: np.random.Philox) -> Array:
    """Ions a diameter or more apart, their distances from the centre uniform: more near the sphere."""
    first, last = plan.radius / plan.diameter + 0.7, plan.boundary / plan.diameter - 0.7
    placed = np.empty((0, 3))
    while len(placed) < plan.ions:
        a, b, c = _uniform(words, 3)
        distance, height, turn = first + a * (last - first), 2 * b - 1, 2 * math.pi * c
        flat = math.sqrt(1 - height**2)
        place = distance * np.array([flat * math.cos(turn), flat * math.sin(turn), height])
        if ((placed - place) ** 2).sum(axis=1).min(initial=2.0) > 1:
            placed = np.vstack([placed, place])
    return placed


def warm_up() -> None:
    """Compile, or load from the cache, everything that a replica needs."""
    edges = np.array([1.0, 4.0])
    plan = Plan(1, 1, 1, -1, 0, 1.0, 4.0, 0.4, 2.0, 80.0, 1, 0.001, 1.0, 0.01, BLOCKS, 1, 0, edges)
    Replica(plan, 0).run(lambda fraction: None)
