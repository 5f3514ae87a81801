"""Settings of the method on trial: which did their work, and how large they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulators import Parameter
from workflow.figures.design import Design, Scale
from workflow.figures.figure import ChoiceError, Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array, Ints
from workflow.figures.style import BLUE, GREY, ORANGE, VERMILION, layout

OUTCOMES = (("did its work", "circle", BLUE), ("did not", "square-open", ORANGE), ("failed", "x", VERMILION))
"""What became of a trial, each with its symbol and colour."""
THIRDS = 3
"""Parts that the range of a continuous input is divided into."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Simulations as trials of the settings that the campaign varies.

    Args:
        design: the simulations that ended.
        settings: the inputs that are settings.
        outcome: index into `OUTCOMES`, array (n,).
        verdict: the output that says whether a trial did its work; empty where nothing but failing counts.
        wall: seconds of each trial, array (n,).
        steps: of each trial, or whatever its cost is proportional to; ``None`` where that is not known.
    """

    design: Design
    settings: tuple[Parameter, ...]
    outcome: Ints
    verdict: str
    wall: Array
    steps: float | None

    def setting(self, name: str | None) -> tuple[Parameter, int]:
        """The setting of that name and which dimension it is; the first one if not given.

        Raises:
            NothingToShowError: none varies.
            ChoiceError: there is none of that name.
        """
        known = [p.name for p in self.settings]
        if not known:
            raise NothingToShowError("the campaign varies no setting of its simulator")
        if name is not None and name not in known:
            raise ChoiceError(
                f"{name!r} is no setting that the campaign varies; it varies {', '.join(known)}"
            )
        parameter = self.settings[0 if name is None else known.index(name)]
        return parameter, self.design.index(parameter.name)


@dataclass(frozen=True)
class Part:
    """A part of the space: what the trials in it say of a setting.

    Args:
        label: value or range of the input that divides the space.
        place: where it lies along that input's axis.
        trials, good: how many were made, and how many did their work.
        largest: largest value at which one did its work; NaN if none did.
        safe: largest value up to which all did their work; NaN if the smallest one tried did not.
        least_bad: smallest value at which one did not; NaN if all did.
    """

    label: str
    place: float
    trials: int
    good: int
    largest: float
    safe: float
    least_bad: float

    def words(self) -> str:
        """What is known of the largest usable value, no more than the trials say."""
        if not self.trials:
            return "no trial"
        if not self.good:
            return f"none ({self.trials} did not do their work)"
        if self.good == self.trials:
            return f"at least {self.largest:g} (all {self.trials} did their work: nothing bounds it yet)"
        return f"{self.largest:g} ({self.good} of {self.trials} did their work)"


def parts(tried: Trials, setting: int, over: int) -> list[Part]:
    """What the trials say of a setting in each part of the space.

    Args:
        tried: all of them.
        setting: dimension of the setting.
        over: dimension of the input that divides the space.
    """
    d = tried.design.dimensions[over]
    scale = Scale(d)
    x = tried.design.x[:, over]
    found = []
    if d.values:
        groups = [(f"{v:g}", float(scale.at(np.array([v]))[0]), x == v) for v in d.values]
    else:
        edges = np.linspace(d.low, d.high, THIRDS + 1)
        which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, THIRDS - 1)
        groups = [
            (f"{edges[k]:.4g} to {edges[k + 1]:.4g}", 0.5 * (edges[k] + edges[k + 1]), which == k)
            for k in range(THIRDS)
        ]
    for label, place, rows in groups:
        values, good = tried.design.x[rows, setting], tried.outcome[rows] == 0
        worked, bad = values[good], values[~good]
        least = float(bad.min()) if len(bad) else np.nan
        below = worked if np.isnan(least) else worked[worked < least]
        found.append(
            Part(
                label,
                place,
                len(values),
                int(good.sum()),
                float(worked.max()) if len(worked) else np.nan,
                float(below.max()) if len(below) else np.nan,
                least,
            )
        )
    return found


def trials(tried: Trials, setting: str | None = None, over: str | None = None) -> Figure:
    """Every trial by its setting and another input, and the largest setting that did its work.

    Args:
        tried: the trials.
        setting: which; the first one if not given.
        over: the input along x; the first one that is no setting if not given.

    Raises:
        NothingToShowError: no setting varies, or nothing else does.
        ChoiceError: a name does not fit.
    """
    parameter, k = tried.setting(setting)
    j = _other(tried, k, over)
    design = tried.design
    x, y = Scale(design.dimensions[j]), Scale(design.dimensions[k])
    data = [
        marks(tried, rows, x.apart(design.x[rows, j], design.ids[rows]),
               y.apart(design.x[rows, k], design.ids[rows] * 7 + 3), outcome)
        for outcome in range(3)
        if len(rows := np.flatnonzero(tried.outcome == outcome))
    ]  # fmt: skip
    found = parts(tried, k, j)
    steps = [p for p in found if p.good]
    half = 0.42 if x.places else 0.5 * (x.ends[1] - x.ends[0]) / THIRDS
    lift = 0.4 if y.places else 0.0
    if steps:
        level = {p.label: float(y.at(np.array([p.largest]))[0]) + lift for p in steps}
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [v for p in steps for v in (p.place - half, p.place + half, None)],
                "y": [v for p in steps for v in (level[p.label], level[p.label], None)],
                "line": {"color": GREY, "width": 2},
                "hoverinfo": "skip",
                "name": "largest at which a trial did its work",
            }
        )
    plot = layout(height=460, meta={"min_width": 460})
    plot["xaxis"], plot["yaxis"] = x.axis(), y.axis()
    counts = np.bincount(tried.outcome, minlength=3)
    divided = design.dimensions[j]
    divider = design.dimensions[j].name.replace("_", " ")
    where = "; ".join(f"{divider} {p.label}: {p.words()}" for p in found)
    columns = (
        Column(divided.name, divided.unit, [p.label for p in found]),
        Column("trials", "", [p.trials for p in found]),
        Column("did their work", "", [p.good for p in found]),
        Column(f"largest {parameter.name} that did", parameter.unit, [p.largest for p in found]),
        Column("all did up to", parameter.unit, [p.safe for p in found]),
        Column("smallest that did not", parameter.unit, [p.least_bad for p in found]),
    )
    others = [p.name.replace("_", " ") for p in tried.settings if p.name != parameter.name]
    judge = f"did their work ({tried.verdict} = 1)" if tried.verdict else "came to their end"
    vary = (
        f" Other settings vary too ({', '.join(others)}), so that a trial may fail for their sake."
        if others
        else ""
    )
    return Figure(
        "trials",
        f"Trials of {parameter.name.replace('_', ' ')}",
        f"{len(design):,} trials: {counts[0]:,} {judge}, {counts[1]:,} did not, {counts[2]:,} failed. "
        f"Largest {parameter.name.replace('_', ' ')} that did: {where}.{vary} Points "
        "with the same values stand side by side.",
        data,
        plot,
        columns,
    )


def _other(tried: Trials, k: int, over: str | None) -> int:
    """The input along x."""
    if over is not None:
        j = tried.design.index(over)
        if j == k:
            raise ChoiceError(f"{over} against itself shows nothing; choose another input")
        return j
    names = {p.name for p in tried.settings}
    left = [i for i in range(len(tried.design.dimensions)) if i != k]
    if not left:
        raise NothingToShowError("nothing but one setting varies")
    return next((i for i in left if tried.design.dimensions[i].name not in names), left[0])


def marks(tried: Trials, rows: Ints, x: Array, y: Array, outcome: int) -> dict[str, Any]:
    """The trials of one outcome as points."""
    name, symbol, colour = OUTCOMES[outcome]
    texts = tried.design.rows(rows).labels()
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(x),
        "y": numbers(y),
        "text": texts,
        "hovertemplate": f"{name}<br>%{{text}}<extra></extra>",
        "marker": {"symbol": symbol, "color": colour, "size": 8},
        "name": name,
    }
