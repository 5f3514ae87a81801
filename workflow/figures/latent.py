"""How the outputs of all simulations vary together: their principal components."""

from __future__ import annotations

from typing import Any

import numpy as np

from surrogates import Signature, Target
from surrogates.contract import evaluate_terms
from workflow.figures.design import KINDS, Design, table_of
from workflow.figures.figure import Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array
from workflow.figures.observables import named_axis
from workflow.figures.style import (
    BLUE,
    GREY,
    SCALE,
    SERIES,
    VERMILION,
    axis,
    axis_title,
    colorbar,
    heading,
    layout,
)

COMPONENTS = 2


def components(parts: list[Array]) -> tuple[Array, Array, Array]:
    """The first principal components of outputs that count alike.

    Each output has its mean taken off, column by column, and is divided by one number, the root mean square
    of what is left, so that a profile keeps its shape and empty bins stay empty.

    Args:
        parts: an array (n, columns) for each output.

    Returns:
        scores (n, 2), loadings (2, all columns) and the share of the variance of each component (2,).

    Raises:
        NothingToShowError: fewer than three simulations, or nothing varies.
    """
    scaled = []
    for part in parts:
        off = part - part.mean(axis=0)
        size = np.sqrt((off**2).mean())
        scaled.append(off / size if size > 0 else off)
    data = np.concatenate(scaled, axis=1)
    if len(data) < 3 or not data.any():
        raise NothingToShowError("fewer than three simulations with outputs that vary")
    left, size, right = np.linalg.svd(data, full_matrices=False)
    n = min(COMPONENTS, len(size))
    scores, loadings = np.zeros((len(data), COMPONENTS)), np.zeros((COMPONENTS, data.shape[1]))
    share = np.zeros(COMPONENTS)
    scores[:, :n], loadings[:n], share[:n] = (
        left[:, :n] * size[:n],
        right[:n],
        (size**2 / (size**2).sum())[:n],
    )
    # A component has no sign of its own: its largest loading is taken to be positive.
    sign = np.sign(loadings[np.arange(COMPONENTS), np.abs(loadings).argmax(axis=1)])
    sign[sign == 0] = 1
    return scores * sign, loadings * sign[:, None], share


def latent(
    design: Design,
    signature: Signature,
    outputs: dict[str, Array],
    x: Array,
    axis_name: str | None = None,
    colour: str | None = None,
) -> Figure:
    """Simulations as points of the plane of the first two principal components of what they gave.

    Args:
        design: simulations that are done.
        signature: of the campaign.
        outputs: output -> array (n,) or (n, bins), in the order of the design.
        x: all inputs of the signature, array (n, features).
        axis_name: outputs over this axis; the first one if not given, all scalars where there is no axis.
        colour: an input that colours the points; the first one that varies if not given.

    Raises:
        NothingToShowError: there is too little to decompose.
        ChoiceError: there is no such axis or input.
    """
    targets = chosen_targets(signature, axis_name)
    parts = [outputs[t.name].reshape(len(design), -1) for t in targets]
    scores, loadings, share = components(parts)
    if not design.dimensions:
        raise NothingToShowError("the campaign varies no input")
    k = 0 if colour is None else design.index(colour)
    shade = design.dimensions[k]
    texts = design.labels()
    data: list[dict[str, Any]] = []
    for kind in (0, 1):
        rows = np.flatnonzero(design.kind == kind)
        if len(rows):
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": numbers(scores[rows, 0]),
                    "y": numbers(scores[rows, 1]),
                    "text": [texts[r] for r in rows],
                    "hovertemplate": "%{text}<extra></extra>",
                    "marker": {
                        "symbol": ("circle", "diamond")[kind],
                        "size": 7,
                        "color": numbers(design.x[rows, k]),
                        "coloraxis": "coloraxis",
                        "line": {"color": "rgba(0,0,0,0.5)", "width": 0.7},
                    },
                    "name": KINDS[kind][0],
                    "showlegend": False,
                }
            )
            data.append(
                {
                    **{"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip"},
                    "marker": {"symbol": ("circle", "diamond")[kind], "size": 8, "color": GREY},
                    "name": KINDS[kind][0],
                }
            )
    plot = layout(height=520, annotations=[], meta={"min_width": 640})
    plot["coloraxis"] = {
        "colorscale": SCALE,
        "colorbar": colorbar(axis_title(shade.name, shade.unit), x=0.555, xanchor="left", thickness=12),
    }
    if shade.values and len(shade.values) <= 12:
        plot["coloraxis"]["colorbar"]["tickvals"] = list(shade.values)
    percent = [f"{100 * s:.3g} %" for s in share]
    plot["xaxis"] = axis(
        axis_title(f"component 1, {percent[0]} of the variance"), domain=[0, 0.54], anchor="y"
    )
    plot["yaxis"] = axis(axis_title(f"component 2, {percent[1]} of the variance"), anchor="x")
    data += _loadings(plot, signature, targets, loadings, share, x)
    columns = [(f"component {c + 1}", "", scores[:, c]) for c in range(COMPONENTS)]
    shown = ", ".join(t.name.replace("_", " ") for t in targets)
    profile = targets[0].axis
    return Figure(
        "latent",
        "How the outputs vary together",
        f"Principal components of {shown} over {len(design):,} simulations: two of them hold "
        f"{100 * float(share.sum()):.3g} % of the variance. Right: what a step along each adds to the "
        f"{'profiles, over the mean place of each bin' if profile else 'outputs'}.",
        data,
        plot,
        tuple(Column(*c) for c in table_of(design, columns)),
    )


def chosen_targets(signature: Signature, axis_name: str | None) -> list[Target]:
    """The outputs over an axis; all scalars where there is none.

    Raises:
        NothingToShowError: there are fewer than two scalars.
        ChoiceError: there is no such axis.
    """
    if signature.axes or axis_name is not None:
        over = named_axis(signature, axis_name)
        return [t for t in signature.targets if t.axis == over.name]
    scalars = list(signature.targets)
    if len(scalars) < 2:
        raise NothingToShowError("a single number has no components")
    return scalars


def _loadings(
    plot: dict[str, Any],
    signature: Signature,
    targets: list[Target],
    loadings: Array,
    share: Array,
    x: Array,
) -> list[dict[str, Any]]:
    """Small panels at the right, one below the other: each component as profiles, or as bars of scalars."""
    data: list[dict[str, Any]] = []
    profile = targets[0].axis
    for c in range(COMPONENTS):
        k = c + 2
        domain = [0.61, 0.97] if c == 0 else [0.0, 0.36]
        place = {"xaxis": f"x{k}", "yaxis": f"y{k}"}
        plot[f"yaxis{k}"] = axis(axis_title("loading"), domain=domain, anchor=f"x{k}", nticks=5)
        plot["annotations"].append(
            heading(f"<b>component {c + 1}</b>, {100 * share[c]:.3g} %", 0.87, domain[1], font={"size": 12})
        )
        if profile is None:
            plot[f"xaxis{k}"] = axis("", domain=[0.76, 1], anchor=f"y{k}", type="category")
            names = [t.name.replace("_", " ") for t in targets]
            colours = [BLUE if v >= 0 else VERMILION for v in loadings[c]]
            bar = {"type": "bar", "x": names, "y": numbers(loadings[c]), "marker": {"color": colours}}
            data.append({**bar, "showlegend": False, "name": f"component {c + 1}", **place})
            continue
        over = signature.axis(profile)
        plot[f"xaxis{k}"] = axis(axis_title(over.name, over.unit), domain=[0.76, 1], anchor=f"y{k}", nticks=5)
        inputs = {f.name: x[:, j] for j, f in enumerate(signature.features)}
        edges = evaluate_terms(over.edges, inputs).mean(axis=0)
        centres = 0.5 * (edges[1:] + edges[:-1])
        plot.setdefault("shapes", []).append(
            {
                **{
                    "type": "line",
                    "xref": f"x{k} domain",
                    "yref": f"y{k}",
                    "x0": 0,
                    "x1": 1,
                    "y0": 0,
                    "y1": 0,
                },
                "line": {"color": GREY, "width": 1},
            }
        )
        for s, (target, part) in enumerate(zip(targets, np.split(loadings[c], len(targets)), strict=True)):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": numbers(centres),
                    "y": numbers(part),
                    "line": {"color": SERIES[s % 6], "width": 1.6, "dash": ("solid", "dash", "dot")[s % 3]},
                    "name": target.name.replace("_", " "),
                    "legendgroup": target.name,
                    "showlegend": c == 0,
                    **place,
                }
            )
    return data
