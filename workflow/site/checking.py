"""What a site will not do of what a campaign's resources ask for, found before a job is submitted."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from workflow.resources import Batch, Kubernetes, Slurm
from workflow.site import pbs, slurm
from workflow.site.controller_job import controller_job
from workflow.site.file_systems import of_one_machine
from workflow.site.problem import Problem, ask
from workflow.site.slurm import Job


def check(
    resources: BaseModel, folder: Path | None = None, *, thorough: bool = True, submit: bool = False
) -> list[Problem]:
    """Problems of a campaign's resources on this machine; what cannot run comes first.

    Nothing is submitted. Resources of this machine have no problems that could be found here.

    Args:
        resources: the campaign's.
        folder: of the run, which all nodes have to see; it need not exist.
        thorough: also ask what may take seconds (Slurm's accounts).
        submit: whether the controller is to be a job, too.
    """
    if not isinstance(resources, Batch):
        return []
    if isinstance(resources, Kubernetes):
        return _kubernetes()
    jobs = jobs_of(resources)
    if isinstance(resources, Slurm):
        if submit:
            jobs.append(controller_job(resources))
        found = slurm.check_jobs(jobs, thorough=thorough)
    else:
        found = pbs.check_jobs(jobs)
    if folder is not None and not any(p.key == "resources.kind" for p in found):
        found += _out_of_sight(resources, folder)
    # Pools share most of their keys, and then their mistakes.
    return sorted(dict.fromkeys(found), key=lambda problem: not problem.certain)


def jobs_of(resources: Batch) -> list[Job]:
    """The jobs that pools ask for, one of each pool."""
    jobs = [_job(resources, lambda name: f"resources.{name}")]
    if (training := resources.training()) is not None:
        jobs.append(_job(training, lambda name: where(resources, "train", name)))
    return jobs


def where(resources: Batch, part: str, name: str) -> str:
    """Where a key of another pool stands: in its own mapping, or in that of the simulations it comes from."""
    own = getattr(resources, part, None)
    inherited = own is not None and name not in own.model_fields_set and name in resources.model_fields_set
    return f"resources.{name}" if inherited else f"resources.{part}.{name}"


def _job(pool: Any, keys: Callable[[str], str]) -> Job:
    kind, colon, _ = str(pool.gpus_per_node).partition(":")
    return Job(
        keys,
        pool.time,
        pool.nodes,
        pool.cores_per_node,
        pool.gpus,
        kind if colon else "",
        pool.mem,
        # PBS has queues and neither of the others.
        getattr(pool, "partition", None) or getattr(pool, "queue", None),
        pool.account,
        getattr(pool, "qos", None),
        getattr(pool, "constraint", None),
    )


def _kubernetes() -> list[Problem]:
    if importlib.util.find_spec("kubernetes") is None:
        words = "the Python package `kubernetes` is not installed here"
        return [Problem("resources.kind", words, "pip install kubernetes")]
    given = os.environ.get("KUBECONFIG", str(Path.home() / ".kube/config")).split(os.pathsep)
    if "KUBERNETES_SERVICE_HOST" in os.environ or any(Path(path).expanduser().is_file() for path in given):
        return []
    do = "get the cluster's configuration, or name it in KUBECONFIG"
    return [Problem("resources.kind", f"there is no cluster configuration at {given[0]}", do)]


def _out_of_sight(resources: Batch, folder: Path) -> list[Problem]:
    """Warnings of what lies on a file system of this machine alone. The pre-flight proves it, in a job."""
    found = []
    if kind := of_one_machine(folder):
        do = (
            "put the run on a file system that all nodes mount (--run DIR), your home or a project folder say"
        )
        found.append(_unseen("run folder", folder, kind, do, "--run"))
    # One that is named for the nodes need not exist here, and only they can tell.
    # Its environment, not the program that links in it point to: that is each node's own.
    if resources.python is None and (kind := of_one_machine(Path(sys.prefix))):
        do = "install it on a file system that all nodes mount, or name the nodes' own interpreter here"
        found.append(_unseen("Python environment", Path(sys.prefix), kind, do, "resources.python"))
    return [] if found and isinstance(resources, Slurm) and _only_here() else found


def _unseen(what: str, path: Path, kind: str, do: str, key: str) -> Problem:
    words = f"the {what} {path} lies on {kind}, which nodes seldom share with this machine"
    return Problem(key, words, do, certain=False)


def _only_here() -> bool:
    """Whether this machine is all that the batch system has."""
    answer = ask("sinfo", "-h", "-o", "%n")
    return answer.code == 0 and set(answer.out.split()) == {socket.gethostname().split(".")[0]}
