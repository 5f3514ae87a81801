"""Mistakes in a campaign, each with the place where it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHOWN = 10
"""Of more mistakes than this only the first are shown, with the count of all."""


@dataclass(frozen=True)
class Diagnostic:
    """One mistake and its place.

    Args:
        file: the campaign's path as it was given, or ``--set #2: key=value`` for an override.
        line, column: counted from 1; 0 where a place has no lines (a missing file, an override).
        message: what is wrong and what would be accepted.
        source: the line of text at fault, empty if there is none.
        missing_plugin: whether the mistake is that the user's own plug-in cannot be imported here.
    """

    file: str
    line: int
    column: int
    message: str
    source: str = ""
    missing_plugin: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: error: {self.message}"
        if not self.source:
            return text
        gutter = f"{self.line:4} | "
        # Tabs are kept so that the caret stands under the same column whatever a terminal makes of them.
        indent = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
        return f"{text}\n{gutter}{self.source}\n{' ' * (len(gutter) - 2)}| {indent}^"

    def to_json(self) -> Mapping[str, str | int]:
        """A plain dictionary."""
        return {"file": self.file, "line": self.line, "column": self.column, "message": self.message}


class CampaignError(ValueError):
    """A campaign that cannot be run as it stands; carries every mistake found, in the order of the file."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        super().__init__(self.diagnostics)

    @property
    def missing_plugin(self) -> bool:
        """Whether nothing is wrong but that a plug-in cannot be imported here."""
        return all(d.missing_plugin for d in self.diagnostics)

    def __str__(self) -> str:
        count = len(self.diagnostics)
        lines = [str(d) for d in self.diagnostics[:SHOWN]]
        summary = "1 error" if count == 1 else f"{count} errors"
        return "\n".join([*lines, summary + (f", the first {SHOWN} shown" if count > SHOWN else "")])


class CampaignNotFoundError(CampaignError):
    """There is no such file."""
