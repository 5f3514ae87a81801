"""`mlaround add`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import ManyValues, find_run, read_pairs, run_argument
from workflow.cli.asking import act


@click.command("add", cls=ManyValues)
@run_argument
@click.option("-p", "points", multiple=True, required=True, metavar="NAME=VALUE", help="An input, with unit.")
def command(folder: Path | None, points: tuple[str, ...]) -> None:
    """Let a run simulate a point of your own: -p gap=3.2 "salt=0.5 M".

    It comes before what the policy wants, is extra to the budget and is never held out. The campaign's
    constants need not be given. The point may lie outside the campaign's ranges where the simulator
    accepts it.
    """
    act(find_run(folder), "simulate", {"inputs": read_pairs(points, "-p", "mlaround add --help")})
