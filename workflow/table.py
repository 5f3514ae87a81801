"""The table of a run, one row per simulation: ``results.csv``, `mlaround results` and ``run.results()``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import Simulator
from workflow.folder import RunFolder, write_atomically
from workflow.record import Record, State
from workflow.seeds import replica_seeds
from workflow.space import Space

ROWS = 10_000
"""Rows that are put into words at a time."""


@dataclass(frozen=True)
class ResultColumn:
    """A column of the table.

    Args:
        name: of an input or output, or what else the column says.
        values: array (replicas,); NaN where a number is not known (yet).
        unit: empty for pure numbers and for words.
    """

    name: str
    values: NDArray[Any]
    unit: str = ""

    @property
    def head(self) -> str:
        """Name and unit: ``gap [nm]``."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def result_columns(record: Record, simulator: Simulator, space: Space, seed: int) -> list[ResultColumn]:
    """One row for each simulation proposed so far.

    Columns: ``replica``, ``task``, ``held_out``, the inputs, every scalar output with its ``_stderr``,
    ``state`` (pending, done, failed, lost), ``wall_seconds``, ``seed``, ``asked`` (a user's own point)
    and ``failure`` (what went wrong). Outputs come in declared order: the order in which results arrived
    does not show.

    Args:
        record: of the run.
        simulator: whose outputs and units these are.
        space: the bound space.
        seed: of the campaign.
    """
    n = record.replicas
    words = np.array([state.name.lower() for state in State])
    columns = [
        ResultColumn("replica", np.arange(n)),
        ResultColumn("task", record.task.copy()),
        ResultColumn("held_out", record.held_out.copy()),
    ]
    inputs = record.inputs if n else np.empty((0, len(space.dimensions)))
    columns += [ResultColumn(d.name, inputs[:, k].copy(), d.unit) for k, d in enumerate(space.dimensions)]
    for output in simulator.outputs:
        if output.coordinate is None:
            known = output.name in record.scalar_names
            mean = record.mean(output.name).copy() if known else np.full(n, np.nan)
            stderr = record.stderr(output.name).copy() if known else np.full(n, np.nan)
            columns.append(ResultColumn(output.name, mean, output.unit))
            columns.append(ResultColumn(f"{output.name}_stderr", stderr, output.unit))
    failures = np.full(n, "", dtype=object)
    for replica, (_, message) in record.failures.items():
        failures[replica] = message
    return [
        *columns,
        ResultColumn("state", words[record.state]),
        # As recorded, to the microsecond: single precision has no more to say.
        ResultColumn("wall_seconds", np.round(record.wall_seconds.astype(np.float64), 6), "s"),
        ResultColumn("seed", replica_seeds(seed, np.arange(n))),
        ResultColumn("asked", record.asked.copy()),
        ResultColumn("failure", failures),
    ]


def csv_blocks(columns: Sequence[ResultColumn]) -> Iterator[str]:
    """The table as CSV, piece by piece, so that no one need hold all of a long one.

    Units are in the header, truth is 0 and 1, and what is not known is left empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.head for column in columns])
    for first in range(0, len(columns[0].values), ROWS):
        writer.writerows(zip(*(_cells(c.values[first : first + ROWS]) for c in columns), strict=True))
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _cells(values: NDArray[Any]) -> list[Any]:
    if values.dtype == bool:
        values = values.astype(int)
    cells: list[Any] = values.tolist()
    if values.dtype.kind == "f":
        for k in np.flatnonzero(np.isnan(values)).tolist():
            cells[k] = ""
    return cells


def write_table(folder: RunFolder, record: Record, simulator: Simulator, space: Space, seed: int) -> None:
    """Write ``results.csv``; arguments as in `result_columns`."""
    write_atomically(folder.results_csv, csv_blocks(result_columns(record, simulator, space, seed)))
