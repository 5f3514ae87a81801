"""`mlaround validate`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import ManyValues, campaign_argument, json_option, read_campaign, set_option
from workflow.cli.console import print_json
from workflow.cli.typed import quoted, typed
from workflow.diagnostics import CampaignError


@click.command("validate", cls=ManyValues)
@campaign_argument
@set_option
@json_option
def command(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a campaign: syntax, keys, units, ranges and plug-ins.

    Every mistake is shown at once with its place. Nothing is run or written.
    """
    try:
        campaign = read_campaign(file, overrides)
    except CampaignError as error:
        if as_json:
            errors = [d.to_json() for d in error.diagnostics]
            print_json({"schema": "mlaround.validate/1", "valid": False, "errors": errors})
        raise
    if as_json:
        print_json({"schema": "mlaround.validate/1", "valid": True, "errors": [], "name": campaign.name})
        return
    inputs = ", ".join(campaign.space)
    click.echo(f"{file}: valid")
    click.echo(
        f"  {campaign.simulator.kind} over {inputs}; {campaign.steering.kind} -> {campaign.surrogate.kind}"
    )
    click.echo(typed(f"next: mlaround plan {quoted(file)}"), err=True)
