"""What may be asked of a run from the dashboard: what would happen, and the asking itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from workflow.dashboard.context import Context, Refusal
from workflow.requests import RequestError, ask, consequence
from workflow.run import Run


class Asked(BaseModel):
    """The body of a POST."""

    model_config = ConfigDict(extra="forbid")

    verb: str
    arguments: dict[str, Any] = {}


def routes(context: Context) -> APIRouter:
    """The routes of actions."""
    router = APIRouter()

    @contextmanager
    def asking(run: str) -> Iterator[Run]:
        with context.run(run).reading() as found:
            try:
                yield found
            except RequestError as error:
                raise Refusal(400, str(error)) from error

    @router.get("/api/runs/{run}/consequence")
    def what_would_happen(
        run: str, verb: Annotated[str, Query(max_length=100)], arguments: str = "{}"
    ) -> dict[str, Any]:
        given = _arguments(arguments)
        with asking(run) as found:
            return asdict(consequence(found, verb, given))

    @router.post("/api/runs/{run}/actions", status_code=202)
    def act(run: str, asked: Asked) -> dict[str, Any]:
        with asking(run) as found:
            try:
                request = ask(found, asked.verb, asked.arguments, "dashboard")
            except OSError as error:
                words = f"{run} cannot be written to: {error.strerror or error}"
                raise Refusal(409, words, "whoever started the run may ask for it") from error
            kept = request.name in found.folder.requests() and found.folder.controller_alive() is None
            return {"asked": request.name, "kept": kept}

    return router


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "`arguments` is not JSON") from error
    if not isinstance(given, dict):
        raise Refusal(400, "`arguments` is not an object of JSON")
    return given
