"""Result files: one HDF5 file per task, written once by a worker and never changed."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import Frame, Observations, Simulator
from surrogates import Signature
from workflow.folder import RunFolder
from workflow.hdf5_image import Part, dataset, image
from workflow.record import Record, State

Array = NDArray[np.float64]

FORMAT = 1
"""Version of the layout of result files."""


_HEAD = 48
"""Bytes of a result file's beginning that tell how long it is."""


class ResultFileError(Exception):
    """A result file that is missing, damaged or not of the task it is named after."""


def write_result(
    path: Path,
    simulator: Simulator,
    *,
    replicas: NDArray[np.int64],
    names: Sequence[str],
    inputs: Array,
    seeds: NDArray[np.uint64],
    observations: Observations,
    attributes: Mapping[str, Any],
) -> None:
    """Write a task's result file; it appears under its name only when it is whole and on disk.

    Args:
        path: where it will lie.
        simulator: whose declared units are written beside the numbers.
        replicas: numbers, array (n,).
        names: of the columns of ``inputs``.
        inputs: array (n, dimensions) of the space's inputs.
        seeds: array (n,).
        observations: what the simulator gave.
        attributes: what else to know about the task (its number, worker, times ...), plain data.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a task that was given up for lost may still be running somewhere.
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.partial")
    parts = _parts(simulator, replicas, tuple(names), inputs, seeds, observations)
    try:
        with partial.open("wb") as handle:
            handle.write(image(parts, "task", json.dumps(attributes)))
            handle.flush()
            os.fsync(handle.fileno())
        # The folder is not synced: a power failure that takes the name back makes the task run again.
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _parts(
    simulator: Simulator,
    replicas: NDArray[np.int64],
    names: tuple[str, ...],
    inputs: Array,
    seeds: NDArray[np.uint64],
    observations: Observations,
) -> list[Part]:
    """What is in a result file."""
    units = {p.name: p.unit for p in simulator.inputs}
    failed = np.zeros(len(replicas), dtype=bool)
    failed[list(observations.failures)] = True
    about: dict[str, Any] = {"format": FORMAT}
    if observations.failures:
        failures = {str(k): [f.reason, f.message] for k, f in sorted(observations.failures.items())}
        about["failures"] = json.dumps(failures)
    parts = [
        Part("/", tuple(about.items())),
        dataset("replica", replicas),
        dataset("inputs", inputs, names=names, units=tuple(units[name] for name in names)),
        dataset("seed", seeds),
        dataset("failed", failed),
        dataset("wall_seconds", observations.wall_seconds, units="s"),
        dataset("cpu_seconds", observations.cpu_seconds, units="s"),
    ]
    for output in simulator.outputs:
        if output.name in observations.mean:
            about = {"units": output.unit}
            if output.coordinate:
                about["coordinate"] = output.coordinate
            if output.optional:
                about["optional"] = True
            for group, arrays in (("mean", observations.mean), ("stderr", observations.stderr)):
                parts.append(dataset(f"{group}/{output.name}", arrays[output.name], **about))
    for axis in simulator.coordinates:
        if axis.name in observations.edges:
            parts.append(dataset(f"edges/{axis.name}", observations.edges[axis.name], units=axis.unit))
    parts += [dataset(f"used/{name}", used) for name, used in observations.used.items()]
    for k, failure in observations.failures.items():
        if failure.frame is not None:
            parts += _frame(f"last_good_frame/{k}", failure.frame)
    return parts


def _frame(name: str, frame: Frame) -> list[Part]:
    """The last good frame of a failed replica, in the simulator's unit of length."""
    arrays = {part: getattr(frame, part) for part in ("position", "box", "velocity")}
    return [
        Part(name, (("step", frame.step),)),
        *(dataset(f"{name}/{part}", values) for part, values in arrays.items() if values is not None),
    ]


def is_whole(path: Path) -> bool:
    """Whether a result file is there and as long as its first bytes say; a disk may cut what it held.

    It is asked of every file of a run, and so does without HDF5, which takes a hundred times as long.
    """
    try:
        with path.open("rb") as file:
            head, size = file.read(_HEAD), file.seek(0, os.SEEK_END)
    except OSError:
        return False
    if len(head) < _HEAD or not head.startswith(b"\x89HDF\r\n\x1a\n"):
        return False
    end = 28 if head[8] >= 2 else 40  # where the superblock of this version has the end of the file
    return int.from_bytes(head[end : end + 8], "little") <= size


def task_summary(path: Path, task: int, first: int, inputs: Array) -> dict[str, Any]:
    """The fields of `task_done` as a result file tells them, to adopt one whose event was never written.

    Args:
        path: of the file.
        task: that it must be of.
        first: number of the first replica that it must hold.
        inputs: of all that it must hold, array (n, dimensions).

    Raises:
        ResultFileError: it is not a whole result file of that task.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            attributes = json.loads(file.attrs["task"])
            fits = file.attrs["format"] == FORMAT and attributes["task"] == task
            fits = fits and np.array_equal(file["replica"][()], first + np.arange(len(inputs)))
            if not (fits and np.array_equal(file["inputs"][()], inputs)):
                raise ResultFileError(f"{path} is not the result of task {task}")
            failed = json.loads(file.attrs.get("failures", "{}"))
            scalars, optional = (
                {
                    name: [file[f"mean/{name}"][()], file[f"stderr/{name}"][()]]
                    for name, data in file.get("mean", {}).items()
                    if data.ndim == 1 and data.attrs.get("optional", False) == may_lack
                }
                for may_lack in (False, True)
            )
            return summary(
                task=task,
                file=f"{path.parent.parent.name}/{path.parent.name}/{path.name}",
                worker=attributes["worker"],
                started=attributes["started"],
                ended=attributes["ended"],
                cpu=attributes["cpu"],
                wall_seconds=file["wall_seconds"][()],
                cpu_seconds=file["cpu_seconds"][()],
                scalars=scalars,
                optional=optional,
                failed=failed,
            )
    except (OSError, KeyError, ValueError) as error:
        raise ResultFileError(f"{path} cannot be read: {error}") from error


def summary(**fields: Any) -> dict[str, Any]:
    """The fields of `task_done` as plain data: arrays become lists, what is not finite null."""
    fields["wall_seconds"] = _plain(fields["wall_seconds"], 6)
    fields["cpu_seconds"] = _plain(fields["cpu_seconds"], 6)
    for part in ("scalars", "optional"):
        fields[part] = {name: [_plain(mean), _plain(err)] for name, (mean, err) in fields[part].items()}
    if not fields["optional"]:
        del fields["optional"]
    return fields


def _plain(values: Array, digits: int | None = None) -> list[float | None]:
    if digits is not None:  # costs are for people to read; a microsecond is enough
        values = np.round(values, digits)
    return [value if np.isfinite(value) else None for value in np.asarray(values, float).tolist()]


@dataclass(frozen=True)
class Arrays:
    """Results of many replicas side by side.

    Args:
        replicas: numbers, array (n,), in the order asked for.
        mean, stderr: output -> array (n,) or (n, bins); NaN where a replica failed.
        edges: coordinate -> array (n, bins + 1).
    """

    replicas: NDArray[np.int64]
    mean: dict[str, Array]
    stderr: dict[str, Array]
    edges: dict[str, Array]


def read_arrays(
    folder: RunFolder, record: Record, names: Sequence[str], replicas: NDArray[np.int64] | None = None
) -> Arrays:
    """Results of many replicas from the result files.

    Args:
        folder: of the run.
        record: which replicas lie in which file.
        names: outputs wanted.
        replicas: which ones, in this order; ``None`` for all that are done, ascending.

    Raises:
        ResultFileError: a file is missing or damaged.
    """
    import h5py

    wanted = record.finished() if replicas is None else np.asarray(replicas, dtype=np.int64)
    not_done = wanted[record.state[wanted] != State.DONE]
    if len(not_done):
        raise ResultFileError(f"replica {not_done[0]} has no result")
    result = Arrays(wanted, {}, {}, {})
    order = np.argsort(record.task[wanted], kind="stable")
    tasks, starts = np.unique(record.task[wanted][order], return_index=True)
    for task, places in zip(tasks.tolist(), np.split(order, starts[1:]), strict=True):
        path = folder.result(task)
        rows = wanted[places] - record.task_first[task]
        try:
            with h5py.File(path, "r") as file:
                for group, arrays in (("mean", result.mean), ("stderr", result.stderr)):
                    for name in names:
                        _scatter(arrays, name, file[f"{group}/{name}"], rows, places, len(wanted))
                for name, data in file.get("edges", {}).items():
                    _scatter(result.edges, name, data, rows, places, len(wanted))
        except (OSError, KeyError) as error:
            raise ResultFileError(f"{path} cannot be read: {error}") from error
    return result


@dataclass(frozen=True)
class Examples:
    """Simulations as a surrogate sees them, in the units of its signature.

    Args:
        x: inputs, array (n, features).
        y, y_err: targets and their standard errors, arrays (n, columns), flat as in the signature.
    """

    x: Array
    y: Array
    y_err: Array

    def __len__(self) -> int:
        return len(self.x)

    def at(self, rows: NDArray[np.int64]) -> Examples:
        """Some of them, in this order."""
        return Examples(self.x[rows], self.y[rows], self.y_err[rows])

    def and_also(self, others: Examples) -> Examples:
        """These and after them the others."""
        mine, theirs = (self.x, self.y, self.y_err), (others.x, others.y, others.y_err)
        return Examples(*(np.concatenate(parts) for parts in zip(mine, theirs, strict=True)))


def read_examples(
    folder: RunFolder, record: Record, signature: Signature, replicas: NDArray[np.int64]
) -> Examples:
    """Simulations to learn from or to judge by.

    Args:
        folder: of the run.
        record: of the run.
        signature: of the campaign's models.
        replicas: which ones, in this order.

    Raises:
        ResultFileError: a file is missing or damaged.
    """
    n = len(replicas)
    if not n:
        empty = np.empty((0, signature.n_columns))
        return Examples(np.empty((0, len(signature.features))), empty, empty)
    names = [target.name for target in signature.targets]
    arrays = read_arrays(folder, record, names, replicas)
    y, y_err = (
        np.concatenate([part[name].reshape(n, -1) for name in names], axis=1)
        for part in (arrays.mean, arrays.stderr)
    )
    return Examples(np.array(record.inputs[replicas]), y, y_err)


def _scatter(
    arrays: dict[str, Array], name: str, data: Any, rows: NDArray[Any], places: NDArray[Any], n: int
) -> None:
    values = data[()]
    if name not in arrays:
        arrays[name] = np.full((n, *values.shape[1:]), np.nan)
    arrays[name][places] = values[rows]
