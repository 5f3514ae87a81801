"""What is known of a run, kept beside its log so that nobody need read all of that again.

The file is in the safetensors format: arrays by name, and one array of bytes that is JSON. It is never
relied upon: it says which part of which log it stands for, and whoever finds that anything does not fit
reads the log from its beginning.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "record.safetensors"

EDGE = 1 << 16
"""Bytes at the beginning of a log, and before the position, by which it is known."""

PLAIN = "json"
"""Name of the array of bytes that is JSON."""

KNOWN_BY = (
    "block_states.py",
    "record.py",
    "record_file.py",
    "record_state.py",
    "record_tables.py",
    "sessions.py",
)
"""The modules that say what is kept: what another version of them wrote is not read."""

TYPES = {
    "|b1": "BOOL",
    "|u1": "U8",
    "<u2": "U16",
    "<i4": "I32",
    "<i8": "I64",
    "<f4": "F32",
    "<f8": "F64",
}
"""Types of arrays as numpy and as the format call them."""


@dataclass(frozen=True)
class Kept:
    """What was kept.

    Args:
        position: bytes of the log that it stands for.
        arrays: by name.
        plain: all else, as JSON has it.
    """

    position: int
    arrays: dict[str, NDArray[Any]]
    plain: dict[str, Any]


def save(log: Path, position: int, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> int:
    """Put the file in place of the last one; who reads meanwhile sees one or the other.

    It is not synced to disk, which takes a while on some file systems: its checksum tells a torn one.

    Args:
        log: the event log.
        position: bytes of it that the rest stands for.
        arrays: by name.
        plain: all else, as JSON can have it.

    Returns:
        its size in bytes.
    """
    text = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()
    parts = {PLAIN: np.frombuffer(text, dtype=np.uint8), **arrays}
    header: dict[str, Any] = {}
    checksum, begin = 0, 0
    for name, array in parts.items():
        end = begin + array.nbytes
        header[name] = {"dtype": TYPES[array.dtype.str], "shape": array.shape, "data_offsets": [begin, end]}
        checksum, begin = zlib.crc32(_bytes(array), checksum), end
    header["__metadata__"] = {
        "position": str(position),
        "log": _known_by(log, position),
        "version": _version(),
        "checksum": str(checksum),
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path = log.with_name(NAME)
    partial = log.with_name(f".{NAME}.partial")  # there is one writer, who holds the run
    try:
        with partial.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for array in parts.values():
                file.write(_bytes(array))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return 8 + len(head) + begin


def load(log: Path) -> Kept | None:
    """What was kept of a log; ``None`` if there is nothing, or if anything about it does not fit."""
    try:
        with log.with_name(NAME).open("rb") as file:
            return _read(file, log)
    except (OSError, LookupError, TypeError, ValueError, RecursionError, MemoryError):
        return None


def _read(file: BufferedReader, log: Path) -> Kept:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length < size:
        raise ValueError("torn")
    header = json.loads(file.read(length))
    about = header.pop("__metadata__")
    position = int(about["position"])
    if about["version"] != _version() or about["log"] != _known_by(log, position):
        raise ValueError("of another version, or of another log")
    names = {theirs: ours for ours, theirs in TYPES.items()}
    arrays, checksum, begin = {}, 0, 8 + length
    for name, part in header.items():
        array = np.empty(part["shape"], names[part["dtype"]])
        if file.readinto(_bytes(array)) != array.nbytes:
            raise ValueError("torn")
        checksum, begin = zlib.crc32(_bytes(array), checksum), begin + array.nbytes
        arrays[name] = array
    if begin != size or checksum != int(about["checksum"]):
        raise ValueError("damaged")
    return Kept(position, arrays, json.loads(arrays.pop(PLAIN).tobytes()))


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _known_by(log: Path, position: int) -> str:
    """What tells a log from any other one, and from this one before it was cut or replaced."""
    with log.open("rb") as file:
        first = file.read(min(EDGE, position))
        file.seek(max(0, position - EDGE))
        last = file.read(min(EDGE, position))
    if len(last) < min(EDGE, position) or not last.endswith(b"\n"):
        raise ValueError("the log is shorter, or the position is within a line")
    return hashlib.blake2b(b"%d\n" % position + first + last, digest_size=16).hexdigest()


@cache
def _version() -> str:
    here = Path(__file__).parent
    return hashlib.blake2b(
        b"".join((here / name).read_bytes() for name in KNOWN_BY), digest_size=16
    ).hexdigest()
