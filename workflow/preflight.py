"""Whether a node can do the work: what its first worker sees, beside what the controller sees.

`look` runs in a worker before any task does, so that a node on which every simulation would fail costs one
sentence instead of a thousand failures. All here imports nothing heavy.
"""

from __future__ import annotations

import math
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.folder import RunFolder, write_atomically
from workflow.provenance import package_version
from workflow.words import counted, duration, listed
from workflow.worker import Request

COMPARED = ("mlaround", "numpy", "numba", "h5py", "parsl")
"""Packages of which controller and workers need the same version: they exchange arrays, files and tasks."""
CLOCKS = 5.0
"""Seconds by which clocks may differ; times of events, heartbeats and the end of a block are compared."""
TOKENS = ".preflight-*"

_left: set[str] = set()
"""Tokens that this controller left, in whatever folder: several pools look for one each."""


def look(request: Request) -> dict[str, Any]:
    """What this process sees; it runs in a worker.

    Args:
        request: ``folder`` (of the run, or null) and ``token`` (what `leave_token` gave); where they are
            known ``gpus_per_node``, as the batch system was asked.
    """
    per_gpu = os.environ.get("MLAROUND_WORKERS_PER_GPU")
    seen = mine() | {"sees_folder": None, "writes_folder": None, "folder": request["folder"]}
    seen["gpus"] = {
        "asked": request.get("gpus_per_node"),
        "visible": _at_start("CUDA_VISIBLE_DEVICES"),
        "names": _gpu_names(),
        "workers": int(os.environ.get("PARSL_WORKER_COUNT", "1")),
        "workers_per_gpu": int(per_gpu) if per_gpu else None,
    }
    if request["folder"] is not None:
        seen |= _folder(Path(request["folder"]), request["token"])
    return seen | {"time": time.time()}


def mine() -> dict[str, Any]:
    """What the controller sees of itself: the same, but for GPUs, of which it needs none."""
    return {
        "host": _host(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "mlaround": package_version("mlaround"),
        "versions": {name: package_version(name) for name in (*COMPARED[1:], "torch")},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "sees_folder": True,
        "time": time.time(),
    }


def leave_token(folder: RunFolder) -> str:
    """Leave a file in the run folder for `look` to find; tokens of earlier controllers are removed.

    Every token has a file of its own: a node may remember for a minute what a file of that name once said.
    """
    for path in folder.path.glob(TOKENS):
        if path.name.rpartition("-")[2] not in _left:
            path.unlink(missing_ok=True)
    name = secrets.token_hex(8)
    _left.add(name)
    token = f"{name} {time.time():.6f}"
    write_atomically(_token_file(folder.path, token), token)
    return token


def problems(mine: Mapping[str, Any], theirs: Mapping[str, Any], received: float | None = None) -> list[str]:
    """What keeps a node from doing the controller's work: each a sentence with what to change.

    Args:
        mine: what `mine` gave.
        theirs: what `look` gave there.
        received: when that arrived here, s since 1970; now, if nothing is said.
    """
    received = time.time() if received is None else received
    return [
        *_other_python(mine, theirs),
        *_other_versions(mine, theirs),
        *_no_folder(mine, theirs),
        *_other_clock(mine, theirs, received),
        *_few_gpus(theirs),
    ]


def reasons(output: str) -> list[str]:
    """Why the processes of a block ended before any worker could look, from what they printed."""
    found: list[str] = []
    for pattern, words in _SAID:
        for match in re.finditer(pattern, output):
            sentence = words.format(*match.groups())
            if sentence not in found:
                found.append(sentence)
    return found


_SAID = (
    (
        r"(?:execve\(\): |exec: |env: |: )['‘]?([^\s'’:]*python[^\s'’:]*)['’]?: "
        r"(?:No such file or directory|command not found|not found|Permission denied)",
        "there is no interpreter {0} on the nodes: name one that they see in `resources.python`",
    ),
    (
        r"No module named '?([\w]+)",
        "the interpreter on the nodes has no package {0}: install mlaround there as it is here, or name in "
        "`resources.python` an interpreter that has it",
    ),
    (
        r"(module|ml): (?:command )?not found",
        "there is no command `{0}` on the nodes: load what defines it first in `resources.setup`, such as "
        "`source /etc/profile`",
    ),
    (
        r"(?:Unable to locate a modulefile for|module\(s\) are unknown:) ['\"]([^'\"]+)['\"]",
        "there is no module {0} on the nodes: correct `resources.setup`; `module avail` lists what there is",
    ),
    (
        r"version [`'](GLIBC\w*_[\d.]+)' not found",
        "the nodes lack {0}, which this Python or a package was built for: make an environment on a node and "
        "name it in `resources.python`",
    ),
)
"""What shells, launchers, Python and module systems say, and what that means."""


# What is looked at ---------------------------------------------------------------------------------


def _folder(path: Path, token: str) -> dict[str, Any]:
    """Whether the run folder is the same here, and how the clocks stand to that of its file system."""
    seen: dict[str, Any] = {"left": _left_at(token)}
    written = None
    try:
        file = _token_file(path, token)
        seen["sees_folder"] = file.read_text(encoding="utf-8") == token
        written = file.stat().st_mtime
    except OSError:
        return seen | {"sees_folder": False, "folder_exists": path.is_dir()}
    probe = path / f".preflight-probe-{_host()}-{os.getpid()}"
    try:
        before = time.time()
        probe.write_bytes(b"0")
        after = time.time()
        here = probe.stat().st_mtime
    except OSError as error:
        return seen | {"writes_folder": error.strerror or str(error)}
    finally:
        with suppress(OSError):
            probe.unlink()
    # How far this clock is ahead of the controller's, by the one that stamps files. Where every machine
    # stamps them by its own, this is nothing; when messages were sent and arrived tells the rest.
    ahead = (before + after) / 2 - here - (seen["left"] - written)
    return seen | {"writes_folder": True, "ahead": ahead, "within": (after - before) / 2}


def _token_file(folder: Path, token: str) -> Path:
    return folder / TOKENS.replace("*", token.partition(" ")[0])


def _left_at(token: str) -> float:
    return float(token.partition(" ")[2])


def _host() -> str:
    """This machine's name: the batch system's, by which a node can be left out, else its own."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def _at_start(variable: str) -> str | None:
    """What an environment variable was when this process began: a worker narrows it to its own share."""
    try:
        given = Path("/proc/self/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return os.environ.get(variable)
    return dict(pair.partition("=")[::2] for pair in given if pair).get(variable)


def _gpu_names() -> list[str] | None:
    """The names of this node's GPUs; ``None`` if they do not say."""
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return found.stdout.strip().splitlines()


# What is compared ----------------------------------------------------------------------------------


def _other_python(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    ours, other = (tuple(p["python"].split(".")[:2]) for p in (mine, theirs))
    if ours != other:
        yield (
            f"{theirs['host']} runs Python {theirs['python']} ({theirs['executable']}), the controller "
            f"{mine['python']}: name a Python {'.'.join(ours)} of that machine in `resources.python`"
        )


def _other_versions(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    ours, other = ({"mlaround": p["mlaround"], **p["versions"]} for p in (mine, theirs))
    # What the controller lacks itself it does not exchange.
    differ = [name for name in COMPARED if ours[name] is not None and other[name] != ours[name]]
    if not differ:
        return
    found = listed([f"{name} {other[name] or 'missing'} instead of {ours[name]}" for name in differ])
    wanted = " ".join(f"{name}=={ours[name]}" for name in differ if name != "mlaround")
    steps = ["install the same mlaround there"] if "mlaround" in differ else []
    steps += [f"run there {theirs['executable']} -m pip install {wanted}"] if wanted else []
    yield (
        f"{theirs['host']} has {found}: {' and '.join(steps)}, or name in `resources.python` an interpreter "
        "that has what the controller has"
    )


def _no_folder(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    where, host = theirs.get("folder"), theirs["host"]
    if theirs["sees_folder"] is False:
        what = "sees another folder at" if theirs.get("folder_exists") else "does not see the run folder"
        yield (
            f"{host} {what} {where}, which is on {mine['host']}: put the run on a file system that both "
            "share, with `mlaround run --run DIR`"
        )
    elif theirs["writes_folder"] not in (None, True):
        yield (
            f"{host} cannot write into the run folder {where} ({theirs['writes_folder']}): make it writable "
            "there, or put the run on another file system with `mlaround run --run DIR`"
        )


def _other_clock(mine: Mapping[str, Any], theirs: Mapping[str, Any], received: float) -> Iterator[str]:
    # The look was taken after the token was left and before its answer arrived.
    least = theirs["time"] - received
    most = math.inf if theirs.get("left") is None else theirs["time"] - theirs["left"]
    certain = min(max(least, 0.0), most)
    by_files = theirs.get("ahead", 0.0)
    by_files = math.copysign(max(0.0, abs(by_files) - theirs.get("within", 0.0)), by_files)
    off = max(certain, by_files, key=abs)
    if abs(off) > CLOCKS:
        yield (
            f"the clock of {theirs['host']} is {duration(abs(off))} {'ahead of' if off > 0 else 'behind'} "
            f"that of {mine['host']}: ask who runs them to synchronise both (NTP), and leave that node out"
        )


def _few_gpus(theirs: Mapping[str, Any]) -> Iterator[str]:
    gpus, host = theirs["gpus"], theirs["host"]
    if gpus["workers_per_gpu"] is None or not (gpus["asked"] or gpus["visible"]):
        return  # its workers are pinned to none
    if gpus["names"] is None:
        yield (
            f"the GPUs of {host} do not answer (nvidia-smi fails there): leave that node out, for Slurm with "
            f'`extra: ["--exclude={host}"]`, and tell who runs it'
        )
        return
    given = [d for d in re.split(r"[,\s]+", gpus["visible"] or "") if d not in ("", "-1", "NoDevFiles")]
    found = len(given)
    if gpus["names"]:  # else there is no nvidia-smi, in a container say
        found = len(gpus["names"]) if gpus["visible"] is None else min(found, len(gpus["names"]))
    needed = math.ceil(gpus["workers"] / gpus["workers_per_gpu"])
    if found < needed:
        yield (
            f"{host} gives its {counted(gpus['workers'], 'worker')} {counted(found, 'GPU')}, and with "
            f"{gpus['workers_per_gpu']} to a GPU they need {needed}: set `resources.gpus_per_node` to "
            f"{needed}, or `ntasks_per_node` to {found * gpus['workers_per_gpu']}, or more `workers_per_gpu`"
        )
