"""Batches on a graphics card: how fast, and how near to what the card can do.

    make bench-gpu

Each simulator is first checked against the CPU, then timed in batches of growing size; the last column is
the fraction of a ceiling that is measured in the same run: the same arithmetic of the same pairs on every
thread of the card, from registers, with no memory, no other work and nothing to wait for. A simulator whose
check or whose kernel fails is reported and the others go on; the exit code then is 1.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from simulators.batch.keeping import open_keeper
from simulators.contract import SimulatorError
from simulators.md.cuda.device import Card, find_card
from simulators.slit_electrolyte import SlitElectrolyte

DIAMETER, GAP, IONS = 0.714, 3.0, 424


# Ions in a slit ------------------------------------------------------------------------------------


def slit_replicas(count: int, ions: int, steps: int, timestep: float = 0.005) -> list[Any]:
    from simulators.md.slit.replica import Replica

    simulator = SlitElectrolyte(ions=ions, wall="current", timestep=timestep, steps=steps)
    given = {"gap": GAP, "cation_valency": 1, "concentration": 0.5, "diameter": DIAMETER}
    names = [parameter.name for parameter in simulator.inputs]
    inputs = dict(zip(names, simulator.complete(given).tolist(), strict=True))
    return [Replica(simulator._plan(inputs), seed) for seed in range(count)]


def slit_on_card(replicas: list[Any]) -> Any:
    from simulators.md.cuda.slit_replicas import SlitReplicas

    return SlitReplicas(replicas, [open_keeper(None, 0, replicas[0].plan.steps) for _ in replicas])


def check_slit() -> None:
    """A few steps of a few replicas beside the CPU's, then the temperature and densities of longer ones."""
    steps = 20
    ours, theirs = slit_replicas(4, IONS, 100), slit_replicas(4, IONS, 100)
    batch = slit_on_card(theirs)
    batch.launch(steps)
    worst = 0.0
    for k, here in enumerate(ours):
        here.begin(open_keeper(None, 0, 100))
        here._advance(0, steps)
        there = batch.fetch(k)
        kappa = there.plan.composition.side / DIAMETER / 2**32
        for a, b in zip(here.ions[:3], there.ions[:3], strict=True):
            worst = max(worst, float(np.abs((a - b)[here.occupied] * kappa).max()))
    print(f"slit: after {steps} steps ions are within {worst:.1e} diameters of the CPU's")
    if worst > 1e-3:
        raise AssertionError(f"positions differ by {worst:.2g} diameters")

    simulator = SlitElectrolyte(ions=IONS, steps=20_000, timestep=0.01, backend="cuda")
    row = simulator.complete({"gap": GAP, "cation_valency": 1, "concentration": 0.5, "diameter": DIAMETER})
    seeds = np.arange(64, dtype=np.uint64)
    there_ = simulator.run(np.tile(row, (64, 1)), seeds)
    here_ = simulator.model_copy(update={"backend": "cpu"}).run(np.tile(row, (4, 1)), seeds[:4], threads=4)
    if there_.failures:
        raise AssertionError(f"{len(there_.failures)} of 64 replicas failed: {there_.failures}")
    temperature = there_.used["temperature"]
    error = temperature.std(ddof=1) / 8
    print(f"slit: kinetic temperature {temperature.mean():.5f} +- {error:.5f}")
    if abs(temperature.mean() - 1) > 4 * error + 0.002:
        raise AssertionError("the temperature is not the one that was set")
    for name in ("contact_density", "mid_density"):
        a, b = there_.mean[name], here_.mean[name]
        apart = (a.mean() - b.mean()) / np.hypot(a.std(ddof=1) / 8, a.std(ddof=1) / 2)
        print(f"slit: {name} {a.mean():.4f} on the card, {b.mean():.4f} on the CPU: {apart:+.1f} stderr")
        if abs(apart) > 5:
            raise AssertionError(f"{name} differs from the CPU's")


def bench_slit(card: Card) -> None:
    from gpu_ceilings import most, pairs_of_ions, seconds

    check_slit()
    ceiling = most(card, pairs_of_ions, 4)
    print(f"slit: ceiling {ceiling / 1e9:.0f} G pairs/s, each pair once for either ion")
    for ions in (IONS, 212, 1000):
        base = slit_replicas(16, ions, 10**9)
        for each in (1, 2, 4, 8, 16) if ions == IONS else (8,):
            count = each * card.multiprocessors
            batch = slit_on_card([base[k % len(base)] for k in range(count)])
            done = [0]

            def run(steps: int, batch: Any = batch, done: list[int] = done) -> None:
                done[0] += steps
                batch.launch(done[0])

            rate = count / seconds(run, 100)
            pairs = ions * ions * rate
            print(row("slit", f"{ions} ions, {count} replicas", rate, "replica-steps/s", pairs / ceiling))


# Lennard-Jones fluid -------------------------------------------------------------------------------


FLUID = {"density": 0.8442, "temperature": 0.72}
TARGET = 1.4e9
"""Atom-steps a second that batches of 500 particles should reach."""


def fluid_replicas(count: int, particles: int, conserve: bool = False) -> list[Any]:
    """Liquids near the triple point, melted on the CPU."""
    from simulators.lennard_jones import LennardJones
    from simulators.md.fluid.replica import Replica

    simulator = LennardJones(particles=particles, truncation="shifted_force", long_range=False)
    names = [parameter.name for parameter in simulator.inputs]
    plan = simulator.plan(dict(zip(names, simulator.complete(FLUID).tolist(), strict=True)))
    steps = max(300, 1_000_000 // particles)
    melting = replace(plan, steps=steps, equilibration=steps - 200, lag=1, lags=2)
    running = replace(plan, steps=10**9, equilibration=0, every=100, conserve=conserve)
    replicas = []
    for seed in range(count):
        melted = Replica(melting, seed)
        if (failure := melted.run(lambda fraction: None)) is not None:
            raise AssertionError(failure.message)
        frame, replica = melted.frame(0), Replica(running, seed)
        replica.place(frame.position)
        replica.set_velocities(frame.velocity)
        replicas.append(replica)
    return replicas


def fluid_on_card(replicas: list[Any]) -> Any:
    from simulators.md.cuda.fluid import MOST
    from simulators.md.cuda.fluid_motion import InBlocks, InCells

    way = InBlocks if replicas[0].plan.particles <= MOST else InCells
    return way(replicas, np.zeros(len(replicas), np.int64), [0] * len(replicas))


def check_fluid(particles: int, steps: int, replicas: int) -> None:
    """A few steps beside the CPU's, the energy's conservation, and then all that is observed."""
    (here,), (there,) = fluid_replicas(1, particles), fluid_replicas(1, particles)
    here._steps(0, 20, here._bath(0))
    motion = fluid_on_card([there])
    code, reached = motion.run(20)
    if code[0] or reached[0] != 20:
        raise AssertionError(f"ended with code {code[0]} at step {reached[0]}")
    motion.fetch(0)
    apart = np.abs((sorted_places(here) - sorted_places(there)) * here.unit).max()
    print(f"fluid: after 20 steps {particles} particles are within {apart:.1e} of the CPU's")
    if apart > 1e-3:
        raise AssertionError(f"positions differ by {apart:.2g}")

    conserving = fluid_replicas(2, particles, conserve=True)
    first = np.array([r.thermodynamics()["total_energy"] for r in conserving])
    motion = fluid_on_card(conserving)
    code, _ = motion.run(steps)
    for k in range(2):
        motion.fetch(k)
    drift = np.abs([r.thermodynamics()["total_energy"] for r in conserving] - first).max()
    print(f"fluid: energy per particle within {drift:.1e} after {steps} steps of 0.005")
    if code.any() or drift > 2e-3:
        raise AssertionError(f"codes {code}, drift {drift:.2g}")
    check_fluid_observations(particles, steps, replicas)


def check_fluid_observations(particles: int, steps: int, replicas: int) -> None:
    """All outputs of the simulator beside the CPU's, in units of their error bars."""
    from simulators.lennard_jones import LennardJones

    simulator = LennardJones(particles=particles, steps=steps, backend="cuda")
    inputs = np.tile(simulator.complete(FLUID), (replicas, 1))
    seeds = np.arange(replicas, dtype=np.uint64)
    there = simulator.run(inputs, seeds)
    here = simulator.model_copy(update={"backend": "cpu"}).run(inputs[:2], seeds[:2] + 1000, threads=2)
    if there.failures:
        raise AssertionError(f"{len(there.failures)} of {replicas} replicas failed: {there.failures}")
    for name in there.mean:
        a, b = there.mean[name], here.mean[name]
        error = np.hypot(
            np.sqrt((there.stderr[name] ** 2).sum(0)) / len(a), np.sqrt((here.stderr[name] ** 2).sum(0)) / 2
        )
        apart = np.abs(a.mean(axis=0) - b.mean(axis=0)) / np.maximum(error, 1e-12)
        known = error > 0
        worst, usual = np.max(apart, initial=0, where=known), np.sqrt(np.mean(apart**2, where=known))
        print(f"fluid: {name} differs from the CPU's by {usual:.1f} stderr, {worst:.1f} at most")
        if usual > 3 or worst > 7:
            raise AssertionError(f"{name} differs from the CPU's")


def sorted_places(replica: Any) -> Any:
    rows = replica.rows.place.reshape(-1, 4)
    return rows[np.argsort(rows[:, 3]), :3]


def bench_fluid(card: Card) -> None:
    from gpu_ceilings import most, pairs_of_particles, seconds

    check_fluid(500, 20_000, 32)
    check_fluid(4000, 4_000, 4)
    ceiling = most(card, pairs_of_particles, 4)
    print(f"fluid: ceiling {ceiling / 1e9:.0f} G listed pairs/s, each pair once for either particle")
    counts = {500: [k * card.multiprocessors for k in (1, 2, 4, 8, 16)]}
    counts |= {particles: [4 * card.multiprocessors] for particles in (1000, 2000)}
    counts |= {4000: [1, 64], 32_000: [1], 100_000: [1]}
    best = 0.0
    for particles, batches in counts.items():
        base = fluid_replicas(4 if particles < 10_000 else 1, particles)
        for count in batches:
            motion = fluid_on_card([base[k % len(base)] for k in range(count)])
            done = [0]

            def run(steps: int, motion: Any = motion, done: list[int] = done) -> None:
                done[0] += steps
                code, _ = motion.run(done[0])
                if code.any():
                    raise AssertionError(f"{np.count_nonzero(code)} replicas failed")

            rate = count / seconds(run, 100)
            lists, entries = motion.listed
            pairs = float(entries.mean()) * rate
            what = f"{particles} particles, {count} replicas"
            print(row("fluid", what, particles * rate, "atom-steps/s", pairs / ceiling))
            print(f"{'':<8} neighbours listed every {done[0] / lists.mean():.1f} steps")
            best = max(best, particles * rate) if particles == 500 else best
    print(f"fluid: batches of 500 particles reach {100 * best / TARGET:.0f} % of {TARGET:.1e} atom-steps/s")


# Output --------------------------------------------------------------------------------------------


def row(name: str, what: str, rate: float, unit: str, fraction: float) -> str:
    return f"{name:<8} {what:<34} {rate:>10.3e} {unit:<16} {100 * fraction:>5.1f} % of the ceiling"


SIMULATORS: tuple[Callable[[Card], None], ...] = (bench_slit, bench_fluid)


def main() -> int:
    try:
        card = find_card()
    except SimulatorError as error:
        print(error, file=sys.stderr)
        return 3
    print(
        f"{card.name}, compute capability {card.compute_capability}, {card.multiprocessors} multiprocessors"
    )
    from gpu_ceilings import most, multiply_adds

    print(f"{2 * most(card, multiply_adds, 8) / 1e12:.1f} Tflop/s of multiplications with additions")
    from bench_gpu_small import benches

    failed = False
    for bench in (*SIMULATORS, *benches(row)):
        start = time.perf_counter()
        try:
            bench(card)
        except Exception:
            traceback.print_exc()
            failed = True
        print(f"{bench.__name__}: {time.perf_counter() - start:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
