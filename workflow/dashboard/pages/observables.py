"""What the simulations gave, beside what the model says."""

from __future__ import annotations

from workflow.dashboard.page import Block, Choice, FigureBlock, Page, TextBlock, varied
from workflow.figures.design import Scale
from workflow.run import Run

OFFERED = 200
"""Most simulations to choose from: held-out ones first, the newest ones."""


def blocks(run: Run) -> list[Block]:
    """Profiles of one simulation, those of the best, the median and the worst judge, scalars, components."""
    record, signature = run.record, run.signature
    done = record.finished()
    if not len(done):
        return [TextBlock("Nothing yet", "No simulation is done yet; what they give is shown here.")]
    held = record.finished(held_out=True)
    axes = [a.name for a in signature.axes]
    found: list[Block] = []
    over: dict[str, list[Choice]] = {"axis": list(axes)} if len(axes) > 1 else {}
    if axes:
        others = record.finished(held_out=False)
        chosen = [*held[::-1].tolist(), *others[::-1].tolist()][:OFFERED]
        found.append(FigureBlock("observable", choices={"simulation": chosen, **over}))
        if record.promoted is not None and len(held):
            found.append(FigureBlock("profiles", choices=over))
    names = varied(run)
    few = [d.name for d in run.space.dimensions if d.low != d.high and Scale(d).places]
    ordered = sorted(names, key=lambda name: name in few)
    if names and any(t.axis is None for t in signature.targets):
        by = [name for name in few if name != ordered[0]] or few
        choices: dict[str, list[Choice]] = {"over": list(ordered)}
        if by and len(names) > 1:
            choices["by"] = list(by)
        found.append(
            FigureBlock("scalars", choices=choices, labels={"over": "against", "by": "told apart by"})
        )
    if names and len(done) > 2 and (axes or sum(t.axis is None for t in signature.targets) > 1):
        labels = {"colour": "coloured by", "axis": "outputs over"}
        found.append(FigureBlock("latent", choices={"colour": list(names), **over}, labels=labels))
    return found


PAGE = Page(
    "Observables",
    50,
    intro="Results of the simulations with their standard errors, beside the model's mean and std.",
    blocks=blocks,
)
