"""The other process of the checks that need two: ``python -m workflow.doctor.other read|hold PATH``."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import time
import zlib
from pathlib import Path

READING = 0.5
"""Seconds for which a file is read that another process replaces."""


def whole(number: int) -> str:
    """A text that tells by itself whether it is whole; every one has another length."""
    body = f"{number} " * (100 + number % 997)
    return f"{body}{zlib.crc32(body.encode()):08x}"


def is_whole(text: str) -> bool:
    """Whether this is one of the texts, complete."""
    return len(text) > 8 and f"{zlib.crc32(text[:-8].encode()):08x}" == text[-8:]


def taken(path: Path) -> tuple[int, str]:
    """Try for the lock of a file: its handle, or -1 and why not (``held`` by another, or an error)."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        held = error.errno in (errno.EWOULDBLOCK, errno.EACCES)
        return -1, "held" if held else error.strerror or str(error)
    return handle, ""


def _read(path: Path) -> None:
    """Read again and again; print how often, and how often what was there was a part or nothing."""
    counts = {"reads": 0, "parts": 0, "gaps": 0}
    print("ready", flush=True)
    until = time.monotonic() + READING
    while time.monotonic() < until:
        counts["reads"] += 1
        try:
            counts["parts"] += not is_whole(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            counts["gaps"] += 1
        except UnicodeDecodeError:
            counts["parts"] += 1
    print(json.dumps(counts), flush=True)


def _hold(path: Path) -> None:
    """Hold the file's lock until the end of the input or of this process."""
    print(taken(path)[1] or "held", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    {"read": _read, "hold": _hold}[sys.argv[1]](Path(sys.argv[2]))
