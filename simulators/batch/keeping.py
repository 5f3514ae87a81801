"""Files of a replica while it runs: trajectory (GSD), thermodynamic series (CSV) and checkpoints (npz).

A checkpoint says how many frames and rows were on disk when it was written. A replica that goes on from it
first cuts its files back to those, so that they come out as if it had never been interrupted.

Files belong to one simulation: NAME.about.json, written before them, and every checkpoint say to which. Where
it is one of another seed, other inputs, another configuration or version, a batch is refused before it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulators.batch.trajectories import Particles, cut_frames, gsd_hoomd, new_trajectory, to_gsd
from simulators.contract import Frame, InvalidInputError, Keep, Simulator, SimulatorError
from simulators.contract.simulator import Array, Seeds

Arrays = dict[str, NDArray[Any]]

_ABOUT = "about this checkpoint"
"""The entry of a checkpoint that is the keeper's own: JSON, as bytes."""
_TORN = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a file that was cut short may raise."""


@dataclass(frozen=True)
class IdentifiedKeep(Keep):
    """A `Keep` that knows whose files they are.

    Args:
        identities: one for each replica, all that its numbers and files depend on, as JSON.
    """

    identities: tuple[str, ...] = ()

    def part(self, indices: Sequence[int]) -> IdentifiedKeep:
        """The same for these replicas of the batch alone, in this order."""
        return replace(
            self,
            names=tuple(self.names[k] for k in indices),
            identities=tuple(self.identities[k] for k in indices),
            starts={new: self.starts[old] for new, old in enumerate(indices) if old in self.starts},
        )


def identified(simulator: Simulator, inputs: Array, seeds: Seeds, keep: Keep | None) -> IdentifiedKeep | None:
    """Check all that a batch may stumble over before any of it runs, and make the folder.

    Args:
        simulator: that the batch is for.
        inputs: array (replicas, inputs).
        seeds: array (replicas,).
        keep: as for `Simulator.run`.

    Raises:
        InvalidInputError: asks for what the simulator does not keep, or names no files.
        SimulatorError: gsd is missing, or there are files of another simulation.
    """
    if keep is None:
        return None
    _check(simulator, len(seeds), keep)
    keep.folder.mkdir(parents=True, exist_ok=True)
    configuration = simulator.model_dump(mode="json")
    configuration.pop("ranks", None)  # wherever the replica runs, its numbers are the same
    if configuration.get("backend") == "mpi":
        configuration["backend"] = "cpu"
    names = [parameter.name for parameter in simulator.inputs]
    identities = []
    for index, seed in enumerate(np.asarray(seeds).tolist()):
        identity = {
            "kind": configuration["kind"],
            "version": simulator.version,
            **{name: value for name, value in configuration.items() if name != "kind"},
            **dict(zip(names, np.asarray(inputs[index], dtype=float).tolist(), strict=True)),
            "seed": seed,
            "frames": keep.frames,
            "series": keep.series,
            "start": _digest(keep.starts.get(index)),
        }
        identities.append(json.dumps(identity))
    fields = {name: getattr(keep, name) for name in Keep.__dataclass_fields__}
    known = IdentifiedKeep(**fields, identities=tuple(identities))
    if (keep.frames, keep.series, keep.checkpoint) != (None, None, None):
        for index in range(len(seeds)):
            _refuse_files_of_others(known, index)
        for index in range(len(seeds)):
            _sign(known, index)
    return known


def _check(simulator: Simulator, replicas: int, keep: Keep) -> None:
    if len(keep.names) != replicas or len(set(keep.names)) != replicas:
        raise InvalidInputError(
            "names", len(set(keep.names)), f"for {replicas} replicas", "a name of its own for each replica"
        )
    for name in keep.names:
        if name in ("", ".", "..") or Path(name).name != name:
            raise InvalidInputError("names", repr(name), "not the name of a file", "names without a folder")
    supported = ", ".join(sorted(simulator.keeps)) or "nothing"
    for what in ("frames", "series", "checkpoint"):
        every = getattr(keep, what)
        if every is None:
            continue
        if what not in simulator.keeps:
            raise InvalidInputError(what, every, f"not kept by {simulator.kind}", supported)
        if every < 1:
            raise InvalidInputError(what, every, "not a number of steps", "1 or more")
    if keep.starts and "start" not in simulator.keeps:
        raise InvalidInputError("start", "(a frame)", f"not taken by {simulator.kind}", supported)
    if keep.frames is not None:
        gsd_hoomd()


def _digest(frame: Frame | None) -> str | None:
    """What tells one starting state from another."""
    if frame is None:
        return None
    digest = hashlib.sha256()
    for array in (frame.position, frame.box, frame.velocity):
        digest.update(b"none" if array is None else np.asarray(array, dtype=float).tobytes())
    return digest.hexdigest()[:16]


def open_keeper(
    keep: Keep | None,
    index: int,
    steps: int,
    *,
    length_unit: str = "",
    types: Sequence[str] | None = None,
    charge: ArrayLike | None = None,
    diameter: ArrayLike | None = None,
    mass: ArrayLike | None = None,
    bonds: ArrayLike | None = None,
) -> Keeper:
    """What keeps the files of one replica; does nothing where nothing is asked for.

    Args:
        keep: of the batch, as the simulator got it; ``None`` to keep nothing.
        index: of the replica in the batch.
        steps: of its simulation.
        length_unit: of positions, for readers of the trajectory.
        types: the name of each particle's kind, (particles,); all ``"A"`` if not given.
        charge: array (particles,), in elementary charges.
        diameter: array (particles,).
        mass: array (particles,).
        bonds: integer array (bonds, 2) of particles.

    Raises:
        SimulatorError: gsd is missing, or the checkpoint is of another simulation.
    """
    particles: dict[str, Any] = {"charge": charge, "diameter": diameter, "mass": mass}
    about = {name: np.asarray(v, np.float32) for name, v in particles.items() if v is not None}
    return Keeper(keep, index, steps, Particles(length_unit, types, about, bonds))


class Keeper:
    """The files of one replica. All are due at multiples of their steps, the first frame and row at step 0.

    What is given when it is not due is left out, and after `resume` nothing is due that the files have
    already; hence a simulator may call `visit` first thing, and then at every `next_stop`. The last step of
    all is a checkpoint too, so that a finished replica of an unfinished batch costs nothing again.
    """

    def __init__(self, keep: Keep | None, index: int, steps: int, particles: Particles) -> None:
        self._every: dict[str, int | None] = {"frames": None, "series": None, "checkpoint": None}
        self._steps, self._particles = steps, particles
        self._kept = -1
        self._frames = self._rows = 0
        self._resumed: tuple[int, Arrays] | None = None
        self._trajectory: Any = None
        self._series: TextIO | None = None
        self.start: Frame | None = None
        """The state to begin with in place of the usual one."""
        if keep is None:
            return
        self._every = {name: getattr(keep, name) for name in self._every}
        self._identity = _identity(keep, index)
        self._files = _Files(keep.folder, keep.names[index])
        self.start = keep.starts.get(index)
        if keep.frames is not None:
            gsd_hoomd()
        if keep.checkpoint is not None:
            self._go_on(keep, index)

    def _go_on(self, keep: Keep, index: int) -> None:
        """Find the newest checkpoint that the files on disk reach to, and cut them back to it."""
        for about, arrays in _checkpoints(keep, index):
            frames, rows, step = about["frames"], about["rows"], about["step"]
            series_end = _end_of_rows(self._files.series, rows) if rows else 0
            if series_end is None or (frames and not cut_frames(self._files.trajectory, frames)):
                continue
            if rows:
                os.truncate(self._files.series, series_end)
            self._kept, self._frames, self._rows = step, frames, rows
            self._resumed = (step, arrays)
            return

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resume(self) -> tuple[int, Arrays] | None:
        """The step and the arrays of the checkpoint to go on from, if there is one."""
        return self._resumed

    def _due(self, what: str, step: int) -> bool:
        every = self._every[what]
        return every is not None and step > self._kept and step % every == 0

    def wants_frame(self, step: int) -> bool:
        """Whether a frame is due at this step."""
        return self._due("frames", step)

    def wants_row(self, step: int) -> bool:
        """Whether a row of the series is due at this step."""
        return self._due("series", step)

    def wants_checkpoint(self, step: int) -> bool:
        """Whether a checkpoint is due at this step: never before the first one."""
        last = self._every["checkpoint"] is not None and step == self._steps > self._kept
        return step > 0 and (last or self._due("checkpoint", step))

    def next_stop(self, step: int) -> int:
        """The next step after this one at which anything is due, or the last step of all."""
        due = [(step // every + 1) * every for every in self._every.values() if every is not None]
        return min([*due, self._steps])

    def visit(
        self,
        step: int,
        *,
        frame: Callable[[], Frame] | None = None,
        row: Callable[[], Mapping[str, float]] | None = None,
        state: Callable[[], Mapping[str, NDArray[Any]]] | None = None,
    ) -> None:
        """Write whatever is due at this step, and make what is written.

        Args:
            step: of the simulation.
            frame: makes the frame of this step.
            row: makes the row of the series.
            state: makes the arrays of the checkpoint, which holds the frame and the row of this step.
        """
        if frame is not None and self.wants_frame(step):
            self.frame(frame())
        if row is not None and self.wants_row(step):
            self.row(step, row())
        if state is not None and self.wants_checkpoint(step):
            self.save(step, state())

    def frame(self, frame: Frame) -> None:
        """Append a frame to the trajectory, particles wrapped into the box with their images beside."""
        if not self.wants_frame(frame.step):
            return
        if self._trajectory is None:
            path = self._files.trajectory
            self._trajectory = gsd_hoomd().open(path, "r+") if self._frames else new_trajectory(path)
        self._trajectory.append(to_gsd(frame, self._particles, first=self._frames == 0))
        self._frames += 1

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row to the series, whose columns are the step and these names, the same every time."""
        if not self.wants_row(step):
            return
        if self._series is None:
            if self._rows == 0:
                self._files.series.write_text(",".join(["step", *values]) + "\n", "utf-8", newline="\n")
            self._series = open(self._files.series, "a", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._series.write(",".join([str(step), *(repr(float(v)) for v in values.values())]) + "\n")
        self._rows += 1

    def save(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a checkpoint that holds these arrays; the one before it is kept beside it.

        Args:
            step: the first step that is still to be done.
            arrays: all that the rest of the simulation and its results depend on.
        """
        if not self.wants_checkpoint(step):
            return
        self._flush()
        about = {"identity": self._identity, "step": step, "frames": self._frames, "rows": self._rows}
        entry = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with open(self._files.unfinished, "wb") as file:
            np.savez(file, allow_pickle=False, **{_ABOUT: entry}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        if self._files.checkpoint.exists():
            os.replace(self._files.checkpoint, self._files.previous)
        os.replace(self._files.unfinished, self._files.checkpoint)

    def _flush(self) -> None:
        if self._trajectory is not None:
            self._trajectory.flush()
        if self._series is not None:
            self._series.flush()

    def close(self) -> None:
        """Write everything out and close the files."""
        if self._trajectory is not None:
            self._trajectory.close()
        if self._series is not None:
            self._series.close()
        self._trajectory = self._series = None
        self._every = dict.fromkeys(self._every)


# Whose files they are ----------------------------------------------------------------------------


class _Files:
    """Paths of one replica's files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.trajectory = folder / f"{name}.gsd"
        self.series = folder / f"{name}.csv"
        self.checkpoint = folder / f"{name}.checkpoint.npz"
        self.previous = folder / f"{name}.checkpoint.previous.npz"
        self.unfinished = folder / f"{name}.checkpoint.unfinished"
        self.about = folder / f"{name}.about.json"

    def there(self) -> list[Path]:
        """Those that hold something of a simulation."""
        return [p for p in (self.trajectory, self.series, self.checkpoint, self.previous) if p.exists()]


def _identity(keep: Keep, index: int) -> str:
    return keep.identities[index] if isinstance(keep, IdentifiedKeep) else "{}"


def _refuse_files_of_others(keep: IdentifiedKeep, index: int) -> None:
    """Refuse a replica that would write over what is not its own, or go on from it.

    Raises:
        SimulatorError: files are there of another simulation, or of nobody knows which.
    """
    files = _Files(keep.folder, keep.names[index])
    if not (there := files.there()):
        return
    owner = _signed(files)
    if owner is not None:
        _refuse_others(files, there[0], owner, keep.identities[index])
    if _checkpoints(keep, index, about_only=True) or owner is not None:
        return
    kept = {files.trajectory: keep.frames, files.series: keep.series, files.checkpoint: keep.checkpoint}
    for path, every in kept.items():
        if every is not None and path.exists():
            raise SimulatorError(
                f"{path} exists, and nothing beside it says of which simulation: "
                "keep files in another folder, or remove it"
            )


def _signed(files: _Files) -> str | None:
    """The identity in NAME.about.json, ``None`` where there is none."""
    try:
        identity = files.about.read_text("utf-8").strip()
        return identity if isinstance(json.loads(identity), dict) else None
    except (OSError, ValueError):
        return None


def _sign(keep: IdentifiedKeep, index: int) -> None:
    """Write NAME.about.json: before any other file, so that none is ever without its owner."""
    files = _Files(keep.folder, keep.names[index])
    if _signed(files) == keep.identities[index]:
        return
    # Ranks of a program that mpiexec started do this at the same time.
    unfinished = files.about.with_name(f"{files.about.name}.{uuid.uuid4().hex}.unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(keep.identities[index] + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, files.about)


def _refuse_others(files: _Files, path: Path, theirs: str, ours: str) -> None:
    if theirs == ours:
        return
    there, here = json.loads(theirs), json.loads(ours)
    if there.get("kind") != here.get("kind"):
        whose = f"another kind of simulation ({there.get('kind')}, not {here.get('kind')})"
    else:
        differences = [
            f"{name} = {there.get(name)} in it and {here.get(name)} now"
            for name in dict.fromkeys([*there, *here])
            if there.get(name) != here.get(name)
        ]
        whose = f"another simulation ({'; '.join(differences)})"
    names = ", ".join(found.name for found in files.there())
    raise SimulatorError(f"{path} is of {whose}: keep files in another folder, or remove {names}")


# Checkpoints -------------------------------------------------------------------------------------


def _read(path: Path, about_only: bool) -> tuple[dict[str, Any], Arrays]:
    # numpy leaves a torn file open unless it is opened here.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
        about: dict[str, Any] = json.loads(stored[_ABOUT].tobytes())
        wanted = [] if about_only else [name for name in stored.files if name != _ABOUT]
        return about, {name: stored[name] for name in wanted}


def _checkpoints(keep: Keep, index: int, about_only: bool = False) -> list[tuple[dict[str, Any], Arrays]]:
    """The readable checkpoints of a replica, the newest first.

    Raises:
        SimulatorError: one of them is of another simulation.
    """
    files, found = _Files(keep.folder, keep.names[index]), []
    for path in (files.checkpoint, files.previous):
        try:
            about, arrays = _read(path, about_only)
        except _TORN:
            continue
        _refuse_others(files, path, about["identity"], _identity(keep, index))
        found.append((about, arrays))
    return found


# Series ------------------------------------------------------------------------------------------


def _end_of_rows(path: Path, rows: int) -> int | None:
    """How many bytes the heading and so many rows take; ``None`` where the file has fewer."""
    end = 0
    try:
        with open(path, "rb") as file:
            for _ in range(rows + 1):
                line = file.readline()
                if not line.endswith(b"\n"):
                    return None
                end += len(line)
    except OSError:
        return None
    return end
