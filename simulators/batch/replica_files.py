"""The files of one replica: where they are, and what is in a checkpoint (npz)."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""Of a checkpoint, by name."""

_ABOUT = "about this checkpoint"
"""The entry of a checkpoint that says whose it is: JSON, as bytes."""
_TORN = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a file that was cut short may raise."""


class Files:
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


def read_checkpoint(path: Path, about_only: bool = False) -> tuple[dict[str, Any], Arrays] | None:
    """What a checkpoint says of itself, and its arrays; ``None`` where there is none, or it was cut short.

    Args:
        path: of the file.
        about_only: leave the arrays out.
    """
    try:
        # numpy leaves a torn file open unless it is opened here.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            about: dict[str, Any] = json.loads(stored[_ABOUT].tobytes())
            wanted = [] if about_only else [name for name in stored.files if name != _ABOUT]
            return about, {name: stored[name] for name in wanted}
    except _TORN:
        return None


def write_checkpoint(files: Files, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a checkpoint; the one before it is kept beside it.

    Args:
        files: of the replica.
        about: its identity, the step, and how many frames and rows are on disk.
        arrays: what the rest of the simulation depends on.
    """
    entry = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with open(files.unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **{_ABOUT: entry}, **arrays)
        file.flush()
        os.fsync(file.fileno())
    if files.checkpoint.exists():
        os.replace(files.checkpoint, files.previous)
    os.replace(files.unfinished, files.checkpoint)
