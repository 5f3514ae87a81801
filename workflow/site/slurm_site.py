"""What a Slurm machine has, as `sinfo`, `scontrol` and `sacctmgr` tell it."""

from __future__ import annotations

import getpass
import grp
import os
import re
from dataclasses import dataclass, field

from workflow.durations import parse_duration
from workflow.site.problem import ask

NODES_FORMAT = "%R|%D|%c|%m|%G|%f|%t"
"""Partition, number of nodes, cores, memory (MB), generic resources, features, state."""

OUT_OF_USE = ("down", "drain", "drng", "drained", "draining", "fail", "failg", "inval", "unk")
"""States in which nodes take no job."""


@dataclass(frozen=True)
class Partition:
    """A partition's limits; ``None`` for none."""

    name: str
    default: bool
    state: str
    longest: float | None
    fewest: int
    most: int | None
    accounts: frozenset[str] | None
    qos: frozenset[str] | None
    groups: frozenset[str] | None


@dataclass(frozen=True)
class Nodes:
    """Nodes of a partition that are alike.

    Args:
        partition: its name.
        count: how many.
        cores, memory: of each; MB.
        gpus: type ("" where the site names none) -> how many on each.
        features: that a `constraint` may name.
        in_use: whether they take jobs now.
    """

    partition: str
    count: int
    cores: int
    memory: float
    gpus: dict[str, int]
    features: frozenset[str]
    in_use: bool


@dataclass(frozen=True)
class Association:
    """An account that the user may charge, on a partition or on all (""), with its qualities of service."""

    account: str
    partition: str
    qos: frozenset[str]


@dataclass(frozen=True)
class SlurmSite:
    """All of it. What the site does not tell is empty.

    Args:
        partitions: by name.
        nodes: groups of them.
        associations: of the user.
        qos: quality of service -> longest walltime, ``None`` for no limit of its own.
        groups: of the user; ``None`` for root, whom Slurm asks for none.
    """

    partitions: dict[str, Partition]
    nodes: tuple[Nodes, ...]
    associations: tuple[Association, ...] = ()
    qos: dict[str, float | None] = field(default_factory=dict)
    groups: frozenset[str] | None = None


class SilentError(Exception):
    """Slurm does not answer; the message is its own."""


def read_site(*, accounts: bool) -> SlurmSite:
    """Ask Slurm.

    Args:
        accounts: whether its data base is asked too, which may take seconds.

    Raises:
        SilentError: it does not answer.
    """
    found = []
    for command in (("scontrol", "show", "partition", "-o"), ("sinfo", "-h", "-e", "-o", NODES_FORMAT)):
        answer = ask(*command)
        if answer.code != 0:
            raise SilentError(f"`{' '.join(command[:2])}` fails: {answer.complaint}")
        found.append(answer.out)
    partitions = {p.name: p for p in map(_partition, found[0].splitlines()) if p is not None}
    nodes = tuple(n for n in map(_nodes, found[1].splitlines()) if n is not None)
    groups = None if os.geteuid() == 0 else _groups()
    if not accounts:
        return SlurmSite(partitions, nodes, groups=groups)
    user = f"user={getpass.getuser()}"
    assoc = ask("sacctmgr", "-nP", "show", "assoc", user, "format=account,partition,qos")
    qos = ask("sacctmgr", "-nP", "show", "qos", "format=name,maxwall")
    return SlurmSite(
        partitions,
        nodes,
        # Without a data base of accounts it complains, and Slurm asks for none.
        tuple(map(_association, assoc.out.splitlines())) if assoc.code == 0 else (),
        dict(map(_quality, qos.out.splitlines())) if qos.code == 0 else {},
        groups,
    )


def _groups() -> frozenset[str]:
    names = set()
    for number in {os.getegid(), *os.getgroups()}:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:  # a number without a name
            continue
    return frozenset(names)


def _partition(line: str) -> Partition | None:
    """One line of `scontrol show partition -o`."""
    values = dict(re.findall(r"(?:^|\s)([A-Za-z]+)=(\S*)", line))
    if "PartitionName" not in values:
        return None
    allowed = [_set_of(values.get(key, "ALL")) for key in ("AllowAccounts", "AllowQos", "AllowGroups")]
    return Partition(
        values["PartitionName"],
        values.get("Default") == "YES",
        values.get("State", "UP"),
        walltime(values.get("MaxTime", "UNLIMITED")),
        _count(values.get("MinNodes", "0")) or 0,
        _count(values.get("MaxNodes", "UNLIMITED")),
        *allowed,
    )


def _set_of(text: str) -> frozenset[str] | None:
    return None if text in ("ALL", "(null)", "") else frozenset(text.split(","))


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def walltime(text: str) -> float | None:
    """Seconds of `D-HH:MM:SS`; ``None`` of what stands for no limit."""
    try:
        return parse_duration(text)
    except ValueError:  # UNLIMITED, NONE, nothing
        return None


def _nodes(line: str) -> Nodes | None:
    """One line of `sinfo` in `NODES_FORMAT`."""
    parts = line.split("|")
    if len(parts) != 7 or not parts[1].isdecimal():
        return None
    name, count, cores, memory, resources, features, state = (part.strip() for part in parts)
    return Nodes(
        name,
        int(count),
        int(re.sub(r"\D", "", cores) or 0),
        float(re.sub(r"\D", "", memory) or 0),
        gpus_of(resources),
        frozenset() if features == "(null)" else frozenset(features.split(",")),
        # Marks behind the state: * does not answer, the others are about power, reservations and repairs.
        not (state.endswith("*") or state.rstrip("*~#!%$@^-").lower() in OUT_OF_USE),
    )


def gpus_of(resources: str) -> dict[str, int]:
    """``gpu:a100:4(S:0-1),shard:8`` as type -> count."""
    found: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", resources).split(","):
        match item.split(":"):
            case ["gpu", count] if count.isdecimal():
                found[""] = found.get("", 0) + int(count)
            case ["gpu", kind, count] if count.isdecimal():
                found[kind] = found.get(kind, 0) + int(count)
    return found


def _association(line: str) -> Association:
    account, partition, qos = (*line.split("|"), "", "")[:3]
    return Association(account, partition, frozenset(q for q in qos.split(",") if q))


def _quality(line: str) -> tuple[str, float | None]:
    name, longest = (*line.split("|"), "")[:2]
    return name, walltime(longest)
