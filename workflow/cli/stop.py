"""`mlaround stop`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument
from workflow.cli.typed import quoted, shown, typed


@click.command("stop")
@run_argument
def command(folder: Path | None) -> None:
    """Ask a run's controller to stop; what is done is kept and `mlaround resume` goes on.

    The request is a file in the run folder, so that it works from any machine that sees the folder.
    """
    run = find_run(folder)
    if run.controller_alive() is None:
        click.echo(f"{shown(run.path)} has no living controller; there is nothing to stop")
    else:
        from workflow.requests import ask
        from workflow.run import Run

        ask(Run(run), "stop", {}, "command line")
        click.echo(f"asked {shown(run.path)} to stop")
    click.echo(typed(f"next: mlaround status {quoted(run.path)}"), err=True)
