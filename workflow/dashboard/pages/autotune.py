"""Settings of the method on trial; only campaigns that vary one have this page."""

from __future__ import annotations

from workflow.dashboard.page import Block, Choice, FigureBlock, Page, TextBlock, varied
from workflow.plots import settings
from workflow.run import Run


def shown(run: Run) -> bool:
    """Whether a setting is on trial."""
    return bool(settings(run))


def blocks(run: Run) -> list[Block]:
    """The trials, what the settings do to the outputs, and what a larger time step gains."""
    record, simulator = run.record, run.campaign.simulator
    if not record.done and not record.failed:
        return [TextBlock("Nothing yet", "No trial has ended yet; what became of them is shown here.")]
    chosen, names = [p.name for p in settings(run)], varied(run)
    tried: list[Choice] = [*chosen]
    found: list[Block] = []
    others = [n for n in names if n not in chosen] + chosen
    if len(names) > 1:
        over: list[Choice] = [*(n for n in others if n != chosen[0]), chosen[0]]
        found.append(
            FigureBlock("trials", choices={"setting": tried, "over": over}, labels={"over": "along x"})
        )
    outputs: list[Choice] = [o.name for o in simulator.outputs if o.coordinate is None and not o.verdict]
    if outputs and record.done:
        found.append(FigureBlock("quality", choices={"output": outputs, "setting": tried}))
    steps = getattr(simulator, simulator.length, None)
    step = any(p.setting == "time step" for p in settings(run))
    if step and isinstance(steps, (int, float)) and record.done:
        found.append(FigureBlock("gain"))
    return found


PAGE = Page(
    "Autotune",
    70,
    shown=shown,
    intro="Each simulation is a trial of the settings that the campaign varies. What is said is what was "
    "counted: where every trial did its work, larger values remain to be tried.",
    blocks=blocks,
)
