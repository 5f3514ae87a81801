"""What every part of the dashboard is given: the runs, and how a run is read without ever breaking."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulators import InvalidInputError
from surrogates import ModelFileError, SurrogateError
from workflow.dashboard.followed import Followed
from workflow.diagnostics import CampaignError
from workflow.events import EventLogError
from workflow.figures import NothingToShowError
from workflow.folder import RunError, RunFolder, RunFolderError
from workflow.results import ResultFileError
from workflow.run import Run

log = logging.getLogger(__name__)

READ_AT_ONCE = 4
"""Runs whose results are kept in memory; the one looked at longest ago is let go for another."""

LONGEST = 2000
"""Characters of a refusal: some repeat what was given."""

WORDED = (CampaignError, EventLogError, ModelFileError, ResultFileError)
"""Errors of damaged folders that say themselves which file it is."""


class Refusal(Exception):  # noqa: N818  # what it is, and no more an error than a 404
    """An answer that is an error, in words for the reader.

    Args:
        status: the HTTP status.
        words: what is wrong.
        do: what to do about it.
    """

    def __init__(self, status: int, words: str, do: str = "") -> None:
        super().__init__(words)
        self.status, self.words, self.do = status, words[:LONGEST], do


class OpenRun:
    """A run that somebody looks at.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.followed = Followed(folder)
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._seen: tuple[object, ...] = ()
        self._size = 0

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.folder.name

    @contextmanager
    def reading(self) -> Iterator[Run]:
        """The run for analysis, for one reader at a time.

        Whatever is wrong with the folder becomes a `Refusal`: 404 where there is nothing to show yet,
        409 where a file cannot be read.
        """
        with self._lock:
            try:
                yield self._current()
            except Refusal:
                raise
            except (NothingToShowError, RunError, RunFolderError) as error:
                raise Refusal(404, str(error)) from error
            except (InvalidInputError, SurrogateError) as error:
                if isinstance(error, ModelFileError):
                    raise self._damaged(str(error)) from error
                raise Refusal(404, str(error)) from error
            except WORDED as error:
                raise self._damaged(str(error)) from error
            except Exception as error:
                log.debug("while reading %s", self.folder.path, exc_info=True)
                raise self._damaged(f"{type(error).__name__}: {error}") from error

    def let_go(self) -> None:
        """Forget what was read for analysis."""
        with self._lock:
            self._run = None

    def _current(self) -> Run:
        """The run as opened before, or opened anew where its files are no longer those that were read."""
        self.folder.read_resolved()  # whose error says that there is no run
        resolved = self.folder.resolved.stat()
        try:
            events = self.folder.events.stat()
        except FileNotFoundError:
            raise self._damaged("its event log, events.jsonl, is not there") from None
        seen = (resolved.st_ino, resolved.st_mtime_ns, events.st_ino, events.st_dev)
        if self._run is None or seen != self._seen or events.st_size < self._size:
            self._run = Run(self.folder)
        self._seen, self._size = seen, events.st_size
        return self._run

    def _damaged(self, words: str) -> Refusal:
        return Refusal(
            409,
            f"{self.name} cannot be read: {words}",
            f"look at {self.folder.path}; `mlaround resume` mends what a crash left behind",
        )


class Runs:
    """The runs of a dashboard: those in a folder, or a single one.

    Args:
        root: the folder that holds run folders, which may come and go.
        only: name of the one run that is shown; ``None`` for all.
    """

    def __init__(self, root: str | Path, only: str | None = None) -> None:
        self.root, self.only = Path(root).absolute(), only
        self._open: dict[str, OpenRun] = {}
        self._lock = threading.Lock()

    @classmethod
    def at(cls, path: str | Path) -> Runs:
        """The runs at a path: the run that it is, else those in the folder."""
        folder = RunFolder(path)
        return cls(folder.path.parent, folder.name) if folder.exists() else cls(folder.path)

    def folders(self) -> list[RunFolder]:
        """The run folders that are there now, by name."""
        if self.only is not None:
            found = [RunFolder(self.root / self.only)]
        else:
            try:
                found = [RunFolder(path) for path in sorted(self.root.iterdir()) if _shown(path.name)]
            except OSError:
                return []
        return [folder for folder in found if _exists(folder)]

    def open(self, name: str) -> OpenRun:
        """The run of that name.

        Raises:
            Refusal: 404, there is none.
        """
        folder = RunFolder(self.root / name) if _shown(name) else None
        if folder is None or (self.only is not None and name != self.only) or not _exists(folder):
            raise Refusal(404, f"there is no run {name[:200]!r} here", "choose one of the list of runs")
        with self._lock:
            run = self._open.pop(name, None) or OpenRun(folder)
            self._open[name] = run  # as the one looked at last
            for old in list(self._open.values())[:-READ_AT_ONCE]:
                old.let_go()
            return run

    def close(self) -> None:
        """Stop following any run."""
        with self._lock:
            for run in self._open.values():
                run.followed.close()


def _shown(name: str) -> bool:
    return (
        bool(name) and not name.startswith(".") and "/" not in name and name.isprintable() and len(name) < 256
    )


def _exists(folder: RunFolder) -> bool:
    try:
        return folder.exists()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Context:
    """What the parts of the API are given.

    Args:
        runs: that are shown.
        read_only: whether nothing may be asked of any run.
    """

    runs: Runs
    read_only: bool = False

    def run(self, name: str) -> OpenRun:
        """The run of that name.

        Raises:
            Refusal: 404, there is none.
        """
        return self.runs.open(name)
