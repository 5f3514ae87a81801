"""What a site will not do, before a run is begun on it: for `run` and `resume`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workflow.cli.failures import MISSING, USAGE, Failure

if TYPE_CHECKING:
    from workflow.campaign import Campaign


def heed(campaign: Campaign, folder: Path, next_command: str, *, submit: bool = False) -> None:
    """Warn of what the site may not do.

    Args:
        campaign: whose resources are looked at.
        folder: of the run.
        next_command: to type once it is corrected.
        submit: whether the controller is to be a job, too.

    Raises:
        Failure: no job could run as it stands.
    """
    from workflow.site import check

    problems = check(campaign.resources, folder, submit=submit)
    certain = [str(problem) for problem in problems if problem.certain]
    if certain:
        absent = any(problem.key == "resources.kind" for problem in problems)
        more = "\nnothing was submitted or written"
        raise Failure("\nerror: ".join(certain) + more, MISSING if absent else USAGE, next_command)
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
