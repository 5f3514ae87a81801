"""The table of a run, one row per simulation: ``results.csv``, `mlaround results` and ``run.results()``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import Simulator
from workflow.folder import RunFolder, write_atomically
from workflow.record import Record, State
from workflow.seeds import replica_seeds
from workflow.space import Space


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
    failures = [record.failures[k][1] if k in record.failures else "" for k in range(n)]
    return [
        *columns,
        ResultColumn("state", words[record.state]),
        # As recorded, to the microsecond: single precision has no more to say.
        ResultColumn("wall_seconds", np.round(record.wall_seconds.astype(np.float64), 6), "s"),
        ResultColumn("seed", replica_seeds(seed, np.arange(n))),
        ResultColumn("asked", record.asked.copy()),
        ResultColumn("failure", np.array(failures, dtype=object)),
    ]


def to_csv(columns: Sequence[ResultColumn]) -> str:
    """The table as CSV: units in the header, truth as 0 and 1, and what is not known left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.head for column in columns])
    values = [(c.values.astype(int) if c.values.dtype == bool else c.values).tolist() for c in columns]
    for row in zip(*values, strict=True):
        writer.writerow(["" if cell != cell else cell for cell in row])  # NaN differs from itself
    return text.getvalue()


def write_table(folder: RunFolder, record: Record, simulator: Simulator, space: Space, seed: int) -> None:
    """Write ``results.csv``; arguments as in `result_columns`."""
    write_atomically(folder.results_csv, to_csv(result_columns(record, simulator, space, seed)))
