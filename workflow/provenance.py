"""Where a run came from: versions, code, host, command line."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("mlaround", "numpy", "numba", "torch", "scikit-learn", "scipy", "parsl", "h5py", "pydantic")
SCHEDULER_VARIABLES = ("SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_JOB_PARTITION", "PBS_JOBID")


def package_version(name: str) -> str | None:
    """Installed version of a distribution; ``None`` if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def at_start(campaign: str, seed: int, source: Path | None) -> dict[str, Any]:
    """What is quick to find out, for the start of a run.

    Args:
        campaign: its name.
        seed: its seed.
        source: the file that the campaign came from first; the user's plug-ins are looked for beside it.
    """
    return {
        "campaign": campaign,
        "source": None if source is None else str(source.absolute()),
        "seed": seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join(sys.argv),
        "folder": os.getcwd(),
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: package_version(name) for name in PACKAGES},
        "scheduler": {name: os.environ[name] for name in SCHEDULER_VARIABLES if name in os.environ},
    }


def code_state() -> dict[str, Any]:
    """Commit of the checkout that this code runs from, and whether it was changed since; else nothing."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return {"git_commit": commit, "git_changed": bool(_git(here, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": None, "git_changed": None}


def installed_packages() -> str:
    """All installed distributions, one ``name==version`` a line."""
    found = {(d.metadata["Name"] or "?", d.version) for d in metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found))


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
