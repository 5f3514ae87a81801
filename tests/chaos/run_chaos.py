"""Harm runs in every way that docs/reliability.md names, many times each, and write its table.

python run_chaos.py [--instants N] [--minutes M] [--jobs J] [--rows NAME,...] [--seed S] [--page FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
import chaos_harm
import chaos_kills
import chaos_table
from chaos_processes import busy_worker, interchange, manager, rank, trainer, worker
from chaos_runs import PATIENT, STEERED, Digests, Tally, preload, undisturbed

Row = Callable[[Tally, int, random.Random, Path, Digests], None]


def in_a_pool(victim: object, *overrides: str) -> Row:
    def row(tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests) -> None:
        chaos_kills.killed_in_a_pool(tally, victim, times, chance, place, expected, *overrides)

    return row


ROWS: dict[str, Row] = {
    "controller (workers are processes)": chaos_kills.controller_of_processes,
    "controller (workers are threads)": chaos_kills.controller_of_threads,
    "interchange": in_a_pool(interchange, *chaos_kills.LOCAL),
    "manager": in_a_pool(manager, *chaos_kills.LOCAL),
    "worker that simulates": in_a_pool(busy_worker, *chaos_kills.LOCAL),
    "any worker or helper": in_a_pool(worker, *chaos_kills.LOCAL),
    "MPI rank": in_a_pool(rank, *chaos_kills.MPI),
    chaos_kills.TRAINING_TASK: in_a_pool(trainer, *chaos_kills.LOCAL, *chaos_kills.TRAINING),
    "dashboard": chaos_kills.dashboard,
    "disk full": chaos_harm.disk_full,
    "disk turns read-only": chaos_harm.read_only,
    "result file cut or missing": chaos_harm.result_files,
    "log with a torn tail": chaos_harm.log_tail,
    "clock jumps": chaos_harm.clock,
    "second controller": chaos_kills.two_controllers,
}


def each_process_of_a_pool(
    tally: Tally, times: int, chance: random.Random, place: Path, expected: Digests
) -> None:
    """Kill one of each kind in one run."""
    plan = [(tally.name, victim) for victim in (busy_worker, interchange, worker, manager)]
    chaos_kills.mixed_kills({tally.name: tally}, plan * times, chance, place, expected, *chaos_kills.LOCAL)


ALL_OF_A_POOL = "each process of a pool"

QUICK = {
    ALL_OF_A_POOL: 1,
    "controller (workers are processes)": 1,
    "controller (workers are threads)": 6,
    "MPI rank": 1,
    chaos_kills.TRAINING_TASK: 1,
    "dashboard": 2,
    "disk full": 3,
    "disk turns read-only": 2,
    "result file cut or missing": 4,
    "log with a torn tail": 4,
    "clock jumps": 2,
    "second controller": 10,
}
"""Instants of each row in the normal tests."""

PLANNED, PLANNED_QUICK = 6000, 2000
"""Simulations of the run that nothing happens to: more than any other gets to."""


def try_row(name: str, times: int, seed: int, place: Path, expected: Digests, until: float) -> Tally:
    """Try one row; what goes wrong is told in it."""
    place.mkdir()
    tally = Tally(name, until=until)
    try:
        row = each_process_of_a_pool if name == ALL_OF_A_POOL else ROWS[name]
        row(tally, times, random.Random(f"{seed} {name}"), place, expected)
    except chaos_harm.NotHereError as error:
        tally.missing = str(error)
    except Exception:
        tally.troubles.append(traceback.format_exc(limit=-3))
    return tally


def campaign_of(name: str) -> str:
    return STEERED if name == "controller (workers are threads)" else PATIENT


def in_processes(
    times: Mapping[str, int], seed: int, place: Path, jobs: int, until: float, planned: int
) -> list[Tally]:
    """Rows side by side, each in a process forked from this one."""
    expected = {
        PATIENT: undisturbed(place / "patient", PATIENT, f"stop.simulations={planned}"),
        STEERED: undisturbed(place / "steered", STEERED),
    }
    names = list(times)
    waiting, running, done = list(names), {}, {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            share = (until - time.monotonic()) * jobs / (len(waiting) + len(running) + 1)
            answer = place / f"{names.index(name)}.json"
            pid = os.fork()
            if pid == 0:
                own = place / f"row-{names.index(name)}"
                ends = time.monotonic() + share
                tally = try_row(name, times[name], seed, own, expected[campaign_of(name)], ends)
                tally.until = 0.0
                answer.write_text(json.dumps(asdict(tally)))
                os._exit(0)
            running[pid] = (name, answer)
        pid, _ = os.wait()
        name, answer = running.pop(pid)
        done[name] = Tally(**json.loads(answer.read_text())) if answer.exists() else _broken(name)
        print(chaos_table.line(done[name]), *done[name].troubles, done[name].missing, flush=True)
    return [done[name] for name in names]


def _broken(name: str) -> Tally:
    return Tally(name, troubles=["the process that tried it ended"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instants", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a few instants of each, for the tests")
    parser.add_argument("--answers", type=Path, help="JSON file for what happened")
    parser.add_argument("--page", type=Path, help="whose table is written; by default none")
    given = parser.parse_args()
    preload()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlaround-chaos-", ignore_cleanup_errors=True) as folder:
        tallies = in_processes(
            QUICK if given.quick else dict.fromkeys(given.rows.split(","), given.instants),
            given.seed,
            Path(folder),
            given.jobs,
            start + 60 * given.minutes,
            PLANNED_QUICK if given.quick else PLANNED,
        )
    if given.answers:
        given.answers.write_text(json.dumps([asdict(tally) for tally in tallies]))
    if given.page:
        chaos_table.write(given.page, tallies, list(ROWS))
    sys.exit(not all(tally.good for tally in tallies))


if __name__ == "__main__":
    main()
