"""`mlaround resume`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import ManyValues, dashboard_option, find_run, run_argument, set_option
from workflow.cli.asking import act
from workflow.cli.status import current
from workflow.cli.submitting import refuse_unless_possible, submit_option
from workflow.cli.submitting import submit as hand_in
from workflow.cli.typed import quoted, shown, typed


@click.command("resume", cls=ManyValues)
@run_argument
@dashboard_option
@submit_option
@set_option
def command(folder: Path | None, dashboard: bool, submit: bool, overrides: tuple[str, ...]) -> None:
    """Go on with a run that is paused, stopped, was interrupted or crashed. It is always safe.

    Nothing that is done is done again, and what was lost is simulated anew with the same numbers. A run
    that finished goes on with a larger budget: --set stop.simulations=400.
    """
    run = find_run(folder)
    if not overrides and not submit and current(run)["state"] == "paused":
        act(run, "resume", {})
        if dashboard:  # not beside this command, which ends now
            click.echo(typed(f"and: mlaround dashboard {quoted(run.path)}"), err=True)
        return
    from workflow.cli.controller import control
    from workflow.engine import replace_campaign, resume
    from workflow.reading import load_campaign
    from workflow.worker import add_to_path

    add_to_path(run.plugin_folder())
    campaign = load_campaign(run.resolved, overrides) if overrides or submit else None
    if submit and campaign is not None:
        again = f"mlaround resume {quoted(run.path)} --submit --set ..., with what is to be changed"
        refuse_unless_possible(campaign, run, dashboard=dashboard, next_command=again)
        if overrides:
            replace_campaign(run, campaign)
        hand_in(campaign, run)
        return
    click.echo(f"run folder {shown(run.path)}", err=True)
    control(
        run, lambda on_update: resume(run.path, campaign=campaign, on_update=on_update), dashboard=dashboard
    )
