"""`mlaround status`."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from workflow.chain import Chain, queued
from workflow.cli.arguments import find_run, json_option, run_argument
from workflow.cli.console import print_json
from workflow.cli.screen import next_commands, screen
from workflow.cli.typed import typed
from workflow.folder import RunFolder
from workflow.standing import HELD, last_status


@click.command("status")
@run_argument
@json_option
@click.option("--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Show it again and again.")
def command(folder: Path | None, as_json: bool, watch: float | None) -> None:
    """Show how a run stands. It works from any machine that sees the folder, while the run goes on."""
    run = find_run(folder)
    while True:
        status = current(run)
        if watch and sys.stdout.isatty() and not as_json:
            click.clear()
        if as_json:
            print_json(status)
        else:
            click.echo(screen(status))
        if not watch or status["state"] not in HELD:
            break
        time.sleep(watch)
    click.echo(typed(f"next: {next_commands(status['state'], run.path)[0]}"), err=True)


def current(run: RunFolder) -> dict[str, Any]:
    """The last status of a run, what to type where its controller died, and how many requests are kept."""
    status = {"schema": "mlaround.status/1", "run": run.name, **last_status(run)}
    if status["state"] not in HELD and (kept := len(run.requests())):
        status["requests"] = kept
    chain = Chain(run)
    here = os.environ.get("SLURM_JOB_ID")  # in the job itself, which is about to end
    if (job := chain.job) not in (None, here) and run.controller_alive() is None:
        status["controller_job"] = {"job": job, "state": queued(job)}
    if status["state"] == "interrupted":
        status["hint"] = f"mlaround resume {shlex.quote(str(run.path))}"
    return status
