"""When a controller keeps the record beside its log: seldom enough to cost next to nothing."""

from __future__ import annotations

import logging
import time

from workflow.events import EventWriter
from workflow.folder import RunFolder
from workflow.record import Record

log = logging.getLogger(__name__)

LEAST = 5000
"""Events that are worth keeping: about 0.1 s of reading."""

GROWTH = 0.1
"""Share by which the log has grown since the last time: all that is ever written is eleven times the last."""

SHARE = 0.01
"""Share of the time since it was last kept that keeping it once more may take."""


class Snapshots:
    """Keeps the record of a run that a controller holds.

    Args:
        folder: of the run.
        record: which the controller has read, and goes on with.
    """

    def __init__(self, folder: RunFolder, record: Record) -> None:
        self._folder, self._record = folder, record
        self._events = record.kept_events
        self._ended = time.monotonic()
        self._seconds = 0.0

    def keep_if_due(self, writer: EventWriter) -> None:
        """Keep it if enough happened since the last time, and if that took little enough."""
        new = self._record.events - self._events
        if new < max(LEAST, GROWTH * self._events):
            return
        if SHARE * (time.monotonic() - self._ended) >= self._seconds:
            self.keep(writer)

    def keep(self, writer: EventWriter) -> None:
        """Keep it now, all that was recorded being on disk; what goes wrong is no harm to the run."""
        if self._record.events == self._events:
            return
        started = time.monotonic()
        writer.commit()
        try:
            self._record.keep(self._folder.events, writer.position)
        except OSError as error:  # the disk is full, say
            log.warning("the record could not be kept, and will be read from the log: %s", error)
        self._events, self._ended = self._record.events, time.monotonic()
        self._seconds = self._ended - started
