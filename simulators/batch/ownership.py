"""Whose files they are: a folder may hold those of other simulations, which none may take for its own.

Files belong to one simulation: NAME.about.json, written before them, and every checkpoint say to which. Where
it is one of another seed, other inputs, another configuration or version, a batch is refused before it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simulators.batch.replica_files import Arrays, Files, read_checkpoint
from simulators.batch.trajectories import gsd_hoomd
from simulators.contract import Frame, InvalidInputError, Keep, Simulator, SimulatorError
from simulators.contract.simulator import Array, Seeds


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


def identity_of(keep: Keep, index: int) -> str:
    """All that the numbers and files of a replica depend on, as JSON."""
    return keep.identities[index] if isinstance(keep, IdentifiedKeep) else "{}"


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
        if not Path(name).name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise InvalidInputError("names", repr(name), "not the name of a file", "names inside the folder")
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


def _refuse_files_of_others(keep: IdentifiedKeep, index: int) -> None:
    """Refuse a replica that would write over what is not its own, or go on from it.

    Raises:
        SimulatorError: files are there of another simulation, or of nobody knows which.
    """
    files = Files(keep.folder, keep.names[index])
    if not (there := files.there()):
        return
    owner = _signed(files)
    if owner is not None:
        _refuse_others(files, there[0], owner, keep.identities[index])
    if checkpoints(keep, index, about_only=True) or owner is not None:
        return
    kept = {files.trajectory: keep.frames, files.series: keep.series, files.checkpoint: keep.checkpoint}
    for path, every in kept.items():
        if every is not None and path.exists():
            raise SimulatorError(
                f"{path} exists, and nothing beside it says of which simulation: "
                "keep files in another folder, or remove it"
            )


def _signed(files: Files) -> str | None:
    """The identity in NAME.about.json, ``None`` where there is none."""
    try:
        identity = files.about.read_text("utf-8").strip()
        return identity if isinstance(json.loads(identity), dict) else None
    except (OSError, ValueError):
        return None


def _sign(keep: IdentifiedKeep, index: int) -> None:
    """Write NAME.about.json: before any other file, so that none is ever without its owner."""
    files = Files(keep.folder, keep.names[index])
    if _signed(files) == keep.identities[index]:
        return
    # Ranks of a program that mpiexec started do this at the same time.
    unfinished = files.about.with_name(f"{files.about.name}.{uuid.uuid4().hex}.unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        file.write(keep.identities[index] + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, files.about)


def _refuse_others(files: Files, path: Path, theirs: str, ours: str) -> None:
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


def checkpoints(keep: Keep, index: int, about_only: bool = False) -> list[tuple[dict[str, Any], Arrays]]:
    """The readable checkpoints of a replica, the newest first.

    Raises:
        SimulatorError: one of them is of another simulation.
    """
    files, found = Files(keep.folder, keep.names[index]), []
    for path in (files.checkpoint, files.previous):
        checkpoint = read_checkpoint(path, about_only)
        if checkpoint is not None:
            _refuse_others(files, path, checkpoint[0]["identity"], identity_of(keep, index))
            found.append(checkpoint)
    return found
