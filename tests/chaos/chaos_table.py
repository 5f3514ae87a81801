"""The fault table of docs/reliability.md, from what happened."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from chaos_runs import Tally

BEGIN, END = "<!-- table: written by make chaos -->", "<!-- end of the table -->"

BUSY = 2.0
"""Processes that want to run, for each core, from which on times say more of the machine than of the runs."""

HEAD = """\
| what happens | instants | simulations | lost | twice | wrong | left | noticed, s | recovered, s |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def table(tallies: Sequence[Tally]) -> str:
    """The table, a line for each row, and below it what could not be tried."""
    lines = [_line(tally) for tally in tallies if not tally.missing]
    text = HEAD + "\n".join(lines) + "\n"
    for tally in tallies:
        if tally.missing:
            text += f"\nNot tried here: {tally.name} ({tally.missing}).\n"
        for trouble in tally.troubles:
            text += f"\n**{tally.name}**: {trouble}\n"
    return text


def _line(tally: Tally) -> str:
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


def write(page: Path, tallies: Sequence[Tally], minutes: float) -> None:
    """Put the table in its place on the page."""
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    said = f"On {machine()}; {minutes:.0f} minutes in all."
    if (load := os.getloadavg()[2]) > BUSY * (os.cpu_count() or 1):
        said += f" Other work ran beside it, {load:.0f} processes at a time, which makes all times longer."
    middle = f"{BEGIN}\n{table(tallies)}\n{said}\n{END}"
    page.write_text(before + middle + after, encoding="utf-8")
