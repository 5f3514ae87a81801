"""The table of simulations, one simulation in full, and failures in groups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from workflow.dashboard.context import Context, Refusal
from workflow.dashboard.files import attachment
from workflow.dashboard.simulation_detail import detail
from workflow.dashboard.simulation_table import QueryError, SimulationTable
from workflow.failures import FailureGroup, failure_groups
from workflow.record import Record
from workflow.run import Run

SHOWN = 20
"""Simulations of a group that are named; the table has all of them."""

PATIENCE = 10
"""Groups are found anew after so many times the time that it took: a run with many failures is never
asked for more than a tenth of a core."""


def routes(context: Context) -> APIRouter:
    """The routes of this part of the API."""
    router = APIRouter()
    known: WeakKeyDictionary[Record, tuple[int, float, dict[str, Any]]] = WeakKeyDictionary()

    @router.get("/api/runs/{name}/simulations")
    def page(name: str, request: Request) -> dict[str, Any]:
        query = _query(request)
        with _table(context, name) as table:
            found = table.page(query)
            cells = [column.plain(found.rows) for column in table.columns]
            return {
                "total": found.total,
                "all": table.n,
                "columns": [
                    {"key": c.key, "name": c.name, "unit": c.unit, "kind": c.kind} for c in table.columns
                ],
                "rows": [list(row) for row in zip(*cells, strict=True)],
            }

    @router.get("/api/runs/{name}/simulations.csv")
    def as_csv(name: str, request: Request) -> StreamingResponse:
        query = _query(request)
        with _table(context, name) as table:
            lines = table.csv(table.rows(query))
            first = next(lines)  # with the columns as they are now: what comes in later is not in the file

        def text() -> Any:
            for line in chain([first], lines):
                yield line.encode(errors="replace")  # a message need not be Unicode

        headers = attachment(f"{name}-simulations.csv")
        return StreamingResponse(text(), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/api/runs/{name}/simulations/{number}")
    def one(name: str, number: str) -> dict[str, Any]:
        with context.run(name).reading() as run:
            n = run.record.replicas
            if not (number.isdecimal() and len(number) < 13 and int(number) < n):
                there_are = f"{name} has {f'simulations 0 to {n - 1}' if n else 'none yet'}"
                raise Refusal(404, f"there is no simulation {number[:50]}", there_are)
            return detail(run, int(number))

    @router.get("/api/runs/{name}/failures")
    def failures(name: str) -> dict[str, Any]:
        with context.run(name).reading() as run:
            record, now = run.record, time.monotonic()
            events, until, answer = known.get(record, (-1, 0.0, {}))
            if record.events != events and now >= until:
                answer = _failures(run)
                took = time.monotonic() - now
                known[record] = record.events, now + PATIENCE * took, answer
            return answer

    return router


def _query(request: Request) -> dict[str, str]:
    items = request.query_params.multi_items()
    query = dict(items)
    if len(query) < len(items):
        twice = next(name for name, _ in items if sum(name == other for other, _ in items) > 1)
        raise Refusal(400, f"{twice} is given twice", "give it once")
    return query


@contextmanager
def _table(context: Context, name: str) -> Iterator[SimulationTable]:
    """The simulations of a run; what is asked wrongly about them becomes a `Refusal`."""
    with context.run(name).reading() as run:
        try:
            yield SimulationTable(run)
        except QueryError as error:
            raise Refusal(400, str(error), "look at the columns of the table of simulations") from error


def _failures(run: Run) -> dict[str, Any]:
    groups = failure_groups(run.record, run.space)
    return {"failed": run.record.failed, "groups": [_group(group, groups) for group in groups]}


def _group(group: FailureGroup, groups: list[FailureGroup]) -> dict[str, Any]:
    common = group.common
    return {
        "key": group.key,
        "reason": group.reason,
        "alone": sum(other.reason == group.reason for other in groups) == 1,
        "message": group.message,
        "count": len(group.simulations),
        "simulations": group.simulations[:SHOWN].tolist(),
        "words": group.words,
        "common": common and {
            "input": common.input,
            "unit": common.unit,
            "values": common.values,
            "edges": common.edges,
            "failed_counts": common.failed_counts,
            "done_counts": common.done_counts,
        },
    }  # fmt: skip
