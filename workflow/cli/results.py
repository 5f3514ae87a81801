"""`mlaround results`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from workflow.cli.arguments import find_run, run_argument, shown


@click.command("results")
@run_argument
@click.option(
    "--csv", "target", default="-", metavar="FILE", help="Where to write; - is stdout, the default."
)
def command(folder: Path | None, target: str) -> None:
    """Write one row per simulation: replica, task, held_out, inputs, scalars, errors, state, cost, seed.

    Column names are those of the campaign, so that a program can use them as they are; the standard
    error of NAME is NAME_stderr. Units are on the first line, a comment: `# gap: nm, ...`.
    """
    run = find_run(folder)
    from workflow.run import open_run

    table = open_run(run.path).results()
    units = {name: unit for name, unit in table.attrs.get("units", {}).items() if unit}
    text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    comment = "# " + ", ".join(f"{name}: {unit}" for name, unit in units.items()) + "\n"
    if target == "-":
        sys.stdout.write(comment + text)
        return
    Path(target).write_text(comment + text, encoding="utf-8")
    click.echo(f"{len(table)} simulations written to {target}", err=True)
    click.echo(
        f'next: pandas.read_csv("{target}", comment="#"), or mlaround report {shown(run.path)}', err=True
    )
