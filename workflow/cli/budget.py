"""`mlaround budget`."""

from __future__ import annotations

import click

from workflow.cli.asking import act, run_and_numbers, yes_option
from workflow.cli.failures import USAGE, Failure


@click.command("budget")
@click.argument("words", metavar="[DIR] SIMULATIONS", nargs=-1, required=True)
@yes_option
def command(words: tuple[str, ...], yes: bool) -> None:
    """Change how many simulations a run has in all, while it goes on.

    Points of your own (`mlaround add`) are extra. It cannot be less than what is decided upon already.
    """
    run, numbers = run_and_numbers(words, "a number of simulations")
    if len(numbers) != 1:
        raise Failure("give the number of simulations in all", USAGE, "mlaround budget --help")
    act(run, "budget", {"simulations": numbers[0]}, yes=yes)
