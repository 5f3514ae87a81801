"""Whether a Slurm machine will run what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from workflow.site.problem import Problem, missing
from workflow.site.slurm_site import Nodes, Partition, SilentError, SlurmSite, read_site
from workflow.words import counted, duration, listed, suggestion

PROGRAMS = ("sbatch", "squeue", "scancel", "srun", "sinfo", "scontrol")
"""That are needed to have jobs here, and to look after them."""

UNITS = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}
"""Of memory, in Slurm's MB."""


@dataclass(frozen=True)
class Job:
    """A job as the site sees it.

    Args:
        keys: where its keys stand in the campaign: name -> dotted.
        time: walltime, s.
        nodes, cores, gpus, gpu_type, mem: asked for, the last three of each node.
    """

    keys: Callable[[str], str]
    time: float
    nodes: int = 1
    cores: int = 1
    gpus: int = 0
    gpu_type: str = ""
    mem: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None


def check_jobs(jobs: Iterable[Job], *, thorough: bool) -> list[Problem]:
    """Problems of the jobs on the machine that this is.

    Args:
        jobs: what is asked for.
        thorough: also ask the data base of accounts.
    """
    problems = missing("slurm", PROGRAMS)
    if problems:
        return problems
    try:
        site = read_site(accounts=thorough)
    except SilentError as error:
        do = "look whether Slurm is up (`sinfo`), and ask the site's operators if it is not"
        return [Problem("resources.kind", f"Slurm does not answer: {error}", do)]
    return [problem for job in jobs for problem in check_job(job, site)]


def check_job(job: Job, site: SlurmSite) -> list[Problem]:
    """Problems of one job on a site."""
    names = job.partition.split(",") if job.partition else []
    unknown = [name for name in names if name not in site.partitions]
    if unknown:
        words = f"there is no partition `{unknown[0]}` here"
        return [Problem(job.keys("partition"), words, suggestion(unknown[0], site.partitions))]
    problems = list(_accounts(job, site))
    if len(names) > 1:  # Slurm takes the first that can: what one of them lacks another may have
        return problems
    default = next((p for p in site.partitions.values() if p.default), None)
    partition = site.partitions[names[0]] if names else default
    if partition is None:
        known = f"name one of {listed(list(site.partitions), 10)}"
        return [*problems, Problem(job.keys("partition"), "this site has no default partition", known)]
    # Of one that is down nodes are no further news.
    up = partition.state == "UP"
    nodes = [n for n in site.nodes if n.partition == partition.name and up]
    return [
        *problems,
        *_limits(job, partition, site),
        *_admitted(job, partition, site),
        *_fitting(job, partition, nodes, site),
    ]


def _limits(job: Job, partition: Partition, site: SlurmSite) -> Iterator[Problem]:
    """State, walltime and number of nodes."""
    where = f"partition `{partition.name}`"
    if partition.state != "UP":
        yield Problem(
            job.keys("partition"),
            f"{where} is {partition.state.lower()}",
            "take another one or ask the site's operators when it is back",
        )
    limits = [(partition.longest, where)]
    if job.qos is not None:
        limits.append((site.qos.get(job.qos), f"the quality of service `{job.qos}`"))
    for longest, whose in limits:
        if longest is not None and job.time > longest:
            words = f"a job of {whose} may run for {duration(longest)}, and it asks for {duration(job.time)}"
            yield Problem(job.keys("time"), words, f"set it to {clock(longest)} or less")
    most = min(partition.most or 10**9, sum(n.count for n in site.nodes if n.partition == partition.name))
    if job.nodes > most:
        words = f"a job may have {counted(most, 'node')} of {where}, and this one asks for {job.nodes}"
        yield Problem(job.keys("nodes"), words, f"set it to {most} or less")
    elif job.nodes < partition.fewest:
        words = f"a job of {where} has at least {counted(partition.fewest, 'node')}"
        yield Problem(job.keys("nodes"), words, f"set it to {partition.fewest}, or take another partition")


def _accounts(job: Job, site: SlurmSite) -> Iterator[Problem]:
    """Whether the user may charge the account, with the quality of service."""
    if not site.associations:
        return
    accounts = sorted({a.account for a in site.associations})
    if job.account is not None and job.account not in accounts:
        words = f"you have no account `{job.account}` here"
        yield Problem(job.keys("account"), words, suggestion(job.account, accounts))
        return
    mine = [a for a in site.associations if job.account in (None, a.account)]
    if job.partition and not any(a.partition in ("", job.partition) for a in mine):
        usable = sorted({a.partition for a in mine})
        words = f"your account does not reach partition `{job.partition}`"
        yield Problem(job.keys("partition"), words, f"it reaches {listed(usable)}")
    allowed = sorted({q for a in mine for q in a.qos})
    if job.qos is None or job.qos in allowed:
        return
    if job.qos not in site.qos and site.qos:
        words = f"there is no quality of service `{job.qos}` here"
        yield Problem(job.keys("qos"), words, suggestion(job.qos, site.qos))
    elif allowed:
        words = f"you may not use the quality of service `{job.qos}`"
        yield Problem(job.keys("qos"), words, f"yours are {listed(allowed, 10)}")


def _admitted(job: Job, partition: Partition, site: SlurmSite) -> Iterator[Problem]:
    """Whether the partition takes the user's group, account and quality of service."""
    where = f"partition `{partition.name}`"
    if partition.groups is not None and site.groups is not None and not partition.groups & site.groups:
        words = f"{where} is for the groups {listed(sorted(partition.groups), 5)}, of which you are in none"
        yield Problem(job.keys("partition"), words, "take another one")
    # Without a data base of accounts Slurm admits everybody, whatever the partition says.
    if not site.associations:
        return
    for key, given, admitted in (
        ("account", job.account, partition.accounts),
        ("qos", job.qos, partition.qos),
    ):
        if given is not None and admitted is not None and given not in admitted:
            do = f"set it to one of {listed(sorted(admitted), 10)}, or take another partition"
            yield Problem(job.keys(key), f"{where} does not take `{given}`", do)


def _fitting(job: Job, partition: Partition, nodes: list[Nodes], site: SlurmSite) -> Iterator[Problem]:
    """Whether nodes have what is asked of each; the first thing that none has is told."""
    where = f"partition `{partition.name}`"
    fit = nodes
    for key, grants, told, cure in _wishes(job):
        better = [n for n in fit if grants(n)]
        if fit and not better:
            elsewhere = {n.partition for n in site.nodes if all(wish[1](n) for wish in _wishes(job))}
            others = f"; partition {listed(sorted(elsewhere), 5)} has such nodes" if elsewhere else ""
            yield Problem(job.keys(key), f"{told(fit)} in {where}", cure(fit) + others)
            return
        fit = better
    count = sum(n.count for n in fit)
    if nodes and count < job.nodes <= sum(n.count for n in nodes):
        words = f"{counted(count, 'node')} of {where} have what is asked for, and a job asks for {job.nodes}"
        yield Problem(job.keys("nodes"), words, f"set it to {count} or less, or ask less of each node")
    elif fit and not any(n.in_use for n in fit):
        words = f"all nodes of {where} that would do are down or drained now"
        do = "jobs wait until they are back; ask the site's operators, or take another partition"
        yield Problem(job.keys("partition"), words, do, certain=False)


Wish = tuple[str, Callable[[Nodes], bool], Callable[[list[Nodes]], str], Callable[[list[Nodes]], str]]
"""A key, whether nodes grant it, what to say where none does, and what to do then."""


def _wishes(job: Job) -> Iterator[Wish]:
    """What is asked of a node."""

    def types(fit: list[Nodes]) -> list[str]:
        return sorted({kind for n in fit for kind in n.gpus if kind})

    def most(fit: list[Nodes]) -> int:
        return max(_gpus(n, job.gpu_type) for n in fit)

    if features := _features(job.constraint):
        known = "features are "
        yield (
            "constraint",
            lambda n: features <= n.features,
            lambda fit: f"no node has {listed(sorted(features))}",
            lambda fit: known + listed(sorted({f for n in fit for f in n.features}), 20),
        )
    if job.gpus:
        yield (
            "gpus_per_node",
            lambda n: bool(n.gpus),
            lambda fit: "no node has a GPU",
            lambda fit: "take another partition, or set it to 0",
        )
        if job.gpu_type:
            yield (
                "gpus_per_node",
                lambda n: job.gpu_type in n.gpus,
                lambda fit: f"no node has a GPU of type `{job.gpu_type}`",
                lambda fit: f"GPUs here are {listed(types(fit), 10)}" if types(fit) else "leave out the type",
            )
        yield (
            "gpus_per_node",
            lambda n: _gpus(n, job.gpu_type) >= job.gpus,
            lambda fit: f"{counted(job.gpus, 'GPU')} of a node are asked for, and {most(fit)} is the most",
            lambda fit: f"set it to {most(fit)} or less, and ask for more nodes or blocks instead",
        )
    yield (
        "cpus_per_task",
        lambda n: n.cores >= job.cores,
        lambda fit: (
            f"{counted(job.cores, 'core')} of a node are asked for (ntasks_per_node times cpus_per_task), "
            f"and {max(n.cores for n in fit)} is the most"
        ),
        lambda fit: "ask for fewer or smaller workers on a node, and for more nodes or blocks instead",
    )
    if wanted := megabytes(job.mem):
        yield (
            "mem",
            lambda n: n.memory >= wanted,
            lambda fit: f"{job.mem} of a node's memory are asked for, and {_memory(fit)} is the most",
            lambda fit: f"set it to {_memory(fit)} or less",
        )


def _gpus(nodes: Nodes, kind: str) -> int:
    return nodes.gpus.get(kind, 0) if kind else sum(nodes.gpus.values())


def _memory(fit: list[Nodes]) -> str:
    most = max(n.memory for n in fit)
    return f"{most / 1024:.0f}G" if most % 1024 == 0 else f"{most:.0f}M"


def _features(constraint: str | None) -> set[str]:
    """The features that all nodes must have; nothing where they are said in a way that only Slurm reads."""
    if constraint is None or not re.fullmatch(r"[\w.:-]+(&[\w.:-]+)*", constraint):
        return set()
    return set(constraint.split("&"))


def megabytes(mem: str | None) -> float:
    """Slurm's MB of ``64G``; 0 for all of a node, for nothing said, and for what cannot be read."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", (mem or "").strip().upper())
    return float(match[1]) * UNITS[match[2] or "M"] if match else 0.0


def clock(seconds: float) -> str:
    """A walltime as it is written: ``12:00:00``, ``2-00:00:00``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days}-" if days else "") + f"{hour:02d}:{minute:02d}:{second:02d}"
