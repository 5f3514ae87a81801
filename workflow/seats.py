"""MPI ranks inside a block of a batch system: an mpiexec that first waits for free cores.

    python -m workflow.seats -n 4 -- program ...

A block has many workers and as many cores as it was given, its seats, which `workflow.tickets` hands out.
Ranks are started by the block's own srun or mpiexec on exactly the nodes that were given, and end with
whoever asked for them. They share cores with the block's other steps as far as Slurm knows, and are bound
to none: it would bind each program's ranks to the same first ones.

MLAROUND_LAUNCHER says which of the two (by default srun in a job of Slurm's), OMP_NUM_THREADS how many
cores a rank takes. MPICH's ranks are started by srun with PMI2, others as SLURM_MPI_TYPE or the site
says.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import uuid
from pathlib import Path

from workflow.tickets import Nodes, NoSeatsError, Seats

GRACE = 10.0
"""Seconds that the launcher gets for ending its ranks."""

_STEP_OPTIONS = re.compile(
    r"SLURM_(CPUS_PER|CPU_BIND|DISTRIBUTION|EXACT|EXCLUSIVE|GPUS|GRES|HINT|HOSTFILE|MEM_|NTASKS_PER|STEP|"
    r"THREADS_PER|TRES|WHOLE)|SRUN_"
)
"""What srun would take for options of the new step, and says of the block or of the worker's own step."""

# The block ------------------------------------------------------------------------------------------


def block() -> Nodes:
    """The cores of the block's nodes, in its order: of a Slurm job, of a PBS job, or of this machine."""
    if listed := os.environ.get("SLURM_JOB_NODELIST"):
        names = subprocess.run(
            ["scontrol", "show", "hostnames", listed], capture_output=True, text=True, check=True
        ).stdout.split()
        return dict(zip(names, _repeated(os.environ["SLURM_JOB_CPUS_PER_NODE"]), strict=True))
    if file := os.environ.get("PBS_NODEFILE"):
        lines = Path(file).read_text(encoding="utf-8").split()
        # A line for each process that the job asked for; NCPUS are the cores of its first node.
        return {
            name: max(lines.count(name), int(os.environ.get("NCPUS", "1"))) for name in dict.fromkeys(lines)
        }
    has = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"localhost": has}


def _repeated(text: str) -> list[int]:
    """The numbers that Slurm writes as ``72(x2),36``."""
    found: list[int] = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        found += [int(number)] * int(times or 1)
    return found


def _folder() -> Path:
    """Where the block's tickets are: a name for a job, on the node where its workers are."""
    names = ("SLURM_CONF", "SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "PBS_JOBID")
    job = json.dumps([os.environ.get(name) for name in names])
    digest = hashlib.sha256(job.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"mlaround-seats-{os.getuid()}-{digest}"


# Starting -------------------------------------------------------------------------------------------


def with_srun(on: Nodes, name: str, hosts: Path) -> tuple[list[str], dict[str, str]]:
    """The words before a program, and its environment: a step of the job, with ranks placed by a list.

    Args:
        on: ranks of each node.
        name: of the step.
        hosts: where to write the list.
    """
    hosts.write_text("".join(f"{node}\n" * ranks for node, ranks in on.items()), encoding="utf-8")
    command = ["srun", "--overlap", "--cpu-bind=none", "--mem=0", "--distribution=arbitrary", "--export=ALL"]
    command += ["--input=0", "--kill-on-bad-exit=1", "--quiet", f"--job-name={name}"]
    command += [f"--nodes={len(on)}", f"--ntasks={sum(on.values())}"]
    if "SLURM_MPI_TYPE" not in os.environ and _own_mpiexec():
        command += ["--mpi=pmi2"]  # which MPICH of the environment speaks, whatever the site's own MPI does
    return command, _without_step() | {"SLURM_HOSTFILE": str(hosts)}


def with_mpiexec(on: Nodes) -> tuple[list[str], dict[str, str]]:
    """The words before a program, and its environment: by MPICH's, Intel's or Open MPI's mpiexec.

    Args:
        on: ranks of each node.
    """
    found = _own_mpiexec() or shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError(
            "no mpiexec: pip install 'mlaround[mpi]', or load the cluster's MPI in `setup`"
        )
    command = [found]
    if list(on) != ["localhost"]:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        option = "--host" if "Open" in said else "-hosts"
        command += [option, ",".join(f"{node}:{ranks}" for node, ranks in on.items())]
    command += ["-n", str(sum(on.values()))]
    # They start their helpers with srun, in a Slurm job.
    return command, _without_step() | {"SLURM_OVERLAP": "1", "SLURM_CPU_BIND": "none"}


def _own_mpiexec() -> str | None:
    """The mpiexec of this Python's environment, of the MPI that mpi4py looks at first."""
    return shutil.which("mpiexec", path=sysconfig.get_path("scripts"))


def _without_step() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _STEP_OPTIONS.match(name)}


def _end_step(name: str) -> None:
    """End a step of this job, should it run."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    query = ["squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i %j"]
    for line in subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines():
        step, _, called = line.strip().partition(" ")
        if called == name:
            subprocess.run(["scancel", "--signal=KILL", step], check=False)


class _Ended(BaseException):
    """Whoever asked for the ranks is gone, or wants them to end."""


def _end(number: int, frame: object) -> None:
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise _Ended


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)  # PR_SET_PDEATHSIG


def _run(command: list[str], environment: dict[str, str], holder: int) -> int:
    """Run the launcher to its end; its exit code.

    It is in a session of its own, out of reach of what kills whole groups: srun and mpiexec end ranks on
    other nodes when they are told to, and not when they are killed. It holds the ticket too.
    """
    with subprocess.Popen(
        command, env=environment, pass_fds=[holder], start_new_session=True, preexec_fn=_die_with_parent
    ) as launcher:
        try:
            code = launcher.wait()
        except BaseException:
            launcher.terminate()
            try:
                launcher.wait(GRACE)
            except subprocess.TimeoutExpired:
                launcher.kill()
            raise
    return code if code >= 0 else 128 - code


def main() -> int:
    """Start ranks as the command line says; the exit code of what started them."""
    parser = argparse.ArgumentParser(prog="python -m workflow.seats", description="mpiexec inside a block")
    parser.add_argument("-n", type=int, required=True, metavar="RANKS", help="processes")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if given.n < 1 or not command:
        parser.error("a positive number of ranks and a command are needed")
    by_srun = os.environ.get("MLAROUND_LAUNCHER", "srun") == "srun" and "SLURM_JOB_NODELIST" in os.environ
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, _end)
    _die_with_parent()
    cores = os.environ.get("OMP_NUM_THREADS", "1").split(",")[0]  # a rank's threads sit, too
    name = f"ranks-{uuid.uuid4().hex[:12]}"
    try:
        seats = Seats(_folder(), block(), _end_step if by_srun else lambda name: None)
        with seats.taken(given.n, int(cores) if cores.isdigit() else 1, name) as (on, holder, hosts):
            start, environment = with_srun(on, name, hosts) if by_srun else with_mpiexec(on)
            return _run([*start, *command], environment, holder)
    except _Ended:
        return 128 + signal.SIGTERM
    except (NoSeatsError, OSError, subprocess.CalledProcessError) as error:
        print(f"no ranks were started: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
