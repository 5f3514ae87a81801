"""Colonies and cells on one core: these simulators beside plain numpy, in turns in one run.

    python tests/benchmarks/bench_gene_circuit.py

The gene circuit over its whole space of inputs, and beside an explicit solution in numpy on the same grid,
which is timed over a fiftieth of the experiment; the MYC/E2F switch beside the published scheme in numpy. The
authors' own program took 353 s a colony (mean of 600, Wang et al., Nat. Commun. 10, 4354, 2019). CPU seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from simulators.cell_cycle import CellCycle
from simulators.cells.colony import DURATION, advance, circuit, colony
from simulators.gene_circuit import GeneCircuit

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from cell_cycle_reference import langevin
from gene_circuit_reference import groups, solve

ROUNDS, COLONIES, CELLS = 3, 64, 512
POINTS, SHARE = 2001, 50


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def whole_space() -> None:
    simulator = GeneCircuit()
    low, high = (np.array([getattr(p, end) for p in simulator.inputs]) for end in ("low", "high"))
    inputs = qmc.scale(qmc.Sobol(len(low), seed=1).random(COLONIES), low, high)
    cost = simulator.run(inputs, np.zeros(COLONIES, np.uint64))
    print(
        f"{COLONIES} colonies over the whole space, {POINTS} points: "
        f"median {np.median(cost.cpu_seconds):.2f} s, worst {cost.cpu_seconds.max():.2f} s, "
        f"{len(cost.failures)} failed"
    )


def one_colony() -> None:
    names = [p.name for p in GeneCircuit.inputs]
    given = dict.fromkeys(names, 0.0) | {
        "g4": 5.0,
        "alpha": 2.0,
        "beta": 900.0,
        "Kphi": 4.0,
        "n": 2.0,
        "ac": 1.0,
    }
    given |= {"aT": 3000.0, "aL": 4000.0, "KC": 0.0025, "KT": 2500.0, "KP": 2500.0, "dA": 0.3, "R": 1.0}
    spacing = 80 / POINTS
    parts = max(1, int(np.ceil(0.01 * groups(given)["G1"] / (0.2 * spacing**2))))
    theirs, ours = [], []
    for _ in range(ROUNDS):
        c = circuit(**given)
        state = colony(c, POINTS, 0.01, False)
        ours.append(seconds(lambda: advance(state, c, 0, round(DURATION / 0.01))))  # noqa: B023
        theirs.append(seconds(lambda: solve(given, POINTS, 0.01 / parts, DURATION / SHARE)) * SHARE)
    short = colony(c, POINTS, 0.01, False)
    advance(short, c, 0, round(DURATION / SHARE / 0.01))
    fields, _ = solve(given, POINTS, 0.01 / parts, DURATION / SHARE)
    apart = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(short.fields, fields, strict=True))
    here, there = float(np.median(ours)), float(np.median(theirs))
    print(
        f"one colony: this simulator {here:.2f} s, explicit in numpy {there:.0f} s ({there / here:.0f} times)"
    )
    print(f"            fields after {DURATION / SHARE:g} differ by up to {apart:.1e} of their maxima")


def cells() -> None:
    simulator = CellCycle(trials=CELLS)
    row = simulator.complete({})
    k = dict(zip([p.name for p in simulator.inputs], row.tolist(), strict=True))
    settings = {"hours": 50.0, "dt": 0.01, "sigma": 2.0, "delta": 100.0}
    theirs, ours, found, expected = [], [], [], []
    simulator.run(row[None], np.zeros(1, np.uint64))
    for turn in range(ROUNDS):
        cost = simulator.run(row[None], np.array([turn], np.uint64))
        ours.append(CELLS / cost.cpu_seconds[0])
        found.append(cost.mean["e2f_mean"][0])
        start = time.process_time()
        expected.append(langevin(k, 1.0, cells=CELLS, seed=turn, **settings)[2].mean())
        theirs.append(CELLS / (time.process_time() - start))
    here, there = float(np.median(ours)), float(np.median(theirs))
    print(f"cells of 50 h: this simulator {here:.0f}/s, numpy {there:.0f}/s ({here / there:.0f} times);")
    print(f"               mean E2F {np.mean(found):.3f} and {np.mean(expected):.3f} uM")


def main() -> None:
    whole_space()
    one_colony()
    cells()


if __name__ == "__main__":
    main()
