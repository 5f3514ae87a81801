"""Whether what nodes need lies where nodes can see it, as far as this machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

OF_ONE_MACHINE = frozenset(
    ("tmpfs", "ramfs", "overlay", "aufs", "squashfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs")
)
"""Kinds of file system that are a machine's own, unless it exports them to others."""


def file_system(path: Path) -> tuple[str, str]:
    """Where the file system that holds a path is mounted, and its kind; "" where this cannot be told."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", ""
    place = path.resolve()
    best = ("", "")
    for line in lines:
        _, mounted, kind, *_ = line.split(" ")
        # Blanks in names are written in octal.
        where = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), mounted)
        # Of two at one place the later one hides the other.
        if place.is_relative_to(where) and len(where) >= len(best[0]):
            best = (where, kind)
    return best


def of_one_machine(path: Path) -> str | None:
    """The kind of file system that a path lies on, if it is one that other machines seldom see."""
    kind = file_system(path)[1]
    return kind if kind in OF_ONE_MACHINE else None
