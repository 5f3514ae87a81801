"""Files of a replica while it runs: trajectory (GSD), thermodynamic series (CSV) and checkpoints (npz).

A checkpoint says how many frames and rows were on disk when it was written. A replica that goes on from it
first cuts its files back to those, so that they come out as if it had never been interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulators.batch.ownership import checkpoints, identity_of
from simulators.batch.replica_files import Arrays, Files, write_checkpoint
from simulators.batch.trajectories import Particles, cut_frames, gsd_hoomd, new_trajectory, to_gsd
from simulators.contract import Frame, Keep, StoppedEarlyError


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

    Where `Keep.ending` says that the batch is to stop, a checkpoint is due at every visit, and `next_stop`
    raises once there is one. Replicas side by side are all visited between two calls of it.
    """

    def __init__(self, keep: Keep | None, index: int, steps: int, particles: Particles) -> None:
        self._every: dict[str, int | None] = {"frames": None, "series": None, "checkpoint": None}
        self._steps, self._particles = steps, particles
        self._ending: Callable[[], bool] | None = None
        self._warned = self._left = False
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
        self._identity = identity_of(keep, index)
        self._files = Files(keep.folder, keep.names[index])
        self.start = keep.starts.get(index)
        if keep.frames is not None:
            gsd_hoomd()
        if keep.checkpoint is not None:
            self._ending = keep.ending
            self._go_on(keep, index)

    def _go_on(self, keep: Keep, index: int) -> None:
        """Find the newest checkpoint that the files on disk reach to, and cut them back to it."""
        for about, arrays in checkpoints(keep, index):
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
        if step == 0 or step <= self._kept or self._every["checkpoint"] is None:
            return False
        return step == self._steps or self._due("checkpoint", step) or self._is_ending()

    def wants(self, step: int) -> bool:
        """Whether anything is due at this step."""
        return self.wants_frame(step) or self.wants_row(step) or self.wants_checkpoint(step)

    def _is_ending(self) -> bool:
        return self._ending is not None and self._ending()

    def next_stop(self, step: int) -> int:
        """The next step after this one at which anything is due, or the last step of all.

        Raises:
            StoppedEarlyError: the batch is to stop, and its replicas have their checkpoints.
        """
        if self._left:
            raise StoppedEarlyError(f"told to stop; checkpoints were written, this one's at step {step}")
        # Of replicas side by side some may have been visited before it was time: all are visited once more.
        self._warned = self._warned or self._is_ending()
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
        write_checkpoint(self._files, about, arrays)
        self._left = self._warned

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


def abreast(
    found: Mapping[int, tuple[int, Arrays] | None], together: int
) -> Iterator[tuple[int, list[int], list[Arrays]]]:
    """Replicas to be simulated side by side: lanes share their steps, hence where they go on from.

    Args:
        found: index in the batch -> what `Keeper.resume` gave.
        together: the most to a group.

    Yields:
        a step, replicas that go on from it, and the arrays of their checkpoints: none at step 0.
    """
    steps = {index: checkpoint[0] if checkpoint else 0 for index, checkpoint in found.items()}
    for step in sorted(set(steps.values())):
        alike = [index for index in found if steps[index] == step]
        for first in range(0, len(alike), together):
            members = alike[first : first + together]
            yield step, members, [checkpoint[1] for k in members if (checkpoint := found[k])]
