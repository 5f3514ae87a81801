"""How wrong a model is, output by output; whether its std says so; and what a lookup takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow.events import Event
from workflow.figures.accuracy import named_target, stratified
from workflow.figures.figure import Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import NOISE, Array, HeldOut
from workflow.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    axis,
    axis_title,
    layout,
    log_axis,
    translucent,
)
from workflow.folder import version_name
from workflow.speedup import times
from workflow.words import duration

BINS = 12
"""Groups of equal number whose rms error is drawn beside their std."""


def residuals(held: HeldOut, output: str | None = None) -> Figure:
    """Errors against the error bars that were claimed for them, on logarithmic axes.

    Args:
        held: the simulations and their predictions.
        output: which; the first one whose standard errors are known if not given.

    Raises:
        NothingToShowError: nothing was held out, or no error is known.
        ChoiceError: there is no such output.
    """
    if not len(held):
        raise NothingToShowError("no held-out simulations to show")
    columns = held.signature.columns()
    judged = [name for name, cells in columns.items() if (held.err[:, cells] > 0).any()]
    target = named_target(held.signature, judged[0] if output is None and judged else output)
    cells = columns[target.name]
    y, err, mean, std = (a[:, cells].ravel() for a in (held.y, held.err, held.mean, held.std))
    ids = np.repeat(held.ids, cells.stop - cells.start)
    total, off = np.hypot(err, std), np.abs(mean - y)
    known = np.flatnonzero((err > 0) & (total > 0))
    if not len(known):
        raise NothingToShowError(f"no standard error of {target.name} is known")
    order = known[np.argsort(total[known])]
    groups = np.array_split(order, min(BINS, max(1, len(order) // 8)))
    claimed = np.array([np.sqrt(np.mean(total[g] ** 2)) for g in groups])
    found = np.array([np.sqrt(np.mean(off[g] ** 2)) for g in groups])
    drawn = known[stratified(total[known])]
    low, high = float(total[known].min()), float(total[known].max())
    ends = np.array([low / 1.3, high * 1.3])
    floor = float(np.quantile(off[known], 0.01)) or low / 100
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": numbers(total[drawn]),
            # An error of nothing has no place on a logarithmic axis; it is drawn at its lower end.
            "y": numbers(np.maximum(off[drawn], floor)),
            "marker": {"color": translucent(BLUE, 0.4), "size": 4},
            "name": "a held-out value",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": numbers(claimed),
            "y": numbers(found),
            "line": {"color": VERMILION, "width": 2},
            "marker": {"symbol": "square", "size": 7},
            "name": "rms error of an equal share of the values",
        },
        _straight(ends, ends, "solid", "as large as claimed"),
        _straight(ends, 2 * ends, "dash", "twice that"),
    ]
    ratio = float(np.sqrt(np.mean((off[known] / total[known]) ** 2)))
    tell = ""
    if len(groups) > 2 and claimed[-1] > 1.5 * claimed[0] and found.min() > 0:
        slope = float(np.polyfit(np.log(claimed), np.log(found), 1)[0])
        tell = f" Where it claims twice the error, it errs {2**slope:.1f} times as much."
    label = target.name.replace("_", " ")
    plot = layout(height=460, meta={"min_width": 420})
    title = axis_title("claimed: std and standard error together", target.unit)
    plot["xaxis"] = log_axis(title, low, high)
    plot["yaxis"] = log_axis(
        axis_title("|predicted − simulated|", target.unit), floor, float(off[known].max())
    )
    table = [("simulation", "", ids), ("simulated", target.unit, y), ("standard error", target.unit, err)]
    table += [("predicted", target.unit, mean), ("std", target.unit, std)]
    return Figure(
        "residuals",
        f"Errors against error bars: {label}",
        f"rms of error over claimed error: {ratio:.2f}, where 1 is calibrated, over {len(known):,} values of "
        f"{len(held):,} held-out simulations.{tell} Along the diagonal error bars are right at every size.",
        data,
        plot,
        tuple(Column(n, u, list(v)) for n, u, v in table),
    )


def _straight(x: Array, y: Array, dash: str, name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x),
        "y": numbers(y),
        "line": {"color": GREY, "width": 1, "dash": dash},
        "hoverinfo": "skip",
        "name": name,
    }


def errors(held: HeldOut) -> Figure:
    """Relative error and success of every output, beside what noise alone would leave.

    Raises:
        NothingToShowError: nothing was held out, or no standard error is known.
    """
    if not len(held):
        raise NothingToShowError("no held-out simulations to show")
    rows: list[tuple[Any, ...]] = []
    for target in held.signature.targets:
        cells = held.signature.columns()[target.name]
        y, err, mean, std, z = (a[:, cells] for a in (held.y, held.err, held.mean, held.std, held.z))
        known = err > 0
        if not known.any():
            continue
        off = np.abs(mean - y)
        relative = known & (y != 0)
        size = np.abs(y[relative])
        rows.append(
            (
                target.name,
                100 * float(np.median(off[relative] / size)) if relative.any() else np.nan,
                100 * float(np.median(err[relative] * NOISE[:, None] / size)) if relative.any() else np.nan,
                100 * float(np.mean(off[known] <= 2 * err[known])),
                100 * float(np.mean(np.abs(z[known]) <= 1.959964)),
                float(np.sqrt(np.mean(z[known] ** 2))),
                float(np.sqrt(np.mean(off**2))),
                target.unit or "1",
                float(np.median(std)),
            )
        )
    if not rows:
        raise NothingToShowError("no standard error of any output is known")
    names = [r[0].replace("_", " ") for r in rows]
    error, floor, success, coverage = (np.array([r[k] for r in rows]) for k in (1, 2, 3, 4))
    left, right = {"xaxis": "x", "yaxis": "y"}, {"xaxis": "x2", "yaxis": "y"}
    data = [
        _dots(error, names, "median relative error", BLUE, "circle", left),
        _dots(floor, names, "what noise alone would leave", VERMILION, "line-ns-open", left),
        _dots(success, names, "within two standard errors", GREEN, "square", right),
        _dots(coverage, names, "inside the 95 % interval", PURPLE, "diamond-open", right),
    ]
    shares = np.concatenate([success, coverage])
    plot = layout(height=150 + 34 * max(len(rows), 3), meta={"min_width": 560})
    known_error = np.concatenate([error, floor])
    known_error = known_error[np.isfinite(known_error) & (known_error > 0)]
    low, high = (float(known_error.min()), float(known_error.max())) if len(known_error) else (0.1, 100.0)
    ends = [float(np.log10(low / 1.5)), float(np.log10(high * 1.5))]
    plot["xaxis"] = log_axis(
        "relative error (%)", low / 1.5, high * 1.5, domain=[0, 0.47], anchor="y", range=ends
    )
    plot["xaxis2"] = axis("share of values (%)", domain=[0.53, 1], anchor="y", range=[shares.min() - 5, 102])
    plot["yaxis"] = axis("", type="category", autorange="reversed", anchor="x", fixedrange=True)
    plot["shapes"] = [
        {
            **{"type": "line", "xref": "x2", "yref": "y domain", "x0": 95.4, "x1": 95.4, "y0": 0, "y1": 1},
            "line": {"color": GREY, "width": 1, "dash": "dash"},
        }
    ]
    worst = rows[int(np.argmin(success))]
    heads = (
        ("output", ""),
        ("median relative error", "%"),
        ("the same of a perfect model", "%"),
        ("within two standard errors", "%"),
        ("inside the 95 % interval", "%"),
        ("rms z", ""),
        ("rms error", "unit of the output"),
        ("unit", ""),
        ("median std", "unit of the output"),
    )
    return Figure(
        "errors",
        "Errors output by output",
        f"{len(held):,} held-out simulations that {held.version} never saw. Least well predicted is "
        f"{worst[0].replace('_', ' ')}: {worst[3]:.0f} % of its values within two standard errors, where a "
        "perfect model has 95 % (dashed).",
        data,
        plot,
        tuple(Column(n, u, list(v)) for (n, u), v in zip(heads, zip(*rows, strict=True), strict=True)),
    )


def _dots(
    x: Array, names: list[str], label: str, colour: str, symbol: str, axes: dict[str, str]
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(x, 4),
        "y": names,
        "marker": {"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2, "color": colour}},
        "name": label,
        **axes,
    }


def timing(models: Sequence[Event], simulation: float) -> Figure:
    """What a lookup takes, version by version, beside a training and a simulation.

    Args:
        models: the fields of `model_trained` events.
        simulation: mean seconds of a simulation on one core.

    Raises:
        NothingToShowError: no model was trained.
    """
    if not models:
        raise NothingToShowError("no model was trained yet")
    names = [version_name(m["model"]) for m in models]
    lookup = np.array([m["lookup_seconds"] for m in models])
    training = np.array([m["ended"] - m["started"] for m in models])
    one = np.full(len(models), simulation)
    series = (
        ("one training", training, PURPLE, "diamond"),
        ("one simulation on one core", one, ORANGE, "square"),
        ("one lookup, with its std and domain check", lookup, BLUE, "circle"),
    )
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": names,
            "y": numbers(1000 * seconds),
            "line": {"color": colour, "width": 1.5},
            "marker": {"symbol": symbol, "size": 9},
            "name": label,
        }
        for label, seconds, colour, symbol in series
    ]
    plot = layout(height=400)
    plot["xaxis"] = axis("model version", type="category")
    every = 1000 * np.concatenate([lookup, training, one])
    plot["yaxis"] = log_axis("time (ms)", float(every.min()), float(every.max()))
    return Figure(
        "timing",
        "What a lookup takes",
        f"A lookup by {names[-1]} takes {duration(float(lookup[-1]))}, a simulation {duration(simulation)} "
        f"on one core: {times(simulation / lookup[-1])} as long.",
        data,
        plot,
        (
            Column("model", "", names),
            Column("lookup", "s", list(lookup)),
            Column("training", "s", list(training)),
            Column("simulation", "s", list(one)),
        ),
    )
