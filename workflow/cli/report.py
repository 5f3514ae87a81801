"""`mlaround report`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument
from workflow.cli.screen import example
from workflow.cli.typed import quoted, typed


@click.command("report")
@run_argument
def command(folder: Path | None) -> None:
    """Write a run's report, one HTML file that needs no network, and print its path."""
    run = find_run(folder)
    from workflow.report import write_report

    click.echo(write_report(run.path))
    click.echo("open it in a browser; it needs no network", err=True)
    if point := example(run):
        click.echo(typed(f"next: mlaround predict {quoted(run.path)} {point}"), err=True)
