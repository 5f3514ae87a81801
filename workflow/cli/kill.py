"""`mlaround kill`."""

from __future__ import annotations

import click

from workflow.cli.asking import act, run_and_numbers, yes_option
from workflow.cli.failures import USAGE, Failure


@click.command("kill")
@click.argument("words", metavar="[DIR] TASK...", nargs=-1, required=True)
@yes_option
def command(words: tuple[str, ...], yes: bool) -> None:
    """End tasks that run or wait, one that hangs say; the run goes on.

    Their simulations count as failed; `mlaround retry` runs them again.
    """
    run, numbers = run_and_numbers(words, "the number of a task")
    if not numbers:
        raise Failure("say which task", USAGE, "mlaround kill --help")
    act(run, "kill", {"tasks": numbers}, yes=yes)
