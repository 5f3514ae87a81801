"""Asking something of a run, for the commands that do: what it means, then the deed, then the answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from workflow.cli.arguments import find_run
from workflow.cli.failures import USAGE, Failure
from workflow.cli.typed import quoted, typed
from workflow.folder import RunFolder

ANSWER = 5.0
"""Seconds to wait for the answer of a controller, which takes one."""

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def run_and_numbers(words: Sequence[str], what: str, prefix: str = "") -> tuple[RunFolder, list[int]]:
    """``[DIR] NUMBER...`` as typed: the run and the numbers.

    Args:
        words: as typed.
        what: a number is, for the error: "the number of a task".
        prefix: that a number may begin with, ``v`` of a version.
    """
    folder = None
    if words and not words[0].removeprefix(prefix).isdecimal():
        folder, words = Path(words[0]), words[1:]
    numbers = []
    for word in words:
        if not word.removeprefix(prefix).isdecimal():
            raise Failure(f"{word!r} is not {what}", USAGE, "mlaround status, to see how the run stands")
        numbers.append(int(word.removeprefix(prefix)))
    return find_run(folder), numbers


def act(folder: RunFolder, verb: str, arguments: Mapping[str, Any], *, yes: bool = True) -> bool:
    """Say what it means, ask where work is lost and somebody is there to answer, and do it; whether it was.

    Raises:
        RequestError: no such arguments.
        Failure: it makes no sense now, or the controller has refused it.
    """
    from workflow.requests import ask, consequence, outcome
    from workflow.run import Run

    run = Run(folder)
    status = f"mlaround status {quoted(folder.path)}"
    what = consequence(run, verb, arguments)
    if not what.possible:
        raise Failure(what.why_not, USAGE, status)
    click.echo(what.words)
    if what.loses and not yes and sys.stdin.isatty() and not click.confirm("Do it?"):
        click.echo("left as it is", err=True)
        return False
    request = ask(run, verb, arguments, "command line")
    alive = folder.controller_alive() is not None
    answer = outcome(run, request, ANSWER if alive else 0.0)
    if answer is not None and answer["outcome"] == "refused":
        raise Failure(answer["words"], USAGE, status)
    if answer is not None:
        click.echo(f"done: {answer['words']}")
    elif alive:
        click.echo("asked; there is no answer yet", err=True)
    else:
        status = f"mlaround resume {quoted(folder.path)}"
    click.echo(typed(f"next: {status}"), err=True)
    return True
