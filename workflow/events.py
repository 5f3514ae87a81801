"""The event log: append-only, one writer, one JSON object a line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]

BLOCK = 1 << 16

SHORT = 4096
"""Bytes within which the event `run_stopped` lies."""

_decode = json.JSONDecoder().raw_decode


class EventLogError(Exception):
    """An event log that is damaged before its tail."""


def cut_torn_tail(path: Path) -> int:
    """Cut what a crash left half-written at the end of the log; returns the number of bytes cut.

    Torn is a line without its newline, and after a power failure also a last line that is not JSON.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        keep = size
        while keep:
            start = _line_start(file, keep)
            file.seek(start)
            line = file.read(keep - start)
            if line.endswith(b"\n") and _parses(line):
                break
            keep = start
        if keep < size:
            file.truncate(keep)
            os.fsync(file.fileno())
    return size - keep


def _line_start(file: Any, end: int) -> int:
    """Where the line that ends at ``end`` starts (its own newline, just before ``end``, is not counted)."""
    position = end - 1
    while position > 0:
        block = max(0, position - BLOCK)
        file.seek(block)
        found: int = file.read(position - block).rfind(b"\n")
        if found >= 0:
            return block + found + 1
        position = block
    return 0


def _parses(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


class EventWriter:
    """Appends events; nothing is promised to be on disk before `commit` returns.

    Args:
        path: the log; its tail must be whole (see `cut_torn_tail`).
        seq: number of the next event.
    """

    def __init__(self, path: Path, seq: int) -> None:
        self.seq = seq
        self._pending: list[str] = []
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def append(self, event: str, **fields: Any) -> Event:
        """Add an event; it is written by the next `commit`."""
        whole: Event = {"seq": self.seq, "t": round(time.time(), 6), "event": event, **fields}
        # allow_nan: NaN is not JSON; whoever records an array puts null for it.
        self._pending.append(json.dumps(whole, separators=(",", ":"), allow_nan=False))
        self.seq += 1
        return whole

    def commit(self) -> None:
        """Write what was added since the last commit and wait until it is on disk."""
        if not self._pending:
            return
        data = ("\n".join(self._pending) + "\n").encode()
        self._pending.clear()
        while data:
            data = data[os.write(self._handle, data) :]
        os.fdatasync(self._handle)

    @property
    def position(self) -> int:
        """Bytes of the log: all that was committed."""
        return os.fstat(self._handle).st_size

    def close(self) -> None:
        """Commit and close."""
        if self._handle >= 0:
            self.commit()
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_events(path: Path, after: int = -1) -> Iterator[Event]:
    """The events of a log in order, a torn tail left out; safe while a controller writes.

    Args:
        path: the log.
        after: only events with a larger ``seq``.

    Raises:
        EventLogError: a line before the tail is not an event, or numbers are missing.
    """
    tail = EventTail(path)
    for event in tail.read():
        if event["seq"] > after:
            yield event


def last_event(path: Path) -> Event | None:
    """The last whole event of a log if it is a short one, such as `run_stopped`; no other is looked at."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - SHORT))
        for line in reversed(file.read().splitlines(keepends=True)):
            if line.endswith(b"\n"):
                event: Event | None = json.loads(line) if _parses(line) else None
                return event
    return None


class EventTail:
    """Follows a log as it grows: each `read` gives what came since the last one.

    Args:
        path: the log; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        """Bytes read so far, always at the start of a line."""
        self.seq = -1
        """Number of the last event read."""

    def read(self) -> Iterator[Event]:
        """The whole lines that were added."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self.position)
            bad: int | None = None
            for line in file:
                if not line.endswith(b"\n"):
                    return
                if bad is not None:
                    raise EventLogError(f"{self.path}: damaged at byte {bad}, and it goes on after that")
                try:
                    # Not json.loads, which looks for the encoding first: a quarter faster on short lines.
                    event, end = _decode(text := line.decode())
                    if text[end:] != "\n":
                        raise ValueError("more than an object on the line")
                    if event["seq"] != self.seq + 1:
                        raise EventLogError(
                            f"{self.path}: event {event['seq']} follows {self.seq} (byte {self.position})"
                        )
                except (ValueError, KeyError, TypeError):
                    bad = self.position  # a torn tail if it is the last line, else damage
                    continue
                self.seq = event["seq"]
                self.position += len(line)
                yield event
