"""Is the model right, and does it know how wrong it is: parity and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import numpy as np

from surrogates import Signature, Target
from workflow.figures.figure import ChoiceError, Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array, HeldOut, Ints
from workflow.figures.style import (
    GREY,
    SERIES,
    SYMBOLS,
    axis,
    axis_title,
    heading,
    layout,
    suffix,
    translucent,
)
from workflow.verdict import NARROW, WIDE

POINTS = 2000
"""Most points with error bars that a browser redraws at once."""


def parity(held: HeldOut, output: str | None = None) -> Figure:
    """Predicted against simulated values with both error bars, a panel per output.

    Scalars show every held-out simulation; profiles their bins. At most `POINTS` are drawn in all, evenly
    over the range of values.

    Args:
        held: the simulations and their predictions.
        output: which; all scalars if not given, or all profiles where there is no scalar.

    Raises:
        NothingToShowError: nothing was held out.
        ChoiceError: there is no such output.
    """
    if not len(held):
        raise NothingToShowError("no held-out simulations to show")
    columns = held.signature.columns()
    scalars = [t for t in held.signature.targets if t.axis is None]
    shown = (scalars or list(held.signature.targets))[:6]
    if output is not None:
        shown = [named_target(held.signature, output)]
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    plot = layout(
        height=60 + (440 if len(shown) == 1 else 360 * down),
        annotations=[],
        showlegend=False,
        meta={"min_width": 290 * across},
    )
    data: list[dict[str, Any]] = []
    table: list[list[Any]] = [[] for _ in range(6)]
    plot["margin"]["t"] = 32
    for p, target in enumerate(shown):
        cells = columns[target.name]
        parts = [a[:, cells].ravel() for a in (held.y, held.err, held.mean, held.bars)]
        ids = np.repeat(held.ids, cells.stop - cells.start)
        rows: tuple[Iterable[Any], ...] = ([target.name] * len(ids), ids, *parts)
        for column, part in zip(table, rows, strict=True):
            column.extend(part)
        y, err, mean, std = (part[stratified(parts[0], POINTS // len(shown))] for part in parts)
        data += _parity_panel(plot, p, across, down, target, y, err, mean, std)
    names = ("output", "simulation", "simulated", "standard error", "predicted", "std")
    units = {t.unit for t in shown}
    unit = units.pop() if len(units) == 1 else "unit of the output" if units else ""
    return Figure(
        "parity",
        "Parity on held-out simulations",
        f"{len(held):,} simulations that {held.version} never saw. Horizontal bars: standard error of the "
        "simulation. Vertical bars: std of the prediction. A perfect model scatters about the diagonal by "
        "the horizontal bars alone.",
        data,
        plot,
        tuple(Column(n, unit if k > 1 else "", v) for k, (n, v) in enumerate(zip(names, table, strict=True))),
    )


def named_target(signature: Signature, output: str | None) -> Target:
    """The output of that name, the first one if none is given.

    Raises:
        ChoiceError: there is none.
    """
    targets = signature.targets
    found = targets[0] if output is None else next((t for t in targets if t.name == output), None)
    if found is None:
        raise ChoiceError(f"no output {output!r}; the model predicts {', '.join(t.name for t in targets)}")
    return found


def _parity_panel(
    plot: dict[str, Any],
    p: int,
    across: int,
    down: int,
    target: Target,
    y: Array,
    err: Array,
    mean: Array,
    std: Array,
) -> list[dict[str, Any]]:
    k = suffix(p + 1)
    column, row = p % across, p // across
    between = 0.17 if down > 1 else 0.0
    wide, high = 1 / across, (1 - between * (down - 1)) / down
    left, top = column * wide + (0.06 if column else 0), 1 - row * (high + between)
    low, high_end = float(min(y.min(), mean.min())), float(max(y.max(), mean.max()))
    pad = 0.04 * (high_end - low) or 1e-3 * abs(low) or 1.0
    ends = [low - pad, high_end + pad]
    label = target.name.replace("_", " ")
    plot[f"xaxis{k}"] = axis(
        axis_title("simulated", target.unit),
        domain=[left, (column + 1) * wide - 0.01],
        anchor=f"y{k}",
        range=ends,
    )
    plot[f"yaxis{k}"] = axis(
        axis_title("predicted", target.unit),
        domain=[max(top - high, 0), top],
        anchor=f"x{k}",
        range=ends,
    )
    plot["annotations"].append(
        heading(f"<b>{label}</b>", sum(plot[f"xaxis{k}"]["domain"]) / 2, plot[f"yaxis{k}"]["domain"][1])
    )
    axes = {"xaxis": f"x{k}", "yaxis": f"y{k}"}
    colour = SERIES[p % len(SERIES)]
    bar = {"type": "data", "thickness": 0.8, "width": 0, "color": translucent(colour, 0.45)}
    diagonal = {
        "type": "scatter",
        "x": numbers(ends),
        "y": numbers(ends),
        "mode": "lines",
        "line": {"color": GREY, "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
        "name": "predicted = simulated",
        **axes,
    }
    points = {
        "type": "scatter",
        "x": numbers(y),
        "y": numbers(mean),
        "error_x": {**bar, "array": numbers(err)},
        "error_y": {**bar, "array": numbers(std)},
        "mode": "markers",
        "marker": {"color": colour, "symbol": SYMBOLS[p % len(SYMBOLS)], "size": 5, "opacity": 0.8},
        "name": label,
        **axes,
    }
    return [diagonal, points]


def stratified(values: Array, most: int = POINTS) -> Ints:
    """At most `most` indices, evenly spread over the sorted values so that both tails stay."""
    order = np.argsort(values, kind="stable")
    if len(order) <= most:
        return order
    return order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]


def calibration(held: HeldOut) -> Figure:
    """Whether error bars mean what they say: histogram of z against N(0, 1), and coverage.

    Raises:
        NothingToShowError: nothing was held out, or no standard error is known.
    """
    targets = [
        t for t in held.signature.targets if np.isfinite(held.z[:, held.signature.columns()[t.name]]).any()
    ]
    if not len(held) or not targets:
        raise NothingToShowError("no held-out simulations with standard errors to show")
    z = np.concatenate([_z(held, t) for t in targets])
    # Every output counts alike, as in the scores, however many bins it has.
    weight = np.concatenate([np.full(len(_z(held, t)), 1 / len(_z(held, t))) for t in targets]) / len(targets)
    rms = float(np.sqrt(np.sum(weight * z**2)))
    edges = np.linspace(-5, 5, 41)
    inside, _ = np.histogram(np.clip(z, -4.999, 4.999), edges, weights=weight)
    density = inside / np.diff(edges)
    centres = 0.5 * (edges[1:] + edges[:-1])
    nominal = np.linspace(0.02, 0.98, 49)
    limits = np.array([NormalDist().inv_cdf(0.5 + 0.5 * p) for p in nominal])
    observed = np.array([np.sum(weight * (np.abs(z) <= limit)) for limit in limits])
    at95 = float(np.sum(weight * (np.abs(z) <= 1.959964)))
    smooth = np.linspace(-5, 5, 201)
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": numbers(centres),
            "y": numbers(density),
            "marker": {"color": translucent(SERIES[0], 0.65)},
            "name": "held-out predictions",
        },
        {
            "type": "scatter",
            "x": numbers(smooth),
            "y": numbers(np.exp(-0.5 * smooth**2) / np.sqrt(2 * np.pi)),
            "mode": "lines",
            "line": {"color": SERIES[1], "width": 2},
            "name": "N(0, 1)",
        },
        {
            "type": "scatter",
            "x": [0, 1],
            "y": [0, 1],
            "mode": "lines",
            "line": {"color": GREY, "dash": "dash", "width": 1},
            "name": "perfect calibration",
            "xaxis": "x2",
            "yaxis": "y2",
        },
    ]
    table: list[list[Any]] = [["all outputs"] * len(nominal), list(nominal), list(observed)]
    for s, target in enumerate(targets):
        share = [float(np.mean(np.abs(_z(held, target)) <= limit)) for limit in limits]
        rows: tuple[Iterable[Any], ...] = ([target.name] * len(nominal), nominal, share)
        for column, part in zip(table, rows, strict=True):
            column.extend(part)
        data.append(
            {
                "type": "scatter",
                "x": numbers(nominal),
                "y": numbers(share),
                "mode": "lines+markers",
                "line": {"color": SERIES[s % len(SERIES)], "width": 1.5},
                "marker": {"symbol": SYMBOLS[s % len(SYMBOLS)], "size": 5, "maxdisplayed": 10},
                "name": target.name.replace("_", " "),
                "xaxis": "x2",
                "yaxis": "y2",
            }
        )
    plot = layout(height=440, meta={"min_width": 640})
    plot["xaxis"] = axis("z = (prediction − simulation) / error", domain=[0, 0.46], anchor="y")
    plot["yaxis"] = axis("probability density of z", anchor="x", rangemode="tozero")
    plot["xaxis2"] = axis("nominal coverage", domain=[0.56, 1], anchor="y2", range=[0, 1])
    plot["yaxis2"] = axis("observed coverage", anchor="x2", range=[0, 1.02])
    verdict = "too wide" if rms < WIDE else "too narrow" if rms > NARROW else "calibrated"
    return Figure(
        "calibration",
        "Calibration of the error bars",
        f"rms z = {rms:.2f} where 1 is calibrated: the error bars are {verdict}. 95 % intervals hold "
        f"{100 * at95:.0f} % of the held-out values.",
        data,
        plot,
        (
            Column("output", "", table[0]),
            Column("nominal coverage", "", table[1]),
            Column("observed coverage", "", table[2]),
        ),
    )


def _z(held: HeldOut, target: Target) -> Array:
    z = held.z[:, held.signature.columns()[target.name]].ravel()
    found: Array = z[np.isfinite(z)]
    return found
