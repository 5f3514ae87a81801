"""Where a model is sure of itself: a map of its std over two inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surrogates import Model, Target
from workflow.figures.accuracy import named_target
from workflow.figures.coverage import box, markers
from workflow.figures.design import Bools, Design, Scale
from workflow.figures.figure import ChoiceError, Column, Figure, numbers
from workflow.figures.heldout import Array
from workflow.figures.style import VERMILION, colorbar, layout

GRID = 45
"""Points along each side of the map."""
NEAR = 0.15
"""How far from the slice a simulation may lie to be drawn on it, in widths of the range."""
SLICES = 5
"""Values that a page offers for each input that is held fixed."""
BEYOND = 0.06
"""How far the map goes beyond the range of the space, in widths of it."""


def uncertainty(
    model: Model,
    version: str,
    design: Design,
    x: str | None = None,
    y: str | None = None,
    output: str | None = None,
    at: Mapping[str, float] | None = None,
) -> Figure:
    """The std that a model gives for an output over two inputs, the other inputs held fixed.

    Args:
        model: which.
        version: how it is called.
        design: the simulations so far.
        x: input along x; the first one, continuous ones first, if not given.
        y: input along y; the next one if not given.
        output: which; the first one if not given.
        at: values of other inputs; the middle of their range where none is given.

    Raises:
        NothingToShowError: fewer than two inputs vary.
        ChoiceError: a name or value does not fit.
    """
    a, b = design.pair(x, y)
    target = named_target(model.signature, output)
    point = slice_point(design, (a, b), at or {})
    scales = Scale(design.dimensions[a]), Scale(design.dimensions[b])
    grids = tuple(scale.grid(GRID, BEYOND) for scale in scales)
    wide, high = len(grids[0]), len(grids[1])
    asked = np.tile(point, (wide * high, 1))
    asked[:, a], asked[:, b] = np.tile(grids[0], high), np.repeat(grids[1], wide)
    whole = np.array([[f.low for f in model.signature.features]] * len(asked))
    names = [f.name for f in model.signature.features]
    for k, d in enumerate(design.dimensions):
        whole[:, names.index(d.name)] = asked[:, k]
    mean, std = model.predict(whole, return_std=True, on_ood="ignore")
    score = model.domain.score(whole, std).reshape(high, wide)
    cells = model.signature.columns()[target.name]
    part, unit = _relative(model, target, mean[:, cells], std[:, cells])
    shown = part.reshape(high, wide)
    inside = _within(scales, grids, shown)
    places = [numbers(scale.at(grid)) for scale, grid in zip(scales, grids, strict=True)]
    label = target.name.replace("_", " ")
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": places[0],
            "y": places[1],
            "z": [numbers(row, 4) for row in shown],
            "colorscale": "Cividis",
            "reversescale": True,
            "zmin": float(f"{inside.min():.4g}"),
            # What lies beyond the range must not take the colours from what lies within.
            "zmax": float(f"{inside.max():.4g}"),
            "colorbar": colorbar(f"std of {label} ({unit})"),
            "hovertemplate": f"{_hover(scales)}std %{{z:.3g}} {unit}<extra></extra>",
            "name": "std",
        }
    ]
    if score.min() < 1 < score.max() and min(wide, high) > 2:
        data.append(
            {
                "type": "contour",
                "x": places[0],
                "y": places[1],
                "z": [numbers(row, 4) for row in score],
                "autocontour": False,
                "contours": {"start": 1, "end": 1, "size": 1, "coloring": "none"},
                "line": {"color": VERMILION, "width": 2, "dash": "dot"},
                "showscale": False,
                "hoverinfo": "skip",
                "name": "edge of the model's domain",
                "showlegend": True,
            }
        )
    near = design.rows(_near(design, point, (a, b)))
    px = scales[0].apart(near.x[:, a], near.ids)
    py = scales[1].apart(near.x[:, b], near.ids * 7 + 3)
    for trace in markers(near, px, py, {}, None):
        symbol = trace["marker"]["symbol"].removesuffix("-open")
        trace["marker"] |= {
            "color": "#ffffff",
            "symbol": symbol,
            "line": {"color": "#000000", "width": 1.2},
            "size": 8,
        }
        data.append({**trace, "showlegend": True})
    plot = layout(height=500, meta={"min_width": 440})
    plot["xaxis"] = scales[0].axis(
        margin=0 if scales[0].places else BEYOND, showgrid=False, constrain="domain"
    )
    plot["yaxis"] = scales[1].axis(margin=0 if scales[1].places else BEYOND, showgrid=False, anchor="x")
    plot["shapes"] = [box(*scales, "x", "y") | {"layer": "above"}]
    held = [
        f"{d.name.replace('_', ' ')} {point[k]:.4g} {d.unit}".rstrip()
        for k, d in enumerate(design.dimensions)
        if k not in (a, b)
    ]
    table = zip(*(asked[:, k] for k in range(len(design.dimensions))), part, score.ravel(), strict=True)
    heads = [(d.name, d.unit) for d in design.dimensions] + [("std", unit), ("domain score", "")]
    over = f" over the bins of {target.axis} (rms)" if target.axis else ""
    return Figure(
        "uncertainty",
        "Where the model is sure",
        f"Std that {version} gives for {label}{over}, between {inside.min():.2g} and {inside.max():.2g} "
        f"{unit}{', at ' + ', '.join(held) if held else ''}. {len(near)} simulations lie near this slice. "
        "Dashed: the range of the campaign; dotted: where the model no longer answers for itself.",
        data,
        plot,
        tuple(Column(n, u, list(v)) for (n, u), v in zip(heads, zip(*table, strict=True), strict=True)),
    )


def _relative(model: Model, target: Target, mean: Array, std: Array) -> tuple[Array, str]:
    """Std as a percentage, array (n,), and of what: of the prediction, unless that comes near to nothing."""
    part: Array = 100 * np.sqrt((std**2).mean(axis=1))
    size = np.sqrt((mean**2).mean(axis=1))
    if target.positive and size.min() > 0.01 * size.max():
        return part / size, "% of the predicted value"
    spread = model.domain.scale[model.signature.columns()[target.name]]
    spread = spread[np.isfinite(spread)]
    return part / (np.sqrt((spread**2).mean()) if len(spread) else 1.0), "% of its variation"


def slice_point(design: Design, across: tuple[int, int], at: Mapping[str, float]) -> Array:
    """The chosen values of the inputs that a map does not run over, the middle ones where none is chosen.

    Returns:
        array (dimensions,).

    Raises:
        ChoiceError: a name or value that the campaign does not vary over.
    """
    point = np.array([d.values[len(d.values) // 2] if d.values else 0.5 * (d.low + d.high)
                      for d in design.dimensions])  # fmt: skip
    for name, value in at.items():
        k = design.index(name)
        d = design.dimensions[k]
        if k in across:
            raise ChoiceError(f"{name} runs along an axis of the map, so that no value of it can be chosen")
        if d.discrete and value not in d.values:
            raise ChoiceError(f"{name} = {value:g}; accepted: {', '.join(f'{v:g}' for v in d.values)}")
        if not d.low <= value <= d.high:
            raise ChoiceError(f"{name} = {value:g}; accepted: {d.low:g} to {d.high:g} {d.unit}".rstrip())
        point[k] = value
    return point


def _hover(scales: tuple[Scale, Scale]) -> str:
    """Both inputs, unless an axis shows places, whose numbers say nothing."""
    parts = [
        f"{s.dimension.name.replace('_', ' ')} %{{{letter}:.4g}} {s.dimension.unit}<br>"
        for s, letter in zip(scales, "xy", strict=True)
        if not s.places
    ]
    return "".join(parts)


def _within(scales: tuple[Scale, Scale], grids: tuple[Array, ...], values: Array) -> Array:
    """The part of a map (y, x) that lies within the range of the space."""
    x, y = (
        (grid >= s.dimension.low - 1e-12) & (grid <= s.dimension.high + 1e-12)
        for s, grid in zip(scales, grids, strict=True)
    )
    return values[np.ix_(y, x)]


def _near(design: Design, point: Array, across: tuple[int, int]) -> Bools:
    """Which simulations lie near the slice."""
    near = np.ones(len(design), dtype=bool)
    for k, d in enumerate(design.dimensions):
        if k not in across:
            apart = np.abs(design.x[:, k] - point[k])
            near &= apart <= (1e-9 if d.values else NEAR * (d.high - d.low))
    return near
