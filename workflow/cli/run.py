"""`mlaround run`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import (
    ManyValues,
    campaign_argument,
    dashboard_option,
    profile_option,
    read_campaign,
    set_option,
    source_of,
)
from workflow.cli.failures import USAGE, Failure
from workflow.cli.heed import heed
from workflow.cli.submitting import refuse_unless_possible, submit_option
from workflow.cli.submitting import submit as hand_in
from workflow.cli.typed import quoted, shown
from workflow.folder import RunFolder, new_run


@click.command("run", cls=ManyValues)
@campaign_argument
@click.option(
    "--run",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The run folder; by default runs/NAME-YYYYMMDD-HHMMSS.",
)
@dashboard_option
@submit_option
@profile_option
@set_option
def command(
    file: Path,
    folder: Path | None,
    dashboard: bool,
    submit: bool,
    profile: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run a campaign to its end, in the foreground or, with --submit, in jobs of the batch system.

    Ctrl-C stops it once what runs is done, a second Ctrl-C at once; `mlaround resume` goes on.
    """
    campaign = read_campaign(file, overrides, profile)
    run = RunFolder(folder or new_run(campaign.name))
    if run.exists():
        raise Failure(f"{shown(run.path)} holds a run already", USAGE, f"mlaround resume {quoted(run.path)}")
    plan = f"mlaround plan {quoted(file)}, which shows what would be submitted"
    text, source = file.read_text(encoding="utf-8-sig"), source_of(file)
    from workflow.engine import create_run, run_campaign

    if submit:
        refuse_unless_possible(campaign, run, dashboard=dashboard, next_command=plan)
        hand_in(campaign, create_run(campaign, run.path, text=text, source=source))
        return
    heed(campaign, run.path, plan)
    from workflow.cli.controller import control

    click.echo(f"run folder {shown(run.path)}", err=True)
    control(
        run,
        lambda on_update: run_campaign(campaign, run.path, text=text, source=source, on_update=on_update),
        dashboard=dashboard,
    )
