"""What LAMMPS leaves: thermodynamic output in its log, profiles of ``fix ave/chunk``, its errors."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from simulators.adapters.estimates import SHOWN, Estimate, estimate
from simulators.adapters.reading import is_number
from simulators.contract import ReplicaError
from simulators.md.statistics import BLOCKS, blocked

Array = NDArray[np.float64]

KEYWORDS = {"pe": "PotEng", "ke": "KinEng", "etotal": "TotEng", "vol": "Volume", "evdwl": "E_vdwl"}
KEYWORDS |= {
    "ecoul": "E_coul",
    "epair": "E_pair",
    "ebond": "E_bond",
    "eangle": "E_angle",
    "edihed": "E_dihed",
}
KEYWORDS |= {"elong": "E_long", "emol": "E_mol", "eimp": "E_impro", "etail": "E_tail"}
"""Words of ``thermo_style custom`` whose columns bear other names than they."""

_HEADING = re.compile(r"^Per MPI rank memory allocation.*\n(?P<names>.*)\n", re.MULTILINE)
_ERROR = re.compile(r"^ERROR.*(?:\n(?!\s*$|Total wall time).*){0,2}", re.MULTILINE)
CHUNKS = "# Chunk-averaged data"


def thermo(log: str, column: str) -> Array:
    """A column of the last run's thermodynamic output, array (rows,).

    Args:
        log: text of the log file.
        column: heading, or word of ``thermo_style custom``, in any case.

    Raises:
        ReplicaError: there is no such output, or no such column.
    """
    headings = list(_HEADING.finditer(log))
    if not headings:
        raise ReplicaError(f"{column}: the log holds no thermodynamic output; accepted: an input with `run`")
    names = headings[-1]["names"].split()
    lower = [name.lower() for name in names]
    wanted = KEYWORDS.get(column.lower(), column).lower()
    if wanted not in lower:
        raise ReplicaError(
            f"the thermodynamic output has no column `{column}`; it has {', '.join(names)}: add it to "
            "thermo_style custom"
        )
    place = lower.index(wanted)
    rows = []
    for line in log[headings[-1].end() :].splitlines():
        if line.startswith("Loop time"):
            break
        cells = line.split()
        if len(cells) == len(names) and is_number(cells[place]):  # a warning may stand in between
            rows.append(float(cells[place]))
    if not rows:
        raise ReplicaError(
            f"{column}: the last run wrote no thermodynamic output; accepted: a smaller `thermo`"
        )
    return np.array(rows)


def chunk_profile(text: str, column: str, equilibration: float, bins: int, where: str) -> Estimate:
    """A profile of ``fix ave/chunk``: mean over its outputs and standard error, arrays (bins,).

    Args:
        text: of its file.
        column: heading, such as ``density/number``.
        equilibration: share of the outputs that is left out, from the first.
        bins: number of chunks.
        where: how messages call the file.

    Raises:
        ReplicaError: there is no such column, or not this number of chunks.
    """
    lines = text.splitlines()
    names = next((line[1:].split() for line in lines if line.startswith("# Chunk ")), [])
    if column not in names:
        raise ReplicaError(f"{where} has no column `{column}`; it has {', '.join(names)}")
    place = names.index(column)
    outputs: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):  # a new output: timestep, chunks, count
            outputs.append([])
            continue
        try:
            outputs[-1].append(float(line.split()[place]))
        except (IndexError, ValueError):
            raise ReplicaError(f"{where}: line {number} is no chunk: {line.strip()[:SHOWN]!r}") from None
    if not outputs or any(len(output) != bins for output in outputs):
        seen = sorted({len(output) for output in outputs})
        raise ReplicaError(f"{where} has {seen or 'no'} chunks; accepted: {bins}, the bins of the axis")
    used = np.array(outputs)[int(equilibration * len(outputs)) :]
    parts = np.array_split(used, min(BLOCKS, len(used)))
    if len(parts) < 2:
        return estimate(column, used[-1], None, bins)
    means = np.array([part.mean(axis=0) for part in parts])
    return estimate(column, *blocked(means, np.array([float(len(part)) for part in parts])), bins)


def error_of(text: str) -> str | None:
    """The last error that LAMMPS printed, on one line."""
    found = _ERROR.findall(text)
    return " | ".join(line.strip() for line in found[-1].splitlines()) if found else None


def last_step(log: str) -> int | None:
    """The step of the last line of thermodynamic output, where steps are its first column."""
    headings = [h for h in _HEADING.finditer(log) if h["names"].split()[:1] == ["Step"]]
    if not headings:
        return None
    width = len(headings[-1]["names"].split())
    rows = [line.split() for line in log[headings[-1].end() :].splitlines()]
    steps = [int(cells[0]) for cells in rows if len(cells) == width and cells[0].isdigit()]
    return steps[-1] if steps else None
