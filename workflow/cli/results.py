"""`mlaround results`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument
from workflow.cli.typed import quoted, typed


@click.command("results")
@run_argument
@click.option(
    "--csv", "target", default="-", metavar="FILE", help="Where to write; - is stdout, the default."
)
def command(folder: Path | None, target: str) -> None:
    """Write one row per simulation: inputs, scalars with standard errors, state, cost and seed as CSV.

    It is the table of `results.csv`, by now: it works while the run goes on. The header holds the
    campaign's names, with the unit in brackets where there is one, such as `gap [nm]`; the standard
    error of NAME is NAME_stderr. What is not known (yet) is left empty.
    """
    run = find_run(folder)
    from workflow.run import Run
    from workflow.table import csv_blocks

    columns = Run(run).result_columns()
    if target == "-":
        for block in csv_blocks(columns):
            click.echo(block, nl=False)
        return
    with Path(target).open("w", encoding="utf-8") as file:
        file.writelines(csv_blocks(columns))
    click.echo(f"{len(columns[0].values)} simulations written to {target}", err=True)
    click.echo(typed(f"next: mlaround report {quoted(run.path)}"), err=True)
