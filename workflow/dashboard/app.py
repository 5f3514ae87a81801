"""The dashboard as one web application."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Scope

from workflow.dashboard import actions, figure_routes, files, overview, simulations, stream, whatif
from workflow.dashboard.context import Context, Refusal, Runs
from workflow.dashboard.security import Gate

STATIC = Path(__file__).parent / "static"

SHARED = ("plotly-cartesian.min.js", "plotly-cartesian.LICENSE")
"""What is served of the assets that the report has too."""

WORDS = {
    404: ("there is nothing at this address", "begin at the dashboard's first page"),
    405: ("this address does not take that method", ""),
}


def build(runs: Runs, *, token: str, read_only: bool = False, hosts: Sequence[str] = ()) -> Dashboard:
    """The dashboard.

    Args:
        runs: that are shown.
        token: that whoever looks has to bring.
        read_only: whether nothing may be asked of any run.
        hosts: names by which it may be called besides those of this machine.
    """
    context = Context(runs, read_only)
    closing = stream.Closing()
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        default_response_class=_Json,
    )
    app.include_router(stream.routes(context, closing))
    for part in (overview, simulations, figure_routes, whatif, actions, files):
        app.include_router(part.routes(context))

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static/assets", _Shared(directory=str(package_files("workflow") / "assets")))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    return Dashboard(app, context, closing, token=token, read_only=read_only, hosts=hosts)


class _Json(JSONResponse):
    """JSON in ASCII: what programs print on their way down need not be Unicode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


class _Shared(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        if path not in SHARED:
            raise HTTPException(404)
        return await super().get_response(path, scope)


class Dashboard(Gate):
    """The application behind its gate.

    Attributes:
        routes: of the application.
    """

    def __init__(
        self,
        app: FastAPI,
        context: Context,
        closing: stream.Closing,
        *,
        token: str,
        read_only: bool,
        hosts: Sequence[str],
    ) -> None:
        packed: ASGIApp = GZipMiddleware(app, minimum_size=1000, compresslevel=5)
        super().__init__(packed, token=token, read_only=read_only, hosts=hosts)
        self.routes = app.routes
        self._context, self._closing = context, closing

    def close(self) -> None:
        """End all streams, and follow no run any more; may be called by a signal handler."""
        self._closing.close()

    def end(self) -> None:
        """Follow no run any more."""
        self._context.runs.close()


def _answer(status: int, words: str, do: str = "") -> JSONResponse:
    return _Json({"error": words, "do": do}, status)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _answer(error.status, error.words, error.do)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    words, do = WORDS.get(error.status_code, (str(error.detail), ""))
    return _answer(error.status_code, words, do)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return _answer(400, f"{where[:200]}: {first['msg'][0].lower()}{first['msg'][1:]}")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # It is raised anew after this, for the gate to note it.
    return _answer(500, "the dashboard made a mistake", "start it with mlaround --verbose to see which")
