"""What stands between a campaign's resources and the site that they ask."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import environ
from typing import Any

from workflow.words import listed

ANSWER = 20.0
"""Seconds that a batch system gets to answer; a busy one takes some."""


@dataclass(frozen=True)
class Problem:
    """Something that a site will not do, or may not.

    Args:
        key: of the campaign, dotted, that has to be changed.
        words: what was found.
        do: what to change.
        certain: whether jobs cannot run as it stands; else it is a warning.
    """

    key: str
    words: str
    do: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.key}: {self.words}; {self.do}"

    def to_json(self) -> Mapping[str, Any]:
        """A plain dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Answer:
    """What a command of the batch system said.

    Args:
        code: it ended with; -1 where it did not end in time.
        out: its output.
        err: its complaints.
    """

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The first line of what it complained of."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return lines[0] if lines else f"exit code {self.code}"


def ask(*command: str) -> Answer:
    """Run a command of the batch system and wait for a moment."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER,
            env={**environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Answer(-1, "", f"no answer within {ANSWER:g} s")
    except OSError as error:
        return Answer(-1, "", error.strerror or str(error))
    return Answer(done.returncode, done.stdout, done.stderr)


def missing(kind: str, programs: tuple[str, ...]) -> list[Problem]:
    """The problem of a machine that lacks the batch system's commands."""
    lacking = [f"`{program}`" for program in programs if shutil.which(program) is None]
    if not lacking:
        return []
    words = f"there is no {listed(lacking).replace(' and ', ' or ')} on this machine ({socket.gethostname()})"
    do = "start it on a login node of the cluster (a `module load` may be needed first), or set "
    return [Problem("resources.kind", words, f"{do}resources.kind to local, instead of {kind}")]
