"""Profiles of held-out simulations beside their predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogates import Target
from workflow.figures.figure import Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array, HeldOut
from workflow.figures.observables import common, named_axis
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


def profiles(held: HeldOut, axis_name: str | None = None) -> Figure:
    """Simulated profiles with error bars against the predicted band, residuals in units of sigma below.

    The best, the median and the worst of the held-out simulations by rms z, so that nobody chooses.

    Args:
        held: the simulations and their predictions.
        axis_name: which axis of the signature; the first one if not given.

    Raises:
        NothingToShowError: the campaign has no profiles, or nothing was held out.
        ChoiceError: there is no such axis.
    """
    over = named_axis(held.signature, axis_name)
    if not len(held):
        raise NothingToShowError("no held-out simulations to show")
    name = over.name
    targets = [t for t in held.signature.targets if t.axis == name]
    columns = held.signature.columns()
    z = np.concatenate([held.z[:, columns[t.name]] for t in targets], axis=1)
    known = np.maximum(np.isfinite(z).sum(axis=1), 1)
    score = np.sqrt(np.nansum(z**2, axis=1) / known)
    order = np.argsort(score)
    picks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    if len(held) < 3:
        picks = {
            "only" if len(held) == 1 else label: picks[label] for label in ("best", "worst")[: len(held)]
        }
    data: list[dict[str, Any]] = []
    table: list[list[Any]] = [[] for _ in range(8)]
    centres = held.centres(name)
    plot = layout(height=560, annotations=[], meta={"min_width": 300 * len(picks)})
    title = axis_title(common([t.name for t in targets]), targets[0].unit)
    for panel, (label, row) in enumerate(picks.items()):
        k = 1 + 2 * panel
        width = 1 / len(picks)
        domain = [panel * width + (0.05 if panel else 0.0), (panel + 1) * width - 0.01]
        _panels(plot, k, domain, axis_title(name, over.unit), title, first=panel == 0)
        text = f"<b>{label}</b>: simulation {held.ids[row]}, rms z = {score[row]:.2f}<br>{_inputs(held, row)}"
        plot["annotations"].append(heading(text, sum(domain) / 2, 1.0, font={"size": 11}))
        for s, target in enumerate(targets):
            cells = columns[target.name]
            z = centres[row]
            values = [a[row, cells] for a in (held.y, held.err, held.mean, held.bars, held.z)]
            data += _band(k, s, target, z, *values, legend=panel == 0)
            for column, part in zip(
                table,
                ([held.ids[row]] * len(z), [target.name] * len(z), z, *values),
                strict=True,
            ):
                column.extend(part)
    plot["margin"]["t"] = 130
    plot["legend"]["y"] = 1.19
    unit = targets[0].unit
    names = ("simulation", "output", name, "simulated", "standard error", "predicted", "std", "residual")
    units = ("", "", over.unit, unit, unit, unit, unit, "sigma")
    return Figure(
        "profiles",
        f"Profiles over {name}: simulation and prediction",
        f"Held-out simulations that {held.version} never saw: the best, the median and the worst of "
        f"{len(held):,}. Points: simulated mean with one standard error. Band: predicted mean with twice its "
        "std. Below: prediction minus simulation in units of their combined error; 95 % should lie within "
        "the two dashed lines.",
        data,
        plot,
        tuple(Column(n, u, v) for n, u, v in zip(names, units, table, strict=True)),
    )


def _panels(plot: dict[str, Any], k: int, domain: list[float], x: str, y: str, *, first: bool) -> None:
    """The axes of one simulation: profile above, residuals below, sharing x."""
    upper, lower = suffix(k), suffix(k + 1)
    above = y if first else ""
    plot[f"xaxis{upper}"] = axis(
        "", domain=domain, anchor=f"y{upper}", matches=f"x{lower}", showticklabels=False
    )
    plot[f"yaxis{upper}"] = axis(above, domain=[0.34, 1.0], anchor=f"x{upper}", rangemode="tozero")
    plot[f"xaxis{lower}"] = axis(x, domain=domain, anchor=f"y{lower}")
    plot[f"yaxis{lower}"] = axis(
        "residual (sigma)" if first else "", domain=[0.0, 0.27], anchor=f"x{lower}", range=[-4.5, 4.5]
    )
    if not first:
        plot[f"yaxis{lower}"]["matches"] = "y2"
    plot.setdefault("shapes", []).extend(
        {
            "type": "line",
            "xref": f"x{lower} domain",
            "yref": f"y{lower}",
            "x0": 0,
            "x1": 1,
            "y0": level,
            "y1": level,
            "line": {"color": GREY, "width": 1, "dash": "dash" if level else "solid"},
        }
        for level in (-2, 0, 2)
    )


def _band(
    k: int,
    series: int,
    target: Target,
    z: Array,
    y: Array,
    err: Array,
    mean: Array,
    std: Array,
    residual: Array,
    *,
    legend: bool,
) -> list[dict[str, Any]]:
    colour, symbol = SERIES[series % len(SERIES)], SYMBOLS[series % len(SYMBOLS)]
    upper, lower = ({"xaxis": f"x{suffix(j)}", "yaxis": f"y{suffix(j)}"} for j in (k, k + 1))
    label = target.name.replace("_", " ")
    group = {"legendgroup": target.name, "showlegend": legend}
    there_and_back = np.concatenate([z, z[::-1]])
    around = np.concatenate([mean + 2 * std, (mean - 2 * std)[::-1]])
    x = numbers(z)
    return [
        {
            "type": "scatter",
            "x": numbers(there_and_back),
            "y": numbers(around),
            "fill": "toself",
            "fillcolor": translucent(colour, 0.25),
            "line": {"width": 0},
            "mode": "lines",
            "hoverinfo": "skip",
            "legendgroup": target.name,
            "showlegend": False,
            **upper,
        },
        {
            "type": "scatter",
            "x": x,
            "y": numbers(mean),
            "mode": "lines",
            "line": {"color": colour, "width": 1.6, "dash": "solid" if series % 2 == 0 else "dash"},
            "name": f"{label}: predicted, ± 2 std",
            **group,
            **upper,
        },
        {
            "type": "scatter",
            "x": x,
            "y": numbers(y),
            "error_y": {"type": "data", "array": numbers(err), "thickness": 1, "width": 0},
            "mode": "markers",
            "marker": {"color": colour, "symbol": f"{symbol}-open", "size": 4.5},
            "name": f"{label}: simulated, ± standard error",
            **group,
            **upper,
        },
        {
            "type": "scatter",
            "x": x,
            "y": numbers(residual),
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": 4},
            "name": label,
            "legendgroup": target.name,
            "showlegend": False,
            **lower,
        },
    ]


def _inputs(held: HeldOut, row: int) -> str:
    """The inputs that the campaign varies."""
    parts = [
        f"{f.name.replace('_', ' ')} {held.x[row, k]:.3g} {f.unit}".rstrip()
        for k, f in enumerate(held.signature.features)
        if f.low != f.high
    ]
    # Two to a line fit over a panel.
    return "<br>".join(", ".join(parts[k : k + 2]) for k in range(0, len(parts), 2))
