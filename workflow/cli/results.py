"""`mlaround results`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import find_run, plugins_of, run_argument, shown


@click.command("results")
@run_argument
@click.option(
    "--csv", "target", default="-", metavar="FILE", help="Where to write; - is stdout, the default."
)
def command(folder: Path | None, target: str) -> None:
    """Write one row per simulation: inputs, scalars with standard errors, state, cost and seed as CSV.

    The header holds the campaign's names, with the unit in brackets where there is one, such as
    `gap [nm]`; the standard error of NAME is NAME_stderr. What is not known (yet) is left empty. It
    works while the run goes on.
    """
    run = find_run(folder)
    plugins_of(run)
    from workflow.run import open_run

    table = open_run(run.path).results().rename(columns={"seconds": "wall_seconds"})
    units = {name: unit for name, unit in table.attrs["units"].items() if unit and name in table}
    table = table.rename(columns={name: f"{name} [{unit}]" for name, unit in units.items()})
    table["held_out"] = table["held_out"].astype(int)
    text: str = table.to_csv(index=False, lineterminator="\n")
    if target == "-":
        click.echo(text, nl=False)
        return
    Path(target).write_text(text, encoding="utf-8")
    click.echo(f"{len(table)} simulations written to {target}", err=True)
    click.echo(f"next: mlaround report {shown(run.path)}", err=True)
