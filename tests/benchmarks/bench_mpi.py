"""MPI on this machine: replicas over ranks, and one large system over ranks.

    python tests/benchmarks/bench_mpi.py

Ranks are timed in turns with one process that knows nothing of MPI, whose results are checked to be the same;
the best of several turns counts, since whatever else runs on the cores only adds time. Efficiency is the time
of the one over ranks times theirs. The column "cpu" is the same of processor time, on the busiest rank where
a system is spread, its waiting included: it leaves out what other programs take of the cores.

The systems run in programs of this file's own, `mpiexec -n RANKS python bench_mpi.py SYSTEM SIZE`.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import numpy as np

from simulators.batch.mpi import launcher
from simulators.lennard_jones import LennardJones
from simulators.slit_electrolyte import SlitElectrolyte

SLIT = {"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}
LIQUID = {"density": 0.8, "temperature": 1.0}
SYSTEMS = (("slit", 1_000), ("slit", 4_000), ("slit", 16_000), ("fluid", 4_000), ("fluid", 32_000))
TURNS = 3


def hardware() -> str:
    """The processor's name and how many cores there are."""
    name = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


# Replicas over ranks -------------------------------------------------------------------------------


def replicas(ranks: int) -> None:
    """A batch of slits of 424 ions on one process, and over ranks."""
    inputs = np.stack([SlitElectrolyte().complete(SLIT)] * 8)
    seeds = np.arange(8, dtype=np.uint64)
    one = SlitElectrolyte(ions=424, steps=10_000)
    over = SlitElectrolyte(ions=424, steps=10_000, backend="mpi", ranks=ranks)
    one.run(inputs[:1], seeds[:1])
    times: dict[str, list[float]] = {"one": [], "over": []}
    computing: dict[str, list[float]] = {"one": [], "over": []}
    for _ in range(TURNS):
        results = {}
        for name, simulator in (("one", one), ("over", over)):
            start = time.perf_counter()
            results[name] = simulator.run(inputs, seeds)
            times[name].append(time.perf_counter() - start)
            computing[name].append(float(results[name].cpu_seconds.sum()))
        for output, values in results["one"].mean.items():
            np.testing.assert_array_equal(values, results["over"].mean[output])
    alone, shared = min(times["one"]), min(times["over"])
    cpu = min(computing["one"]) / min(computing["over"])
    print(f"{'8 slits of 424 ions':<24} {ranks:>5} {alone:>10.2f} s {shared:>10.2f} s", end=" ")
    print(f"{alone / shared / ranks:>10.0%} {cpu:>6.0%}  same bits")


# One system over ranks -----------------------------------------------------------------------------


def slit(ions: int, world: Any) -> Any:
    """A slit on one process and over the ranks: steps of each, and a check after both."""
    from simulators.md.slit.replica import Replica
    from simulators.md.slit.team import TeamReplica

    simulator = SlitElectrolyte(ions=ions, steps=1_000_000)
    names = [parameter.name for parameter in simulator.inputs]
    plan = simulator._plan(dict(zip(names, simulator.complete(SLIT).tolist(), strict=True)))
    one, team = Replica(plan, 1), TeamReplica(plan, 1, world, 1)
    for system in (one, team):
        system._begin(None)

    def agree() -> str:
        difference = max(
            np.abs(getattr(one.ions, f) - getattr(team.ions, f)).max() for f in ("fx", "fy", "fz")
        )
        return f"forces within {difference / np.abs(one.ions.fx).max():.0e}"

    steps = max(10, int(1.5e9 / ions**2))
    # Both advance a little first, so that they are compared before rounding grows.
    return closing(team), one._advance, team._advance, agree, 20, steps


def fluid(particles: int, world: Any) -> Any:
    """A fluid, likewise."""
    from simulators.md.fluid.replica import Replica
    from simulators.md.fluid.state import by_number
    from simulators.md.fluid.team import TeamReplica

    simulator = LennardJones(particles=particles, steps=200_000, equilibration=0.9)
    names = [parameter.name for parameter in simulator.inputs]
    plan = simulator.plan(dict(zip(names, simulator.complete(LIQUID).tolist(), strict=True)))
    one, team = Replica(plan, 1), TeamReplica(plan, 1, world, 1)
    for system in (one, team):
        system._begin(None)

    def agree() -> str:
        ours, theirs = (by_number(s.rows.place, s.rows.place[3::4]) for s in (team, one))
        np.testing.assert_array_equal(ours, theirs)
        return "same bits"

    def advance(system: Replica) -> Any:
        return lambda first, last: system._advance(first, last, system._bath(first))

    return closing(team), advance(one), advance(team), agree, 300, int(1e7 / particles)


def one_system(kind: str, size: int) -> None:
    """Rank 0 times one process while the others sleep, then all ranks together, in turns."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    opened, alone, together, agree, begin, steps = {"slit": slit, "fluid": fluid}[kind](size, world)
    with opened:
        if world.rank == 0:
            alone(0, begin)
        wait(world)
        together(0, begin)
        checked = agree() if world.rank == 0 else ""
        ours, theirs, cpu_ours, cpu_theirs = [], [], [], []
        for turn in range(TURNS):
            first = begin + turn * steps
            if world.rank == 0:
                start, cpu = time.perf_counter(), time.process_time()
                alone(first, first + steps)
                theirs.append(time.perf_counter() - start)
                cpu_theirs.append(time.process_time() - cpu)
            wait(world)
            start, cpu = time.perf_counter(), time.process_time()
            together(first, first + steps)
            cpu_ours.append(world.allreduce(time.process_time() - cpu, MPI.MAX))
            ours.append(time.perf_counter() - start)
    if world.rank == 0:
        one, all_ranks, ranks = min(theirs) / steps, min(ours) / steps, world.size
        name = f"{kind} of {size:,} {'ions' if kind == 'slit' else 'particles'}"
        print(f"{name:<24} {ranks:>5} {one * 1e3:>9.3f} ms {all_ranks * 1e3:>9.3f} ms", end=" ")
        efficiency, cpu = one / all_ranks / ranks, min(cpu_theirs) / min(cpu_ours) / ranks
        print(f"{efficiency:>10.0%} {cpu:>6.0%}  {checked}", flush=True)


def wait(world: Any) -> None:
    """For all ranks, asleep: a rank that waits in MPI takes its core from the one that is timed."""
    arrived = world.Ibarrier()
    while not arrived.Test():
        time.sleep(0.001)


def main() -> None:
    if len(sys.argv) == 3:
        one_system(sys.argv[1], int(sys.argv[2]))
        return
    print(f"{hardware()}; per batch, or per step of one system")
    print(f"{'system':<24} {'ranks':>5} {'one':>12} {'ranks':>12} {'efficiency':>10} {'cpu':>6}  check")
    for ranks in (1, 2):
        replicas(ranks)
    for kind, size in SYSTEMS:
        for ranks in (1, 2):
            rank = [sys.executable, "-m", "mpi4py", __file__, kind, str(size)]
            subprocess.run([*launcher(), "-n", str(ranks), *rank], check=True)


if __name__ == "__main__":
    main()
