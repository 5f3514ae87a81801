"""The fault table of docs/reliability.md, from what happened."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos_runs import Tally

BEGIN, END = "<!-- table: written by make chaos -->", "<!-- end of the table -->"

BUSY = 2.0
"""Processes that want to run, for each core, from which on times say more of the machine than of the runs."""

HEAD = """\
| what happens | instants | simulations | lost | twice | wrong | left | noticed, s | recovered, s |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def table(tallies: Sequence[Tally], before: Mapping[str, str], order: Sequence[str]) -> str:
    """The table, a line for each row, and below it what could not be tried.

    Args:
        tallies: what happened.
        before: lines of an earlier table by their rows, kept where there is nothing newer.
        order: of the rows.
    """
    lines = {**before, **{tally.name: line(tally) for tally in tallies if not tally.missing}}
    text = HEAD + "".join(f"{lines[name]}\n" for name in order if name in lines)
    for tally in tallies:
        if tally.missing:
            text += f"\nNot tried here: {tally.name} ({tally.missing}).\n"
        for trouble in tally.troubles:
            text += f"\n**{tally.name}**: {trouble}\n"
    return text


def line(tally: Tally) -> str:
    """A row of the table."""
    cells = [tally.name, tally.instants, tally.simulations, tally.lost, tally.twice, tally.wrong, tally.left]
    return "| " + " | ".join([*map(str, cells), _seconds(tally.detect), _seconds(tally.recover)]) + " |"


def _seconds(values: Sequence[float]) -> str:
    """The median and the worst."""
    return f"{statistics.median(values):.2g} ({max(values):.2g})" if values else ""


def machine() -> str:
    """This machine in words."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = f" of {line.partition(':')[2].strip()}"
            break
    return f"{os.cpu_count()} cores{model}, {platform.system()}, Python {platform.python_version()}"


def write(page: Path, tallies: Sequence[Tally], order: Sequence[str]) -> None:
    """Put what happened in its place on the page; rows that were not tried now stay as they are."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    middle, _, after = rest.partition(END)
    before = {old.split("|")[1].strip(): old for old in middle.splitlines() if old.startswith("| ")}
    said = f"On {machine()}."
    if (load := os.getloadavg()[2]) > BUSY * (os.cpu_count() or 1):
        said += f" Other work ran beside it, {load:.0f} processes at a time, which makes all times longer."
    middle = f"{table(tallies, before, order)}\n{said}"
    page.write_text(f"{head}{BEGIN}\n{middle}\n{END}{after}", encoding="utf-8")
