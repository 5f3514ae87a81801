"""Steering after every result, beside Colmena and libEnsemble: `make bench`.

The same sleeping simulations, whoever steers them: every run decides after every result. Prints Markdown.
The peers run at the best settings that were found, in an environment of their own (they may pin other
versions), which is made if it is not there; without one, mlaround is measured alone. mlaround keeps a record
that survives a power failure, a file and two synced lines a task; the peers keep none.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from steering import Engine, Mlaround, Peer, Problem, Run, RunError

PEERS = {"colmena": "0.7.2", "libensemble": "1.6.1", "parsl": "2026.10.26"}
"""Versions for which the peers' programs and settings were written."""

SIZES = (100, 1_000, 10_000, 100_000)
"""Numbers of no-ops after which cost and memory are looked at."""


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Args:
        no_ops: seconds of no-op simulations per engine.
        counts: per length of a simulation in seconds, how many of them.
        strict: per length, how many where a worker waits for the decision on its own result.
        workers: numbers of workers.
        each: simulations of a second that each of these does.
    """

    no_ops: float
    counts: dict[float, int]
    strict: dict[float, int]
    workers: tuple[int, ...]
    each: int


QUICK = Extent(3.0, {0.1: 40}, {}, (), 0)
FULL = Extent(50.0, {0.01: 1000, 0.1: 150, 1.0: 16}, {0.01: 500, 0.1: 60}, (2, 4, 8, 16, 32, 64), 6)


def peers_python(folder: Path) -> Path | None:
    """The interpreter of the peers' environment, which is made if need be; ``None`` if it cannot be."""
    python = folder / "bin" / "python"
    asked = f"import importlib.metadata as m, json; print(json.dumps([m.version(n) for n in {list(PEERS)}]))"

    def found() -> bool:
        answer = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
        return answer.returncode == 0 and json.loads(answer.stdout) == list(PEERS.values())

    try:
        if not (python.exists() and found()):
            venv.create(folder, with_pip=True)
            wanted = [f"{name}=={version}" for name, version in PEERS.items()]
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        return python if found() else None
    except (OSError, subprocess.SubprocessError):
        return None


def engines(python: Path | None) -> list[Engine]:
    """One for each row."""
    rows: list[Engine] = [Mlaround("local"), Mlaround("local", batches=True), Mlaround("threads")]
    if python is not None:
        rows += [
            Peer("Colmena, Parsl's HTEX", "colmena", "htex", python),
            Peer("Colmena, its process pool", "colmena", "processes", python),
            Peer("libEnsemble, processes", "libensemble", "local", python),
            Peer("libEnsemble, threads", "libensemble", "threads", python),
        ]
    return rows


class Bench:
    """Runs what the tables ask for, once each."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, Problem], Run | None] = {}
        self.troubles: list[str] = []

    def run(self, engine: Engine, problem: Problem) -> Run | None:
        """The run, or ``None`` if it failed, which is printed below the tables."""
        key = engine.name, problem
        if key not in self._runs:
            print(f"{time.strftime('%H:%M:%S')} {engine.name}: {problem}", file=sys.stderr, flush=True)
            try:
                self._runs[key] = engine.run(problem)
            except RunError as error:
                self._runs[key] = None
                what = f"{problem.simulations} x {problem.seconds:g} s on {problem.workers} workers"
                self.troubles.append(f"{engine.name}, {what}: {error}")
        return self._runs[key]


def cell(run: Run | None, figure: Callable[[Run], float], form: str) -> str:
    """A figure of a run in a table, a dash where there is none."""
    value = math.nan if run is None else figure(run)
    return "–" if math.isnan(value) else format(value, form)


def table(heads: list[str], rows: Iterator[list[str]]) -> None:
    """Print a table, row by row as they are measured."""
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def two_workers(bench: Bench, rows: list[Engine], extent: Extent) -> None:
    """How long workers wait, and what the rest costs."""
    print("### Two workers, one task waiting at each\n")
    lengths = list(extent.counts)
    named = [f"{1e3 * s:g} ms" if s < 1 else f"{s:g} s" for s in lengths]
    heads = ["", "first result, s", "simulations/s of 0 s"]
    heads += [f"idle, {n}" for n in named] + [f"of the whole wall time, {n}" for n in named]
    heads += ["drivers' CPU a simulation", "all processes'", "memory, MB"]

    def lines() -> Iterator[list[str]]:
        for engine in rows:
            none = bench.run(engine, no_ops(extent))
            timed = [bench.run(engine, Problem(s, extent.counts[s])) for s in lengths]
            yield [
                engine.name,
                cell(timed[-1], lambda r: r.first, ".2f"),
                cell(none, lambda r: r.rate(min(100, r.done // 4), r.done), ",.0f"),
                *(cell(r, lambda r: r.idle, ".1%") for r in timed),
                *(cell(r, lambda r: r.whole, ".1%") for r in timed),
                cell(none, lambda r: 1e3 * r.cost(1), ".2f") + " ms",
                cell(none, lambda r: 1e3 * r.cost(2), ".2f") + " ms",
                cell(none, lambda r: r.memory(100), ".0f"),
            ]

    table(heads, lines())


def strict(bench: Bench, rows: list[Engine], extent: Extent) -> None:
    """Every worker waits for the decision on its own result."""
    print("### Two workers, each waiting for the decision on its own result\n")
    heads = ["", *(f"idle, {1e3 * s:g} ms" for s in extent.strict)]

    def lines() -> Iterator[list[str]]:
        for engine in rows:
            if isinstance(engine, Mlaround) and engine.batches:
                continue  # it would be decided once a batch
            runs = [bench.run(engine, Problem(s, n, ahead=False)) for s, n in extent.strict.items()]
            yield [engine.name, *(cell(r, lambda r: r.idle, ".1%") for r in runs)]

    table(heads, lines())


def more_workers(bench: Bench, rows: list[Engine], extent: Extent) -> None:
    """Simulations of a second on more worker processes than there are cores, which they do not need."""
    print("### Simulations of 1 s, more worker processes: idle, and of the whole wall time\n")

    def lines() -> Iterator[list[str]]:
        for engine in (row for row in rows if row.processes):
            row = [engine.name]
            for workers in extent.workers:
                run = bench.run(engine, Problem(1.0, extent.each * workers, workers))
                row.append(f"{cell(run, lambda r: r.idle, '.1%')}, {cell(run, lambda r: r.whole, '.0%')}")
            yield row

    table(["", *(f"{n} workers" for n in extent.workers)], lines())


def growth(bench: Bench, rows: list[Engine], extent: Extent) -> None:
    """What one more no-op costs after many of them."""
    limit = f"{extent.no_ops:g} s"
    print(f"### No-ops: ms for one more after so many, and the drivers' memory; stopped after {limit}\n")
    heads = ["", *(f"{n:,}" for n in SIZES), "reached", "MB at the end", "bytes a simulation"]

    def one_more(count: int) -> Callable[[Run], float]:
        return lambda r: 1e3 / r.rate(count // 2, count) if r.done >= count else math.nan

    def bytes_each(run: Run) -> float:
        start = 1000
        if run.done < 2 * start:
            return math.nan  # what is loaded at the start would be counted as growth
        return (run.memory(run.done) - run.memory(start)) * 2**20 / (run.done - start)

    def lines() -> Iterator[list[str]]:
        for engine in rows:
            run = bench.run(engine, no_ops(extent))
            yield [
                engine.name,
                *(cell(run, one_more(count), ".2f") for count in SIZES),
                cell(run, lambda r: r.done, ",.0f"),
                cell(run, lambda r: r.memory(r.done), ".0f"),
                cell(run, bytes_each, ",.0f"),
            ]

    table(heads, lines())


def no_ops(extent: Extent) -> Problem:
    """As many as fit into a time."""
    return Problem(0.0, SIZES[-1], limit=extent.no_ops)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="under two minutes; the default")
    length.add_argument("--full", action="store_true", help="all tables, under fifteen minutes")
    beside = Path(sys.prefix)
    beside = beside.with_name(f"{beside.name}-peers")
    parser.add_argument("--peers", type=Path, default=beside, help="the peers' environment (%(default)s)")
    wanted = parser.parse_args()
    extent = FULL if wanted.full else QUICK
    python = peers_python(wanted.peers.absolute())
    versions = ", ".join(f"{name} {version}" for name, version in PEERS.items())
    if python is None:
        print(
            f"Colmena and libEnsemble cannot be installed into {wanted.peers}: mlaround is measured alone.\n"
        )
    rows, bench, started = engines(python), Bench(), time.time()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"Load {os.getloadavg()[0]:.1f} on {machine}; {versions}.\n")
    two_workers(bench, rows, extent)
    if extent.strict:
        strict(bench, rows, extent)
    if extent.workers:
        growth(bench, rows, extent)
        more_workers(bench, rows, extent)
    for trouble in bench.troubles:
        print(f"- {trouble}")
    print(
        f"Measured in {(time.time() - started) / 60:.1f} minutes, load {os.getloadavg()[0]:.1f} at the end."
    )


if __name__ == "__main__":
    main()
