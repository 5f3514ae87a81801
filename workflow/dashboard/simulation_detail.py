"""All that is known of one simulation."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from simulators import InvalidInputError
from workflow.dashboard.simulation_table import STATES, SimulationTable
from workflow.events import Event
from workflow.failures import group_key
from workflow.folder import RunFolder, version_name
from workflow.record import State
from workflow.results import ResultFileError, read_arrays
from workflow.run import Run
from workflow.seeds import replica_seeds
from workflow.words import duration, plain_data

NEIGHBOURS = 8
"""Nearest simulations whose states are told."""

HISTORY = ("task_proposed", "task_retried", "task_done", "task_failed", "action")


def detail(run: Run, number: int) -> dict[str, Any]:
    """What is known of a simulation, as plain data.

    Args:
        run: that it belongs to.
        number: of the simulation, which must have been proposed.
    """
    record = run.record
    task = int(record.task[number])
    first, count = int(record.task_first[task]), int(record.task_count[task])
    table = SimulationTable(run)
    history, asked = _history(run, number)
    failure = record.failures.get(number)
    frame = _last_good_frame(run.folder, task, number - first) if failure else None
    page: dict[str, Any] = {
        "simulation": number,
        "task": task,
        "state": STATES[table.state(np.array([number]))[0]],
        "held_out": bool(record.held_out[number]),
        "asked": asked,
        "model": int(record.task_model[task]) or None,
        "seed": str(int(replica_seeds(run.campaign.seed, np.array([number]))[0])),
        "inputs": _inputs(run, number),
        "outputs": _scalars(run, number),
        "profiles": [],
        "unread": "",
        "failure": failure and {
            "reason": failure[0],
            "message": failure[1],
            "group": group_key(*failure),
            "last_good_step": frame,
        },
        "ran": {
            "worker": table.worker(number),
            "started": _known(record.task_started[task]),
            "ended": _known(record.task_ended[task]),
            "wall_seconds": _known(record.wall_seconds[number]),
            "cpu_seconds": _known(record.cpu_seconds[number]),
            "first": first,
            "count": count,
        },
        "history": history,
        "files": _files(run.folder, task, number),
        "neighbours": _neighbours(run, table, number),
        "command": command(run, number),
    }  # fmt: skip
    if record.state[number] == State.DONE:
        try:
            page["profiles"] = _profiles(run, number)
        except ResultFileError as error:
            page["unread"] = str(error)
    return page


def command(run: Run, number: int) -> str:
    """The command that simulates it again, alone: the same numbers to the bit."""
    values = run.record.inputs[number].tolist()
    given = " ".join(f"{name}={value!r}" for name, value in zip(run.space.names, values, strict=True))
    campaign = shlex.quote(str(run.folder.resolved))
    return f"mlaround simulate {campaign} -p {given} --seed {run.campaign.seed} --first {number}"


def _inputs(run: Run, number: int) -> list[dict[str, Any]]:
    simulator, space = run.campaign.simulator, run.space
    given = dict(zip(space.names, run.record.inputs[number].tolist(), strict=True))
    try:
        row = simulator.complete(given).tolist()
    except InvalidInputError:
        row = [given.get(parameter.name) for parameter in simulator.inputs]
    ranges = {d.name: (d.low, d.high) for d in space.dimensions}
    return [
        {
            "name": parameter.name,
            "unit": parameter.unit,
            "description": parameter.description,
            "value": value,
            "accepted": plain_data([parameter.low, parameter.high]),
            "campaign": ranges.get(parameter.name),
        }
        for parameter, value in zip(simulator.inputs, row, strict=True)
    ]


def _scalars(run: Run, number: int) -> list[dict[str, Any]]:
    record = run.record
    return [
        {
            "name": output.name,
            "unit": output.unit,
            "description": output.description,
            "mean": _known(record.mean(output.name)[number]),
            "stderr": _known(record.stderr(output.name)[number]),
        }
        for output in run.campaign.simulator.outputs
        if output.coordinate is None and output.name in record.scalar_names
    ]


def _profiles(run: Run, number: int) -> list[dict[str, Any]]:
    simulator = run.campaign.simulator
    arrays = [output for output in simulator.outputs if output.coordinate is not None]
    if not arrays:
        return []
    units = {coordinate.name: coordinate.unit for coordinate in simulator.coordinates}
    found = read_arrays(run.folder, run.record, [output.name for output in arrays], np.array([number]))
    profiles = []
    for output in arrays:
        assert output.coordinate is not None
        edges = found.edges[output.coordinate][0]
        profiles.append(
            {
                "name": output.name,
                "unit": output.unit,
                "description": output.description,
                "axis": output.coordinate,
                "axis_unit": units[output.coordinate],
                "grid": plain_data((0.5 * (edges[1:] + edges[:-1])).tolist()),
                "mean": plain_data(found.mean[output.name][0]),
                "stderr": plain_data(found.stderr[output.name][0]),
            }
        )
    return profiles


def _last_good_frame(folder: RunFolder, task: int, index: int) -> int | None:
    """The step of the last good frame that a failed simulation left; ``None`` if there is none."""
    import h5py

    try:
        with h5py.File(folder.result(task), "r") as file:
            group = file.get(f"last_good_frame/{index}")
            return None if group is None else int(group.attrs["step"])
    except (OSError, KeyError):
        return None  # a task that was given up left no file


def _files(folder: RunFolder, task: int, number: int) -> list[dict[str, Any]]:
    """What it left in the run folder, paths relative to it."""
    found = [(folder.result(task), "results of its task")]
    kinds = {
        ".gsd": "trajectory",
        ".csv": "series",
        ".checkpoint.npz": "checkpoint",
        ".about.json": "whose files these are",
    }
    stem = folder.trajectories / folder.kept_name(number)
    found += [(Path(f"{stem}{ending}"), what) for ending, what in kinds.items()]
    files = []
    for path, what in found:
        try:
            size = path.stat().st_size
        except OSError:
            continue
        relative = path.relative_to(folder.path).as_posix()
        files.append({"name": path.name, "path": relative, "bytes": size, "what": what})
    return files


def _neighbours(run: Run, table: SimulationTable, number: int) -> dict[str, Any] | None:
    """The nearest simulations in the space scaled to the unit cube, and what became of them."""
    record = run.record
    if record.replicas < 2:
        return None
    unit = run.space.to_unit(record.inputs)
    squares = ((unit - unit[number]) ** 2).sum(axis=1)
    squares[number] = math.inf
    count = min(NEIGHBOURS, record.replicas - 1)
    nearest = np.argpartition(squares, count - 1)[:count]
    nearest = nearest[np.argsort(squares[nearest], kind="stable")]
    states = [STATES[state] for state in table.state(nearest).tolist()]
    return {
        "states": {state: states.count(state) for state in STATES if state in states},
        "nearest": [
            {"simulation": other, "state": state, "distance": float(f"{distance:.3g}")}
            for other, state, distance in zip(
                nearest.tolist(), states, np.sqrt(squares[nearest]).tolist(), strict=True
            )
        ],
    }


def _history(run: Run, number: int) -> tuple[list[dict[str, Any]], str | None]:
    """What happened to it, in order, and who asked for it, if somebody did."""
    record = run.record
    holding = (record.task_first <= number) & (number < record.task_first + record.task_count)
    tasks = set(np.flatnonzero(holding).tolist())
    history: list[dict[str, Any]] = []
    asked: str | None = None
    for event in _events(run.folder, tasks):
        if event["event"] == "task_proposed" and event.get("asked") and not event.get("again"):
            asked = str(event["asked"])
        index = number - int(record.task_first[event["task"]]) if "task" in event else 0
        words = _words(event, index)
        if words:
            history.append({"t": event["t"], "task": event.get("task"), "words": words})
    return history, asked


def _events(folder: RunFolder, tasks: set[int]) -> list[Event]:
    """The events that tasks are named in. Lines that name none are not parsed: a log may be long."""
    names = b"|".join(str(task).encode() for task in sorted(tasks))
    wanted = re.compile(rb'"task":(?:' + names + rb')[,}]|"verb":"kill"')
    found = []
    with folder.events.open("rb") as file:
        for line in file:
            if wanted.search(line) is None or not line.endswith(b"\n"):
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a torn tail; damage before it was refused when the run was read
            if event.get("event") in HISTORY and (event.get("task") in tasks or _kills(event, tasks)):
                found.append(event)
    return found


def _kills(event: Event, tasks: set[int]) -> bool:
    return event["event"] == "action" and not tasks.isdisjoint(event["arguments"].get("tasks", ()))


def _words(event: Event, index: int) -> str:
    """What an event says of a simulation, the one of that index in its task."""
    if event["event"] == "action":
        return f"{event['user']} asked to stop its task: {event['words'] or event['outcome']}"
    if event["event"] == "task_proposed":
        task = f"task {event['task']}"
        if event.get("again"):
            return f"to run again, in {task}"
        if event.get("asked"):
            return f"asked for by {event['asked']}, in {task}"
        by = f"model {version_name(event['model'])}" if event["model"] else "the policy, without a model"
        return f"chosen by {by}, in {task}"
    if event["event"] == "task_retried":
        return f"submitted again, attempt {event['attempt'] + 1}: {event['reason']}"
    if event["event"] == "task_failed":
        return f"given up: {event['reason']}"
    failed = event["failed"].get(str(index))
    took = f"on {event['worker']} after {duration(event['ended'] - event['started'])}"
    return f"failed {took}: {failed[0]}" if failed else f"its task ended {took}"


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
