"""One look for all figures: Okabe-Ito colours, units on every axis, legible on white and on black."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
GREY = "#7F7F7F"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
"""Series differ by symbol as well as by colour."""

SCALE = ((0.0, "#3F6FD6"), (0.33, "#15917F"), (0.66, "#C07F00"), (1.0, "#CF3F63"))
"""A range of colours of one lightness, so that every one is seen on white and on black."""


def steps(n: int) -> list[str]:
    """`n` colours of that range, evenly apart."""
    known = [at for at, _ in SCALE]
    parts = [[int(colour[k : k + 2], 16) for _, colour in SCALE] for k in (1, 3, 5)]
    found = (np.interp(np.linspace(0, 1, n), known, part).round().astype(int) for part in parts)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in zip(*found, strict=True)]


LINE = "rgba(127,127,127,0.28)"


TITLE = {"size": 13}
"""Titles of axes and of scales of colours are as large as the numbers along them."""


def axis_title(name: str, unit: str = "") -> str:
    """``density (M)``, ``valency (no unit)``.

    What a campaign has no unit for says so; a count or a ratio that a figure makes, such as ``simulations
    learned from``, is its own unit and stands without a parenthesis.
    """
    return f"{name.replace('_', ' ')} ({unit or 'no unit'})"


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title."""
    return {
        "title": {"text": title, "standoff": 8, "font": TITLE},
        "gridcolor": LINE,
        "zeroline": False,
        "linecolor": GREY,
        "showline": True,
        "ticks": "outside",
        "tickcolor": GREY,
        "automargin": True,
        **more,
    }


def colorbar(title: str, **more: Any) -> dict[str, Any]:
    """What colours mean, beside the panels, with a title that reads upwards."""
    return {"title": {"text": title, "side": "right", "font": TITLE}, "thickness": 14, **more}


def log_axis(title: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A logarithmic axis for values from `low` to `high`, labelled at round values and not too often."""
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades < 2.2 else (1,)
    every = max(1, math.ceil(decades / 8))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [s * 10.0**k for k in range(first - 1, last + 1) if k % every == 0 for s in steps]
    texts = [f"{t:g}" if 1e-3 <= t < 1e5 else f"10<sup>{round(math.log10(t))}</sup>" for t in ticks]
    if len(steps) > 1:
        texts = [f"{t:g}".replace("e-0", "e-") for t in ticks]
    return axis(title, type="log", tickvals=ticks, ticktext=texts, **more)


def layout(**more: Any) -> dict[str, Any]:
    """The common layout; backgrounds are the page's own, and `draw.js` sets the page's text colour."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, 'DejaVu Sans', sans-serif", "size": 13, "color": "#595959"},
        "margin": {"l": 64, "r": 16, "t": 40, "b": 56},
        "height": 420,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "hoverlabel": {"namelength": -1},
        "bargap": 0.15,
        **more,
    }


def translucent(colour: str, alpha: float) -> str:
    """The ``#rrggbb`` colour with an opacity."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def heading(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """The name of a panel, above it; x and y in fractions of the figure."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "showarrow": False,
        **more,
    }


def suffix(k: int) -> str:
    """How Plotly numbers the k-th axis of a figure, from 1: ``xaxis``, ``xaxis2``, ..."""
    return "" if k == 1 else str(k)
