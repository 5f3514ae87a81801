"""`mlaround validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workflow.cli.arguments import (
    ManyValues,
    campaign_argument,
    json_option,
    profile_option,
    read_campaign,
    set_option,
)
from workflow.cli.console import print_json
from workflow.cli.typed import quoted, typed
from workflow.diagnostics import CampaignError

if TYPE_CHECKING:
    from workflow.campaign import Campaign


@click.command("validate", cls=ManyValues)
@campaign_argument
@set_option
@profile_option
@json_option
def command(file: Path, overrides: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Check a campaign: syntax, keys, units, ranges and plug-ins, and that this site has what it asks for.

    Every mistake is shown at once with its place, and what is no mistake but seldom meant is warned of.
    Nothing is run or written.
    """
    try:
        campaign = read_campaign(file, overrides, profile)
    except CampaignError as error:
        if as_json:
            errors = [d.to_json() for d in error.diagnostics]
            print_json({"schema": "mlaround.validate/1", "valid": False, "errors": errors})
        raise
    warnings = _warnings(campaign)
    if as_json:
        answer = {"schema": "mlaround.validate/1", "valid": True, "errors": [], "warnings": warnings}
        print_json({**answer, "name": campaign.name})
        return
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    inputs = ", ".join(campaign.space)
    click.echo(f"{file}: valid")
    click.echo(
        f"  {campaign.simulator.kind} over {inputs}; {campaign.steering.kind} -> {campaign.surrogate.kind}"
    )
    click.echo(typed(f"next: mlaround plan {quoted(file)}"), err=True)


def _warnings(campaign: Campaign) -> list[str]:
    """What runs as it stands, but not to the end that people have in mind; or not here."""
    from workflow.site import check

    # No mistakes of the campaign's: it may be meant for another machine than this one.
    warnings = [str(problem) for problem in check(campaign.resources, thorough=False)]
    stop, first = campaign.stop.simulations, campaign.training.first
    if stop < first:
        warnings.append(
            f"no model will be trained: stop.simulations = {stop} ends the run before "
            f"training.first = {first}; for a model, set training.first to {stop} or less"
        )
    return warnings
