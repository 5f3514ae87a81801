"""What a wrapped function keeps between sessions: its simulations as JSON lines, and its models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import surrogates
from surrogates import Feature, Model
from workflow.folder import version_name, write_atomically
from workflow.wrapped.form import Form

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Simulation:
    """One call of the function: inputs (features,), outputs and their errors (columns,), seconds.

    Args:
        teaches: whether a surrogate may learn from it.
    """

    x: Array
    y: Array
    err: Array | None
    seconds: float
    teaches: bool


class Store:
    """A folder with ``simulations.jsonl`` and ``models/``; written by one session at a time.

    Args:
        folder: made if it is not there.
        features: of the question; a folder that was learned for another is refused.

    Raises:
        ValueError: the folder holds what was learned for another space.
    """

    def __init__(self, folder: Path, features: tuple[Feature, ...]) -> None:
        self.folder, self.log = folder, folder / "simulations.jsonl"
        head = {"space": [[f.name, f.unit, f.low, f.high, list(f.choices)] for f in features]}
        self._lines = self._read()
        if not self._lines:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.log, json.dumps(head) + "\n", durable=True)
        elif self._lines[0] != head:
            raise ValueError(
                f"{folder} was learned for the space {self._lines[0].get('space')}, which is not this "
                f"one, {head['space']}; choose another folder"
            )

    def _read(self) -> list[dict[str, Any]]:
        """The whole lines; a tail that a crash left half-written is cut."""
        if not self.log.exists():
            return []
        text = self.log.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if len(whole) < len(text):
            write_atomically(self.log, whole, durable=True)
        return [json.loads(line) for line in whole.splitlines()]

    def read(self) -> tuple[list[Simulation], Form | None, float]:
        """Simulations of earlier sessions, the shape of their outputs, and the seconds spent learning."""
        form = None
        known = []
        learning = 0.0
        for line in self._lines[1:]:
            if "y" in line:
                form = Form(tuple((n, tuple(s)) for n, s in line["outputs"]), line["named"])
                x, y = np.array(line["x"]), np.array(line["y"], dtype=np.float64)
                err = None if line["err"] is None else np.array(line["err"], dtype=np.float64)
                known.append(Simulation(x, y, err, line["seconds"], line["teaches"]))
            else:
                learning += line["learning"]
        return known, form, learning

    def add(self, done: Simulation, form: Form) -> None:
        """Keep a simulation."""
        self._append(
            {
                "x": done.x.tolist(),
                "y": [float(v) if np.isfinite(v) else None for v in done.y],
                "err": None if done.err is None else done.err.tolist(),
                "outputs": form.outputs,
                "named": form.named,
                "seconds": done.seconds,
                "teaches": done.teaches,
            }
        )

    def save(self, model: Model, seconds: float) -> None:
        """Keep a model and make it the one in use."""
        models = self.folder / "models"
        version = version_name(1 + len(list(models.glob("v*"))))
        model.save(models / version)
        write_atomically(models / "promoted", version, durable=True)
        self._append({"learning": seconds})

    def model(self) -> Model | None:
        """The model of an earlier session."""
        return surrogates.load(self.folder) if (self.folder / "models" / "promoted").is_file() else None

    def _append(self, line: dict[str, Any]) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
