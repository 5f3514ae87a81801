"""This machine: interpreter, processor, cards, compiled kernels."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from workflow.doctor.check import Check

SUBJECT = "machine"


def machine() -> Iterator[Check]:
    """Checks of this machine."""
    yield Check(SUBJECT, "python", f"{platform.python_version()} at {sys.executable}")
    yield Check(SUBJECT, "platform", platform.platform())
    has = hasattr(os, "sched_getaffinity")
    yield Check(SUBJECT, "cores", str(len(os.sched_getaffinity(0)) if has else os.cpu_count()))
    yield _vector_unit()
    yield _kernels()
    yield _torch()
    yield _gpus()


def _vector_unit() -> Check:
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return Check(SUBJECT, "vector unit", "unknown")
    names = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
    known = (name for flag, name in names.items() if flag in flags)
    return Check(SUBJECT, "vector unit", next(known, "none of AVX-512, AVX2, NEON"))


def _kernels() -> Check:
    """Where compiled kernels are kept; without it every process compiles them again."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given or Path(__file__).parents[2] / "simulators")
    try:
        if given:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Check(SUBJECT, "numba cache", f"{folder}, writable")
    except OSError as error:
        do = "set NUMBA_CACHE_DIR to a folder of yours, or every process compiles its kernels again"
        return Check(SUBJECT, "numba cache", f"{folder}: {error.strerror}", do)


def _torch() -> Check:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Check(SUBJECT, "torch", "missing", "pip install torch")
    build = "CPU build" if "+cpu" in version else "CUDA build, unless its version says otherwise"
    return Check(SUBJECT, "torch", f"{version} ({build})")


def _gpus() -> Check:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = "" if visible is None else f"; CUDA_VISIBLE_DEVICES={visible}"
    if not shutil.which("nvidia-smi"):
        return Check(SUBJECT, "GPUs", "none" + shown)
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError):
        do = "run nvidia-smi by hand; if it fails, simulations with `backend: cuda` will too"
        return Check(SUBJECT, "GPUs", "nvidia-smi is here but does not answer" + shown, do)
    return Check(SUBJECT, "GPUs", "; ".join(found.stdout.strip().splitlines()) + shown)
