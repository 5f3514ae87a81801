"""The run folder: where everything lies, atomic writes, the controller's lock and requests to it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STALE_AFTER = 120.0
"""Seconds without a sign of life after which a controller on another host counts as dead."""

README = """\
This folder is one run of mlaround: campaign `{name}`.

  events.jsonl   all that happened, one JSON object a line; every other file but results/ and models/
                 can be rebuilt from it
  results/       one HDF5 file per task
  results.csv    one row per simulation, written when the run stops
  models/        every trained model; the file `promoted` names the version in use

To look at it:
  mlaround status {path}
  mlaround report {path}
  mlaround predict {path} --help
To go on with it after a stop or a crash (always safe):
  mlaround resume {path}
To pause a running controller, or to stop it:
  mlaround pause {path}
  mlaround stop {path}
"""


MARKED = {"task", "worker", "started"}
"""What the marker of a running task says at least."""


class RunError(RuntimeError):
    """A run that came to nothing, or that cannot answer yet."""


class RunFolderError(Exception):
    """A folder that cannot be used as a run.

    RunFolderError
    └── RunLockedError   another controller holds the run
    """


class RunLockedError(RunFolderError):
    """Another live controller holds the run."""

    def __init__(self, folder: Path, holder: Mapping[str, Any]) -> None:
        self.folder, self.holder = folder, dict(holder)
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
        super().__init__(f"{folder} is held by another controller: {who}; stop it or wait for its end")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.folder, self.holder)


def write_atomically(path: Path, text: str | Iterable[str], *, durable: bool = False) -> None:
    """Put a text in place so that a reader sees the old or the new one, never a part.

    Args:
        path: the file.
        text: its new content, whole or in pieces.
        durable: also survive a power failure (fsync of the file and its folder).
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes files private; a run folder is as readable as its parent lets it be.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames within a folder survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The only portable way to read the umask is to set it; done once, before any thread runs.
    return _UMASK


_UMASK = os.umask(0o022)
os.umask(_UMASK)


RUNS = Path("runs")
"""Where run folders lie unless something else is said."""


def new_run(campaign: str) -> Path:
    """Where a new run of a campaign goes by default: ``runs/NAME-YYYYMMDD-HHMMSS``."""
    return RUNS / f"{campaign}-{time.strftime('%Y%m%d-%H%M%S')}"


def version_name(version: int) -> str:
    """How a model version is called, and its folder: ``v0003``."""
    return f"v{version:04d}"


class RunFolder:
    """Paths of a run and the small files in it.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.campaign = self.path / "campaign.yaml"
        self.resolved = self.path / "resolved.yaml"
        self.provenance = self.path / "provenance.json"
        self.environment = self.path / "environment.txt"
        self.readme = self.path / "README.txt"
        self.events = self.path / "events.jsonl"
        self.status = self.path / "status.json"
        self.controller = self.path / "controller.json"
        self.control = self.path / "control"
        self.running = self.path / "running"
        self.results = self.path / "results"
        self.results_csv = self.path / "results.csv"
        self.models = self.path / "models"
        self.promoted = self.path / "models" / "promoted"
        self.parsl = self.path / "parsl"
        self.report = self.path / "report.html"

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.path.name

    def exists(self) -> bool:
        """Whether a run was ever created here."""
        return self.resolved.is_file()

    def result(self, task: int) -> Path:
        """The result file of a task."""
        return self.results / f"{task // 1000:03d}" / f"task-{task:06d}.h5"

    @property
    def trajectories(self) -> Path:
        """Where replicas keep their trajectories, series and checkpoints."""
        return self.path / "trajectories"

    @staticmethod
    def kept_name(replica: int) -> str:
        """How a replica's files there begin, whichever task runs it."""
        return f"{replica // 1000:03d}/replica-{replica:06d}"

    def model(self, version: int) -> Path:
        """The folder of a model version."""
        return self.models / version_name(version)

    def create(self, *, campaign: str, resolved: str, provenance: Mapping[str, Any]) -> None:
        """Make the folder and write what is known at the start.

        Args:
            campaign: the campaign's text exactly as given.
            resolved: the same with everything filled in.
            provenance: versions, host, command line and whatever else there is to tell.

        Raises:
            RunFolderError: there is a run already.
        """
        if self.exists():
            raise RunFolderError(
                f"{self.path} already holds a run; go on with it: mlaround resume {self.path}"
            )
        for folder in (self.path, self.control, self.running, self.results, self.models):
            folder.mkdir(parents=True, exist_ok=True)
        self.events.touch()
        write_atomically(self.campaign, campaign)
        self.write_provenance(provenance)
        write_atomically(
            self.readme, README.format(name=provenance.get("campaign", self.name), path=self.path)
        )
        # Last, since its presence is what makes the folder a run.
        write_atomically(self.resolved, resolved, durable=True)

    def read_resolved(self) -> str:
        """The text of the campaign with everything filled in.

        Raises:
            RunFolderError: there is no run here.
        """
        try:
            return self.resolved.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(f"{self.path} holds no run (no resolved.yaml in it)") from None

    def read_provenance(self) -> dict[str, Any]:
        """What was recorded about the start of the run; empty if there is nothing."""
        return _read_json(self.provenance) or {}

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Replace ``provenance.json``."""
        write_atomically(self.provenance, json.dumps(provenance, indent=1) + "\n")

    def plugin_folder(self) -> str | None:
        """Where the user's own plug-ins are looked for: beside the campaign's file, if it came from one."""
        source = self.read_provenance().get("source")
        return str(Path(source).parent) if source else None

    def read_status(self) -> dict[str, Any] | None:
        """The last status that a controller wrote; ``None`` if there is none."""
        return _read_json(self.status)

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace ``status.json``."""
        write_atomically(self.status, json.dumps(status, allow_nan=False))

    def request(self, content: Mapping[str, Any]) -> str:
        """Leave a request for the controller (see `workflow.requests`); its name, in the order of asking."""
        self.control.mkdir(exist_ok=True)
        name = f"{time.time_ns():019d}-{secrets.token_hex(4)}"
        write_atomically(self.control / f"{name}.json", json.dumps(content, allow_nan=False))
        return name

    def requests(self) -> list[str]:
        """Names of the requests that wait for the controller, the oldest first."""
        names = sorted(_names(self.control))
        return [name.removesuffix(".json") for name in names if name[0] != "." and name.endswith(".json")]

    def read_request(self, name: str) -> dict[str, Any] | None:
        """What a request says; ``None`` if it is gone or cannot be read."""
        return _read_json(self.control / f"{name}.json")

    def answer(self, name: str) -> None:
        """Take a request away."""
        (self.control / f"{name}.json").unlink(missing_ok=True)

    def marker(self, task: int) -> Path:
        """The file that lies there while a worker runs the task."""
        return self.running / f"task-{task:06d}.json"

    def read_marker(self, task: int) -> dict[str, Any] | None:
        """What the marker of a task says; ``None`` if there is none."""
        return _read_json(self.marker(task))

    def withdrawn(self, task: int) -> Path:
        """The file that tells a worker not to begin with the task, which was handed over already."""
        return self.running / f"task-{task:06d}.withdrawn"

    def running_tasks(self, known: Iterable[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """What runs now, by task: ``task``, ``pid``, ``host``, ``worker``, ``started`` and more.

        What a worker of this host left behind that is gone is left out.

        Args:
            known: what a look just before gave: of this nothing is read again.
        """
        seen = {self.marker(marker["task"]).name: marker for marker in known}
        found = []
        for path in sorted(self.running.glob("task-*.json")):
            marker = seen.get(path.name) or _read_json(path) or {}
            if path.name in seen or (marker.keys() >= MARKED and _still_there(marker)):
                found.append(marker)
        return found

    def marked(self) -> set[int]:
        """Tasks whose marker lies there: they run, or ran when their worker died. One look for all."""
        names = (name for name in _names(self.running) if name.startswith("task-") and name.endswith(".json"))
        return {int(name[5:-5]) for name in names}

    def with_result(self, tasks: Iterable[int]) -> set[int]:
        """Those of some tasks whose result file is in place, by a look at each folder of theirs."""
        wanted = set(tasks)
        folders = {self.result(task).parent for task in {task // 1000 * 1000 for task in wanted}}
        names = (name for folder in folders for name in _names(folder) if name.startswith("task-"))
        return wanted & {int(name[5:].partition(".")[0]) for name in names}

    def tidy_running(self) -> None:
        """Remove all that says what runs; when nothing does."""
        for path in self.running.glob("task-*"):
            path.unlink(missing_ok=True)

    def point_to_promoted(self, version: int | None) -> None:
        """Let ``models/promoted`` name the model in use, if there is one."""
        if version is None:
            self.promoted.unlink(missing_ok=True)
        else:
            write_atomically(self.promoted, version_name(version) + "\n")

    def controller_alive(self) -> dict[str, Any] | None:
        """Who holds the run, if a live controller does: ``pid``, ``host``, ``started``."""
        holder = _read_json(self.controller)
        if holder is None or not _alive(holder, self.controller):
            return None
        return holder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run as its one controller.

        The lock proper is the operating system's on the event log, which a killed process drops at
        once; ``controller.json`` says who holds it, and stands in where a file system has no locks.

        Raises:
            RunLockedError: another live controller holds it.
        """
        handle = os.open(self.events, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _locked(handle):
                raise RunLockedError(self.path, _read_json(self.controller) or {})
            holder = self.controller_alive()
            if holder is not None and (holder["pid"], holder["host"]) != (os.getpid(), socket.gethostname()):
                raise RunLockedError(self.path, holder)
            me = {"pid": os.getpid(), "host": socket.gethostname(), "started": process_start(os.getpid())}
            write_atomically(self.controller, json.dumps(me))
            try:
                yield
            finally:
                self.controller.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def touch_controller(self) -> None:
        """Show controllers on other hosts that this one is alive."""
        with suppress(FileNotFoundError):
            os.utime(self.controller)


def _locked(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: controller.json alone must do
    return True


def _alive(holder: Mapping[str, Any], path: Path) -> bool:
    if holder.get("host") == socket.gethostname():
        # The start time tells a recycled process id from the controller.
        return process_start(int(holder.get("pid", -1))) == holder.get("started") is not None
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < STALE_AFTER
    return False


def _still_there(marker: Mapping[str, Any]) -> bool:
    """Whether the process that wrote a marker may still be at work."""
    if marker.get("host") != socket.gethostname():
        return True
    start = process_start(int(marker.get("pid", -1)))
    return start is not None and start == marker.get("process_started", start)


def process_start(pid: int) -> float | None:
    """When a process started; ``None`` if there is none of that id."""
    try:
        # /proc first: psutil costs an import that the status command need not pay.
        stat = Path(f"/proc/{pid}/stat").read_text()
        state, ticks = stat.rpartition(")")[2].split()[0], stat.rpartition(")")[2].split()[19]
        return None if state == "Z" else float(ticks)
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return data if isinstance(data, dict) else None
