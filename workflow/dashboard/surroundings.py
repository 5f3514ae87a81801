"""What happens to a run without an event: its controller dies, tasks start, the disk fills."""

from __future__ import annotations

import logging
import shutil
import time
from typing import Any

from workflow.folder import RunFolder
from workflow.record import Record
from workflow.standing import state_of

log = logging.getLogger(__name__)

DISK = 10.0
"""Seconds between two looks at the disk."""


class Surroundings:
    """What can be seen around the event log of a run.

    Attributes:
        controller: who holds the run, if a live controller does.
        running: tasks in the hands of workers.
        name, total: of the campaign; the number of simulations that the run will have in all.
        disk: bytes free and in all where the run lies; ``None`` if not known.
        now: time of the last look, seconds since 1970.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.controller: dict[str, Any] | None = None
        self.running: list[dict[str, Any]] = []
        self.name, self.total = folder.name, 0
        self.disk: tuple[int, int] | None = None
        self.now = time.time()
        self._unread = True
        self._disk_due = 0.0

    def look(self, record: Record) -> None:
        """Look around; nothing that is missing or damaged is an error."""
        self.now = time.time()
        self.controller = self.folder.controller_alive()
        self.running = self.folder.running_tasks() if self.controller is not None else []
        self._campaign()
        if time.monotonic() >= self._disk_due:
            self._disk_due = time.monotonic() + DISK
            try:
                usage = shutil.disk_usage(self.folder.path)
                self.disk = usage.free, usage.total
            except OSError:
                self.disk = None

    def look_at_tasks(self) -> None:
        """Look at nothing but what runs; cheap, since what was there before is not read again."""
        if self.controller is not None:
            self.running = self.folder.running_tasks(self.running)

    def state(self, record: Record) -> str:
        """As in ``status.json``, but true even where the controller died without a word."""
        return state_of(record, held=self.controller is not None)

    def _campaign(self) -> None:
        """Name and size of the campaign as the controller wrote them last, else as the campaign says.

        The campaign's plug-ins need not be here for that.
        """
        status = self.folder.read_status() or {}
        counts = status.get("simulations")
        total = counts.get("total") if isinstance(counts, dict) else None
        if isinstance(total, int) and isinstance(status.get("name"), str):
            self.name, self.total = status["name"], total
        elif self._unread:
            self._unread = False
            try:
                from ruamel.yaml import YAML

                data = YAML(typ="safe", pure=True).load(self.folder.read_resolved())
                self.name, self.total = str(data["name"]), int(data["stop"]["simulations"])
            except Exception:  # whatever a damaged file brings about: its name and size are not known
                log.debug("while reading %s", self.folder.resolved, exc_info=True)
