"""The list of runs, and what a run is about."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from fastapi import APIRouter

from workflow.dashboard.context import Context
from workflow.dashboard.page import pages_of
from workflow.folder import RunFolder
from workflow.run import Run
from workflow.standing import last_status
from workflow.words import plain_data

SIZES = 60.0
"""Seconds for which the size of a folder is believed at least; longer where it took long to find."""


def routes(context: Context) -> APIRouter:
    """The routes of what is there."""
    router = APIRouter()
    sizes = _Sizes()

    @router.get("/api/runs")
    def runs() -> dict[str, Any]:
        found = [_row(folder, sizes) for folder in context.runs.folders()]
        return {"root": str(context.runs.root), "read_only": context.read_only, "runs": found}

    @router.get("/api/runs/{run}")
    def about(run: str) -> Any:
        with context.run(run).reading() as found:
            return plain_data(_about(found, read_only=context.read_only))

    return router


def _row(folder: RunFolder, sizes: _Sizes) -> dict[str, Any]:
    """A run in the list."""
    try:
        status, reason = last_status(folder), ""
        counts = status.get("simulations") or {}
        speedup = status.get("effective_speedup") or {}
        row = {
            "campaign": status.get("name"),
            "state": status["state"],
            **{key: counts.get(key) for key in ("done", "failed", "running", "total")},
            "speedup": speedup.get("value"),
            "updated": folder.events.stat().st_mtime,
        }
    except Exception as error:  # whatever a damaged folder brings about is said in its row
        empty = ("campaign", "state", "done", "failed", "running", "total", "speedup", "updated")
        row, reason = dict.fromkeys(empty), f"cannot be read: {error}"
    found: dict[str, Any] = plain_data({"name": folder.name, **row})
    return {**found, "disk_bytes": sizes.of(folder), "error": reason or None}


def _about(run: Run, *, read_only: bool) -> dict[str, Any]:
    declared = {parameter.name: parameter for parameter in run.campaign.simulator.inputs}
    return {
        "name": run.folder.name,
        "folder": str(run.folder.path),
        "read_only": read_only,
        "question": run.question,
        "pages": pages_of(run),
        "inputs": [
            {
                "name": d.name,
                "unit": d.unit,
                "description": declared[d.name].description,
                "low": d.low,
                "high": d.high,
                "values": list(d.values) if not d.discrete else [],
                "choices": list(d.values) if d.discrete else [],
                "constant": d.low == d.high,
            }
            for d in run.space.dimensions
        ],
        "axes": [{"name": axis.name, "unit": axis.unit} for axis in run.signature.axes],
    }


class _Sizes:
    """Bytes of run folders; to count them reads every folder, so that a count is kept for a while."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def of(self, folder: RunFolder) -> int:
        """Bytes of all files of a run, as counted lately."""
        with self._lock:
            until, size = self._known.get(str(folder.path), (0.0, 0))
            start = time.monotonic()
            if start >= until:
                size = _bytes(str(folder.path))
                took = time.monotonic() - start
                self._known[str(folder.path)] = start + max(SIZES, 100 * took), size
            return size


def _bytes(path: str) -> int:
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        pass  # removed while we looked
    return total
