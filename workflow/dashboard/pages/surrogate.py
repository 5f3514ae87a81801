"""Which models there are, and whether the one in use is right and knows its error."""

from __future__ import annotations

from workflow.dashboard.page import Block, CodeBlock, FigureBlock, Page
from workflow.folder import version_name
from workflow.run import Run


def blocks(run: Run) -> list[Block]:
    """The model card, and the figures of accuracy, as far as something was held out."""
    record = run.record
    if record.promoted is None:
        return []
    targets = [t.name for t in run.signature.targets]
    axes = [a.name for a in run.signature.axes]
    versions: list[str | int | float | None] = [
        None,
        *(version_name(m["model"]) for m in reversed(record.models) if m["model"] != record.promoted),
    ]
    model = {"version": versions} if len(versions) > 1 else {}
    unset = {"version": f"{version_name(record.promoted)}, in use", "output": "all scalars"}
    if all(t.axis for t in run.signature.targets):
        unset["output"] = "all profiles"
    found: list[Block] = []
    if len(record.finished(held_out=True)):
        held = run.held_out()
        columns = held.signature.columns()
        known = [name for name in targets if (held.err[:, columns[name]] > 0).any()]
        found.append(FigureBlock("parity", choices={"output": [None, *targets], **model}, unset=unset))
        if axes:
            choose = {"axis": axes} if len(axes) > 1 else {}
            found.append(FigureBlock("profiles", choices={**choose, **model}, unset=unset))
        if known:  # else nothing can be said of error bars
            found += [
                FigureBlock("errors", choices=model, unset=unset),
                FigureBlock("residuals", choices={"output": known, **model}, unset=unset),
                FigureBlock("calibration", choices=model, unset=unset),
            ]
        found.append(FigureBlock("learning_curve"))
    found.append(FigureBlock("timing"))
    card = run.surrogate().card()
    return [*found, CodeBlock(f"Model card of {version_name(record.promoted)}", card, folded=True)]


PAGE = Page(
    "Surrogate",
    40,
    script="surrogate",
    intro="Held-out simulations are the judges: no model ever learned from them.",
    blocks=blocks,
)
