"""One replica of an OpenMM system: started, run in stretches, looked at, turned into averages."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from simulators.adapters.estimates import Estimate
from simulators.adapters.molecules import (
    Molecules,
    distances,
    kinetic_temperature,
    radius_of_gyration,
    rmsd,
    text,
)
from simulators.batch.keeping import Keeper
from simulators.contract import Failure, Frame
from simulators.md.statistics import BLOCKS, blocked

Array = NDArray[np.float64]

SCALARS = ("potential_energy", "kinetic_temperature", "radius_of_gyration", "rmsd")
"""Results that every system has, in the order in which they are tallied."""
_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Plan:
    """All that a replica's numbers depend on, besides its system and its seed.

    Args:
        temperature: K.
        friction: 1/ps.
        timestep: ps.
        steps, equilibration: steps in all, and those before the averages.
        every: steps between two looks.
        minimize: whether the energy is minimised before the first step.
        state: text or path of a State's XML to start from.
        platform: name.
        threads: of the platform CPU.
        atoms: indices of those that radius of gyration and RMSD are about.
        pairs: of atoms whose distance is a result.
        parameters: global parameters of the forces.
    """

    temperature: float
    friction: float
    timestep: float
    steps: int
    equilibration: int
    every: int
    minimize: bool
    state: str | None
    platform: str
    threads: int
    atoms: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    parameters: dict[str, float] = field(default_factory=dict)


_REFERENCE = threading.Lock()
"""All contexts of the platform Reference in a process draw from one sequence of random numbers."""


def one_at_a_time(platform: str) -> AbstractContextManager[Any]:
    """What a replica is made and run in, so that its random numbers are its own."""
    return _REFERENCE if platform == "Reference" else nullcontext()


def _seeds(seed: int, count: int) -> list[int]:
    """Seeds for as many purposes: OpenMM's generators are alike, and draw the same numbers from one seed."""
    words = np.random.SeedSequence(seed).generate_state(count)
    return [int(word) % _SEEDS + 1 for word in words]  # 0 means a seed of OpenMM's own choice


def _seeded(system: Any, seed: int) -> Any:
    """The system, or a copy whose own random forces, such as a barostat, have seeds of their own."""
    if not any(hasattr(force, "setRandomNumberSeed") for force in system.getForces()):
        return system
    own = copy.deepcopy(system)
    random = [force for force in own.getForces() if hasattr(force, "setRandomNumberSeed")]
    for force, number in zip(random, _seeds(seed, 2 + len(random))[2:], strict=True):
        force.setRandomNumberSeed(number)
    return own


class Replica:
    """A replica; its tally has a row to each block and a column to each result."""

    def __init__(self, molecules: Molecules, plan: Plan, seed: int) -> None:
        self.molecules, self.plan = molecules, plan
        self.sums = np.zeros((BLOCKS, len(SCALARS) + len(plan.pairs)))
        self.looks = np.zeros(BLOCKS)
        self.last: Frame | None = None
        self.integrator = openmm.LangevinMiddleIntegrator(
            plan.temperature, plan.friction, plan.timestep
        )  # K, 1/ps, ps
        noise, self._velocities = _seeds(seed, 2)
        self.integrator.setRandomNumberSeed(noise)
        self.context = openmm.Context(
            _seeded(molecules.system, seed),
            self.integrator,
            openmm.Platform.getPlatformByName(plan.platform),
            self._properties(),
        )
        if (bath := openmm.MonteCarloBarostat.Temperature()) in self.context.getParameters():
            self.context.setParameter(bath, plan.temperature)
        self.atoms = np.array(plan.atoms, dtype=int)

    def _properties(self) -> dict[str, str]:
        """Settings of the platform without which a replica would differ from run to run."""
        if self.plan.platform == "CPU":
            return {"Threads": str(self.plan.threads), "DeterministicForces": "true"}
        if self.plan.platform in ("CUDA", "OpenCL", "HIP"):
            return {"Precision": "mixed", "DeterministicForces": "true"}
        return {}

    def run(self, keeper: Keeper, report: Callable[[float], None]) -> Failure | None:
        """All steps; the reason where the replica went wrong."""
        plan, step = self.plan, 0
        try:
            step = self._begin(keeper)
            while step < plan.steps:
                stop = min((step // plan.every + 1) * plan.every, keeper.next_stop(step), plan.steps)
                self.integrator.step(stop - step)
                step = stop
                self._look(keeper, step)
                report(step / plan.steps)
            return None
        except (openmm.OpenMMException, FloatingPointError) as error:
            message = (
                f"timestep = {plan.timestep:g} ps: {str(error).rstrip('.')} before step "
                f"{step + plan.every}; accepted: a shorter one, or minimize: true"
            )
            return Failure("not finite", message, self.last)

    def _begin(self, keeper: Keeper) -> int:
        """Put the replica where it starts or was interrupted; the step that it is at."""
        plan = self.plan
        resumed = keeper.resume()
        if resumed is not None:
            step, arrays = resumed
            self.context.loadCheckpoint(arrays["context"].tobytes())
            self.sums, self.looks = arrays["sums"], arrays["looks"]
            return step
        self.context.setPositions(self.molecules.position)
        if plan.state is not None:
            self.context.setState(openmm.XmlSerializer.deserialize(text(plan.state)))
        for name, value in plan.parameters.items():
            self.context.setParameter(name, value)
        if keeper.start is not None:
            self.context.setPositions(keeper.start.position)
        if plan.minimize and plan.state is None and keeper.start is None:
            openmm.LocalEnergyMinimizer.minimize(self.context)
        if keeper.start is not None and keeper.start.velocity is not None:
            self.context.setVelocities(keeper.start.velocity)
        elif plan.state is None:
            self.context.setVelocitiesToTemperature(plan.temperature, self._velocities)
        self._look(keeper, 0)
        return 0

    def _look(self, keeper: Keeper, step: int) -> None:
        """Tally what is measured, and keep what is due.

        Raises:
            FloatingPointError: the energy or a position is not finite.
        """
        plan, molecules = self.plan, self.molecules
        # Velocities only where they are kept: they cost a copy from the device.
        state = self.context.getState(
            getPositions=True, getEnergy=True, getVelocities=keeper.wants_frame(step)
        )
        position = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        potential = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        if not (np.isfinite(potential) and np.isfinite(position).all()):
            raise FloatingPointError("energy or positions are not finite")
        kinetic = state.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        chosen = position[self.atoms]
        values = [
            potential,
            kinetic_temperature(kinetic, molecules.freedom),
            radius_of_gyration(chosen, molecules.mass[self.atoms]),
            rmsd(chosen, molecules.position[self.atoms]),
            *distances(position, plan.pairs),
        ]
        self.last = Frame(step, position, self._box(state))
        if step > plan.equilibration and step % plan.every == 0:
            block = (step - plan.equilibration - 1) * BLOCKS // (plan.steps - plan.equilibration)
            self.sums[block] += values
            self.looks[block] += 1
        keeper.visit(
            step,
            frame=lambda: Frame(
                step,
                position,
                self._box(state),
                state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond),
            ),
            row=lambda: dict(zip(SCALARS, values, strict=False)),
            state=lambda: {
                "context": np.frombuffer(self.context.createCheckpoint(), np.uint8),
                "sums": self.sums,
                "looks": self.looks,
            },
        )

    def _box(self, state: Any) -> Array | None:
        if not self.molecules.system.usesPeriodicBoundaryConditions():
            return None
        vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        return np.diag(vectors).astype(float)

    def estimates(self, names: Sequence[str]) -> dict[str, Estimate]:
        """Result -> mean and standard error."""
        mean, stderr = blocked(self.sums / self.looks[:, None], self.looks)
        return {
            name: (float(m), float(e))
            for name, m, e in zip((*SCALARS, *names), mean.tolist(), stderr.tolist(), strict=True)
        }
