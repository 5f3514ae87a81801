"""A run that is watched: its log is read as it grows, and what changed is told to all who look at once."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.dashboard.summary import Summary
from workflow.dashboard.surroundings import Surroundings
from workflow.dashboard.tasktable import TaskTable
from workflow.events import EventLogError, EventTail
from workflow.folder import RunFolder
from workflow.record import Record, State
from workflow.words import plain_data

log = logging.getLogger(__name__)

LOOK = 0.025
"""Seconds between two looks at the size of the log."""
APART = 0.1
"""Seconds between two messages at least."""
AROUND = 1.0
"""Seconds between two looks at all that happens without an event."""
UNWATCHED = 60.0
"""Seconds for which a run is followed after the last reader left."""
KEPT = 64
"""Messages kept for readers that are slow."""
SCALE, TAG = 10**7, 10**4
"""What an event and a reading of the log add to the number of a state."""
MOST = 0.5
"""A reader that lacks more than this share of the tasks is better off with a snapshot."""


class Followed:
    """Watches a run while somebody looks at it.

    Each state that was told has a number that grows: that of the newest event, and in its decimals a tag of
    this reading of the log and a count of what was told since that event. Whoever comes with a number of
    another reading, of a server before this one say, is told to begin anew. It is kept times `SCALE`.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._listeners: set[Callable[[], None]] = set()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._until = 0.0
        self._published = 0.0
        self._unsettled = False
        self._notes: list[str] = []
        self._forget()

    def _forget(self) -> None:
        """Know nothing of the run; whoever knows something has to ask for all of it."""
        self._begun = 0
        self._tag = random.choice([tag for tag in range(1, SCALE // TAG) if tag != getattr(self, "_tag", 0)])
        self.seq = 0
        self._tail = EventTail(self.folder.events)
        self._record, self._tasks = Record(), TaskTable()
        self._summary, self._surroundings = Summary(self.folder), Surroundings(self.folder)
        self._texts: dict[str, str] = {}
        self._text_seq: dict[str, int] = {}
        self._workers_seq = 0
        self._known_workers = 0
        self._messages: deque[tuple[int, int, str]] = deque(maxlen=KEPT)
        self._place: tuple[int, int] | None = None
        self._size = -1
        self._origin: float | None = None
        self._newest: float | None = None
        self._trouble: str | None = None
        self._snapshot: tuple[int, str] | None = None

    # What readers ask for.

    def snapshot(self) -> tuple[int, str]:
        """The whole state as JSON, with its number."""
        with self._lock:
            self._follow()
            if self._snapshot is None or self._snapshot[0] != self.seq:
                summary = ",".join(f"{json.dumps(key)}:{text}" for key, text in self._texts.items())
                head = {
                    "run": self.folder.name,
                    "seq": self.seq / SCALE,
                    "origin": self._origin,
                    "t": self._newest,
                    "workers": self._tasks.workers,
                    "tasks": self._tasks.whole(self._origin or 0.0),
                }
                self._snapshot = self.seq, f'{_compact(head)[:-1]},"summary":{{{summary}}}}}'
            return self._snapshot

    def changes(self, after: int) -> str:
        """One message with all that changed after a state."""
        with self._lock:
            self._follow()
            return self._changes(after)

    def messages(self, after: int) -> tuple[list[str], int]:
        """The messages that follow on a state, and the number of the state that they lead to."""
        with self._lock:
            self._follow()
            if after == self.seq:
                return [], self.seq
            for k, (begin, _, _) in enumerate(self._messages):
                if begin == after:
                    return [text for _, _, text in list(self._messages)[k:]], self.seq
            return [self._changes(after)], self.seq

    def failed_inputs(self) -> NDArray[np.float64]:
        """Inputs of the simulations that failed, array (n, dimensions of the space)."""
        with self._lock:
            self._follow()
            record = self._record
            return record.inputs[record.state == State.FAILED] if record.failed else record.inputs[:0]

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have a function called, in a thread of ours, whenever there are new messages."""
        with self._lock:
            self._listeners.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.discard(wake)
                self._until = time.monotonic() + UNWATCHED

    def close(self) -> None:
        """Stop watching; who still listens hears nothing any more."""
        self._closing.set()  # without the lock, which a look at a long log may hold for seconds

    def _changes(self, after: int) -> str:
        if after % SCALE // TAG != self._tag or not self._begun <= after <= self.seq:
            return self._resync()
        tasks = self._tasks.since(after)
        if len(tasks) > MOST * len(self._tasks) + KEPT:
            return self._resync()
        keys = [key for key, seq in self._text_seq.items() if seq > after]
        return self._message(after, tasks, keys, workers=self._workers_seq > after)

    def _resync(self) -> str:
        return _compact({"run": self.folder.name, "resync": True})

    def _message(self, after: int, tasks: Any, keys: list[str], *, workers: bool) -> str:
        summary = ",".join(f"{json.dumps(key)}:{self._texts[key]}" for key in keys)
        head: dict[str, Any] = {
            "run": self.folder.name,
            "from": after / SCALE,
            "to": self.seq / SCALE,
            "t": self._newest,
            "tasks": self._tasks.columns(tasks, self._origin or 0.0),
        }
        if workers:
            head["workers"] = self._tasks.workers
        return f'{_compact(head)[:-1]},"summary":{{{summary}}}}}'

    # Watching.

    def _follow(self) -> None:
        """Go on watching for a while, beginning with a look if nobody watches."""
        self._until = time.monotonic() + UNWATCHED
        if self._thread is None and not self._closing.is_set():
            self.look()
            self._thread = threading.Thread(
                target=self._watch, name=f"follow {self.folder.name}", daemon=True
            )
            self._thread.start()

    def _watch(self) -> None:
        around = time.monotonic() + AROUND
        while not self._closing.wait(LOOK):
            now = time.monotonic()
            if now < self._published + APART:
                continue
            thorough = now >= around
            if thorough:
                around = now + AROUND
                with self._lock:
                    if not self._listeners and now > self._until:
                        self._thread = None
                        self._forget()
                        return
            if thorough or self._unsettled or self._grown():
                self.look(thorough=thorough)

    def _grown(self) -> bool:
        return _stat(self.folder.events) != (self._place, self._size)

    def look(self, *, thorough: bool = True) -> None:
        """Take in what happened, and tell it.

        Args:
            thorough: look beyond the log and what runs, too: whether the controller lives, the disk.
        """
        with self._lock:
            news = self._read()
            if thorough:
                self._surroundings.look(self._record)
            else:
                self._surroundings.look_at_tasks()
            self._tasks.set_running(self._surroundings.running)
            # A worker takes a moment to begin with its next task: that is looked at once more.
            self._unsettled = news
            self._publish(news)

    def _read(self) -> bool:
        """Take in the new events; whether there were any."""
        place, size = _stat(self.folder.events)
        if place is None:
            self._place, self._size = None, -1
            self._trouble = (
                "The event log of this run is not there any more; what is shown is how it stood before."
            )
            return False
        if self._tail.position and (size < self._tail.position or self._place not in (None, place)):
            self._forget()
            when = time.strftime("%H:%M:%S")
            self._notes = [f"The event log was cut or replaced at {when}; what is shown is what it says now."]
        elif self._place is None:
            self._trouble = None
        self._place, self._size = place, size
        if self._trouble is not None:
            return False
        before = self._record.events
        try:
            for event in self._tail.read():
                self._take_in(event)
        except EventLogError as error:
            self._trouble = f"The event log is damaged; what is shown is what comes before that. {error}"
        except OSError as error:
            self._size = -1  # tried again at the next look
            log.debug("while reading %s", self.folder.events, exc_info=error)
        except Exception as error:
            log.debug("while reading %s", self.folder.events, exc_info=True)
            self._trouble = (
                f"Event {self._tail.seq} of the log makes no sense ({type(error).__name__}: {error}); what "
                "is shown is what comes before it."
            )
        return self._record.events > before

    def _take_in(self, event: dict[str, Any]) -> None:
        self._tasks.apply(self._record, event)
        self._summary.apply(self._record, event)
        self._newest = float(event["t"])
        if self._origin is None:
            self._origin = self._newest
            self._begun = 0  # times are counted from it: all have to begin anew

    def _publish(self, news: bool) -> None:
        troubles = [*self._notes, *([self._trouble] if self._trouble else [])]
        summary = self._summary.build(self._record, self._tasks, self._surroundings, troubles, news=news)
        texts = {key: _compact(plain_data(value)) for key, value in summary.items()}
        keys = [key for key, text in texts.items() if self._texts.get(key) != text]
        event = SCALE * max(0, self._record.events - 1) + TAG * self._tag
        seq = max(self.seq + 1, event)
        if seq >= event + TAG:  # more was told since the newest event than the number has room for
            return self._forget()
        tasks = self._tasks.take(seq)
        workers = len(self._tasks.workers) > self._known_workers
        if self._begun and not keys and not len(tasks) and not news:
            return
        before, self.seq = self.seq, seq
        self._texts = texts
        self._text_seq.update(dict.fromkeys(keys, seq))
        if workers:
            self._known_workers, self._workers_seq = len(self._tasks.workers), seq
        if self._begun:
            self._messages.append((before, seq, self._message(before, tasks, keys, workers=workers)))
        else:
            self._begun = seq
            self._messages.clear()
        self._published = time.monotonic()
        for wake in self._listeners:
            wake()


def _stat(path: os.PathLike[str]) -> tuple[tuple[int, int] | None, int]:
    """Device and inode, and the size, of a file; ``(None, -1)`` if it is not there."""
    try:
        stat = os.stat(path)
    except OSError:
        return None, -1
    return (stat.st_dev, stat.st_ino), stat.st_size


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)
