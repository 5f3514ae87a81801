"""Programs that answer one request after another, each a process: nothing of it is left behind.

Requests go to a program's standard input and answers come from its standard output, a JSON object to a line,
the first of them when it is ready. A program that ends, says anything else or takes too long is ended with
all that it started, and the next request starts another.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from simulators.batch.process import Completed, Guarded

_START = 120.0
"""Seconds for a program to be ready, whatever time a request may take."""
_CLOSE = 5.0
"""Seconds for a program to end when there are no more requests."""


class SessionError(Exception):
    """A program did not answer, and is gone.

    Args:
        done: what it left; the processor time since its last answer.
        ready: whether it was asked at all.
    """

    def __init__(self, done: Completed, *, ready: bool) -> None:
        self.done, self.ready = done, ready
        super().__init__("timed out" if done.timed_out else done.end)


class Sessions:
    """The sessions of a batch: as many as there are threads that ask at a time.

    A session ends with the thread that started it; hence the threads that ask outlive the batch's requests.

    Args:
        command: of the program.
        folder: where it is started.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command, self._folder = command, folder
        self._idle: list[_Session] = []

    def __enter__(self) -> Sessions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    def ask(
        self,
        request: Mapping[str, Any],
        *,
        timeout: float,
        environment: Mapping[str, str],
        again: bool = True,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """The answer of a session that is free, or of a new one; its ``cpu_seconds`` are what it cost.

        Args:
            request: what JSON can hold.
            timeout: seconds for the answer, once the session is ready.
            environment: variables that the program has to have been started with.
            again: whether the session may be asked again after this.
            while_waiting: called some ten times a second; what it raises ends the session and is passed on.

        Raises:
            SessionError: there was no answer.
            OSError: the program could not be started.
        """
        session = self._idle.pop() if self._idle else None
        if session is not None and (session.ended or session.environment != environment):
            session.close()
            session = None
        if session is None:
            session = _Session(self._command, self._folder, dict(environment), while_waiting)
        answer = session.ask(request, timeout, while_waiting)
        if again:
            self._idle.append(session)
        else:
            session.close()
        return answer


class _Session:
    """One program."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: dict[str, str],
        while_waiting: Callable[[], None],
    ) -> None:
        self.environment = environment
        self._cpu = 0.0
        self._program = Guarded(command, folder=folder, environment=environment, stdin=subprocess.PIPE)
        self._answer(_START, while_waiting, ready=False)

    @property
    def ended(self) -> bool:
        return self._program.ended

    def ask(
        self, request: Mapping[str, Any], timeout: float, while_waiting: Callable[[], None]
    ) -> dict[str, Any]:
        try:
            assert self._program.stdin is not None
            self._program.stdin.write(json.dumps(request).encode() + b"\n")
            self._program.stdin.flush()
        except BrokenPipeError:  # it ended this very moment
            raise self._gone(timed_out=False, ready=True) from None
        answer = self._answer(timeout, while_waiting, ready=True)
        total = answer.pop("cpu_seconds")
        answer["cpu_seconds"], self._cpu = total - self._cpu, total
        return answer

    def _answer(self, timeout: float, while_waiting: Callable[[], None], *, ready: bool) -> dict[str, Any]:
        said = self._program.stdout
        try:
            in_time = self._program.follow(timeout, while_waiting, until=lambda: b"\n" in said.kept)
        except BaseException:
            self._program.finish(timed_out=True)
            raise
        line, newline, _ = bytes(said.kept).partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line if newline else b"")
        except ValueError:
            # What is no answer comes from beside the program, its launcher say, and is a sign of its end.
            raise self._gone(timed_out=not in_time, ready=ready) from None
        del said.kept[: len(line) + 1]
        return answer

    def _gone(self, *, timed_out: bool, ready: bool) -> SessionError:
        alive = timed_out or not self._program.follow(_CLOSE)
        done = self._program.finish(timed_out=alive)
        return SessionError(
            replace(done, timed_out=timed_out, cpu_seconds=max(0.0, done.cpu_seconds - self._cpu)),
            ready=ready,
        )

    def close(self) -> None:
        """No more requests."""
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.finish(timed_out=not self._program.follow(_CLOSE))
