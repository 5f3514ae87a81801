"""Small systems on a graphics card, for `bench_gpu`: each beside the CPU, then in batches of growing size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from simulators.batch.keeping import open_keeper
from simulators.contract import Observations
from simulators.md.cuda.device import Card

Bench = Callable[[Card], None]
Row = Callable[[str, str, float, str, float], str]


def compared(name: str, here: Observations, there: Observations, errors: float) -> None:
    """Means over a batch on the card beside those over one on the CPU, in standard errors."""
    if there.failures:
        raise AssertionError(f"{name}: {len(there.failures)} replicas failed: {there.failures}")
    for output, a in there.mean.items():
        b = here.mean[output]
        if a.ndim > 1 or not np.isfinite(a).all() or not np.isfinite(b).all():
            continue
        error = np.hypot(a.std(ddof=1) / np.sqrt(len(a)), b.std(ddof=1) / np.sqrt(len(b)))
        apart = (a.mean() - b.mean()) / max(float(error), 1e-30)
        print(f"{name}: {output} {a.mean():.5g} on the card, {b.mean():.5g} on the CPU: {apart:+.1f} stderr")
        if abs(apart) > errors:
            raise AssertionError(f"{output} differs from the CPU's")


def batches(simulator: Any, given: dict[str, float], replicas: int) -> tuple[Observations, Observations]:
    """So many replicas on the card, and 32 on the CPU."""
    row, seeds = simulator.complete(given), np.arange(replicas, dtype=np.uint64)
    there = simulator.run(np.tile(row, (replicas, 1)), seeds)
    cpu = simulator.model_copy(update={"backend": "cpu"})
    few = seeds[:32] + np.uint64(10**6)
    return cpu.run(np.tile(row, (len(few), 1)), few, threads=4), there


def timed(launch: Callable[[int, int], None], first: int) -> float:
    """Seconds to a step of a launch from one step to another."""
    from gpu_ceilings import seconds

    done = [0]

    def run(steps: int) -> None:
        launch(done[0], done[0] + steps)
        done[0] += steps

    return seconds(run, first)


# Go chain ------------------------------------------------------------------------------------------


def chain_groups(count: int, steps: int) -> list[Any]:
    from simulators.go_protein import GoProtein
    from simulators.md.chain.folding import Chains

    plan = replace(GoProtein()._plan(), steps=steps, equilibration=0)
    starts = range(0, count, 16)
    sizes = [min(16, count - k) for k in starts]
    return [
        Chains(plan, [0.7] * n, np.arange(k, k + n, dtype=np.uint64), [None] * n)
        for k, n in zip(starts, sizes, strict=True)
    ]


def chains_on_card(groups: list[Any]) -> Any:
    from simulators.md.cuda.chain_replicas import ChainsOnCard

    nothing = open_keeper(None, 0, groups[0].plan.steps)
    return ChainsOnCard(groups, [[nothing] * group.replicas for group in groups])


def check_chain(steps: int = 20) -> None:
    """Positions after a few steps, then averages of longer runs."""
    from simulators.go_protein import GoProtein

    (here,), (there,) = chain_groups(16, steps), chain_groups(16, steps)
    here.run([], lambda fraction: None)
    chains_on_card([there]).run(lambda fraction: None)
    worst = float(np.abs(here.state.position - there.state.position).max())
    print(f"go_protein: after {steps} steps beads are within {worst:.1e} angstrom of the CPU's")
    if not worst < 1e-2:
        raise AssertionError(f"positions differ by {worst:.2g} angstrom")
    if steps >= 20:
        simulator = GoProtein(steps=200_000, backend="cuda")
        compared("go_protein", *batches(simulator, {"temperature": 0.7}, 1024), 5)


def bench_chain(card: Card, row: Row) -> None:
    from gpu_ceilings import seconds
    from gpu_ceilings_small import steps_of_beads
    from numba import cuda

    from simulators.md.cuda.device import launch

    check_chain()
    groups = chain_groups(64 * card.multiprocessors, 10**9)
    beads = groups[0].beads
    contacts = round(2 * groups[0].contacts / beads)
    out, warps = cuda.device_array(32, np.float32), 32 * card.multiprocessors

    def ceiling_run(turns: int) -> None:
        launch(steps_of_beads, warps, 32, turns, contacts, out)

    ceiling = warps / seconds(ceiling_run, 1000)
    print(f"go_protein: ceiling {ceiling:.2e} replica-steps/s of {beads} beads, {contacts} contacts to each")
    for each in (4, 8, 16, 32, 64):
        count = each * card.multiprocessors
        batch = chains_on_card(groups[: -(-count // 16)])
        count = sum(group.replicas for group in batch.groups)
        rate = count / timed(lambda first, last, batch=batch: batch.launch(last), 100)
        if (broken := batch._card.broken.copy_to_host() >= 0).any():
            raise AssertionError(f"{np.count_nonzero(broken)} of {count} replicas broke")
        print(row("go", f"{beads} beads, {count} replicas", rate, "replica-steps/s", rate / ceiling))


# Walkers -------------------------------------------------------------------------------------------


def bench_surface(card: Card, row: Row) -> None:
    from gpu_ceilings import most
    from gpu_ceilings_small import steps_on_the_surface

    from simulators.md.cuda.walker_replicas import SurfaceOnCard
    from simulators.md.landscapes.surface import MINIMUM_A, Plan, Replicas
    from simulators.mueller_brown import MuellerBrown

    simulator = MuellerBrown(steps=1_000_000, backend="cuda")
    compared("surface", *batches(simulator, {"temperature": 15.0}, 1024), 5)
    ceiling = most(card, steps_on_the_surface, 2)
    plan = Plan(1e-4, 2**40, 0, MINIMUM_A)
    for each in (256, 1024, 2048):
        count = each * card.multiprocessors
        group = [Replicas(plan, np.full(16, 15.0), np.arange(16, dtype=np.uint64), [None] * 16)]
        batch = SurfaceOnCard(group * (count // 16), [[]] * (count // 16))
        rate = count / timed(batch.launch, 1000)
        print(row("surface", f"{count} walkers", rate, "steps/s", rate / ceiling))


def bench_escape(card: Card, row: Row) -> None:
    from gpu_ceilings import most
    from gpu_ceilings_small import steps_in_the_well

    from simulators.double_well_escape import DoubleWellEscape
    from simulators.md.cuda.walker_replicas import EscapeOnCard
    from simulators.md.landscapes.escape import Replica, System

    simulator = DoubleWellEscape(steps=200_000, backend="cuda")
    compared("escape", *batches(simulator, {"barrier": 3.0}, 1024), 5)
    ceiling = most(card, steps_in_the_well, 4)
    for each in (256, 1024, 2048):
        count = each * card.multiprocessors
        replica = Replica(System(3.0, 1.0, 1.0, 1.0, 0.002, False), count, 2**40, 1)
        batch = EscapeOnCard([replica], [open_keeper(None, 0, 2**40)])
        # Every launch does the same steps again, from step 0: the card's replica is not told where it is.
        rate = count / timed(lambda first, last, batch=batch: batch.launch(last - first), 1000)
        print(row("escape", f"{count} walkers", rate, "steps/s", rate / ceiling))


# Clusters and single particles ---------------------------------------------------------------------


def bench_cluster(card: Card, row: Row) -> None:
    from gpu_ceilings import most
    from gpu_ceilings_small import pairs_in_clusters

    from simulators.lj_cluster import LjCluster
    from simulators.md.cluster.replicas import Replicas, System
    from simulators.md.cuda.cluster_replicas import ClustersOnCard

    simulator = LjCluster(steps=20_000, backend="cuda")
    compared("cluster", *batches(simulator, {}, 256), 5)
    ceiling = most(card, pairs_in_clusters, 4)
    for particles in (16, 64):
        systems = [System(1.0, 1.0, 10.0, seed) for seed in range(16)]
        group = Replicas(LjCluster(particles=particles)._plan(), systems)
        for each in (8, 32, 128):
            count = each * card.multiprocessors // 16 * 16
            batch = ClustersOnCard([group] * (count // 16), [{}] * (count // 16))
            rate = count / timed(lambda first, last, batch=batch: batch.launch(last - first), 100)
            what = f"{particles} particles, {count} replicas"
            pairs = rate * particles**2
            print(row("cluster", what, rate, "replica-steps/s", pairs / ceiling))


def bench_flight(card: Card, row: Row) -> None:
    from gpu_ceilings import most, seconds
    from gpu_ceilings_small import flights

    from simulators.md.cuda.newton import trajectories
    from simulators.md.landscapes.newton import release
    from simulators.one_particle import OneParticle

    simulator = OneParticle(steps=50_000, backend="cuda")
    rows = np.stack([simulator.complete({"start_position": x}) for x in np.linspace(0.5, 5, 32)])
    seeds = np.zeros(32, np.uint64)
    there = simulator.run(rows, seeds).mean["position"]
    here = simulator.model_copy(update={"backend": "cpu"}).run(rows, seeds).mean["position"]
    print(f"one_particle: within {np.abs(there - here).max():.1e} of the CPU's after 50000 steps")
    if not np.abs(there - here).max() < 1e-8:
        raise AssertionError("positions differ from the CPU's")
    ceiling = most(card, flights, 4)
    for each in (256, 1024, 2048):
        count = each * card.multiprocessors
        ones = np.ones(count)
        particles = release("harmonic", ones, ones, ones, 0 * ones, 0.001)

        def run(steps: int, particles: Any = particles) -> None:
            trajectories("harmonic", particles, 1, steps, 1, lambda points: None)

        rate = count / seconds(run, 1000)
        print(row("flight", f"{count} particles", rate, "steps/s", rate / ceiling))


def benches(row: Row) -> tuple[Bench, ...]:
    """All of them, each told how to print a row."""

    def with_rows(bench: Callable[[Card, Row], None]) -> Bench:
        def run(card: Card) -> None:
            bench(card, row)

        run.__name__ = bench.__name__
        return run

    return tuple(
        with_rows(bench) for bench in (bench_chain, bench_surface, bench_escape, bench_cluster, bench_flight)
    )
