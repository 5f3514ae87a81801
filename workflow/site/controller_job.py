"""The controller as a job of the site: the script, and handing it in."""

from __future__ import annotations

import os
import shlex
import sys

from workflow.chain import Chain
from workflow.folder import RunFolder
from workflow.resources import Slurm
from workflow.site.slurm import Job, clock
from workflow.site.slurm_site import SilentError, read_site

LONGEST = 86400.0
"""Seconds of walltime where nothing is said and the partition allows more: longer jobs wait longer."""

INHERITED = ("partition", "account", "qos")
"""Keys that are those of the simulations where nothing else is said."""

WARNING = 120
"""Seconds before its walltime is over at which a controller is told."""


def controller_job(resources: Slurm) -> Job:
    """What the controller's job asks for."""
    own = resources.controller
    partition = own.partition or resources.partition
    # A quality of service of another partition's is seldom that of this one.
    qos = own.qos or (resources.qos if own.partition in (None, resources.partition) else None)
    time = max(60.0, own.time if own.time is not None else _allowed(partition))

    def key(name: str) -> str:
        inherited = name in INHERITED and name not in own.model_fields_set
        return f"resources.{name}" if inherited else f"resources.controller.{name}"

    return Job(
        key,
        time,
        mem=own.mem,
        partition=partition,
        account=own.account or resources.account,
        qos=qos,
    )


def _allowed(partition: str | None) -> float:
    """A day, or the most that a partition allows."""
    try:
        known = read_site(accounts=False).partitions
    except SilentError:
        return LONGEST
    found = known.get(partition) if partition else next((p for p in known.values() if p.default), None)
    return LONGEST if found is None or found.longest is None else min(LONGEST, found.longest)


def controller_script(resources: Slurm, run: RunFolder, name: str) -> str:
    """The batch script that goes on with a run and hands itself in again.

    Args:
        resources: of the campaign.
        run: its folder, which need not exist yet.
        name: of the campaign.
    """
    job, own, chain = controller_job(resources), resources.controller, Chain(run)
    asked = {
        "job-name": f"mlaround.{name}",
        "partition": job.partition,
        "account": job.account,
        "qos": job.qos,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": 1,
        "mem": job.mem,
        "time": clock(job.time),
        # A job of few minutes is told when half of it is left.
        "signal": f"B:USR1@{int(min(WARNING, job.time / 2))}",
        "open-mode": "append",
        "output": chain.output,
    }
    lines = [f"#SBATCH --{key}={_value(value)}" for key, value in asked.items() if value is not None]
    # After the failure of its node the job runs again, under the same number.
    lines.append("#SBATCH --requeue")
    lines += [line if line.startswith("#SBATCH") else f"#SBATCH {line}" for line in own.extra]
    python = shlex.quote(resources.python or sys.executable)
    return "\n".join(
        [
            "#!/bin/bash",
            *lines,
            "",
            f"cd {shlex.quote(os.getcwd())}",
            *resources.setup.strip().splitlines(),
            f"exec {python} -m workflow.site.in_job {shlex.quote(str(run.path))} {int(job.time)}",
            "",
        ]
    )


def _value(value: object) -> str:
    """As a directive takes it: in quotes where it holds a blank."""
    text = str(value)
    return f'"{text}"' if any(c.isspace() for c in text) else text
