"""Files that a campaign names: beside it, whatever folder a replica runs in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo

FOLDER = "folder"
"""Key of pydantic's validation context: the folder of the campaign's file."""
LARGEST_TEXT = 10_000_000
"""Bytes: a template is kept in the run folder as text."""


def beside(campaign_file: Path) -> dict[str, Any]:
    """The validation context of a campaign in this file."""
    return {FOLDER: campaign_file.absolute().parent}


def locate(path: str, info: ValidationInfo) -> Path:
    """The absolute path of a file that a campaign names.

    A relative path starts at the folder of the campaign's file, or at the working directory where the
    configuration comes from no file.
    """
    folder = (info.context or {}).get(FOLDER, Path.cwd())
    return Path(os.path.normpath(Path(folder) / Path(path).expanduser()))


def existing(path: str, info: ValidationInfo) -> Path:
    """Likewise, of a file that is there.

    Raises:
        ValueError: it is not.
    """
    found = locate(path, info)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "does not exist"
        raise ValueError(f"{found} {what}; name a file, from the folder of the campaign's file on")
    return found


def text_of(path: str, info: ValidationInfo) -> str:
    """What stands in a text file that a campaign names.

    Raises:
        ValueError: there is no such file, or it is no text.
    """
    found = existing(path, info)
    if found.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"{found} is larger than {LARGEST_TEXT:,} bytes; hand it over as `verbatim`")
    try:
        return found.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{found} is no text; hand it over as `verbatim`") from None
