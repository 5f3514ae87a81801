"""The jobs on a batch system in which workers live; only campaigns that ask for some have this page."""

from __future__ import annotations

import time

from workflow.block_states import RUNNING, WAITING
from workflow.dashboard.page import Block, Page, TableBlock, TextBlock
from workflow.resources import Batch
from workflow.run import Run

ENDS = {
    "given back": "nothing was left to do",
    "timeout": "the batch system ended it at its walltime; another takes its place",
    "completed": "its workers came to their end, at the end of its walltime mostly",
    "cancelled": "somebody cancelled it; another takes its place",
    "failed": "its script ended with an error; what it printed lies in the folder parsl",
    "missing": "the batch system does not know it any more",
    "workers lost": "nothing was heard of its workers for some time: a dead node, mostly",
    "never came up": "it ended before any worker was there; what it printed lies in the folder parsl",
    "left behind": "it was of a controller that died, and was cancelled by the next one",
}
"""Why blocks end, and what that means."""


def shown(run: Run) -> bool:
    """Whether the campaign asks a batch system for workers, or did."""
    return isinstance(run.campaign.resources, Batch) or bool(run.record.blocks)


def blocks(run: Run) -> list[Block]:
    """The blocks there are, and why others ended."""
    record = run.record
    if not record.blocks:
        return [TextBlock("Nothing yet", "No block was asked for yet.")]
    found: list[Block] = []
    if record.open_blocks:
        found.append(_open(run))
    elif run.state in ("running", "paused"):
        found.append(TextBlock("None now", "Another is asked for as soon as there is work for it."))
    ended = {why: n for why, n in record.blocks.items() if why not in (WAITING, RUNNING)}
    if ended:
        rows = [(why, n, ENDS.get(why, "")) for why, n in sorted(ended.items(), key=lambda item: -item[1])]
        found.append(TableBlock("Ended", ("why", "blocks", "what that means"), rows, (1,)))
    return found


def _open(run: Run) -> TableBlock:
    rows = [
        (
            event["pool"],
            event["job"],
            RUNNING if event["event"] == "block_started" else WAITING,
            time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(event["t"])),
            event.get("nodes", ""),
            event.get("workers", ""),
        )
        for event in run.record.open_blocks
    ]
    heads = ("pool", "job", "state", "since", "nodes", "workers")
    return TableBlock("Waiting and running", heads, rows, (4, 5))


PAGE = Page(
    "Blocks",
    35,
    shown=shown,
    intro="Workers live in blocks: jobs on a batch system, each with one or more nodes. A block waits in the "
    "queue, runs, takes nothing new in the last part of its walltime, and is replaced while there is work.",
    blocks=blocks,
)
