"""`--submit` of `run` and `resume`: the controller becomes a job of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workflow.cli.failures import FAILED, LOCKED, USAGE, Failure
from workflow.cli.heed import heed
from workflow.cli.typed import quoted, shown, typed
from workflow.folder import RunFolder

if TYPE_CHECKING:
    from workflow.campaign import Campaign

submit_option = click.option(
    "--submit",
    is_flag=True,
    help="Make the controller a job of the batch system too, which goes on until the run is finished.",
)


def refuse_unless_possible(campaign: Campaign, run: RunFolder, *, dashboard: bool, next_command: str) -> None:
    """Look whether the controller can be a job here.

    Raises:
        Failure: it cannot.
    """
    from workflow.chain import Chain, queued
    from workflow.resources import Batch, Slurm

    kind = campaign.resources.kind if not isinstance(campaign.resources, Slurm) else ""
    if isinstance(campaign.resources, Batch) and kind:
        words = f"--submit speaks Slurm alone, and resources.kind is {kind}; "
        do = "put `mlaround resume DIR` into a job of your own, which may be handed in again and again"
        raise Failure(words + do, USAGE, "mlaround run without --submit")
    if kind:
        words = f"--submit needs a batch system, and resources.kind is {kind}"
        raise Failure(words, USAGE, "set resources.kind to slurm (docs/clusters.md), or leave out --submit")
    if dashboard:
        words = "--submit and --dashboard: the run goes on elsewhere; look at it from here when it does"
        raise Failure(words, USAGE, f"mlaround dashboard {quoted(run.path)}")
    if (holder := run.controller_alive()) is not None:
        words = f"{shown(run.path)} is held by a controller: process {holder['pid']} on {holder['host']}"
        raise Failure(words, LOCKED, f"mlaround status {quoted(run.path)}")
    job = Chain(run).job
    if job is not None and (state := queued(job)) is not None:
        words = f"job {job} is {state}: it is to be the controller of {shown(run.path)}"
        raise Failure(words, LOCKED, f"mlaround stop {quoted(run.path)}, to take it out of the queue")
    heed(campaign, run.path, next_command, submit=True)


def submit(campaign: Campaign, run: RunFolder) -> None:
    """Hand in the job of the controller of a run that exists, and say how to watch and to stop it.

    Raises:
        Failure: Slurm does not take it.
    """
    from workflow.chain import Chain
    from workflow.resources import Slurm
    from workflow.site.controller_job import controller_script
    from workflow.site.scripts import refusal

    assert isinstance(campaign.resources, Slurm)
    chain = Chain(run)
    chain.begin()
    chain.script.write_text(controller_script(campaign.resources, run, campaign.name), encoding="utf-8")
    folder = quoted(run.path)
    try:
        job = chain.submit()
    except OSError as error:
        words = f"sbatch does not take {shown(chain.script)}: {refusal(str(error))}"
        cure = f"mlaround resume {folder} --submit --set resources.controller.partition=NAME, say"
        raise Failure(words, FAILED, cure) from None
    click.echo(f"run folder {shown(run.path)}")
    click.echo(f"job {job} is its controller; before its walltime is over it hands in the next one")
    click.echo(typed(f"to watch it:  mlaround status {folder} --watch 10, or mlaround dashboard {folder}"))
    click.echo(typed(f"to stop it:   mlaround stop {folder}"))
