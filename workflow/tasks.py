"""What runs in a worker to simulate: a module-level function with small arguments.

This module and all that it imports at the top stay light, since every worker pays for it at its start.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import Failure, InvalidInputError, Keep, Observations, Simulator, StoppedEarlyError
from workflow.folder import RunFolder, process_start
from workflow.plugins import by_path, find
from workflow.pool import BlockEndingError, WithdrawnError, computing
from workflow.results import summary, write_result
from workflow.seeds import replica_seeds
from workflow.worker import (
    Request,
    add_to_path,
    block_is_ending,
    cores,
    cpu_seconds,
    in_process_of_its_own,
    limited,
    settle,
)

Array = NDArray[np.float64]

LONGEST = 10_000
"""Characters of a failure's message that are kept."""


def simulate(request: Request) -> dict[str, Any]:
    """Simulate a batch and write its result file.

    Args:
        request: ``run`` (folder), ``search`` (where the user's plug-ins lie, or null), ``task``,
            ``first``, ``inputs`` (rows of the space's inputs) and ``seed`` (of the campaign); perhaps
            ``limit`` (seconds that the batch may take before its worker is ended).

    Returns:
        the fields of the event `task_done`.

    Raises:
        WithdrawnError: the task was withdrawn before it began.
        BlockEndingError: it stopped itself; what its replicas have done is in their checkpoints.
        Exception: only for what is wrong with the place it runs in (no such plug-in, disk full).
            What goes wrong inside the simulator is a failure of its replicas.
    """
    settle()
    folder = RunFolder(request["run"])
    with _marking(folder, request["task"], request.get("limit")) as begin:
        return _simulate(request, folder, begin)


def _simulate(request: Request, folder: RunFolder, begin: Callable[[str], None]) -> dict[str, Any]:
    simulator, names, settings = _prepare(str(folder.path), request["search"])
    inputs = np.array(request["inputs"], dtype=np.float64)
    replicas = np.arange(request["first"], request["first"] + len(inputs))
    seeds = replica_seeds(request["seed"], replicas)
    with computing() as worker:
        begin(worker)
        started, cpu = time.time(), cpu_seconds()
        keep = None
        if settings is not None:
            stems = tuple(map(folder.kept_name, replicas.tolist()))
            for place in {(folder.trajectories / stem).parent for stem in stems}:
                place.mkdir(parents=True, exist_ok=True)
            keep = Keep(
                folder.trajectories,
                stems,
                frames=settings.get("frames"),
                series=settings.get("series"),
                checkpoint=settings.get("checkpoint"),
                ending=block_is_ending(),
            )
        with limited(request.get("limit")):
            observations = _observe(simulator, names, inputs, seeds, keep)
        observations.failures = {k: _shortened(f) for k, f in observations.failures.items()}
        attributes = {"task": request["task"], "worker": worker, "started": started}
        # A worker among threads sees nothing of the threads and processes that the replicas ran in.
        replicas_cpu = float(np.nansum(observations.cpu_seconds))
        attributes |= {"ended": time.time(), "cpu": round(max(cpu_seconds() - cpu, replicas_cpu), 6)}
    path = folder.result(request["task"])
    write_result(
        path,
        simulator,
        replicas=replicas,
        names=names,
        inputs=inputs,
        seeds=seeds,
        observations=observations,
        attributes=attributes,
    )
    if in_process_of_its_own():  # else the worker was free for another task in the meantime
        attributes |= {"ended": time.time(), "cpu": round(max(cpu_seconds() - cpu, replicas_cpu), 6)}
    scalars, optional = (
        {
            output.name: [observations.mean[output.name], observations.stderr[output.name]]
            for output in simulator.outputs
            if output.coordinate is None and output.optional == may_lack and output.name in observations.mean
        }
        for may_lack in (False, True)
    )
    return summary(
        **attributes,
        file=str(path.relative_to(folder.path)),
        wall_seconds=observations.wall_seconds,
        cpu_seconds=observations.cpu_seconds,
        scalars=scalars,
        optional=optional,
        failed={str(k): [f.reason, f.message] for k, f in sorted(observations.failures.items())},
    )


def _shortened(failure: Failure) -> Failure:
    """The same without the middle of a message that nobody reads to its end: a log must not grow by it."""
    text = failure.message
    if len(text) <= LONGEST:
        return failure
    left_out = f" [{len(text) - LONGEST:,} characters left out] "
    return replace(failure, message=text[: LONGEST * 3 // 4] + left_out + text[-(LONGEST // 4) :])


@contextmanager
def _marking(folder: RunFolder, task: int, limit: float | None) -> Iterator[Callable[[str], None]]:
    """Show while a task runs that it does, and where; what it gives is to be called when it begins.

    A marker that cannot be written is no reason to fail: it is for people to look at, and to end the task.
    """
    path = folder.marker(task)

    def begin(worker: str) -> None:
        about = {
            "task": task,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "worker": worker,
            "started": round(time.time(), 6),
            "process_started": _own_start(),
            "killable": in_process_of_its_own(),
            "limit": limit,
        }
        with suppress(OSError):
            path.write_text(json.dumps(about), encoding="utf-8")
        # After the marker is there: whoever withdraws a task looks for the marker after that.
        if folder.withdrawn(task).exists():
            raise WithdrawnError(f"task {task} was withdrawn before it began")

    try:
        yield begin
    finally:
        with suppress(OSError):
            path.unlink()


@lru_cache(maxsize=1)
def _own_start() -> float | None:
    return process_start(os.getpid())


def _observe(
    simulator: Simulator, names: tuple[str, ...], inputs: Array, seeds: NDArray[np.uint64], keep: Keep | None
) -> Observations:
    """Run the batch, leaving out rows that the simulator refuses; a batch that raises fails whole.

    Raises:
        BlockEndingError: the batch was told to stop, and did.
    """
    rows, kept = [], []
    refused: dict[int, Failure] = {}
    for k, row in enumerate(inputs.tolist()):
        try:
            rows.append(simulator.complete(dict(zip(names, row, strict=True))))
            kept.append(k)
        except InvalidInputError as error:
            refused[k] = Failure("invalid input", str(error))
    n = len(inputs)
    if not kept:
        return _nothing(n, refused)
    try:
        # Only those who can keep something need to know that there is such a thing.
        wanted: dict[str, Any] = {}
        if keep is not None:
            wanted["keep"] = replace(keep, names=tuple(keep.names[k] for k in kept))
        found = simulator.run(np.array(rows), seeds[kept], threads=cores(), **wanted)
        _check(simulator, found, len(kept))
    except (Exception, SystemExit) as error:  # a simulator that exits must not take its worker along
        if isinstance(error, StoppedEarlyError) and keep is not None and keep.ending is not None:
            raise BlockEndingError(str(error)) from None
        message = f"{type(error).__name__}: {error}"
        failures = {k: Failure(f"raised {type(error).__name__}", message) for k in kept}
        return _nothing(n, refused | failures)
    failures = refused | {kept[k]: failure for k, failure in found.failures.items()}
    if not refused:
        return found
    where = np.array(kept)
    mean, stderr, edges, used = (
        {name: _spread(values, where, n) for name, values in part.items()}
        for part in (found.mean, found.stderr, found.edges, found.used)
    )
    wall, cpu = (np.nan_to_num(_spread(s, where, n)) for s in (found.wall_seconds, found.cpu_seconds))
    return Observations(mean, stderr, edges, wall, cpu, failures, used)


def _check(simulator: Simulator, found: Observations, n: int) -> None:
    """Record replicas whose numbers are not finite as failed.

    Raises:
        ValueError: an output or an axis is missing, or not of the declared shape.
    """
    sizes = {c.name: c.size for c in simulator.coordinates}
    bad = np.zeros(n, dtype=bool)
    for output in simulator.outputs:
        shape = (n, sizes[output.coordinate]) if output.coordinate else (n,)
        for what, part in (("mean", found.mean), ("stderr", found.stderr)):
            _expect(f"{what} of output `{output.name}`", part.get(output.name), shape)
            values = part[output.name]
            good = np.isfinite(values) | (np.isnan(values) if output.optional else False)
            bad |= ~good.reshape(n, -1).all(axis=1)
    for name, size in sizes.items():
        _expect(f"edges of coordinate `{name}`", found.edges.get(name), (n, size + 1))
    _expect("wall_seconds", found.wall_seconds, (n,))
    _expect("cpu_seconds", found.cpu_seconds, (n,))
    for k in np.flatnonzero(bad).tolist():
        found.failures.setdefault(k, Failure("not finite", "the simulator gave a number that is not finite"))


def _expect(what: str, values: Array | None, shape: tuple[int, ...]) -> None:
    if values is None or np.shape(values) != shape:
        given = "nothing" if values is None else f"shape {np.shape(values)}"
        raise ValueError(f"the simulator gave {given} as {what}, where {shape} was expected")


def _spread(values: Array, where: NDArray[np.int64], n: int) -> Array:
    """The rows (k, ...) at their places among n, array (n, ...); NaN elsewhere."""
    whole = np.full((n, *np.shape(values)[1:]), np.nan)
    whole[where] = values
    return whole


def _nothing(n: int, failures: dict[int, Failure]) -> Observations:
    return Observations({}, {}, {}, np.zeros(n), np.zeros(n), failures)


@lru_cache(maxsize=4)
def _prepare(run: str, search: str | None) -> tuple[Simulator, tuple[str, ...], dict[str, int] | None]:
    """The simulator of a run, the names of its space's inputs and what is kept; once per process."""
    import h5py  # noqa: F401  here, or it would count as what the first task costs
    from ruamel.yaml import YAML

    add_to_path(search)
    resolved = YAML(typ="safe", pure=True).load(RunFolder(run).read_resolved())
    settings = resolved["simulator"]
    kind = settings["kind"]
    plugin = by_path(kind, Simulator) if ":" in kind else find("simulators", Simulator)[kind]
    simulator = plugin.model_validate(settings)
    assert isinstance(simulator, Simulator)
    return simulator, tuple(resolved["space"]), resolved.get("keep")
