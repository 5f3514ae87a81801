"""Leaving a request in a run folder, and finding out what became of it."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflow.events import Event, EventWriter, cut_torn_tail
from workflow.folder import RunFolder, RunLockedError
from workflow.record import Record
from workflow.requests.arguments import Promote, RequestError, Simulate, parse, point
from workflow.requests.checks import model_of
from workflow.words import plain_data

if TYPE_CHECKING:
    from workflow.run import Run

LIVE = frozenset({"pause", "resume", "stop", "kill"})
"""Verbs that mean the controller that holds the run now, and nothing to the next one."""

LOOK = 0.05
"""Seconds between two looks for an answer."""


@dataclass(frozen=True)
class Request:
    """What a user asked for.

    Args:
        name: of its file; requests are answered in the order of their names.
        verb: see `workflow.requests.VERBS`.
        arguments: as JSON has them.
        user: who asked.
        via: ``dashboard``, ``command line`` or ``python``.
        asked: when, seconds since 1970.
    """

    name: str
    verb: str
    arguments: dict[str, Any]
    user: str
    via: str
    asked: float

    def event(self, outcome: str, words: str) -> dict[str, Any]:
        """The fields of the event `action`."""
        fields: dict[str, Any] = plain_data(
            {
                "request": self.name,
                "verb": self.verb,
                "arguments": self.arguments,
                "user": self.user,
                "via": self.via,
                "asked": self.asked,
                "outcome": outcome,
                "words": words,
            }
        )
        return fields


def ask(run: Run, verb: str, arguments: Mapping[str, Any], via: str) -> Request:
    """Ask for something; the controller answers within a second, or the next one at its start.

    A model is promoted at once where no controller holds the run.

    Args:
        run: what to act on.
        verb: one of `VERBS`.
        arguments: of the verb.
        via: ``dashboard``, ``command line`` or ``python``.

    Raises:
        RequestError: it makes no sense, or nobody is there to do it.
    """
    asked = parse(verb, arguments)
    if isinstance(asked, Simulate):
        row = point(run.campaign.simulator, run.space, asked.inputs)
        asked = Simulate(inputs=dict(zip(run.space.names, row.tolist(), strict=True)))
    alive = run.folder.controller_alive() is not None
    if verb in LIVE and not alive:
        raise RequestError(f"no controller holds {run.folder.name}: there is nothing to {verb}")
    fields: dict[str, Any] = {
        "verb": verb,
        "arguments": asked.model_dump(mode="json", exclude_none=True),
        "user": user_name(),
        "via": via,
        "asked": round(time.time(), 6),
    }
    name = run.folder.request(fields)
    request = Request(name, **fields)
    if isinstance(asked, Promote) and not alive:
        _promote_at_once(run, request, asked)
    return request


def read(folder: RunFolder, name: str) -> Request | None:
    """The request of that name; ``None`` if it is gone or nobody can read it."""
    found = folder.read_request(name) or {}
    try:
        return Request(
            name,
            str(found["verb"]),
            dict(found["arguments"]),
            str(found["user"]),
            str(found["via"]),
            float(found["asked"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def outcome(run: Run, request: Request, seconds: float) -> Event | None:
    """The event `action` of a request, waited for; ``None`` if there is none within that time."""
    end = time.monotonic() + seconds
    while True:
        for action in reversed(run.record.actions):
            if action.get("request") == request.name:
                return action
        if time.monotonic() >= end:
            return None
        time.sleep(LOOK)


def user_name() -> str:
    """Who this is, as the system calls them."""
    with suppress(Exception):  # KeyError, ImportError or OSError: a user without a name, in a container say
        return getpass.getuser()
    return f"user {os.getuid()}"


def _promote_at_once(run: Run, request: Request, asked: Promote) -> None:
    """Do in the place of the controller what needs none."""
    folder = run.folder
    try:
        with folder.lock():
            cut_torn_tail(folder.events)
            record = Record.read(folder.events)
            try:
                words = f"{model_of(record, folder, asked.model)} is used from now on"
            except RequestError:
                folder.answer(request.name)
                raise
            with EventWriter(folder.events, record.events) as log:
                record.apply(log.append("action", **request.event("done", words)))
                folder.point_to_promoted(record.promoted)
            folder.answer(request.name)
            if (last := folder.read_status()) is not None:
                now = run.status
                folder.write_status(last | {key: now[key] for key in ("model", "effective_speedup")})
    except RunLockedError:
        return  # a controller came in the meantime, and will find the request
