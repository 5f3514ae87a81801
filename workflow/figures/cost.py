"""Where the time went: what each worker did when, and what the campaign cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.figures.figure import Column, Figure, NothingToShowError, numbers
from workflow.figures.heldout import Array
from workflow.figures.style import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILION, axis, layout
from workflow.folder import version_name
from workflow.record import Record, State
from workflow.speedup import busy_seconds

KINDS = {
    "simulation": (BLUE, ""),
    "held-out simulation": (ORANGE, "/"),
    "failed simulation": (VERMILION, "x"),
    "training": (PURPLE, "."),
}
"""Each kind of work with its colour and its hatch."""

FAILED = list(KINDS).index("failed simulation")

BARS = 4000
"""Most bars of a timeline; beyond it, neighbours of a kind on a worker are drawn as one."""


def timeline(record: Record) -> Figure:
    """What each worker did when. A task of several kinds is divided in proportion to their cost.

    Raises:
        NothingToShowError: no task is finished.
    """
    rows = _segments(record)
    if not rows:
        raise NothingToShowError("no task is finished")
    origin = min(row[2] for row in rows)
    span = max(row[3] for row in rows) - origin
    scale, unit = (60.0, "min") if span > 300 else (1.0, "s")
    lanes = list(dict.fromkeys(row[0] for row in sorted(rows, key=lambda r: (r[1] == "training", r[0]))))
    drawn = rows if len(rows) <= BARS else _merged(rows, span / 1000)
    data: list[dict[str, Any]] = []
    for kind, (colour, hatch) in KINDS.items():
        own = [row for row in drawn if row[1] == kind]
        if own:
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "y": [row[0] for row in own],
                    "base": numbers([(row[2] - origin) / scale for row in own], 8),
                    "x": numbers([(row[3] - row[2]) / scale for row in own]),
                    "text": [row[4] for row in own],
                    "textposition": "none",
                    "hovertemplate": f"%{{text}}: %{{x:.3g}} {unit}<extra>{kind}</extra>",
                    "marker": {"color": colour, "pattern": _pattern(colour, hatch)},
                    "name": kind,
                }
            )
    busy = record.busy_fraction
    plot = layout(
        height=150 + 30 * max(len(lanes), 2),
        barmode="overlay",
        bargap=0.2,
        xaxis=axis(f"time since the first task ({unit})", range=[0, 1.01 * span / scale]),
        yaxis=axis(
            "",
            categoryorder="array",
            categoryarray=lanes[::-1],
            type="category",
            fixedrange=True,
            showgrid=False,
        ),
    )
    used = f" Workers were busy {100 * busy:.0f} % of the time." if busy is not None else ""
    names = ("worker", "kind", "started", "ended", "what")
    units = ("", "", "s since the first task", "s since the first task", "")
    table = zip(*((w, k, start - origin, end - origin, what) for w, k, start, end, what in rows), strict=True)
    return Figure(
        "timeline",
        "What the workers did",
        f"{int(record.task_finished.sum()):,} tasks and {len(record.models)} trainings over "
        f"{span / scale:.3g} {unit}.{used}",
        data,
        plot,
        tuple(Column(n, u, list(v)) for n, u, v in zip(names, units, table, strict=True)),
    )


Row = tuple[str, str, float, float, str]
"""Worker, kind, start and end (s since 1970), and what it was."""


def _pattern(colour: str | list[str], hatch: str | list[str]) -> dict[str, Any]:
    """White hatching on the colour."""
    return {"shape": hatch, "bgcolor": colour, "fgcolor": "#ffffff", "size": 5, "solidity": 0.25}


def _segments(record: Record) -> list[Row]:
    rows: list[Row] = []
    kinds = _replica_kinds(record)
    for task in np.flatnonzero(np.isfinite(record.task_started)):
        first, count = int(record.task_first[task]), int(record.task_count[task])
        worker = _short(record.worker_names[record.task_worker[task]])
        start, end = float(record.task_started[task]), float(record.task_ended[task])
        weight = np.nan_to_num(record.wall_seconds[first : first + count].astype(float)) + 1e-12
        here = record.task[first : first + count] == task
        # What failed here and was simulated again is in another task now, its time with it.
        weight[~here] = weight[here].mean() if here.any() else 1.0
        became = np.where(here, kinds[first : first + count], FAILED)
        for index, kind in enumerate(list(KINDS)[:3]):
            own = became == index
            if own.any():
                middle = start + (end - start) * float(weight[own].sum() / weight.sum())
                label = f"task {task}, {int(own.sum())} simulation{'s' if own.sum() > 1 else ''}"
                rows.append((worker, kind, start, middle, label))
                weight = weight * ~own
                start = middle
                if not weight.any():
                    break
    for m in record.models:
        rows.append(("training", "training", m["started"], m["ended"], version_name(m["model"])))
    return sorted(rows, key=lambda row: (row[0], row[2]))


def _replica_kinds(record: Record) -> NDArray[np.int64]:
    """Index into `KINDS` of each replica."""
    kinds = np.where(record.held_out, 1, 0)
    return np.where(record.state == State.FAILED, FAILED, kinds)


def _short(worker: str) -> str:
    """A worker's name as a label."""
    return worker if len(worker) <= 28 else f"…{worker[-27:]}"


def _merged(rows: list[Row], gap: float) -> list[Row]:
    """Neighbours of a kind on a worker with less than `gap` seconds between them, as one bar."""
    merged: list[Row] = []
    for row in sorted(rows, key=lambda r: (r[0], r[1], r[2])):
        last = merged[-1] if merged else None
        if last is not None and last[:2] == row[:2] and row[2] - last[3] < gap:
            label = last[4] if last[4].endswith("and more") else f"{last[4]} and more"
            merged[-1] = (last[0], last[1], last[2], max(last[3], row[3]), label)
        else:
            merged.append(row)
    return merged


def costs(record: Record) -> dict[str, float]:
    """Core seconds by what they were spent on; the parts add up to what the run held.

    Simulations by outcome, overhead of their tasks (starting, compiling, writing), training (on its
    own processes), and idle workers.
    """
    wall = np.nan_to_num(record.wall_seconds.astype(float))
    kinds = _replica_kinds(record)
    parts = {kind: float(wall[kinds == k].sum()) for k, kind in enumerate(list(KINDS)[:3])}
    # What was killed has no cost of its simulations, only its own.
    killed = record.task_given_up & np.isnan(record.task_cpu)
    parts["failed simulation"] += float(np.nansum((record.task_ended - record.task_started)[killed]))
    busy = busy_seconds(record)
    parts["overhead of tasks"] = max(busy - sum(parts.values()), 0.0)
    parts["training"] = float(sum(max(m["ended"] - m["started"], m["cpu"]) for m in record.models))
    share = record.busy_fraction
    parts["idle workers"] = busy * (1 / share - 1) if share else 0.0
    return {name: seconds for name, seconds in parts.items() if seconds > 0}


def cost(record: Record) -> Figure:
    """What the campaign cost, in core time.

    Raises:
        NothingToShowError: nothing was spent yet.
    """
    parts = costs(record)
    total = sum(parts.values())
    if total <= 0:
        raise NothingToShowError("no task is finished")
    looks = {**KINDS, "overhead of tasks": (SKY, "-"), "idle workers": (GREY, "\\")}
    scale, unit = (
        (3600.0, "core h") if total > 7200 else (60.0, "core min") if total > 120 else (1.0, "core s")
    )
    seconds: Array = np.array(list(parts.values()))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "x": numbers(seconds / scale),
            "y": list(parts),
            "text": [f"{100 * s / total:.0f} %" for s in seconds],
            "textposition": "outside",
            "cliponaxis": False,
            "marker": {
                "color": [looks[name][0] for name in parts],
                "pattern": _pattern([looks[name][0] for name in parts], [looks[name][1] for name in parts]),
            },
            "showlegend": False,
            "hovertemplate": f"%{{y}}: %{{x:.3g}} {unit}<extra></extra>",
        }
    ]
    plot = layout(
        height=110 + 34 * len(parts),
        xaxis=axis(f"cost ({unit})", range=[0, 1.1 * float(seconds.max()) / scale]),
        yaxis=axis("", autorange="reversed", type="category", fixedrange=True, showgrid=False),
        margin={"l": 64, "r": 16, "t": 16, "b": 56},
    )
    most = max(parts, key=lambda name: parts[name])
    return Figure(
        "cost",
        "What the campaign cost",
        f"{total / scale:.3g} {unit} in all, most of it ({100 * parts[most] / total:.0f} %) for: {most}.",
        data,
        plot,
        (Column("part", "", list(parts)), Column("cost", "core s", list(parts.values()))),
    )
