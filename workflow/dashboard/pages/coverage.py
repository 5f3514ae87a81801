"""Where the simulations lie in the space, and where the model is least sure."""

from __future__ import annotations

from workflow.dashboard.page import Block, Choice, FigureBlock, Page, TextBlock, varied
from workflow.figures.style import axis_title
from workflow.figures.uncertainty import SLICES
from workflow.run import Run


def shown(run: Run) -> bool:
    """Whether there is a plane to look at."""
    return len(varied(run)) > 1


def blocks(run: Run) -> list[Block]:
    """Pairs of inputs; with a model, a map of its std."""
    record = run.record
    if not record.done and not record.failed:
        return [TextBlock("Nothing yet", "No simulation has ended yet; where they lie is shown here.")]
    names = varied(run)
    pairs: dict[str, list[Choice]] = (
        {"first": [None, *names], "second": [None, *names]} if len(names) > 2 else {}
    )
    unset = {"first": "all pairs", "second": "all pairs"}
    labels = {"first": "along x", "second": "along y"}
    found: list[Block] = [FigureBlock("coverage", choices=pairs, unset=unset, labels=labels)]
    if record.promoted is None:
        return found
    dimensions = {d.name: d for d in run.space.dimensions if d.low != d.high}
    ordered = sorted(names, key=lambda name: bool(dimensions[name].values))
    choices: dict[str, list[Choice]] = {
        "output": [t.name for t in run.signature.targets],
        "x": [*names],
        "y": [*names],
    }
    options: dict[str, Choice] = {"x": ordered[0], "y": ordered[1]}
    labels = {"x": "along x", "y": "along y"}
    for name, d in dimensions.items():
        if len(names) > 2:
            step = (d.high - d.low) / (SLICES - 1)
            values = d.values or tuple(float(f"{d.low + k * step:.6g}") for k in range(SLICES))
            choices[f"at.{name}"] = [*values]
            options[f"at.{name}"] = values[len(values) // 2]
            labels[f"at.{name}"] = axis_title(name, d.unit)
    found.append(FigureBlock("uncertainty", options, choices=choices, labels=labels))
    return found


PAGE = Page(
    "Coverage",
    60,
    shown=shown,
    intro="Where the space was simulated, and where the model is least sure of itself.",
    blocks=blocks,
)
