"""`mlaround plan`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from workflow.cli.arguments import (
    ManyValues,
    campaign_argument,
    json_option,
    profile_option,
    read_campaign,
    set_option,
)
from workflow.cli.console import Progress, print_json, size, table
from workflow.cli.typed import quoted, typed
from workflow.words import counted, duration

if TYPE_CHECKING:
    from workflow.campaign import Campaign
    from workflow.estimate import Estimate
    from workflow.site import Problem, Script, Start


@click.command("plan", cls=ManyValues)
@campaign_argument
@set_option
@profile_option
@json_option
def command(file: Path, overrides: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Estimate what a campaign costs, from short timings of its own simulator on this machine.

    The cheapest, the dearest and two other points of the space are simulated for a fraction of their
    length and scaled up. For a batch system, its jobs are shown as they will be submitted, and what the site
    will not do of them. Nothing else is run, nothing is submitted and nothing is written.
    """
    campaign = read_campaign(file, overrides, profile)
    from workflow.estimate import estimate
    from workflow.folder import RUNS
    from workflow.site import check

    problems = check(campaign.resources, RUNS.absolute())
    jobs, starts = _jobs(campaign, problems)
    with Progress("timing the simulator") as progress:
        found = estimate(campaign, progress)
    problems += _unfit(campaign, found)
    problems += [start.problem for start in starts if start.problem is not None]
    if as_json:
        answer = {"schema": "mlaround.plan/1", "campaign": campaign.name, **found.to_json()}
        answer["scripts"] = [script.to_json() for script in jobs]
        answer["starts_in_seconds"] = [start.seconds for start in starts]
        answer["problems"] = [problem.to_json() for problem in problems]
        print_json(answer)
        return
    for script in jobs:
        click.echo(f"batch script of pool {script.pool}, for each of its jobs:\n")
        click.echo(f"{script.text.strip()}\n")
    click.echo(f"campaign {campaign.name} ({file})")
    click.echo(table(list(_rows(campaign, found, starts)), indent="  "))
    for problem in problems:
        click.echo(f"{'problem' if problem.certain else 'warning'}: {problem}", err=True)
    click.echo("Nothing was submitted, started or written.", err=True)
    if any(problem.certain for problem in problems):
        click.echo(typed(f"next: correct it, then mlaround plan {quoted(file)}"), err=True)
    else:
        click.echo(typed(f"next: mlaround run {quoted(file)}"), err=True)


def _jobs(campaign: Campaign, problems: list[Problem]) -> tuple[list[Script], list[Start]]:
    """The jobs of the campaign, and when each would start; the latter only if nothing is wrong with them."""
    from workflow.resources import Batch
    from workflow.site import scripts, test_only

    if not isinstance(campaign.resources, Batch):
        return [], []
    try:
        found = scripts(campaign.resources)
    except ValueError:  # which `check` has said already
        return [], []
    if any(problem.certain for problem in problems):
        return found, []
    return found, [test_only(script) for script in found]


def _unfit(campaign: Campaign, found: Estimate) -> list[Problem]:
    """Where simulations and jobs do not fit together: time that is too short, GPUs that nobody uses."""
    from workflow.site import Problem

    problems = _idle_cards(campaign)
    longest, timeout = found.longest, getattr(campaign.resources, "timeout", None)
    takes = f"one simulation may take {duration(longest)}"
    if timeout is not None and longest > timeout:
        words = f"{takes}, and is killed after {duration(timeout)}"
        problems.append(Problem("resources.timeout", words, "give it more time", certain=False))
    where = found.place
    if where.walltime is None or longest <= where.walltime - where.drain:
        return problems
    kept = campaign.keep is not None and campaign.keep.checkpoint is not None
    if kept and "checkpoint" in campaign.simulator.keeps:
        return problems
    words = f"{takes}, and a job ends after {duration(where.walltime)}, so that it would never be done"
    do = "let a job take longer"
    if "checkpoint" in campaign.simulator.keeps:
        do += ", or keep checkpoints, from which the next one goes on: keep: {checkpoint: STEPS}"
    return [*problems, Problem("resources.time", words, do, certain=False)]


def _idle_cards(campaign: Campaign) -> list[Problem]:
    """GPUs are asked for, and the simulator was not told to compute on one, although it can."""
    from workflow.site import Problem

    field = type(campaign.simulator).model_fields.get("backend")
    able = field is not None and "cuda" in get_args(field.annotation)
    chosen = getattr(campaign.simulator, "backend", None)
    if not able or chosen == "cuda" or not getattr(campaign.resources, "gpus", None):
        return []
    words = f"GPUs are asked for, and the simulator computes with backend: {chosen}"
    return [Problem("simulator.backend", words, "set it to cuda, or ask for no GPUs", certain=False)]


def _rows(campaign: Campaign, found: Estimate, starts: list[Start]) -> Iterator[tuple[str, str]]:
    low, mean, high = found.seconds
    cores, cards, walls = found.core_hours, found.gpu_hours, found.wall_seconds
    fraction = min(p.fraction for p in found.probes)
    length = "whole ones" if fraction == 1 else f"of at least 1/{1 / fraction:.0f} of the length, scaled up"
    limit = campaign.stop.wall_time
    ceiling = f", stopped after {duration(limit)}" if limit else ""
    yield "simulations", f"at most {found.simulations}, {found.held_out} of them held out"
    yield "one simulation", f"{duration(mean)} on one core ({duration(low)} to {duration(high)})"
    yield "simulating", f"{cores[1]:.2g} core-h ({cores[0]:.2g} to {cores[2]:.2g})"
    if cards[1]:
        yield "GPUs", f"{cards[1]:.2g} GPU-h ({cards[0]:.2g} to {cards[2]:.2g})"
    if found.backend is not None:
        yield "", f"timed on a core of this machine, which lacks what backend: {found.backend} needs"
    yield "trainings", f"at most {found.trainings}, beside the simulations; not in these hours"
    if found.jobs is not None:
        few, some, many = found.jobs
        span = f" ({few} to {many})" if few < many else ""
        each = duration(found.place.walltime or 0)
        yield "jobs", f"{some}{span} of {each}, {found.place.blocks} at a time, to simulate"
        if (apart := getattr(campaign.resources, "training", lambda: None)()) is not None:
            yield "", f"{counted(1, 'job')} of {duration(apart.time)} at a time, to train"
    yield "wall time", f"{duration(walls[1])} on {counted(found.workers, 'worker')}{ceiling}"
    if found.jobs is not None:
        now = time.time()
        first, expected, last = (
            time.strftime("%a %d %b %H:%M", time.localtime(now + min(s, limit or s))) for s in walls
        )
        yield (
            "ends",
            f"{expected} ({first} to {last}) if jobs start at once; waiting in the queue is not in it",
        )
        known = [start.seconds for start in starts if start.seconds is not None]
        if known:
            yield "", f"Slurm would start the first job in {duration(round(max(known)))}, as the queue is now"
    yield "disk", f"about {size(found.disk_bytes)} in {found.files} files"
    yield "estimate from", f"{len(found.probes)} simulations, {length}, on this machine as it is now"
