"""What settings of the method do to the outputs, and what a larger time step gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulators import Parameter
from workflow.figures.design import Scale, table_of, value_axis
from workflow.figures.figure import ChoiceError, Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array
from workflow.figures.observables import Scalar
from workflow.figures.style import GREY, axis_title, layout
from workflow.figures.trials import OUTCOMES, Trials, marks
from workflow.space import Dimension


def quality(
    tried: Trials, outputs: Sequence[Scalar], setting: str | None = None, output: str | None = None
) -> Figure:
    """An output of all trials against a setting, with error bars and the median at each value.

    Args:
        tried: the trials.
        outputs: scalar outputs in the order of the design.
        setting: which; the first one if not given.
        output: which; the first one that is no verdict if not given.

    Raises:
        NothingToShowError: no trial gave a scalar output.
        ChoiceError: a name does not fit.
    """
    parameter, k = tried.setting(setting)
    names = [o.name for o in outputs if o.name != tried.verdict]
    if not names:
        raise NothingToShowError("no scalar outputs to show")
    if output is not None and output not in names:
        raise ChoiceError(f"no output {output!r}; the simulator gives {', '.join(names)}")
    shown = next(o for o in outputs if o.name == (output or names[0]))
    design, d = tried.design, tried.design.dimensions[k]
    scale = Scale(d)
    known = np.isfinite(shown.mean)
    if not known.any():
        raise NothingToShowError(f"no trial gave {shown.name}")
    data = []
    for outcome in range(2):
        rows = np.flatnonzero(known & (tried.outcome == outcome))
        if len(rows):
            trace = marks(
                tried, rows, scale.apart(design.x[rows, k], design.ids[rows]), shown.mean[rows], outcome
            )
            bar = {"type": "data", "array": numbers(shown.stderr[rows]), "thickness": 1, "width": 0}
            data.append({**trace, "error_y": bar})
    middle = _medians(d, design.x[known, k], shown.mean[known])
    data.append(_line_of(scale, middle, "median over the trials"))
    label = shown.name.replace("_", " ")
    plot = layout(height=440, meta={"min_width": 420})
    plot["xaxis"] = scale.axis()
    plot["yaxis"] = value_axis(axis_title(shown.name, shown.unit), shown.mean[known])
    first, last = middle[0], middle[-1]
    columns: list[tuple[str, str, Any]] = [(shown.name, shown.unit, shown.mean)]
    columns += [("standard error", shown.unit, shown.stderr)]
    columns += [("outcome", "", [OUTCOMES[o][0] for o in tried.outcome])]
    return Figure(
        "quality",
        f"{label} against {parameter.name.replace('_', ' ')}",
        f"{int(known.sum())} trials with one standard error; failed ones have no value. The median goes from "
        f"{_given(first[1], shown.unit)} to {_given(last[1], shown.unit)} as "
        f"{parameter.name.replace('_', ' ')} goes from {_given(first[0], parameter.unit)} to "
        f"{_given(last[0], parameter.unit)}. The other inputs vary from trial to trial.",
        data,
        plot,
        tuple(Column(*c) for c in table_of(design, columns)),
    )


def _given(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()


def _medians(d: Dimension, x: Array, y: Array) -> list[tuple[float, float]]:
    """Value of the input and median there; a continuous input is divided into eight parts."""
    if d.values:
        return [(v, float(np.median(y[x == v]))) for v in d.values if (x == v).any()]
    edges = np.linspace(d.low, d.high, 9)
    which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 7)
    return [
        (float(np.median(x[which == b])), float(np.median(y[which == b])))
        for b in range(8)
        if (which == b).any()
    ]


def _line_of(scale: Scale, points: list[tuple[float, float]], name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": numbers(scale.at(np.array([x for x, _ in points]))),
        "y": numbers([y for _, y in points]),
        "line": {"color": GREY, "width": 2},
        "marker": {"symbol": "line-ew-open", "size": 22, "color": GREY, "line": {"width": 2.5}},
        "name": name,
    }


def gain(tried: Trials) -> Figure:
    """Simulated time per second of wall time against the time step, and the gain over its default.

    Raises:
        NothingToShowError: the campaign varies no time step, or no trial came to its end.
    """
    parameter = next((p for p in tried.settings if p.setting == "time step"), None)
    if parameter is None:
        raise NothingToShowError("the campaign varies no time step")
    if tried.steps is None:
        raise NothingToShowError("how many steps a simulation takes is not known")
    k = tried.design.index(parameter.name)
    design, d = tried.design, tried.design.dimensions[k]
    scale = Scale(d)
    done = np.flatnonzero((tried.outcome < 2) & (tried.wall > 0))
    if not len(done):
        raise NothingToShowError("no trial came to its end")
    step = design.x[:, k]
    rate = np.where(tried.wall > 0, tried.steps * step / np.where(tried.wall > 0, tried.wall, 1), np.nan)
    rate[tried.outcome == 2] = np.nan
    unit = f"{parameter.unit or _in_words(parameter)}/s"
    data = [
        marks(tried, rows, scale.apart(step[rows], design.ids[rows]), rate[rows], outcome)
        for outcome in range(2)
        if len(rows := done[tried.outcome[done] == outcome])
    ]
    data.append(_line_of(scale, _medians(d, step[done], rate[done]), "median over the trials"))
    plot = layout(height=440, meta={"min_width": 420})
    plot["xaxis"] = scale.axis()
    plot["yaxis"] = value_axis(f"simulated time per wall time ({unit})", rate, 30.0)
    speed = float(np.median(tried.steps / tried.wall[done]))
    words = f"Median speed {speed:,.0f} steps a second. "
    worked = np.flatnonzero(tried.outcome == 0)
    default = parameter.default if isinstance(parameter.default, (int, float)) else None
    factor = np.full(len(design), np.nan)
    if default:
        factor = step / default
    if default and d.low <= default <= d.high:
        plot["shapes"], plot["annotations"] = _default_mark(float(scale.at(np.array([default]))[0]))
    if not len(worked):
        words += "No trial did its work, so that there is no gain to speak of."
    elif default is None:
        words += (
            f"Largest {parameter.name} at which a trial did its work: {step[worked].max():g}; no default."
        )
    else:
        best = float(step[worked].max())
        count = int((step[worked] == best).sum())
        there = int((step == best).sum())
        words += (
            f"Largest {parameter.name} at which a trial did its work: {best:g} ({count} of {there} trials "
            f"there), {best / default:.3g} times the default {default:g}: the gain in simulated time as far "
            "as a step costs the same."
        )
    columns: list[tuple[str, str, Any]] = [("wall time", "s", tried.wall)]
    columns += [("simulated time per wall time", unit, rate)]
    columns += [(f"{parameter.name} over its default", "", factor)]
    columns += [("outcome", "", [OUTCOMES[o][0] for o in tried.outcome])]
    return Figure(
        "gain",
        "What a larger time step gains",
        words,
        data,
        plot,
        tuple(Column(*c) for c in table_of(design, columns)),
    )


def _default_mark(place: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A line at the default of a setting, and its name."""
    line = {"type": "line", "xref": "x", "yref": "y domain", "x0": place, "x1": place, "y0": 0, "y1": 1}
    name = {"text": "default", "x": place, "y": 1, "xref": "x", "yref": "y domain", "showarrow": False}
    return (
        [{**line, "line": {"color": GREY, "width": 1, "dash": "dot"}}],
        [{**name, "xanchor": "left", "yanchor": "top", "xshift": 4}],
    )


def _in_words(parameter: Parameter) -> str:
    """The unit of a reduced quantity as its description has it in parentheses, else a pure number."""
    _, _, rest = parameter.description.partition("(")
    return rest.rstrip(")") or "1"
