"""`mlaround plan`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.arguments import ManyValues, campaign_argument, json_option, read_campaign, set_option
from workflow.cli.console import Progress, print_json, size, table
from workflow.cli.typed import quoted, typed
from workflow.words import duration


@click.command("plan", cls=ManyValues)
@campaign_argument
@set_option
@json_option
def command(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Estimate what a campaign costs, from short timings of its own simulator on this machine.

    The cheapest, the dearest and two other points of the space are simulated for a fraction of their
    length and scaled up. Nothing else is run and nothing is written.
    """
    campaign = read_campaign(file, overrides)
    from workflow.estimate import estimate

    with Progress("timing the simulator") as progress:
        found = estimate(campaign, progress)
    if as_json:
        print_json({"schema": "mlaround.plan/1", "campaign": campaign.name, **found.to_json()})
        return
    low, mean, high = found.seconds
    hours = found.core_hours
    fraction = min(p.fraction for p in found.probes)
    length = "whole ones" if fraction == 1 else f"of at least 1/{1 / fraction:.0f} of the length, scaled up"
    limit = campaign.stop.wall_time
    ceiling = f", stopped after {duration(limit)}" if limit else ""
    rows = [
        ("simulations", f"at most {found.simulations}, {found.held_out} of them held out"),
        ("one simulation", f"{duration(mean)} on one core ({duration(low)} to {duration(high)})"),
        ("simulating", f"{hours[1]:.2g} core-h ({hours[0]:.2g} to {hours[2]:.2g})"),
        ("trainings", f"at most {found.trainings}, beside the simulations; not in these hours"),
        ("wall time", f"{duration(found.wall_seconds[1])} on {found.workers} workers{ceiling}"),
        ("disk", f"about {size(found.disk_bytes)} in {found.files} files"),
        ("estimate from", f"{len(found.probes)} simulations, {length}, on this machine as it is now"),
    ]
    click.echo(f"campaign {campaign.name} ({file})")
    click.echo(table(rows, indent="  "))
    click.echo("Nothing was started or written.", err=True)
    click.echo(typed(f"next: mlaround run {quoted(file)}"), err=True)
