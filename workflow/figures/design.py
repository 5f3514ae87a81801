"""The points of a run and what became of them: the material of the figures of coverage and of tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.figures.figure import ChoiceError, NothingToShowError, plain
from workflow.figures.heldout import Array, Ints
from workflow.figures.style import axis, axis_title, log_axis
from workflow.record import Record, State
from workflow.space import Dimension, Space

Bools = NDArray[np.bool_]

SIDE_BY_SIDE = 12
"""Up to so many values of an input are drawn as places side by side, however far apart they lie."""

GOLDEN = 0.6180339887498949

KINDS = (("learned from", "circle"), ("held out", "diamond-open"), ("failed", "x"))
"""What became of a simulation, each with its symbol."""


@dataclass(frozen=True, eq=False)
class Design:
    """Simulations that ended, by the inputs that the campaign varies.

    Args:
        dimensions: those inputs.
        ids: number of each simulation, array (n,).
        x: their values, array (n, dimensions).
        kind: index into `KINDS`, array (n,).
        version: of the model that steered each one, 0 for none, array (n,).
    """

    dimensions: tuple[Dimension, ...]
    ids: Ints
    x: Array
    kind: Ints
    version: Ints

    @classmethod
    def of(cls, record: Record, space: Space) -> Design:
        """The simulations of a run that are done or have failed.

        Raises:
            NothingToShowError: there are none yet.
        """
        varied = [k for k, d in enumerate(space.dimensions) if d.low != d.high]
        ids = np.flatnonzero((record.state == State.DONE) | (record.state == State.FAILED))
        if not len(ids):
            raise NothingToShowError("no simulation has ended yet")
        kind = np.where(record.held_out[ids], 1, 0)
        kind[record.state[ids] == State.FAILED] = 2
        return cls(
            tuple(space.dimensions[k] for k in varied),
            ids,
            np.array(record.inputs[ids][:, varied]),
            kind,
            record.task_model[record.task[ids]].astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, name: str) -> int:
        """Which of the dimensions bears that name.

        Raises:
            ChoiceError: none does.
        """
        names = [d.name for d in self.dimensions]
        if name not in names:
            raise ChoiceError(
                f"no input {name!r} that the campaign varies; it varies {', '.join(names) or 'none'}"
            )
        return names.index(name)

    def pair(self, first: str | None, second: str | None) -> tuple[int, int]:
        """Two different dimensions: those named, else the first ones left, continuous before others.

        Raises:
            NothingToShowError: fewer than two vary.
            ChoiceError: a name is unknown or given twice.
        """
        if len(self.dimensions) < 2:
            raise NothingToShowError("the campaign varies fewer than two inputs")
        if first is not None and first == second:
            raise ChoiceError(f"{first} against itself shows nothing; choose two inputs")
        given = [None if name is None else self.index(name) for name in (first, second)]
        order = sorted(range(len(self.dimensions)), key=lambda k: (bool(self.dimensions[k].values), k))
        left = [k for k in order if k not in given]
        a, b = (left.pop(0) if k is None else k for k in given)
        return a, b

    def rows(self, chosen: Bools | Ints) -> Design:
        """These simulations only."""
        return Design(
            self.dimensions, self.ids[chosen], self.x[chosen], self.kind[chosen], self.version[chosen]
        )

    def labels(self) -> list[str]:
        """A line for each simulation, to be read beside its point."""
        texts = []
        for i, row, kind, version in zip(self.ids, self.x, self.kind, self.version, strict=True):
            steered = f", chosen by v{version:04d}" if version else ""
            values = [
                f"{d.name.replace('_', ' ')} {v:.4g} {d.unit}".rstrip()
                for d, v in zip(self.dimensions, row, strict=True)
            ]
            texts.append(f"simulation {i}, {KINDS[kind][0]}{steered}<br>" + "<br>".join(values))
        return texts


@dataclass(frozen=True)
class Scale:
    """How an input is drawn: along a line, or, with few values, as places side by side."""

    dimension: Dimension

    @property
    def places(self) -> bool:
        """Whether its values stand side by side."""
        return 0 < len(self.dimension.values) <= SIDE_BY_SIDE

    def at(self, values: Array) -> Array:
        """Where values lie on the axis; in between two places where they lie in between two values."""
        if not self.places:
            return np.asarray(values, dtype=np.float64)
        return np.interp(values, self.dimension.values, np.arange(len(self.dimension.values)))

    def apart(self, values: Array, ids: Ints) -> Array:
        """The same, but points of one place are spread over it, each always to the same side."""
        shift = (ids * GOLDEN) % 1 - 0.5 if self.places else 0.0
        moved: Array = self.at(values) + 0.6 * shift
        return moved

    @property
    def ends(self) -> list[float]:
        """Where the axis begins and ends: the range of the space."""
        if self.places:
            return [-0.5, len(self.dimension.values) - 0.5]
        return [self.dimension.low, self.dimension.high]

    def grid(self, n: int, beyond: float = 0.0) -> Array:
        """Values to ask a model about, in the input's unit: its few values, or `n` along its range."""
        d = self.dimension
        if d.discrete or self.places:
            return np.array(d.values)
        margin = beyond * (d.high - d.low)
        return np.linspace(d.low - margin, d.high + margin, n)

    def axis(self, *, margin: float = 0.04, **more: Any) -> dict[str, Any]:
        """The Plotly axis with its title and ticks."""
        low, high = self.ends
        pad = margin * (high - low)
        ticks: dict[str, Any] = {}
        if self.places:
            texts = [f"{v:g}" for v in self.dimension.values]
            ticks = {"tickvals": list(range(len(texts))), "ticktext": texts, "showgrid": False}
        title = axis_title(self.dimension.name, self.dimension.unit)
        return axis(title, **{"range": [low - pad, high + pad], **ticks, **more})


def value_axis(title: str, values: Array, span: float = 1e3, **more: Any) -> dict[str, Any]:
    """An axis for observed values: logarithmic where they are positive and spread by more than a factor."""
    known = values[np.isfinite(values)]
    if len(known) and known.min() > 0 and known.max() > span * known.min():
        return log_axis(title, float(known.min()), float(known.max()), **more)
    return axis(title, **more)


def table_of(design: Design, columns: Sequence[tuple[str, str, Any]]) -> list[tuple[str, str, list[Any]]]:
    """Name, unit and values of the columns that tables of simulations begin with, and those given."""
    found: list[tuple[str, str, list[Any]]] = [("simulation", "", [plain(i) for i in design.ids])]
    found += [(d.name, d.unit, list(column)) for d, column in zip(design.dimensions, design.x.T, strict=True)]
    found.append(("what became of it", "", [KINDS[k][0] for k in design.kind]))
    return found + [(name, unit, list(values)) for name, unit, values in columns]
