"""The live state of runs: snapshots, the one stream of changes, and changes for those who have to ask."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated
from urllib.parse import quote, unquote

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from workflow.dashboard.context import Context, OpenRun, Refusal
from workflow.dashboard.followed import SCALE

ALIVE = 15.0
"""Seconds after which a stream says that it is still there."""

RUNS = 64
"""Runs that one stream may follow."""

NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")

PACKED = 5
"""Level of compression of snapshots: what more of it saves takes longer than to send it."""


class Closing:
    """Ends all streams when the server is to stop; uvicorn would wait for them."""

    def __init__(self) -> None:
        self.now = False
        self._streams: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def add(self, loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
        """A stream that is to be woken."""
        self._streams.add((loop, wake))

    def discard(self, loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
        """A stream that has ended."""
        self._streams.discard((loop, wake))

    def close(self) -> None:
        """End them; may be called by a signal handler."""
        self.now = True
        for loop, wake in list(self._streams):
            loop.call_soon_threadsafe(wake.set)


def routes(context: Context, closing: Closing) -> APIRouter:
    """The routes of the live state."""
    router = APIRouter()

    @router.get("/api/runs/{run}/snapshot")
    def snapshot(run: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
        _, text = context.run(run).followed.snapshot()
        if "gzip" not in accept_encoding:
            return Response(text, media_type="application/json")
        packed = gzip.compress(text.encode(), PACKED)
        head = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(packed, media_type="application/json", headers=head)

    @router.get("/changes")
    def changes(after: Annotated[list[str], Query()]) -> Response:
        positions = _positions(context, after)
        found = [run.followed.changes(seq) for run, seq in positions]
        return Response(f'{{"messages":[{",".join(found)}]}}', media_type="application/json")

    @router.get("/events")
    async def events(
        since: Annotated[list[str], Query()], last_event_id: Annotated[str, Header()] = ""
    ) -> StreamingResponse:
        # Where a connection is taken up again, the address still has where it began.
        newer = dict(_read(unquote(text) for text in last_event_id.split()))
        positions = await run_sync(partial(_positions, context, since, newer))
        return StreamingResponse(
            _stream(positions, closing),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"},
        )

    return router


def _read(given: Iterable[str]) -> list[tuple[str, int]]:
    """Runs and the numbers of their states, from ``RUN:SEQ``.

    Raises:
        Refusal: 400, that is not what they are.
    """
    found = []
    for text in given:
        run, colon, seq = text.rpartition(":")
        if not colon:
            raise Refusal(400, f"{text[:200]!r} is not a run and the number of a state, RUN:SEQ")
        found.append((run, _number(seq)))
    return found


def _number(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise Refusal(400, f"{text[:200]!r} is not the number of a state")
    return round(float(text) * SCALE)


def _positions(
    context: Context, given: Sequence[str], newer: dict[str, int] | None = None
) -> list[tuple[OpenRun, int]]:
    if len(given) > RUNS:
        raise Refusal(400, f"no more than {RUNS} runs can be followed at a time")
    return [(context.run(run), (newer or {}).get(run, seq)) for run, seq in _read(given)]


async def _stream(positions: list[tuple[OpenRun, int]], closing: Closing) -> AsyncIterator[str]:
    loop, wake = asyncio.get_running_loop(), asyncio.Event()
    seqs = {run: seq for run, seq in positions}

    def call() -> None:
        loop.call_soon_threadsafe(wake.set)

    closing.add(loop, wake)
    try:
        with ExitStack() as stack:
            for run in seqs:
                stack.enter_context(run.followed.listening(call))
            yield ": here are the changes of runs as they come\n\n"
            while not closing.now:
                wake.clear()
                for run in seqs:
                    texts, seqs[run] = await run_sync(run.followed.messages, seqs[run])
                    if texts:
                        at = " ".join(
                            f"{quote(run.name, safe='')}:{seq / SCALE}" for run, seq in seqs.items()
                        )
                        *first, last = (f"data: {text}\n" for text in texts)
                        yield "".join(f"{text}\n" for text in first) + f"id: {at}\n{last}\n"
                try:
                    await asyncio.wait_for(wake.wait(), ALIVE)
                except TimeoutError:
                    yield ": nothing new\n\n"
    finally:
        closing.discard(loop, wake)
