"""The model asked about a machine that is not here: tables of docs/scaling.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scaling_engine import simulate
from scaling_parts import Costs, FileSystem, Linear, Outcome, Place, Work, scaled

NODES, GPUS = 1000, 8
SIMULATIONS = 10_000_000

SHARED = {
    # Assumed: s of an operation, operations/s, s of an fsync, of the log's, fsyncs, bytes/s, of one reader.
    "parallel": FileSystem(3e-4, 30_000.0, 3e-3, 3e-3, 128, 50e9, 1e9),
    "one server": FileSystem(1e-3, 5_000.0, 5e-3, 5e-3, 32, 1e9, 500e6),
}
"""File systems that all nodes share: a parallel one, and a single server."""

PLACE = Place(NODES, GPUS, ahead=2.0, prefetch=0.0, latency=1e-4)

LIGHT_TICK = {"tick_task": 0.02, "tick_operations": 0.005}
"""One listing of `running/`, and looks at the few tasks that are not in it, instead of two looks at each."""


def predict(parameters: dict[str, Any], costs: dict[str, Costs], *, quick: bool = False) -> None:
    """Print all tables; the quick ones have fewer rows."""
    blocks = costs["blocks"]
    _lengths(blocks, (5, 60) if quick else (1, 5, 10, 30, 60))
    _limits(parameters, blocks)
    _batches(parameters, blocks)
    _changes(blocks, quick=quick)
    if not quick:
        _sensitivity(blocks)
        _blocks(blocks)


def _row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def _head(title: str, *names: str) -> None:
    print(f"\n## {title}\n")
    _row(*names)
    print("|" + "---|" * len(names))


def _at(
    costs: Costs, seconds: float, files: FileSystem, place: Place = PLACE, *, replicas: int = 1
) -> Outcome:
    """A stretch of a campaign of such tasks: some of each worker, some ticks of a slow loop."""
    slowest = 2 * PLACE.nodes * PLACE.workers * place.ahead * (files.operation + 1 / files.operations)
    rounds = 4 * slowest if costs.tick_operations > 1.0 else 0.0
    until = max(3 * seconds, rounds, 15.0)
    return simulate(costs, files, place, Work(10**9, replicas, seconds, 0.2, until, staggered=True))


def _time(seconds: float) -> str:
    for limit, name in ((1e-3, "µs"), (1.0, "ms"), (120.0, "s"), (7200.0, "min")):
        if seconds < limit:
            return f"{seconds / {'µs': 1e-6, 'ms': 1e-3, 's': 1.0, 'min': 60.0}[name]:.3g} {name}"
    return f"{seconds / 3600:.3g} h" if seconds < 100 * 3600 else f"{seconds / 86400:.3g} days"


def _bytes(count: float) -> str:
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:.0f} B"


def _lengths(costs: Costs, lengths: Sequence[float]) -> None:
    _head(
        f"{NODES * GPUS:,} workers, by the length of a task",
        "file system", "task", "tasks/s wanted", "carried", "workers busy", "controller's Python",
        "controller looking at files", "interchange", "metadata", "result to record: median, 95 %",
    )  # fmt: skip
    for name, files in SHARED.items():
        for seconds in lengths:
            out = _at(costs, seconds, files)
            shares = (out.steady, out.controller, out.looking, out.interchange, out.metadata)
            _row(
                name, f"{seconds:g} s", f"{NODES * GPUS / seconds:,.0f}", f"{out.rate:,.0f}",
                *(f"{share:.0%}" for share in shares), f"{_time(out.steering)}, {_time(out.steering_late)}",
            )  # fmt: skip


def _limits(p: dict[str, Any], costs: Costs) -> None:
    _head(
        "What each part carries by itself, tasks/s",
        "part", "1 replica", "10", "100", "1,000",
    )  # fmt: skip
    sizes = (1, 10, 100, 1000)

    def python(n: int) -> float:
        return sum(c.of(n) for c in (costs.propose, costs.submit, costs.handle, costs.result))

    (*_, many), rates = p["interchange"]["tasks"], "{:,.0f}".format
    _row("controller's Python", *(rates(1 / python(n)) for n in sizes))
    for name, files in SHARED.items():
        depth = PLACE.ahead * NODES * GPUS
        looks = depth * (costs.tick_task + costs.tick_operations * files.operation)
        _row(
            f"the same, with {_time(looks)} of looks at files ({name}) in each round",
            *(rates(depth / (looks + depth * python(n))) for n in sizes),
        )
    turns = costs.turn + costs.turn_manager * NODES
    _row(
        f"interchange with {NODES:,} managers",
        *[rates(1 / (turns + costs.take + costs.give + costs.send))] * 4,
    )
    _row("the same, measured with managers that answer at once", *[rates(1 / many[1])] * 4)
    for name, files in SHARED.items():
        _row(f"metadata, {name}", *[rates(files.operations / (costs.before + costs.after))] * 4)
        _row(f"fsyncs, {name}", *[rates(files.fsyncs / files.fsync)] * 4)
        _row(f"bytes, {name}", *(rates(files.bandwidth / costs.file.of(n)) for n in sizes))


def _batches(p: dict[str, Any], costs: Costs) -> None:
    line = lambda part, key: Linear(*p[part][key])  # noqa: E731  # short
    log, memory = line("controller", "log"), line("controller", "memory")
    kept, log_read = line("controller", "open_record"), line("controller", "read_log")
    opening = line("worker", "read")
    start = p["operations"]["start"] * NODES * GPUS
    _head(
        f"{SIMULATIONS:,} simulations, by the size of a task",
        "replicas of a task", "tasks and files", "folders", "results", "event log", "controller's memory",
        "controller's Python", "resume: the kept record", "or the whole log", "listing files",
        "a training reads the files in",
    )  # fmt: skip
    parallel = SHARED["parallel"]
    for n in (1, 10, 100, 1000):
        tasks = SIMULATIONS // n
        python = sum(c.of(n) for c in (costs.propose, costs.submit, costs.handle, costs.result)) * tasks
        listing = tasks / 1000 * 3 * parallel.operation + tasks * LISTED
        files = tasks * (opening.of(n) + 3 * parallel.operation + costs.file.of(n) / parallel.read)
        sizes = [_bytes(tasks * line.of(n)) for line in (costs.file, log, memory)]
        taken = [
            _time(seconds) for seconds in (python, tasks * kept.of(n), tasks * log_read.of(n), listing, files)
        ]
        _row(f"{n:,}", f"{tasks:,}", f"{-(-tasks // 1000):,}", *sizes, *taken)
    each, shared = p["operations"]["start"], (_time(start / f.operations) for f in SHARED.values())
    print(
        f"\nThe start of {NODES * GPUS:,} workers: {each:,} operations on files of Python and packages each, "
        f"{start / 1e6:.0f} million in all: {next(shared)} of a parallel file system, {next(shared)} of one "
        f"server, if all of it is shared."
    )


LISTED = 3e-6
"""Seconds of Python for each name of a listing."""


def _changes(costs: Costs, *, quick: bool) -> None:
    packed = {"after": 0.1, "before": 0.0}
    steps: list[tuple[str, Costs, Place]] = [("as it is", costs, PLACE)]

    def add(name: str, *, place: Place | None = None, **factors: float) -> None:
        _, before, where = steps[-1]
        steps.append((name, scaled(before, **factors), place or where))

    add("a tick lists `running/` once", **LIGHT_TICK)
    add("four interchanges, each with its nodes", place=replace(PLACE, interchanges=4))
    add("markers on the nodes' own disks, or none", before=0.0)
    add("results packed, one file of a node for ten tasks", **packed)
    add("controller's Python at half the cost", propose=0.5, submit=0.5, handle=0.5, result=0.5)
    lengths = (1.0,) if quick else (1.0, 5.0)
    _head(
        "What to change, one after the other", "change",
        *(f"{name}: tasks/s of {s:g} s" for name in SHARED for s in lengths), "full at (parallel)",
    )  # fmt: skip
    for name, changed, place in steps:
        found = [_at(changed, s, files, place) for files in SHARED.values() for s in lengths]
        top = found[0]
        python = max(top.controller, top.looking)
        shares = {"controller": python, "interchange": top.interchange, "metadata": top.metadata}
        full = max(shares, key=shares.__getitem__)
        _row(name, *(f"{o.rate:,.0f} ({o.steady:.0%})" for o in found), f"{full} {shares[full]:.0%}")


def _sensitivity(costs: Costs) -> None:
    files, seconds = SHARED["parallel"], 2.0
    light = scaled(costs, **LIGHT_TICK)
    base = _at(light, seconds, files)
    _head(
        f"Twice and half of each parameter, with one listing a tick: tasks/s of {seconds:g} s carried, "
        f"{base.rate:,.0f} in between",
        "parameter", "twice", "half",
    )  # fmt: skip
    groups: list[tuple[str, tuple[str, ...], bool]] = [
        ("controller: propose and handle", ("propose", "handle"), False),
        ("controller: hand over and take back", ("submit", "result"), False),
        ("interchange: per manager", ("turn_manager",), False),
        ("interchange: per task", ("turn", "take", "give", "send"), False),
        ("worker: per task", ("between", "task", "manager"), False),
        ("worker: operations on files", ("before", "after"), False),
        ("file system: wait for an operation", ("operation",), True),
        ("file system: operations/s", ("operations",), True),
        ("file system: wait for an fsync", ("fsync", "append"), True),
    ]
    for name, keys, of_files in groups:
        cells = []
        for factor in (2.0, 0.5):
            factors = dict.fromkeys(keys, factor)
            changed = light if of_files else scaled(light, **factors)
            disk = scaled(files, **factors) if of_files else files
            cells.append(f"{_at(changed, seconds, disk).rate:,.0f}")
        _row(name, *cells)


def _blocks(costs: Costs) -> None:
    """Blocks that come and go: 200 workers stand for all, since only the share that is lost is wanted."""
    light = scaled(costs, **LIGHT_TICK)
    _head(
        "Blocks that come and go: 25 of 4 nodes, 2 hours each, drained for 3 minutes at their end",
        "task", "wait for the next block", "workers busy", "tasks begun again",
    )  # fmt: skip
    for seconds, wait in ((60.0, 0.0), (60.0, 600.0), (300.0, 0.0), (300.0, 600.0)):
        place = Place(100, 2, prefetch=0.0, walltime=7200.0, drain=180.0, wait=wait, notice=12.0, block=4)
        work = Work(round(200 * 4 * 7200 / seconds), 1, seconds, spread=0.2, staggered=True)
        out = simulate(light, SHARED["parallel"], place, work)
        _row(f"{seconds:g} s", f"{wait / 60:g} min", f"{out.steady:.1%}", f"{out.again / out.done:.2%}")
