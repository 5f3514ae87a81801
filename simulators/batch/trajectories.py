"""Trajectories as GSD files in the HOOMD schema, written frame by frame and read to start from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulators.contract import Frame, InvalidInputError, SimulatorError


def gsd_hoomd() -> Any:
    """The module of GSD files in the HOOMD schema.

    Raises:
        SimulatorError: gsd is missing.
    """
    try:
        import gsd.hoomd
    except ImportError:
        raise SimulatorError(
            "trajectories are GSD files, and the package gsd is not installed: "
            "pip install 'mlaround[trajectories]'"
        ) from None
    return gsd.hoomd


@dataclass(frozen=True)
class Particles:
    """What a trajectory says of particles besides where they are."""

    length_unit: str
    types: Sequence[str] | None
    about: dict[str, NDArray[np.float32]]
    bonds: ArrayLike | None


def new_trajectory(path: Path) -> Any:
    """An empty trajectory to append to, in place of what is there."""
    path.unlink(missing_ok=True)
    path.touch()  # gsd would make a file that others cannot read, whatever the umask
    return gsd_hoomd().open(path, "w")


def cut_frames(path: Path, frames: int) -> bool:
    """Leave so many frames in a trajectory; false where it has fewer or cannot be read."""
    hoomd, shorter = gsd_hoomd(), path.with_suffix(".gsd.unfinished")
    try:
        with hoomd.open(path, "r") as old:
            if len(old) < frames:
                return False
            if len(old) == frames:
                return True
            with new_trajectory(shorter) as new:
                for k in range(frames):
                    new.append(old[k])
    except (OSError, RuntimeError):
        return False
    os.replace(shorter, path)
    return True


def to_gsd(frame: Frame, particles: Particles, first: bool) -> Any:
    """A frame as the HOOMD schema has it: box around the origin, all particles inside.

    The schema knows no open directions: the box reaches past all particles there, and the log entry
    ``periodic`` says which directions are periodic.
    """
    there = gsd_hoomd().Frame()
    position = np.asarray(frame.position, dtype=float)
    box = np.zeros(3) if frame.box is None else np.asarray(frame.box, dtype=float)
    periodic = box > 0
    reach = np.abs(position).max(axis=0, initial=0.25)
    side = np.where(periodic, box, 2.0 ** np.ceil(np.log2(2 * reach) + 0.1))
    image = np.where(periodic, np.rint(position / side), 0).astype(np.int32)
    there.configuration.step = frame.step
    there.configuration.box = [*side, 0, 0, 0]
    there.particles.N = len(position)
    there.particles.position = (position - image * side).astype(np.float32)
    there.particles.image = image
    if frame.velocity is not None:
        there.particles.velocity = np.asarray(frame.velocity, dtype=np.float32)
    if particles.bonds is not None:
        there.bonds.group = np.asarray(particles.bonds, np.int32).reshape(-1, 2)
        there.bonds.N, there.bonds.types = len(there.bonds.group), ["bond"]
        there.bonds.typeid = np.zeros(there.bonds.N, np.uint32)
    if not first:  # the rest is read from the first frame
        return there
    types = particles.types if particles.types is not None else ["A"] * len(position)
    number = {kind: k for k, kind in enumerate(dict.fromkeys(types))}
    there.particles.types = list(number)
    there.particles.typeid = np.array([number[kind] for kind in types], np.uint32)
    for name, values in particles.about.items():
        setattr(there.particles, name, values)
    there.log["periodic"] = periodic.astype(np.uint8)
    there.log["length_unit"] = np.frombuffer(particles.length_unit.encode() or b" ", np.uint8)
    return there


def read_frame(path: Path, index: int = -1) -> Frame:
    """A frame of a GSD file, to start from or to look at: particles where they went, not wrapped.

    Args:
        path: a file in the HOOMD schema, ours or another program's.
        index: of the frame; negative from the end.

    Raises:
        InvalidInputError: no such file, not in GSD, or no such frame.
    """
    hoomd = gsd_hoomd()
    try:
        with hoomd.open(path, "r") as file:
            frames = len(file)
            if not -frames <= index < frames:
                accepted = f"{-frames} to {frames - 1}" if frames else "another file"
                raise InvalidInputError("frame", index, f"{path} has {frames} frames", accepted)
            there = file[index]
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).removesuffix(f": {path}")
        raise InvalidInputError("trajectory", path, reason, "a file in GSD, HOOMD schema") from None
    side = np.asarray(there.configuration.box[:3], dtype=float)
    periodic = np.asarray(there.log.get("periodic", np.ones(3)), dtype=bool)
    position = there.particles.position + np.asarray(there.particles.image, dtype=float) * side
    velocity = np.asarray(there.particles.velocity, dtype=float)
    return Frame(
        int(there.configuration.step),
        position,
        np.where(periodic, side, 0.0) if periodic.any() else None,
        velocity if velocity.any() else None,
    )
