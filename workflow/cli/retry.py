"""`mlaround retry`."""

from __future__ import annotations

import click

from workflow.cli.asking import act, run_and_numbers
from workflow.cli.failures import USAGE, Failure


@click.command("retry")
@click.argument("words", metavar="[DIR] [SIMULATION]...", nargs=-1)
@click.option(
    "--reason", metavar="TEXT", help="All that failed for this reason, as `mlaround status` has it."
)
@click.option("--all", "everything", is_flag=True, help="All that failed.")
def command(words: tuple[str, ...], reason: str | None, everything: bool) -> None:
    """Simulate again what failed, with the same inputs, numbers and seeds."""
    run, numbers = run_and_numbers(words, "the number of a simulation")
    if bool(numbers) + (reason is not None) + everything != 1:
        raise Failure("say what to retry: simulations, --reason or --all", USAGE, "mlaround retry --help")
    arguments = {"simulations": numbers} if numbers else {} if reason is None else {"reason": reason}
    act(run, "retry", arguments)
