"""Whether ranks of an MPI program find each other on this machine."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from workflow.doctor.check import Check
from workflow.words import duration, listed

SUBJECT = "MPI"
PATIENCE = 30.0
"""Seconds that two ranks have to say hello; an MPI that does not fit waits for ever."""
HELLO = ("-m", "mpi4py", "-m", "workflow.doctor.ranks")
OTHER_MPI = "mpiexec belongs to another MPI than the one that mpi4py finds: set MLAROUND_MPIEXEC to its own"


def mpi() -> list[Check]:
    """Checks of MPI here; what is missing is no warning, since few campaigns need it."""
    from simulators.batch.mpi import launcher
    from simulators.batch.process import run_command
    from simulators.contract import SimulatorError

    if importlib.util.find_spec("mpi4py") is None:
        return [Check(SUBJECT, "mpi4py", "none: `backend: mpi` cannot be used")]
    try:
        command = launcher()
    except SimulatorError as error:
        return [Check(SUBJECT, "launcher", "none", str(error))]
    checks = [Check(SUBJECT, "launcher", " ".join(command))]
    program = [*command, "-n", "2", sys.executable, *HELLO]
    try:
        done = run_command(program, folder=Path.cwd(), timeout=PATIENCE)
    except OSError as error:
        said = error.strerror or str(error)
        return [*checks, Check(SUBJECT, "2 ranks here", said, f"look why {command[0]} cannot be started")]
    return [*checks, *hello(SUBJECT, "2 ranks here", done.stdout, done.stderr, done.end)]


def hello(subject: str, name: str, stdout: str, stderr: str, end: str) -> list[Check]:
    """Checks from what two ranks of `workflow.doctor.ranks` printed.

    Args:
        subject: of the check.
        name: of the check.
        stdout: theirs.
        stderr: theirs.
        end: how their launcher ended.
    """
    found = answers(stdout)
    if not found:
        said = (stderr.strip() or stdout.strip() or "it said nothing").splitlines()[-1][:200]
        return [Check(subject, name, f"no answer ({end}): {said}", OTHER_MPI)]
    if max(answer["ranks"] for answer in found) < 2:
        return [
            Check(
                subject, name, f"{len(found)} programs of 1 rank that know nothing of each other", OTHER_MPI
            )
        ]
    answer = found[0]
    where = listed(sorted(set(answer["hosts"])))
    words = f"hello in {duration(answer['latency'])} on {where}; {answer['library']}"
    return [Check(subject, name, words)]


def answers(stdout: str) -> list[dict[str, Any]]:
    """The lines of JSON that ranks printed among whatever their launcher had to say."""
    found = []
    for line in stdout.splitlines():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict) and "ranks" in data:
            found.append(data)
    return found
