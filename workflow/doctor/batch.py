"""The batch system that this machine belongs to, and what it makes of a profile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from workflow.doctor.check import Check
from workflow.site import check
from workflow.site.problem import ask
from workflow.site.slurm_site import SilentError, read_site
from workflow.words import counted, duration, listed

SUBJECT = "batch system"


def batch() -> tuple[str | None, list[Check]]:
    """Which batch system answers on this machine, ``slurm``, ``pbs`` or none; and checks of it."""
    kind, checks = None, []
    for name, program, look in (("slurm", "sinfo", _slurm), ("pbs", "qstat", _pbs)):
        if kind is None and shutil.which(program):
            checks += (found := list(look()))
            kind = None if any(check.do for check in found) else name
    for variable, where in (("SLURM_JOB_ID", "SLURM_JOB_NODELIST"), ("PBS_JOBID", "PBS_NODEFILE")):
        if job := os.environ.get(variable):
            words = f"inside job {job} ({os.environ.get(where, 'nodes unknown')})"
            checks.append(Check(SUBJECT, "this shell", words))
    return kind, checks


def against(profile: str, resources: BaseModel, folder: Path) -> list[Check]:
    """What the site has against a profile."""
    subject = f"profile {profile}"
    found = [
        Check(subject, p.key.removeprefix("resources."), p.words, p.do) for p in check(resources, folder)
    ]
    return found or [Check(subject, "resources", "nothing that this machine would refuse")]


def _slurm() -> Iterator[Check]:
    try:
        site = read_site(accounts=False)
    except SilentError as error:
        yield Check(
            SUBJECT, "Slurm", str(error), "look whether it is up (sinfo), and ask its operators if it is not"
        )
        return
    yield Check(SUBJECT, "Slurm", ask("sinfo", "--version").out.strip())
    for partition in site.partitions.values():
        nodes = [n for n in site.nodes if n.partition == partition.name]
        kinds = {kind or "GPU": each for n in nodes for kind, each in n.gpus.items()}
        words = [
            partition.state.lower() + (", default" if partition.default else ""),
            f"{counted(sum(n.count for n in nodes), 'node')}, "
            f"{sum(n.count for n in nodes if n.in_use):,} in use",
            f"{listed(sorted({n.cores for n in nodes}))} cores",
        ]
        words += [f"{each} {kind}" for kind, each in kinds.items()]
        words.append("no limit of time" if partition.longest is None else f"to {duration(partition.longest)}")
        yield Check(SUBJECT, f"partition {partition.name}", ", ".join(words))


def _pbs() -> Iterator[Check]:
    queues = ask("qstat", "-Q")
    if queues.code:
        do = "look whether it is up (qstat -B), and ask its operators if it is not"
        yield Check(SUBJECT, "PBS", queues.complaint, do)
        return
    version = ask("qstat", "--version")
    yield Check(SUBJECT, "PBS", (version.out or version.err).strip())
    yield Check(
        SUBJECT, "queues", listed([line.split()[0] for line in queues.out.splitlines()[2:] if line.split()])
    )
