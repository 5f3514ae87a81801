"""Exit codes, and errors that end with what to type next."""

from __future__ import annotations

import tempfile
import traceback
from typing import IO, Any

import click

from workflow.cli.typed import typed

FAILED = 1
"""The run finished, but more failed than is tolerated."""
USAGE = 2
"""A mistake on the command line or in the campaign."""
MISSING = 3
"""Something that is needed is not installed here."""
LOCKED = 4
"""A living controller holds the run."""
NOT_FOUND = 5
"""There is no such file, run or model."""
RESUMABLE = 75
"""Stopped early; `mlaround resume` goes on."""
INTERRUPTED = 130
"""Ctrl-C."""

MEANINGS = {
    0: "success",
    FAILED: "finished, but simulations failed beyond tolerance; also an unexpected error",
    USAGE: "a mistake on the command line or in the campaign",
    MISSING: "a package, a plug-in or a device is missing here",
    LOCKED: "another living controller holds the run",
    NOT_FOUND: "no such file, run folder or model",
    RESUMABLE: "stopped early; `mlaround resume` goes on",
    INTERRUPTED: "interrupted by Ctrl-C; `mlaround resume` goes on",
}

ADVICE = {
    "InvalidInputError": (USAGE, "mlaround simulate KIND --help lists inputs with units and ranges"),
    "PluginError": (USAGE, "mlaround simulate --help"),
    "InvalidQueryError": (USAGE, "mlaround predict --help; card.md beside the model lists its inputs"),
    "ModelFileError": (NOT_FOUND, "mlaround models, for the versions of a run"),
    "RunError": (NOT_FOUND, "mlaround status, to see how far the run is"),
    "RequestError": (USAGE, "mlaround status, to see how the run stands"),
    "RunFolderError": (USAGE, "mlaround status, to see how the run stands"),
    "ResultFileError": (FAILED, "mlaround resume, which simulates again what was lost"),
    "EventLogError": (FAILED, "restore events.jsonl from a copy: it was damaged by other hands"),
}
"""Errors of the layers below: exit code and what to type next."""


class Failure(click.ClickException):
    """An error of the user's world: one message, an exit code, and what to type next."""

    def __init__(self, message: str, exit_code: int, next_command: str) -> None:
        super().__init__(message)
        self._exit_code, self.next_command = exit_code, next_command

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has one code per class, we one per error
        """The code that the process ends with."""
        return self._exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and the next command to stderr."""
        click.echo(f"error: {self.message}", err=True)
        click.echo(f"next: {typed(self.next_command)}", err=True)


class CampaignFailure(Failure):
    """Diagnostics, which are errors with an address already."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the diagnostics and the next command to stderr."""
        click.echo(self.message, err=True)
        click.echo(f"next: {typed(self.next_command)}", err=True)


def failure_of(error: Exception) -> Failure | None:
    """The failure that an error of the layers below means to a user; ``None`` for an unexpected one."""
    from workflow.diagnostics import CampaignError, CampaignNotFoundError

    if isinstance(error, CampaignError):
        if isinstance(error, CampaignNotFoundError):
            return CampaignFailure(str(error), NOT_FOUND, "mlaround init, to write a first campaign")
        code = MISSING if error.missing_plugin else USAGE
        return CampaignFailure(
            str(error), code, "correct the file, then mlaround validate; every key: mlaround schema"
        )
    # By name, since to import the classes would import numpy and more.
    if type(error).__name__ in ADVICE:
        return Failure(str(error), *ADVICE[type(error).__name__])
    if isinstance(error, ModuleNotFoundError):
        return Failure(f"{error.name} is not installed here", MISSING, "mlaround doctor")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return Failure(f"{where}{error.strerror}", FAILED, "mlaround doctor, or another folder")
    return None


def unexpected(error: Exception, *, verbose: bool) -> Failure:
    """An error nobody foresaw: its traceback goes to a file, or to stderr."""
    text = "".join(traceback.format_exception(error))
    if verbose:
        click.echo(text, err=True)
        return Failure(f"unexpected {type(error).__name__}: {error}", FAILED, "mlaround doctor")
    with tempfile.NamedTemporaryFile("w", prefix="mlaround-", suffix=".txt", delete=False) as file:
        file.write(text)
    return Failure(
        f"unexpected {type(error).__name__}: {error}",
        FAILED,
        f"read the traceback in {file.name}, or repeat with `mlaround --verbose ...`",
    )
