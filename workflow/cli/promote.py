"""`mlaround promote`."""

from __future__ import annotations

import click

from workflow.cli.asking import act, run_and_numbers, yes_option
from workflow.cli.failures import USAGE, Failure


@click.command("promote")
@click.argument("words", metavar="[DIR] VERSION", nargs=-1, required=True)
@yes_option
def command(words: tuple[str, ...], yes: bool) -> None:
    """Use another version of a run's model, v0002 say: for answers, and by the policy.

    A later model is compared with it as usual, and replaces it unless it is worse.
    """
    run, numbers = run_and_numbers(words, "the number of a version", prefix="v")
    if len(numbers) != 1:
        raise Failure("say which version", USAGE, "mlaround models, which lists them")
    act(run, "promote", {"model": numbers[0]}, yes=yes)
