"""What was observed: one simulation's profiles beside the prediction, and scalars against the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates import Model, Signature, Target
from surrogates.contract import evaluate_terms
from workflow.figures.design import Design, Scale, table_of, value_axis
from workflow.figures.figure import ChoiceError, Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array
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

FAINT = 0.02
"""Where less than this share of the largest value is predicted, a ratio is one of two noises."""
MOST_POINTS = 1000
"""Most simulations drawn in each panel of scalars."""
MOST_SCALARS = 6


@dataclass(frozen=True, eq=False)
class Observed:
    """One simulation, in the units of the signature.

    Args:
        simulation: its number.
        held_out: whether models may not learn from it.
        x: its inputs, array (features,).
        y, err: its results and their standard errors, arrays (columns,), flat as in the signature.
    """

    simulation: int
    held_out: bool
    x: Array
    y: Array
    err: Array


def observable(
    observed: Observed,
    signature: Signature,
    axis_name: str | None = None,
    model: Model | None = None,
    version: str = "",
) -> Figure:
    """The profiles of one simulation with error bars beside the predicted band, their ratio below.

    Args:
        observed: the simulation.
        signature: of the campaign.
        axis_name: over which axis; the first one if not given.
        model: whose prediction; none before there is a model.
        version: how it is called.

    Raises:
        NothingToShowError: the simulator gives no profiles.
        ChoiceError: there is no such axis.
    """
    over = named_axis(signature, axis_name)
    targets = [t for t in signature.targets if t.axis == over.name]
    inputs = {f.name: observed.x[k : k + 1] for k, f in enumerate(signature.features)}
    edges = evaluate_terms(over.edges, inputs)[0]
    z = 0.5 * (edges[1:] + edges[:-1])
    mean = std = None
    if model is not None:
        mean, std = (a[0] for a in model.predict(observed.x[None], return_std=True, on_ood="ignore"))
    data: list[dict[str, Any]] = []
    table: list[list[Any]] = [[] for _ in range(6)]
    outside = known = 0
    for s, target in enumerate(targets):
        cells = signature.columns()[target.name]
        y, err = observed.y[cells], observed.err[cells]
        data.append(_measured(s, target, z, y, err))
        m, sd = (np.full_like(y, np.nan),) * 2
        if mean is not None and std is not None:
            m, sd = mean[cells], std[cells]
            data += _predicted(s, target, z, m, sd) + _ratio(s, target, z, y, err, m, sd)
            total = np.hypot(err, sd)
            outside += int((np.abs(y - m) > 2 * total)[err > 0].sum())
            known += int((err > 0).sum())
        for column, part in zip(table, ([target.name] * len(z), z, y, err, m, sd), strict=True):
            column.extend(part)
    unit = targets[0].unit if len({t.unit for t in targets}) == 1 else "unit of the output"
    shown = common([t.name for t in targets])
    plot = layout(height=560 if model else 420, meta={"min_width": 480})
    pad = 0.01 * float(edges[-1] - edges[0])
    ends = [float(edges[0]) - pad, float(edges[-1]) + pad]
    below = axis(axis_title(over.name, over.unit), anchor="y2" if model else "y", range=ends)
    plot["yaxis"] = axis(axis_title(shown, unit), domain=[0.36, 1] if model else [0, 1], rangemode="tozero")
    if model:
        plot["xaxis"] = axis("", anchor="y", matches="x2", showticklabels=False)
        plot["xaxis2"] = below
        plot["yaxis2"] = axis(
            "simulated / predicted", domain=[0, 0.29], anchor="x2", range=_ratio_range(data)
        )
        plot["shapes"] = [
            {
                **{"type": "line", "xref": "x2 domain", "yref": "y2", "x0": 0, "x1": 1, "y0": 1, "y1": 1},
                "line": {"color": GREY, "width": 1},
            }
        ]
    else:
        plot["xaxis"] = below
    given = ", ".join(
        f"{f.name.replace('_', ' ')} {v:.4g} {f.unit}".rstrip()
        for f, v in zip(signature.features, observed.x, strict=True)
        if f.low != f.high
    )
    seen = "held out: no model ever saw it" if observed.held_out else "models learn from it"
    words = (
        f"Simulation {observed.simulation} ({seen}) at {given}. Points: simulated mean with one standard "
        "error."
    )
    if model:
        words += (
            f" Band: mean of {version} with twice its std; below, simulated over predicted. {outside} of "
            f"{known} bins lie more than two combined standard errors apart, where {0.05 * known:.0f} are to "
            "be expected by chance."
        )
    units = ("", over.unit, unit, unit, unit, unit)
    names = ("output", over.name, "simulated", "standard error", "predicted", "std")
    return Figure(
        "observable",
        f"Profiles over {over.name.replace('_', ' ')} of one simulation",
        words,
        data,
        plot,
        tuple(Column(n, u, v) for n, u, v in zip(names, units, table, strict=True)),
    )


def named_axis(signature: Signature, name: str | None) -> Any:
    """The axis of that name, the first one if none is given.

    Raises:
        NothingToShowError: there is no axis at all.
        ChoiceError: there is none of that name.
    """
    if not signature.axes:
        raise NothingToShowError("the simulator gives no profiles")
    known = [a.name for a in signature.axes]
    if name is not None and name not in known:
        raise ChoiceError(f"no axis {name!r}; the outputs are over {', '.join(known)}")
    return signature.axis(name or known[0])


def _measured(s: int, target: Target, z: Array, y: Array, err: Array) -> dict[str, Any]:
    label = target.name.replace("_", " ")
    return {
        "type": "scatter",
        "x": numbers(z),
        "y": numbers(y),
        "error_y": {"type": "data", "array": numbers(err), "thickness": 1, "width": 0},
        "mode": "markers",
        "marker": {"color": SERIES[s % 6], "symbol": f"{SYMBOLS[s % 6]}-open", "size": 5},
        "legendgroup": target.name,
        "name": f"{label}: simulated",
    }


def _predicted(s: int, target: Target, z: Array, mean: Array, std: Array) -> list[dict[str, Any]]:
    colour, label = SERIES[s % 6], target.name.replace("_", " ")
    return [
        _band(z, mean - 2 * std, mean + 2 * std, colour, target.name),
        {
            "type": "scatter",
            "x": numbers(z),
            "y": numbers(mean),
            "mode": "lines",
            "line": {"color": colour, "width": 1.6, "dash": "solid" if s % 2 == 0 else "dash"},
            "legendgroup": target.name,
            "name": f"{label}: predicted, ± 2 std",
        },
    ]


def _band(z: Array, low: Array, high: Array, colour: str, group: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": numbers(np.concatenate([z, z[::-1]])),
        "y": numbers(np.concatenate([high, low[::-1]])),
        "fill": "toself",
        "fillcolor": translucent(colour, 0.25),
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "legendgroup": group,
        "showlegend": False,
    }


def _ratio(
    s: int, target: Target, z: Array, y: Array, err: Array, mean: Array, std: Array
) -> list[dict[str, Any]]:
    """Simulated over predicted, with the band of the prediction, where enough is predicted."""
    enough = np.abs(mean) > FAINT * np.abs(mean).max()
    size = np.where(enough, np.abs(mean), np.nan)
    ratio = np.where(enough, y / np.where(enough, mean, 1.0), np.nan)
    below = {"xaxis": "x2", "yaxis": "y2", "legendgroup": target.name, "showlegend": False}
    half = (2 * std / size)[enough]
    return [
        {**_band(z[enough], 1 - half, 1 + half, SERIES[s % 6], target.name), **below},
        {
            "type": "scatter",
            "x": numbers(z),
            "y": numbers(ratio),
            "error_y": {"type": "data", "array": numbers(err / size), "thickness": 1, "width": 0},
            "mode": "markers",
            "marker": {"color": SERIES[s % 6], "symbol": f"{SYMBOLS[s % 6]}-open", "size": 4},
            "name": f"{target.name.replace('_', ' ')}: ratio",
            **below,
        },
    ]


def _ratio_range(data: Sequence[dict[str, Any]]) -> list[float]:
    """So wide that nearly all ratios are seen, and no wider for the sake of a few."""
    found = [v for t in data if t.get("yaxis") == "y2" and t["mode"] == "markers" for v in t["y"]]
    off = np.array([abs(v - 1) for v in found if v is not None])
    half = float(np.clip(1.3 * np.quantile(off, 0.97), 0.05, 2.0)) if len(off) else 0.5
    return [1 - half, 1 + half]


def common(names: Sequence[str]) -> str:
    """The words that the names share, or all names: ``density`` of density_cation and density_anion."""
    words = [name.split("_") for name in names]
    shared = [parts[0] for parts in zip(*words, strict=False) if len(set(parts)) == 1]
    return "_".join(shared) or ", ".join(names)


@dataclass(frozen=True, eq=False)
class Scalar:
    """A scalar output of many simulations: mean and standard error, arrays (n,); NaN where there is none."""

    name: str
    unit: str
    mean: Array
    stderr: Array


def scalars(
    design: Design, outputs: Sequence[Scalar], over: str | None = None, by: str | None = None
) -> Figure:
    """Scalar outputs with their error bars against an input, told apart by another one.

    Args:
        design: the simulations.
        outputs: what they gave, in the order of the design.
        over: the input along x; the first one, continuous ones first, if not given.
        by: an input of few values that tells the series apart; the first such one if not given.

    Raises:
        NothingToShowError: there is no scalar output, or nothing is done.
        ChoiceError: a name does not fit.
    """
    done = np.flatnonzero(design.kind < 2)
    if not outputs or not len(done):
        raise NothingToShowError("no scalar outputs to show")
    few = [k for k, d in enumerate(design.dimensions) if Scale(d).places]
    along = design.index(over) if over is not None else _first(design)
    apart = design.index(by) if by is not None else next((k for k in few if k != along), None)
    if apart is not None and apart not in few:
        raise ChoiceError(f"{by} has too many values to tell series apart; choose one with few")
    scale = Scale(design.dimensions[along])
    shown = outputs[:MOST_SCALARS]
    drawn = done if len(done) <= MOST_POINTS else done[np.linspace(0, len(done) - 1, MOST_POINTS).astype(int)]
    values = design.x[drawn, apart] if apart is not None else np.zeros(len(drawn))
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    plot = layout(height=110 + 290 * down, annotations=[], meta={"min_width": 300 * across})
    plot["margin"]["t"] = 70
    between = 0.17 if down > 1 else 0.0
    high = (1 - between * (down - 1)) / down
    # Above the names of the panels.
    plot["legend"]["y"] = 1 + 26 / (290 * down)
    data: list[dict[str, Any]] = []
    texts = dict(zip(drawn.tolist(), design.rows(drawn).labels(), strict=True))
    for p, output in enumerate(shown):
        k, (row, column) = suffix(p + 1), divmod(p, across)
        left, top = column / across + (0.075 if column else 0), 1 - row * (high + between)
        domain = [left, (column + 1) / across - 0.012]
        known = output.mean[drawn][np.isfinite(output.mean[drawn])]
        plot[f"xaxis{k}"] = scale.axis(domain=domain, anchor=f"y{k}")
        plot[f"yaxis{k}"] = value_axis(
            axis_title("", output.unit).strip(), known, domain=[max(top - high, 0), top], anchor=f"x{k}"
        )
        heads = heading(f"<b>{output.name.replace('_', ' ')}</b>", sum(domain) / 2, top)
        plot["annotations"].append(heads)
        for s, value in enumerate(np.unique(values)):
            rows = drawn[values == value]
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": numbers(scale.apart(design.x[rows, along], design.ids[rows])),
                    "y": numbers(output.mean[rows]),
                    "error_y": {
                        **{"type": "data", "array": numbers(output.stderr[rows]), "thickness": 1, "width": 0}
                    },
                    "marker": {
                        "color": SERIES[s % 6],
                        "size": 6,
                        "symbol": [SYMBOLS[s % 6] + ("-open" if design.kind[r] == 1 else "") for r in rows],
                    },
                    "text": [texts[r] for r in rows],
                    "hovertemplate": "%{y:.4g} ± %{error_y.array:.2g} "
                    + output.unit
                    + "<br>%{text}<extra></extra>",
                    "name": _series(design, apart, value),
                    "legendgroup": f"{value:g}",
                    "showlegend": p == 0 and apart is not None,
                    "xaxis": f"x{k}",
                    "yaxis": f"y{k}",
                }
            )
    columns = []
    for output in outputs:
        columns += [(output.name, output.unit, output.mean), ("standard error", output.unit, output.stderr)]
    told = f", told apart by {design.dimensions[apart].name.replace('_', ' ')}" if apart is not None else ""
    spread = " Points with the same value stand side by side." if scale.places else ""
    kept = "" if len(outputs) <= MOST_SCALARS else f" The first {MOST_SCALARS} of {len(outputs)} are shown."
    return Figure(
        "scalars",
        f"Outputs against {design.dimensions[along].name.replace('_', ' ')}",
        f"{len(done):,} simulations with one standard error{told}; open symbols were held out. The other "
        f"inputs vary from point to point.{spread}{kept}",
        data,
        plot,
        tuple(Column(*c) for c in table_of(design, columns)),
    )


def _first(design: Design) -> int:
    """The input that says most along an axis: a continuous one if there is one."""
    if not design.dimensions:
        raise NothingToShowError("the campaign varies no input")
    return min(range(len(design.dimensions)), key=lambda k: (bool(design.dimensions[k].values), k))


def _series(design: Design, apart: int | None, value: float) -> str:
    if apart is None:
        return "simulated"
    d = design.dimensions[apart]
    return f"{d.name.replace('_', ' ')} {value:g} {d.unit}".rstrip()
