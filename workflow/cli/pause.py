"""`mlaround pause`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument
from workflow.cli.asking import act


@click.command("pause")
@run_argument
def command(folder: Path | None) -> None:
    """Let a run's controller start nothing new; what runs ends, and `mlaround resume` goes on.

    The time that a run is paused counts in its `stop.wall_time`.
    """
    act(find_run(folder), "pause", {})
