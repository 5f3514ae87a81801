"""A figure: a Plotly JSON dictionary built without importing plotly, and the table behind it."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np


class ChoiceError(ValueError):
    """A choice that a figure cannot follow: a name or a value that there is not."""


class NothingToShowError(ValueError):
    """A figure for which there is nothing yet, or nothing in this campaign; says what is missing."""


@dataclass(frozen=True)
class Column:
    """A column of the table behind a figure; `unit` is empty for pure numbers and for words."""

    name: str
    unit: str
    values: Sequence[Any]

    @property
    def head(self) -> str:
        """Name and unit: ``density [M]``."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Figure:
    """A figure that a browser, a notebook and the report draw alike.

    Args:
        name: short, for file names and anchors.
        title: what is shown.
        summary: the finding in a sentence or two; also the text for those who cannot see the figure.
        data, layout: Plotly traces and layout, JSON-ready.
        columns: the table behind the figure, columns of equal length.
    """

    name: str
    title: str
    summary: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    columns: tuple[Column, ...]

    def to_dict(self) -> dict[str, Any]:
        """The Plotly figure: ``plotly.graph_objects.Figure(figure.to_dict())`` draws it."""
        return {"data": self.data, "layout": self.layout}

    def to_csv(self) -> str:
        """The table behind the figure: a line of names with units, then the numbers in full."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.head for column in self.columns])
        writer.writerows(zip(*([plain(v) for v in c.values] for c in self.columns), strict=True))
        return stream.getvalue()

    def to_html(self) -> str:
        """A page of its own with the plotting library inside: opens anywhere, without a network."""
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}'
            "</title><style>:root{color-scheme:light dark}body{margin:0;font-family:system-ui,sans-serif}"
            f"</style><script>{asset('plotly-cartesian.min.js')}</script></head><body>"
            f'<div id="figure" role="img" aria-label="{html.escape(self.summary)}"></div>'
            f"<script>{asset('draw.js')}\nmlaroundDraw(document.getElementById('figure'), "
            f"{embed(self.to_dict())});</script></body></html>"
        )

    def _repr_html_(self) -> str:
        height = int(self.layout.get("height", 450)) + 20
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self.to_html())}" '
            f'style="width:100%;height:{height}px;border:0"></iframe>'
        )


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """The text of a file that the package ships for browsers."""
    return files("workflow").joinpath("assets", name).read_text(encoding="utf-8")


def embed(value: Any) -> str:
    """JSON that may stand inside a ``<script>`` element whatever texts it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def plain(value: Any) -> Any:
    """A number or word as JSON and CSV take it; ``None`` for what is not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def numbers(values: Any, digits: int = 6) -> list[Any]:
    """A list for a trace: a plot needs no more than six digits, and pages stay small."""
    array = np.asarray(values, dtype=np.float64).ravel()
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in array]
