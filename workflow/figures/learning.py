"""What the campaign bought: the learning curve and the effective speedup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow.figures.figure import Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import HeldOut
from workflow.figures.style import BLUE, GREEN, GREY, VERMILION, axis, layout
from workflow.speedup import Speedup, times


def learning_curve(versions: Sequence[tuple[int, HeldOut]]) -> Figure:
    """Held-out error against the number of simulations learned from, a point per model version.

    Args:
        versions: simulations learned from, and what that version says of the held-out simulations;
            all versions are judged by the same ones.

    Raises:
        NothingToShowError: no model was trained, or nothing was held out.
    """
    versions = [(n, held) for n, held in versions if len(held)]
    if not versions:
        raise NothingToShowError("no trained model was judged by held-out simulations")
    n = [count for count, _ in versions]
    labels = [held.version for _, held in versions]
    error = [held.relative_error() for _, held in versions]
    spread = [float(np.std(held.bootstrap(), ddof=1)) for _, held in versions]
    floor = versions[-1][1].noise_floor()
    judges = len(versions[-1][1])
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "x": n,
            "y": numbers(100 * np.array(error)),
            "error_y": {
                "type": "data",
                "array": numbers(100 * np.array(spread)),
                "thickness": 1.2,
                "width": 4,
            },
            "mode": "lines+markers+text",
            "text": _together(n, labels),
            "textposition": ["top right" if count < max(n) else "top left" for count in n],
            "line": {"color": BLUE},
            "marker": {"color": BLUE, "size": 8},
            "name": "model, ± standard error (bootstrap over simulations)",
        },
        {
            "type": "scatter",
            "x": [0.9 * min(n), 1.05 * max(n)],
            "y": numbers([100 * floor, 100 * floor]),
            "mode": "lines",
            "line": {"color": VERMILION, "dash": "dash"},
            "name": "noise of one simulation",
        },
    ]
    plot = layout(
        xaxis=axis("simulations learned from", range=[0.88 * min(n), 1.08 * max(n)]),
        yaxis=axis("median relative error (%)", rangemode="tozero"),
    )
    return Figure(
        "learning-curve",
        "Learning curve",
        f"All versions are judged by the same {judges:,} held-out simulations. {labels[-1]}, taught by "
        f"{n[-1]:,}, differs from a simulation by {_percent(error[-1])} in the median; a perfect model would "
        f"differ by {_percent(floor)}, which is the noise of the simulation itself.",
        data,
        plot,
        (
            Column("model", "", labels),
            Column("simulations", "", n),
            Column("median relative error", "", error),
            Column("standard error", "", spread),
            Column("noise of one simulation", "", [held.noise_floor() for _, held in versions]),
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %" if share >= 1 else f"{100 * share:.2g} %"


def _together(counts: Sequence[int], labels: Sequence[str]) -> list[str]:
    """The labels of the points, those of one place as one text at the first of them."""
    texts = []
    for k, count in enumerate(counts):
        here = [label for c, label in zip(counts, labels, strict=True) if c == count]
        texts.append(", ".join(here) if counts.index(count) == k else "")
    return texts


def speedup(measured: Speedup) -> Figure:
    """Effective speedup against the number of lookups, both on logarithmic axes, break-even marked."""
    span = 10 ** np.linspace(0, 10, 201)
    value = np.array([measured.at(k) for k in span])
    data: list[dict[str, Any]] = [
        _line(span, value, BLUE, "solid", "effective speedup S"),
        _line(span[[0, -1]], [1, 1], GREY, "solid", "as fast as simulating"),
        _line(span[[0, -1]], [measured.no_lookups] * 2, VERMILION, "dot", "limit: no lookups"),
    ]
    if math.isfinite(measured.many_lookups):
        data.append(_line(span[[0, -1]], [measured.many_lookups] * 2, GREEN, "dash", "limit: many lookups"))
    words = "It never breaks even: a lookup takes no less time than a simulation."
    if math.isfinite(measured.break_even):
        words = f"It has paid for itself after {math.ceil(measured.break_even):,} lookups."
        data.append(
            {
                "type": "scatter",
                "x": numbers([measured.break_even]),
                "y": numbers([measured.at(measured.break_even)]),
                "mode": "markers+text",
                "text": [f"paid for after {math.ceil(measured.break_even):,} lookups"],
                "textposition": "bottom right",
                "marker": {"color": VERMILION, "symbol": "diamond", "size": 11},
                "name": "break-even",
            }
        )
    decades = {"type": "log", "exponentformat": "power", "dtick": 1}
    plot = layout(xaxis=axis("lookups", range=[0, 10], **decades), yaxis=axis("effective speedup", **decades))
    return Figure(
        "speedup",
        "Effective speedup",
        f"{times(measured.value)} after {measured.n_lookup:,.0f} lookups; at most "
        f"{times(measured.many_lookups)}. {words}",
        data,
        plot,
        (Column("lookups", "", list(span)), Column("effective speedup", "", list(value))),
    )


def _line(x: Any, y: Any, colour: str, dash: str, name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": numbers(x),
        "y": numbers(y),
        "mode": "lines",
        "line": {"color": colour, "dash": dash, "width": 2 if dash == "solid" else 1.5},
        "name": name,
    }
