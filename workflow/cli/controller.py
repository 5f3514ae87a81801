"""Runs a controller in the foreground, for `run` and `resume`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import click

from workflow.cli.console import Progress
from workflow.cli.failures import FAILED, LOCKED, USAGE, Failure
from workflow.cli.screen import counted, summary, waiting
from workflow.cli.status import current
from workflow.cli.typed import quoted, shown
from workflow.folder import RunFolder, RunFolderError, RunLockedError

if TYPE_CHECKING:
    from workflow.engine import Outcome

OnUpdate = Callable[[Mapping[str, Any]], None]


def control(run: RunFolder, start: Callable[[OnUpdate], Outcome], *, dashboard: bool) -> None:
    """Show progress until the controller is done, then the summary; exit with the outcome's code.

    Args:
        run: the run.
        start: what works on it.
        dashboard: whether it is shown in a browser for as long.
    """
    try:
        with ExitStack() as stack:
            if dashboard:
                _show(run, stack)
            progress = stack.enter_context(Progress(run.name))
            outcome = start(lambda status: progress(_fraction(status), _words(status)))
    except RunLockedError as error:
        raise Failure(str(error), LOCKED, f"mlaround status {quoted(run.path)}") from None
    except RunFolderError as error:
        raise Failure(str(error), USAGE, f"mlaround resume {quoted(run.path)}") from None
    except OSError as error:  # a full disk, say; what is done lies in the folder
        if not run.exists():
            raise
        where = f"{error.filename}: " if error.filename else f"{shown(run.path)}: "
        text = f"{where}{error.strerror or error}; what is done is kept"
        raise Failure(text, FAILED, f"mlaround resume {quoted(run.path)}, once that is mended") from None
    with suppress(OSError):  # nobody reads it: the run is what it is all the same
        click.echo(summary(current(run), run.path))
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _show(run: RunFolder, stack: ExitStack) -> None:
    """Start a dashboard beside the run, which goes on without it if need be."""
    from workflow.dashboard.beside import start
    from workflow.dashboard.place import PlaceError

    def failed(words: str) -> None:
        with suppress(OSError):
            click.echo(f"the dashboard has ended ({words}); the run goes on", err=True)

    try:
        click.echo(f"open {stack.enter_context(start(run.path, failed))}", err=True)
    except (PlaceError, OSError) as error:
        failed(str(error))


def _fraction(status: Mapping[str, Any]) -> float:
    counts = status.get("simulations") or {}
    over = counts.get("done", 0) + counts.get("failed", 0)
    return min(1.0, float(over / (counts.get("total") or 1)))


def _words(status: Mapping[str, Any]) -> str:
    words = counted(status.get("simulations") or {})
    if what := waiting(status):
        words += f", {what}"
    version = (status.get("model") or {}).get("version")
    return f"{words}, model v{version:04d}" if version else words
