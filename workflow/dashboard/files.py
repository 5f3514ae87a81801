"""Downloads of a run's files, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse

from workflow.dashboard.context import Context, Refusal


def routes(context: Context) -> APIRouter:
    """The route of files."""
    router = APIRouter()

    @router.get("/api/runs/{run}/files/{path:path}")
    def file(run: str, path: str) -> FileResponse:
        found = confined(context.run(run).folder.path, path)
        # Never shown by the browser: a file of a run may hold anything, scripts too.
        return FileResponse(found, media_type="application/octet-stream", filename=found.name)

    return router


def attachment(name: str) -> dict[str, str]:
    """The head of an answer that browsers keep as a file of that name, in whatever script (RFC 6266)."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def confined(folder: Path, path: str) -> Path:
    """The file at a path within a folder, links followed.

    Raises:
        Refusal: 404, there is none, or it lies elsewhere.
    """
    try:
        root = folder.resolve(strict=True)
        found = (root / path).resolve(strict=True)
        if found.is_relative_to(root) and found.is_file():
            return found
    except (OSError, ValueError, RuntimeError):
        pass  # a name that no file can have, a link that leads to itself
    raise Refusal(404, "this run has no such file")
