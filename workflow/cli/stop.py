"""`mlaround stop`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument
from workflow.cli.asking import act, yes_option
from workflow.cli.typed import quoted, shown, typed


@click.command("stop")
@run_argument
@click.option("--now", is_flag=True, help="Do not wait for running tasks; they run again on resume.")
@yes_option
def command(folder: Path | None, now: bool, yes: bool) -> None:
    """Ask a run's controller to stop; what is done is kept and `mlaround resume` goes on.

    The request is a file in the run folder, so that it works from any machine that sees the folder.
    """
    run = find_run(folder)
    if run.controller_alive() is None:
        click.echo(f"{shown(run.path)} has no living controller; there is nothing to stop")
        click.echo(typed(f"next: mlaround status {quoted(run.path)}"), err=True)
        return
    act(run, "stop", {"now": now}, yes=yes)
