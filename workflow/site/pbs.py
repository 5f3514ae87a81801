"""Whether a PBS Pro machine will run what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workflow.site.problem import Problem, ask, missing
from workflow.site.slurm import Job, clock, megabytes
from workflow.site.slurm_site import walltime
from workflow.words import counted, duration, suggestion

Attributes = dict[str, str]


@dataclass(frozen=True)
class PbsSite:
    """What PBS tells of itself.

    Args:
        queues: name -> attributes.
        hosts: resources of each host, such as ``ncpus``; none where `pbsnodes` does not answer.
        default: the default queue, "" where there is none.
    """

    queues: dict[str, Attributes]
    hosts: list[dict[str, float]]
    default: str = ""


def check_jobs(jobs: Iterable[Job]) -> list[Problem]:
    """Problems of the jobs on the machine that this is; a job's partition is PBS's queue."""
    problems = missing("pbs", ("qsub", "qstat"))
    if problems:
        return problems
    queues = ask("qstat", "-Q", "-f")
    if queues.code != 0:
        do = "look whether PBS is up (`qstat -B`), and ask the site's operators if it is not"
        return [Problem("resources.kind", f"PBS does not answer: {queues.complaint}", do)]
    nodes, server = ask("pbsnodes", "-a"), ask("qstat", "-B", "-f")
    site = PbsSite(
        dict(_records(queues.out, "Queue: ")),
        hosts(nodes.out) if nodes.code == 0 else [],
        next((a.get("default_queue", "") for _, a in _records(server.out, "Server: ")), ""),
    )
    return [problem for job in jobs for problem in check_job(job, site)]


def check_job(job: Job, site: PbsSite) -> Iterator[Problem]:
    """Problems of one job on a site."""
    name = job.partition or site.default
    # A queue of another server is called NAME@SERVER, and a reservation is a queue too: PBS knows them.
    if job.partition and name not in site.queues and "@" not in name:
        yield Problem(
            job.keys("queue"), f"there is no queue `{name}` here", suggestion(name, site.queues or ["none"])
        )
        return
    yield from _limits(job, name, site.queues.get(name, {}))
    for key, resource, wanted in (
        ("cpus_per_task", "ncpus", float(job.cores)),
        ("gpus_per_node", "ngpus", float(job.gpus)),
        ("mem", "mem", megabytes(job.mem)),
    ):
        most = max((host.get(resource, 0.0) for host in site.hosts), default=0.0)
        if site.hosts and wanted > most:
            words = f"{wanted:.0f} {UNITS[resource]} of a node are asked for, and {most:.0f} is the most here"
            yield Problem(job.keys(key), words, "ask less of a node, and for more nodes or blocks instead")


UNITS = {"ncpus": "cores", "ngpus": "GPUs", "mem": "MB"}


def _limits(job: Job, name: str, queue: Attributes) -> Iterator[Problem]:
    where = f"queue `{name}`"
    for attribute, state in (("enabled", "takes no jobs"), ("started", "starts no jobs")):
        if queue.get(attribute) == "False":
            do = "take another one or ask the site's operators when it is back"
            yield Problem(job.keys("queue"), f"{where} {state} now", do)
            break
    longest = walltime(queue.get("resources_max.walltime", ""))
    if longest is not None and job.time > longest:
        words = (
            f"a job may run for {duration(longest)} in {where}, and this one asks for {duration(job.time)}"
        )
        yield Problem(job.keys("time"), words, f"set it to {clock(longest)} or less")
    for key, resource, unit, wanted in (
        ("nodes", "nodect", "node", job.nodes),
        ("nodes", "ncpus", "core", job.cores * job.nodes),
        ("gpus_per_node", "ngpus", "GPU", job.gpus * job.nodes),
    ):
        most = queue.get(f"resources_max.{resource}", "")
        if most.isdecimal() and wanted > int(most):
            words = f"a job may have {counted(int(most), unit)} in {where}, and this one asks for {wanted}"
            yield Problem(job.keys(key), words, "ask for smaller blocks, and for more of them instead")


def _records(text: str, head: str) -> Iterator[tuple[str, Attributes]]:
    """The records of `qstat -f`: a head with a name, then `attribute = value`, continued behind a tab."""
    for record in re.split(rf"^{re.escape(head)}", text, flags=re.MULTILINE)[1:]:
        name, _, rest = record.partition("\n")
        yield name.strip(), _attributes(rest)


def _attributes(text: str) -> Attributes:
    whole = re.sub(r"\n\t", "", text)
    pairs = (line.partition(" = ") for line in whole.splitlines())
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def hosts(text: str) -> list[dict[str, float]]:
    """What `pbsnodes -a` lists, with the parts of a host added up."""
    found: dict[str, dict[str, float]] = {}
    for record in re.split(r"\n(?=\S)", text):
        name, _, rest = record.partition("\n")
        attributes = _attributes(rest)
        host = found.setdefault(attributes.get("resources_available.host", name.strip()), {})
        for resource in UNITS:
            given = attributes.get(f"resources_available.{resource}", "0")
            amount = megabytes(given) if resource == "mem" else float(re.sub(r"\D", "", given) or 0)
            host[resource] = host.get(resource, 0.0) + amount
    return [host for host in found.values() if any(host.values())]
