"""Figures with their tables, and the pages that show them."""

from __future__ import annotations

import inspect
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request
from fastapi.responses import Response

from workflow.dashboard.context import Context, OpenRun, Refusal
from workflow.dashboard.files import attachment
from workflow.dashboard.page import content, find_pages
from workflow.figures import ChoiceError, Figure
from workflow.figures.figure import plain
from workflow.folder import version_name
from workflow.plots import Plots
from workflow.run import Run

KEPT = 48
"""Figures of a run that are kept; the one asked for longest ago is forgotten."""

ROWS = 500
"""Rows of the table behind a figure that come with it; the CSV file has all of them."""

JUDGED = frozenset({"profiles", "parity", "residuals", "calibration", "errors", "learning_curve"})
"""Figures that nothing but models and held-out simulations changes."""


def figure_names() -> list[str]:
    """Names of all figures: the public methods of `Plots`."""
    return [n for n, f in vars(Plots).items() if inspect.isfunction(f) and not n.startswith("_")]


def routes(context: Context) -> APIRouter:
    """The routes of figures and pages."""
    router = APIRouter()
    kept: WeakKeyDictionary[OpenRun, _Kept] = WeakKeyDictionary()

    def drawn(run: str, name: str, request: Request) -> _Drawn:
        opened = context.run(run)
        options = read_options(name, dict(request.query_params))
        return kept.setdefault(opened, _Kept()).figure(opened, name, options)

    @router.get("/api/runs/{run}/figures/{name}.csv")
    def table(run: str, name: str, request: Request) -> Response:
        figure = drawn(run, name, request).figure
        headers = attachment(f"{run}-{figure.name}.csv")
        return Response(figure.to_csv(), media_type="text/csv", headers=headers)

    @router.get("/api/runs/{run}/figures/{name}")
    def figure(run: str, name: str, request: Request) -> Response:
        return Response(drawn(run, name, request).text, media_type="application/json")

    @router.get("/api/runs/{run}/pages/{page}")
    def page(run: str, page: str) -> dict[str, Any]:
        opened, found = context.run(run), find_pages().get(page)
        with opened.reading() as read:
            if found is None or not found.shown(read):
                raise Refusal(
                    404, f"this run has no page {page[:100]!r}", "the navigation has those that it has"
                )
            return content(found, read)

    return router


def read_options(name: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a figure from a query.

    Args:
        name: of the figure.
        given: option -> text; ``at.gap=3.2`` is the value of a key of the option ``at``.

    Raises:
        Refusal: 404 for an unknown figure, 400 for an option that it has not or cannot read.
    """
    if name not in figure_names():
        raise Refusal(404, f"there is no figure {name[:100]!r}", f"there are {', '.join(figure_names())}")
    hints = get_type_hints(getattr(Plots, name))
    hints.pop("return")
    options: dict[str, Any] = {}
    for key, text in given.items():
        option, _, part = key.partition(".")
        if option not in hints or bool(part) != _is_mapping(hints[option]):
            known = ", ".join(f"{n}.NAME" if _is_mapping(h) else n for n, h in hints.items()) or "none"
            raise Refusal(400, f"{name} has no option {key[:100]!r}", f"its options: {known}")
        if part:
            options.setdefault(option, {})[part] = _number(key, text, float)
        elif text:
            options[option] = _value(key, text, hints[option])
    return options


def _is_mapping(hint: Any) -> bool:
    return any(get_origin(h) is Mapping for h in (get_args(hint) if _is_union(hint) else (hint,)))


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (UnionType, Union)


def _value(key: str, text: str, hint: Any) -> Any:
    kinds = set(get_args(hint) if _is_union(hint) else (hint,))
    if str in kinds:
        return text
    return _number(key, text, int if int in kinds else float)


def _number(key: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        wanted = "a whole number" if kind is int else "a number"
        raise Refusal(400, f"{key[:100]} = {text[:100]!r} is not {wanted}")
    return value


@dataclass(frozen=True)
class _Drawn:
    figure: Figure
    text: str


class _Kept:
    """Figures of a run as they were drawn last."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[Run, tuple[Any, ...], _Drawn]] = OrderedDict()
        self._lock = threading.Lock()

    def figure(self, opened: OpenRun, name: str, options: dict[str, Any]) -> _Drawn:
        key = json.dumps([name, options], sort_keys=True)
        with opened.reading() as run:
            stamp = _stamp(run, name)
            with self._lock:
                known = self._found.get(key)
                if known is not None and known[0] is run and known[1] == stamp:
                    self._found.move_to_end(key)
                    return known[2]
            drawn = _draw(run, name, options)
        with self._lock:
            self._found[key] = (run, stamp, drawn)
            self._found.move_to_end(key)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return drawn


def _stamp(run: Run, name: str) -> tuple[Any, ...]:
    """What the figure depends on, in numbers that change when it does."""
    record = run.record
    models = len(record.models), record.promoted
    if name in JUDGED:
        return (*models, len(record.finished(held_out=True)))
    return (*models, record.done, record.failed, record.lost)


def _draw(run: Run, name: str, options: dict[str, Any]) -> _Drawn:
    version = options.get("version")
    known = [version_name(m["model"]) for m in run.record.models]
    if version is not None and version not in known:
        raise Refusal(
            400, f"there is no model {version[:100]!r}", f"there are {', '.join(known) or 'none yet'}"
        )
    try:
        figure: Figure = getattr(run.plot, name)(**options)
    except ChoiceError as error:
        raise Refusal(400, str(error)) from error
    rows = len(figure.columns[0].values)
    about = {
        "name": figure.name,
        "title": figure.title,
        "summary": figure.summary,
        **figure.to_dict(),
        "columns": [{"head": c.head, "values": [plain(v) for v in c.values[:ROWS]]} for c in figure.columns],
        "rows": rows,
    }
    return _Drawn(figure, json.dumps(about, allow_nan=False, separators=(",", ":")))
