"""Another program, run and waited for: nothing of it is left behind, whatever it does.

A program may start others, put them in sessions of their own, go on for ever, hold its output open through a
child, or print without end. It runs in a session of its own, what it prints is kept up to a limit, and at the
end everything that it started is gone: found by process group, and by a variable in its environment where a
process has left the group. When the process that called dies, even by SIGKILL, the system tells the program's
guard, a shell of two lines, which ends the group (Linux with `setpriv`).
"""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import psutil

LIMIT = 32 * 2**20
"""Bytes kept of what a program prints, of its two streams each."""

_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_LOOK = 0.1
"""Seconds between two looks at whether a program that prints nothing has ended."""
_GUARD = """\
trap 'trap "" TERM; kill -TERM 0; (sleep 2; kill -KILL 0) & wait $program; kill -KILL 0' TERM
exec 3<&0 4>&2 2>/dev/null  # what the shell itself has to say is no word of the program's
"$@" <&3 2>&4 3<&- 4>&- & program=$!
exec 3<&- 4>&-
wait $program
"""


@dataclass(frozen=True)
class Completed:
    """What a program left.

    Args:
        returncode: its exit code; 128 + n or -n if signal n ended it.
        stdout, stderr: what it printed, the last bytes of it if there was more than the limit.
        timed_out: whether it was ended because its time was up.
        lost: bytes of stdout beyond the limit, which are not in ``stdout``.
        cpu_seconds: processor time of the program and of those of its children that it waited for.
    """

    returncode: int
    stdout: str
    stderr: str
    timed_out: bool = False
    lost: int = 0
    cpu_seconds: float = 0.0

    @property
    def end(self) -> str:
        """How it ended, in words: ``exit code 3``, ``killed by SIGSEGV``."""
        number = -self.returncode if self.returncode < 0 else self.returncode - 128
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"exit code {self.returncode}"


class _Tail:
    """The last bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self.limit, self.kept, self.total = limit, bytearray(), 0

    def add(self, data: bytes) -> None:
        self.kept += data
        self.total += len(data)
        if len(self.kept) > 2 * self.limit:  # not at every read, since each time moves what is kept
            del self.kept[: -self.limit]

    @property
    def lost(self) -> int:
        return max(0, self.total - self.limit)

    def text(self) -> str:
        return bytes(self.kept[-self.limit :]).decode("utf-8", errors="replace")


def run_command(
    command: Sequence[str],
    *,
    folder: Path,
    timeout: float | None,
    environment: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    limit: int = LIMIT,
    while_waiting: Callable[[], None] = lambda: None,
) -> Completed:
    """Run a program to its end, or to the end of its time.

    Args:
        command: the program and its arguments; no shell reads them.
        folder: where it runs.
        timeout: seconds after which it is ended: SIGTERM, and SIGKILL two seconds later.
        environment: variables besides those of this process.
        stdin: file that it reads; nothing by default.
        limit: bytes kept of each stream; the rest is read and dropped.
        while_waiting: called some ten times a second; what it raises ends the program and is passed on.

    Raises:
        OSError: it could not be started.
    """
    with Path(stdin or os.devnull).open("rb") as source:
        program = Guarded(command, folder=folder, environment=environment, stdin=source, limit=limit)
    with program:
        timed_out = not program.follow(timeout, while_waiting)
        return program.finish(timed_out=timed_out)


class Guarded:
    """A program that was started; leaving its context ends it with all that it started.

    Args:
        command, folder, environment, limit: as for `run_command`.
        stdin: what it reads, a file or `subprocess.PIPE`.

    Raises:
        OSError: it could not be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None,
        stdin: IO[bytes] | int,
        limit: int = LIMIT,
    ) -> None:
        variables = {**os.environ, **(environment or {})}
        if find_program(command[0], folder, variables.get("PATH")) is None:
            # The guard would say 127, which a program may say too.
            raise FileNotFoundError(errno.ENOENT, "there is no such program", command[0])
        # A name of its own, since a command may run commands.
        self._mark = f"MLAROUND_COMMAND_{uuid.uuid4().hex}"
        self._process = subprocess.Popen(
            [*_guard(), *command],
            cwd=folder,
            env={**variables, self._mark: "1"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdin = self._process.stdin
        self.stdout, self.stderr = _Tail(limit), _Tail(limit)
        self._tails = {self._process.stdout: self.stdout, self._process.stderr: self.stderr}

    def __enter__(self) -> Guarded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self.finish(timed_out=True)

    @property
    def ended(self) -> bool:
        """Whether the program itself has ended."""
        return _ended(self._process)

    def follow(
        self,
        timeout: float | None,
        while_waiting: Callable[[], None] = lambda: None,
        until: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Read what it prints until it has ended, or until something is so; ``False`` if time was up first.

        Args:
            timeout: seconds; ``None`` for any time.
            while_waiting: called some ten times a second; what it raises is passed on.
            until: asked after each read.
        """
        return _follow(self._process, self._tails, timeout, while_waiting, until)

    def finish(self, *, timed_out: bool) -> Completed:
        """What it left; nothing of it runs any more.

        Args:
            timed_out: whether it is to be ended, rather than has ended.
        """
        try:
            if timed_out:
                _end(self._process, self._mark, self._tails)
            else:
                _clear(self._process, self._mark, self._tails)
        except BaseException:
            _end(self._process, self._mark, self._tails)
            raise
        finally:
            _, status, used = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            for stream in (self.stdin, *self._tails):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()
        return Completed(
            self._process.returncode,
            self.stdout.text(),
            self.stderr.text(),
            timed_out,
            self.stdout.lost,
            used.ru_utime + used.ru_stime,
        )


def find_program(name: str, folder: Path, path: str | None = None) -> str | None:
    """Where the program is that a command names; ``None`` if there is none that can be run.

    Args:
        name: looked for along the search path, or below ``folder`` if it holds a slash.
        folder: where the command runs.
        path: the search path; by default this process's.
    """
    return shutil.which(folder / name if os.sep in name else name, path=path)


def _guard() -> list[str]:
    """What stands before a command so that the death of this thread ends its whole group."""
    setpriv, shell = shutil.which("setpriv"), shutil.which("sh")
    if setpriv is None or shell is None:
        return []
    return [setpriv, "--pdeathsig", "TERM", shell, "-c", _GUARD, "sh"]


def _follow(
    process: subprocess.Popen[bytes],
    tails: Mapping[IO[bytes], _Tail],
    timeout: float | None,
    while_waiting: Callable[[], None],
    until: Callable[[], bool],
) -> bool:
    ends = None if timeout is None else time.monotonic() + timeout
    with selectors.DefaultSelector() as streams:
        for stream in tails:
            streams.register(stream, selectors.EVENT_READ)
        while not (until() or _ended(process)):
            if ends is not None and time.monotonic() >= ends:
                return False
            while_waiting()
            if streams.get_map():
                _read(streams, tails, _LOOK)
            else:  # it closed its output, mostly because it is about to end
                time.sleep(_LOOK / 50)
    return True


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended; it stays unreaped, so that its group's number is not given anew."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read(streams: selectors.BaseSelector, tails: Mapping[IO[bytes], _Tail], seconds: float) -> bool:
    """One read of each stream that has something; whether there was any."""
    ready = streams.select(seconds)
    for key, _ in ready:
        data = os.read(key.fd, 2**16)
        if data:
            tails[key.fileobj].add(data)  # type: ignore[index]  # the streams of `tails` alone are registered
        else:
            streams.unregister(key.fileobj)
    return bool(ready)


def _clear(process: subprocess.Popen[bytes], mark: str, tails: Mapping[IO[bytes], _Tail]) -> None:
    """After the program's own end: end what it left running, and read what it had printed last."""
    _to_group(process, signal.SIGKILL)
    if not _drain(tails):  # something outside the group holds the streams open
        _to_marked(mark, signal.SIGKILL)
        _drain(tails)


def _end(process: subprocess.Popen[bytes], mark: str, tails: Mapping[IO[bytes], _Tail]) -> None:
    """End the program and all that it started, politely first."""
    _to_group(process, signal.SIGTERM)
    _to_marked(mark, signal.SIGTERM)
    patience = time.monotonic() + _GRACE
    while _marked(mark) and time.monotonic() < patience:
        _drain(tails)
    _to_group(process, signal.SIGKILL)
    while _to_marked(mark, signal.SIGKILL):  # a process may have started another in the meantime
        time.sleep(_LOOK / 10)
    _drain(tails)


def _drain(tails: Mapping[IO[bytes], _Tail]) -> bool:
    """Read until nothing comes for a moment, or for ten such; whether all streams came to their end."""
    until = time.monotonic() + 10 * _LOOK
    with selectors.DefaultSelector() as streams:
        for stream in tails:
            streams.register(stream, selectors.EVENT_READ)
        while streams.get_map() and _read(streams, tails, _LOOK) and time.monotonic() < until:
            pass
        return not streams.get_map()


def _to_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, number)


def _to_marked(mark: str, number: signal.Signals) -> int:
    """Send a signal to all that the command started; how many there were."""
    found = _marked(mark)
    for process in found:
        with suppress(psutil.Error):
            process.send_signal(number)
    return len(found)


def _marked(mark: str) -> list[psutil.Process]:
    """The processes with this variable in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if mark in process.environ() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
