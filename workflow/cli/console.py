"""What is printed: JSON, aligned tables, progress."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import click

from workflow.words import duration, plain_data

LINE_SECONDS, LINE_FRACTION, QUIET_SECONDS = 60.0, 0.05, 2.0


def print_json(data: dict[str, Any]) -> None:
    """Print one object; numbers that JSON does not have become null."""
    click.echo(json.dumps(plain_data(data), indent=1, ensure_ascii=False, allow_nan=False))


def table(rows: Sequence[Sequence[object]], indent: str = "") -> str:
    """Rows as aligned columns; the first row is the header."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(indent + line.rstrip() for line in lines)


def paint(text: str, colour: str) -> str:
    """The text in a colour, on a terminal that wants colours."""
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return click.style(text, fg=colour, bold=True) if wanted and colour else text


def measured(mean: float, error: float) -> tuple[str, str]:
    """A number and its standard error, to the digits that mean something: two of the error."""
    if not (math.isfinite(mean) and math.isfinite(error)) or error <= 0:
        return f"{mean:.6g}", f"{error:.2g}"
    digits = 1 - math.floor(math.log10(error))
    if not 0 <= digits <= 6:  # very large or small: an exponent is easier to read
        shown = min(15, max(1, math.floor(math.log10(abs(mean))) + digits if mean else 1))
        return f"{mean:.{shown}e}", f"{error:.1e}"
    return f"{mean:.{digits}f}", f"{error:.{digits}f}"


def size(count: float) -> str:
    """Bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


class Progress:
    """Progress on stderr: a bar on a terminal, otherwise now and then a plain line.

    Called with the fraction that is done, from any thread, and words that describe it.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._started = self._printed = time.monotonic()
        self._fraction = 0.0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=1.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, fraction: float, words: str = "") -> None:
        """Show that a fraction of the work is done."""
        if self._bar:
            description = f"{self.title}  {words}" if words else self.title
            self._bar.update(self._task, completed=fraction, description=description)
            return
        now = time.monotonic()
        since = now - self._printed
        if since < LINE_SECONDS and (fraction - self._fraction < LINE_FRACTION or since < QUIET_SECONDS):
            return
        self._printed, self._fraction = now, fraction
        passed = duration(now - self._started)
        with suppress(OSError):  # the terminal or the pipe is gone: no reason to stop the work
            click.echo(f"{self.title}: {fraction:.0%}  {passed}  {words}".rstrip(), err=True)
