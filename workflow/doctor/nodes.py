"""One small job, and what its nodes see: the pre-flight look, MPI between them, clocks, locks, the folder."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from workflow.doctor.check import Check
from workflow.doctor.mpi import HELLO, answers, hello
from workflow.doctor.other import taken
from workflow.doctor.shared import scratch
from workflow.folder import RunFolder
from workflow.preflight import CLOCKS, leave_token, mine, problems, reasons
from workflow.resources import Slurm
from workflow.site.problem import ask
from workflow.site.slurm_site import SilentError, read_site
from workflow.words import counted, duration, listed

SUBJECT = "nodes"
MINUTES = 5
"""Walltime of the job."""
EACH = 45
"""Seconds for one way of starting ranks; an MPI that does not fit waits for ever."""
LAUNCHERS = ("srun", "srun --mpi=pmi2", "srun --mpi=pmix", "mpiexec")
_MARK = "#doctor "
"""Begins a line of the job's output that says what follows."""


def nodes(resources: Slurm, folder: Path, say: Callable[[str], None]) -> list[Check]:
    """Submit a job, wait for it, and say what its nodes see.

    Args:
        resources: of the profile, or Slurm's defaults.
        folder: that the nodes should see.
        say: told what goes on, since a queue may be long.
    """
    count = _available(resources)
    try:
        with scratch(folder) as place:
            lock = place / "lock"
            handle, why = taken(lock)
            try:
                token = leave_token(RunFolder(place))
                script = _script(resources, count, place.resolve(), token, lock.resolve())
                (place / "job.sh").write_text(script, encoding="utf-8")
                submitted = _submitted(place, say, counted(count, "node"))
                if isinstance(submitted, Check):
                    return [submitted]
                looks = _looks(submitted)
                found = [*_seen(submitted, looks, count, why)]
                return [*found, *_mpi(submitted, resources)] if looks else found
            finally:
                if handle >= 0:
                    os.close(handle)
    except OSError as error:
        return [
            Check(SUBJECT, "folder", f"{folder}: {error.strerror}", "choose a folder that you can write to")
        ]


def _available(resources: Slurm) -> int:
    """Two nodes, or the one that there is."""
    try:
        site = read_site(accounts=False)
    except SilentError:
        return 2  # sbatch will say what is wrong
    default = next((p.name for p in site.partitions.values() if p.default), None)
    wanted = resources.partition or default
    return min(2, max(1, sum(n.count for n in site.nodes if n.partition == wanted and n.in_use)))


def _script(resources: Slurm, count: int, place: Path, token: str, lock: Path) -> str:
    python = shlex.quote(resources.python or sys.executable)
    directives = {
        "job-name": "mlaround-doctor",
        "output": str(place / "output.txt"),
        "time": f"00:{MINUTES:02d}:00",
        "nodes": str(count),
        "ntasks-per-node": str(2 // count),
        "partition": resources.partition,
        "account": resources.account,
        "qos": resources.qos,
        "constraint": resources.constraint,
        "gpus-per-node": str(resources.gpus_per_node) if resources.gpus else None,
    }
    lines = ["#!/bin/bash"]
    lines += [f"#SBATCH --{name}={value}" for name, value in directives.items() if value]
    lines += [line if line.startswith("#SBATCH") else f"#SBATCH {line}" for line in resources.extra]
    lines += resources.setup.strip().splitlines()
    if resources.gpus:
        lines += [f"export MLAROUND_WORKERS_PER_GPU={resources.workers_per_gpu}"]
        lines += [f"export PARSL_WORKER_COUNT={resources.workers_per_node}"]
    node = shlex.join(["-m", "workflow.doctor.node", str(place), token, str(resources.gpus), str(lock)])
    lines += [
        f"echo; echo '{_MARK}look'",
        f"timeout 120 srun --ntasks={count} --ntasks-per-node=1 --kill-on-bad-exit=0 {python} {node}",
        # As the simulations do: the environment's own, else the one in the path.
        f'own="$(dirname {python})/mpiexec"',
        'mpiexec() { if [ -x "$own" ]; then command "$own" "$@"; else command mpiexec "$@"; fi; }',
        "export own; export -f mpiexec",
    ]
    for launcher in LAUNCHERS:
        command = f"{launcher} -n 2 {python} {shlex.join(HELLO)}"
        lines += [
            f"echo; echo '{_MARK}{launcher}'",
            f"timeout --kill-after=5 {EACH} bash -c {shlex.quote(command)}",
            f"status=$?; echo; echo '{_MARK}end' $status",
        ]
    return "\n".join(lines) + "\n"


def _submitted(place: Path, say: Callable[[str], None], size: str) -> dict[str, str] | Check:
    """What the job printed, by section; or a check that tells why there is nothing."""
    told = (n for n in os.environ if n.startswith(("SLURM_", "SBATCH_")) and n != "SLURM_CONF")
    environment = {name: value for name, value in os.environ.items() if name not in set(told)}
    process = subprocess.Popen(
        ["sbatch", "--wait", "--parsable", str(place / "job.sh")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        job = process.stdout.readline().strip().partition(";")[0]
        try:
            if job:
                say(f"job {job}: {size} for at most {MINUTES} min; waiting for it, Ctrl-C takes it back")
            complaint = process.stderr.read().strip()
            process.wait()
        except BaseException:
            if job:
                ask("scancel", job)
            process.kill()
            raise
    if not job:
        said = complaint.splitlines()[-1] if complaint else f"sbatch ended with {process.returncode}"
        return Check(
            SUBJECT, "job", said, "correct the profile that --profile names, or the key it complains of"
        )
    output = ""
    with suppress(OSError):
        output = (place / "output.txt").read_text(encoding="utf-8", errors="replace")
    if not output:
        do = "put runs on a file system that the nodes share with this machine"
        return Check(SUBJECT, "job", f"job {job} left no output in {place.parent}", do)
    return _sections(output)


def _sections(output: str) -> dict[str, str]:
    """What the job printed after each mark; before the first of them under an empty name."""
    sections, name = {"": ""}, ""
    for line in output.splitlines():
        if line.startswith(_MARK):
            word = line.removeprefix(_MARK)
            if word.startswith("end "):
                sections[f"{name} end"] = word.removeprefix("end ")
            else:
                name = word
                sections[name] = ""
        else:
            sections[name] += line + "\n"
    return sections


def _looks(said: dict[str, str]) -> list[dict[str, Any]]:
    return [look for look in map(_json, said.get("look", "").splitlines()) if "sees_folder" in look]


def _seen(said: dict[str, str], looks: list[dict[str, Any]], count: int, why: str) -> Iterator[Check]:
    if len(looks) < count:
        words = f"{len(looks)} of {counted(count, 'node')} answered"
        causes = reasons("\n".join(said.values()))
        if not causes:
            last = (said.get("look", "") or said[""]).strip().splitlines()[-1:] or ["nothing"]
            causes = [f"read what it printed: {last[0][:200]}"]
        for cause in causes:
            yield Check(SUBJECT, "look", words, cause)
    here = mine()
    for look in looks:
        found = problems(here, look)
        for problem in found:
            yield Check(SUBJECT, look["host"], *problem.split(": ", 1))
        if not found:
            yield Check(SUBJECT, look["host"], _described(look))
        yield from _locked(look, why)


def _json(line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _described(look: dict[str, Any]) -> str:
    names = look["gpus"]["names"] or []
    words = [f"Python {look['python']}", f"{look['cores']} cores here"]
    if look["gpus"]["asked"]:
        words.append(
            f"GPUs {look['gpus']['visible']}" + (f" ({listed(sorted(set(names)))})" if names else "")
        )
    words.append("sees and writes the folder")
    words.append(f"its clock within {duration(abs(look['ahead']) + look['within'] + 0.01)}")
    return ", ".join(words)


def _locked(look: dict[str, Any], why: str) -> Iterator[Check]:
    """Whether a lock that this machine holds keeps that node out."""
    if why or look["lock"] is None:
        return  # there are no locks here at all, which another check says
    if look["lock"] == "held":
        yield Check(SUBJECT, f"{look['host']} locks", "a lock of this machine keeps it out")
    else:
        words = look["lock"] or f"{look['host']} got the lock that this machine holds"
        do = "mount it so that locks count between nodes (Lustre: -o flock); never resume a run "
        yield Check(SUBJECT, f"{look['host']} locks", words, do + "on another host while it may be running")


def _mpi(said: dict[str, str], resources: Slurm) -> Iterator[Check]:
    """Which ways of starting ranks work from node to node."""
    subject = "MPI between nodes"
    checks = {}
    for launcher in LAUNCHERS:
        if launcher in said:
            end = said.get(f"{launcher} end", "the job's end")
            found = hello(
                subject, launcher, said[launcher], "", "too slow" if end == "124" else f"exit code {end}"
            )
            checks[launcher] = found[0]
    work = [launcher for launcher, check in checks.items() if not check.do]
    fail = [launcher for launcher in checks if launcher not in work]
    for launcher in work:
        yield checks[launcher]
        yield from _clocks(said[launcher], launcher)
    for launcher in fail:
        if not work:
            yield checks[launcher]
        elif launcher == resources.launcher:
            yield Check(subject, launcher, checks[launcher].found, _instead(work))
    if work and fail:
        yield Check(subject, "do not work", listed(fail))


def _instead(work: list[str]) -> str:
    """What to write where the launcher of the resources does not work, but others do."""
    launcher, _, mpi = work[0].partition(" --mpi=")
    if mpi:
        return f"add to `resources.setup`: export SLURM_MPI_TYPE={mpi}"
    return f"set resources.launcher to {launcher}"


def _clocks(output: str, launcher: str) -> Iterator[Check]:
    answer = answers(output)[0]
    worst = max(map(abs, answer["ahead"]))
    if worst > CLOCKS:
        words = f"{duration(worst)} apart on {listed(answer['hosts'])}, by messages of {launcher}"
        yield Check(SUBJECT, "clocks", words, "ask who runs them to synchronise their clocks (NTP)")
