"""`mlaround stop`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.chain import Chain, cancel, queued
from workflow.cli.arguments import find_run, run_argument
from workflow.cli.asking import act, yes_option
from workflow.cli.typed import quoted, shown, typed


@click.command("stop")
@run_argument
@click.option("--now", is_flag=True, help="Do not wait for running tasks; they run again on resume.")
@yes_option
def command(folder: Path | None, now: bool, yes: bool) -> None:
    """Ask a run's controller to stop; what is done is kept and `mlaround resume` goes on.

    Of a run that was handed in with --submit, no other job follows.

    The request is a file in the run folder, so that it works from any machine that sees the folder.
    """
    run = find_run(folder)
    chain = Chain(run)
    job = chain.job
    if run.controller_alive() is None and job is not None:
        chain.stop()
        click.echo(_taken_out(chain, job))
        click.echo(typed(f"next: mlaround resume {quoted(run.path)} --submit, to go on"), err=True)
        return
    if run.controller_alive() is None:
        click.echo(f"{shown(run.path)} has no living controller; there is nothing to stop")
        click.echo(typed(f"next: mlaround status {quoted(run.path)}"), err=True)
        return
    if act(run, "stop", {"now": now}, yes=yes) and job is not None:
        chain.stop()


def _taken_out(chain: Chain, job: str) -> str:
    """End a job that was to be the controller and is not yet, or not any more."""
    if queued(job) is None:
        chain.write(over="stopped")
        return f"no controller follows; job {job}, which was to be one, is not in the queue of this machine"
    if cancel(job):
        chain.write(over="stopped")
        return f"job {job}, which was to go on with the run, is taken out of the queue; no other follows"
    return f"job {job}, which was to go on with the run, ends as soon as it starts; no other follows"
