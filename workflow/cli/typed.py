"""Commands as they can be typed here and now: the program's path, and paths as a shell reads them."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

NAME = re.compile(r"(?<![\w./-])mlaround(?= )")


@functools.cache
def program() -> str:
    """How this program is called here: by its name if that finds it, else by its path.

    After `make demo` it lies in an environment that no shell knows of.
    """
    beside = Path(sys.executable).with_name("mlaround")
    found = shutil.which("mlaround")
    if not beside.exists():
        return "mlaround" if found else f"{shlex.quote(sys.executable)} -m workflow.cli"
    if found and os.path.realpath(found) == os.path.realpath(beside):
        return "mlaround"
    return shlex.quote(shown(beside))


def typed(text: str) -> str:
    """A text with each command of ours as it has to be typed here."""
    return NAME.sub(lambda _: program(), text)


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)


def quoted(path: Path) -> str:
    """The same as it has to be typed, where it holds a space say."""
    return shlex.quote(shown(path))
