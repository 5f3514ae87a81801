"""`mlaround resume`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, importable_here, run_argument, shown


@click.command("resume")
@run_argument
def command(folder: Path | None) -> None:
    """Go on with a run that stopped, was interrupted or crashed. It is always safe.

    Nothing that is done is done again, and what was lost is simulated anew with the same numbers.
    """
    run = find_run(folder)
    importable_here()
    from workflow.cli.controller import control
    from workflow.engine import resume

    click.echo(f"run folder {shown(run.path)}", err=True)
    control(run, lambda on_update: resume(run, on_update=on_update))
