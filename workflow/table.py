"""``results.csv``: one row per simulation, for a spreadsheet or a quick look."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from simulators import Simulator
from workflow.folder import RunFolder, write_atomically
from workflow.record import Record, State
from workflow.seeds import replica_seeds
from workflow.space import Space


def write_table(folder: RunFolder, record: Record, simulator: Simulator, space: Space, seed: int) -> None:
    """Write ``results.csv``: units are in the header, and what is not known is left empty.

    Args:
        folder: of the run.
        record: of the run.
        simulator: whose outputs' units go into the header.
        space: the bound space.
        seed: of the campaign.
    """
    units = {output.name: output.unit for output in simulator.outputs}
    header = ["replica", "task", "state", "held_out", "seed"]
    header += [_head(d.name, d.unit) for d in space.dimensions]
    columns: list[Sequence[object]] = [
        range(record.replicas),
        record.task.tolist(),
        [State(s).name.lower() for s in record.state.tolist()],
        record.held_out.astype(int).tolist(),
        replica_seeds(seed, np.arange(record.replicas)).tolist(),
        *(column.tolist() for column in record.inputs.T),
    ]
    # In declared order: the order in which results arrived must not show.
    for name in (output.name for output in simulator.outputs if output.name in record.scalar_names):
        header += [_head(name, units[name]), _head(f"{name}_stderr", units[name])]
        columns += [record.mean(name).tolist(), record.stderr(name).tolist()]
    header += ["wall_seconds", "cpu_seconds", "failure"]
    columns += [np.round(record.wall_seconds.astype(float), 6).tolist()]
    columns += [np.round(record.cpu_seconds.astype(float), 6).tolist()]
    columns.append([record.failures.get(k, ("", ""))[1] for k in range(record.replicas)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in zip(*columns, strict=True):
        writer.writerow(["" if cell != cell else cell for cell in row])
    write_atomically(folder.results_csv, text.getvalue())


def _head(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name
