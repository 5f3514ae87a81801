"""Where the simulations lie: the space pair by pair of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.figures.design import KINDS, Design, Scale, table_of
from workflow.figures.figure import Column, Figure, numbers
from workflow.figures.heldout import Array, Ints
from workflow.figures.style import BLUE, GREY, ORANGE, VERMILION, colorbar, layout, steps, suffix

MOST_INPUTS = 6
"""Most inputs of one figure of pairs."""
MOST_POINTS = 6000
"""Most points of one figure, shared by its panels; simulations that failed come first."""
FEWEST = 300
"""Simulations drawn in each panel, however many panels there are."""
ROOM = 3
"""Places of an input that all have their words below a narrow panel."""
MOST_COLOURS = 10
"""Most colours that versions of the model are told apart by; more versions share them."""


@dataclass(frozen=True)
class Versions:
    """Versions of the model that steered, in as few groups as there are colours; 0 stands for none."""

    known: tuple[int, ...]

    @property
    def groups(self) -> list[list[int]]:
        """Versions of one colour, one after the other; those before there was a model by themselves."""
        first = [[v] for v in self.known if v == 0]
        rest = [v for v in self.known if v]
        size = max(1, -(-len(rest) // (MOST_COLOURS - len(first))))
        return first + [rest[k : k + size] for k in range(0, len(rest), size)]

    def places(self, versions: Ints) -> list[int]:
        """The group of each of some versions."""
        first = [group[0] for group in self.groups]
        return [int(k) for k in np.searchsorted(first, versions, side="right") - 1]

    def colours(self) -> dict[str, Any]:
        """The scale of colours: as many steps as groups, with the versions beside them."""
        groups = self.groups
        n = len(groups)
        edges = [edge / n for k in range(n) for edge in (k, k + 1)]
        scale = [[edge, colour] for edge, colour in zip(edges, np.repeat(steps(n), 2).tolist(), strict=True)]
        texts = [f"{g[0]} to {g[-1]}" if len(g) > 1 else "none" if g == [0] else str(g[0]) for g in groups]
        bar = colorbar("chosen by model version", tickvals=list(range(n)), ticktext=texts, ticks="")
        return {"colorscale": scale, "cmin": -0.5, "cmax": n - 0.5, "colorbar": bar}


def coverage(design: Design, first: str | None = None, second: str | None = None) -> Figure:
    """The simulated points of the space, pair by pair of inputs, or one pair by itself.

    Args:
        design: the points.
        first: name of an input; all pairs are shown if neither is given.
        second: name of another one.

    Raises:
        NothingToShowError: fewer than two inputs vary.
        ChoiceError: a name is none of theirs.
    """
    a, b = design.pair(first, second)
    one = first is not None or second is not None
    chosen = [a, b] if one else list(range(len(design.dimensions)))[:MOST_INPUTS]
    side = len(chosen) - 1
    drawn = _thinned(design, max(FEWEST, 2 * MOST_POINTS // (side * (side + 1))))
    plot = layout(
        height=480 if one else 130 + max(170 * side, 220), shapes=[], meta={"min_width": 120 + 150 * side}
    )
    gap = 0.03
    high = (1 - gap * (side - 1)) / side
    scales = [Scale(design.dimensions[k]) for k in chosen]
    for j in range(side):
        low = j * (high + gap)
        plot[f"xaxis{suffix(j + 1)}"] = scales[j].axis(domain=[low, low + high], anchor=f"y{suffix(side)}")
        top = 1 - low
        plot[f"yaxis{suffix(j + 1)}"] = scales[j + 1].axis(domain=[max(top - high, 0), top], anchor="x")
    found = sorted(set(design.version.tolist()))
    rounds = Versions(tuple(found)) if len(found) > 1 else None
    if not one:
        _shorten(plot)
    data: list[dict[str, Any]] = []
    for j in range(side):
        for i in range(j, side):
            axes = {"xaxis": f"x{suffix(j + 1)}", "yaxis": f"y{suffix(i + 1)}"}
            plot["shapes"].append(box(scales[j], scales[i + 1], axes["xaxis"], axes["yaxis"]))
            x = scales[j].apart(drawn.x[:, chosen[j]], drawn.ids)
            y = scales[i + 1].apart(drawn.x[:, chosen[i + 1]], drawn.ids * 7 + 3)
            data += markers(drawn, x, y, axes, rounds, brief=not one)
    data += _legend(design, grey=rounds is not None)
    if rounds is not None:
        plot["coloraxis"] = rounds.colours()
    counts = np.bincount(design.kind, minlength=3)
    steered = (
        f" {int((design.version > 0).sum()):,} were chosen by a model, the others before there was one."
        if rounds is not None
        else ""
    )
    left = (
        ""
        if one or len(design.dimensions) <= MOST_INPUTS
        else (
            f" Of {len(design.dimensions)} inputs the first {MOST_INPUTS} are shown; any two can be chosen."
        )
    )
    spread = " Points with the same value stand side by side." if any(s.places for s in scales) else ""
    thin = f" {len(drawn):,} of them are drawn." if len(drawn) < len(design) else ""
    return Figure(
        "coverage",
        "The space that was simulated",
        f"{len(design):,} simulations: {counts[0]:,} that models learn from, {counts[1]:,} held out, "
        f"{counts[2]:,} failed.{steered} Dashed: the range of the campaign.{spread}{thin}{left}",
        data,
        plot,
        tuple(Column(*c) for c in table_of(design, [("steered by model", "", design.version)])),
    )


def _thinned(design: Design, most: int) -> Design:
    """Those that failed, and of the others evenly as many as may be drawn."""
    if len(design) <= most:
        return design
    failed, others = np.flatnonzero(design.kind == 2), np.flatnonzero(design.kind != 2)
    failed = _every(failed, most // 2)
    return design.rows(np.sort(np.concatenate([failed, _every(others, most - len(failed))])))


def _every(rows: Ints, most: int) -> Ints:
    if len(rows) <= most:
        return rows
    chosen: Ints = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    return chosen


def _shorten(plot: dict[str, Any]) -> None:
    """Units below the names, and fewer words along x: narrow panels side by side keep clear of each other."""
    for name, part in plot.items():
        if name.startswith(("xaxis", "yaxis")):
            before, _, unit = part["title"]["text"].rpartition(" (")
            part["title"]["text"] = f"{before}<br>({unit}"
            if len(part.get("ticktext", ())) > ROOM and name.startswith("xaxis"):
                part["ticktext"] = [text * (k % 2 == 0) for k, text in enumerate(part["ticktext"])]


def markers(
    design: Design,
    x: Array,
    y: Array,
    axes: dict[str, str],
    rounds: Versions | None,
    *,
    brief: bool = False,
) -> list[dict[str, Any]]:
    """A trace for each of `KINDS`; coloured by the models that steered where they are given."""
    texts = [f"simulation {i}" for i in design.ids] if brief else design.labels()
    traces = []
    for k, (kind, symbol) in enumerate(KINDS):
        rows = np.flatnonzero(design.kind == k)
        if len(rows):
            colour: dict[str, Any] = {"color": (BLUE, ORANGE, VERMILION)[k]}
            if rounds is not None:
                colour = {"color": rounds.places(design.version[rows]), "coloraxis": "coloraxis"}
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": numbers(x[rows]),
                    "y": numbers(y[rows]),
                    "text": [texts[r] for r in rows],
                    "hovertemplate": "%{text}<extra></extra>",
                    "marker": {"symbol": symbol, "size": 7 if k else 5, "opacity": 0.85, **colour},
                    "name": kind,
                    "showlegend": False,
                    **axes,
                }
            )
    return traces


def _legend(design: Design, *, grey: bool) -> list[dict[str, Any]]:
    """What the symbols mean; where colour says something else, in grey."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "marker": {
                "symbol": symbol,
                "size": 8,
                "color": GREY if grey else (BLUE, ORANGE, VERMILION)[k],
            },
            "name": kind,
            "hoverinfo": "skip",
        }
        for k, (kind, symbol) in enumerate(KINDS)
        if (design.kind == k).any()
    ]


def box(x: Scale, y: Scale, xref: str, yref: str) -> dict[str, Any]:
    """The range of the space, as a dashed frame."""
    (x0, x1), (y0, y1) = x.ends, y.ends
    return {
        "type": "rect",
        "xref": xref,
        "yref": yref,
        **{"x0": x0, "x1": x1, "y0": y0, "y1": y1},
        "line": {"color": GREY, "width": 1, "dash": "dash"},
        "layer": "below",
    }
