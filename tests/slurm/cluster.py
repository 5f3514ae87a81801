"""A real Slurm on this machine: a controller and several nodes, all in one folder, up in a second.

    with cluster(folder) as slurm:
        slurm.run("srun", "-N2", "hostname")

Debian's build of Slurm lets many `slurmd` share a machine and needs no munge. Partitions: `sim` (n1 to n3),
`gpu` (n4, with two cards that are none), `short` (n1 to n3, jobs of at most a minute). The nodes have more
cores on paper than the machine has.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PATIENCE = 60.0
"""Seconds for what takes one on a machine that has nothing else to do."""

CORES = 2
"""Of each node."""

PARTITIONS = {
    "sim": "Nodes=n[1-3] Default=YES MaxTime=60",
    "gpu": "Nodes=n4 MaxTime=60",
    "short": "Nodes=n[1-3] MaxTime=1",
}
"""Name to what `slurm.conf` says of it."""

CARDS = {"n4": 2}

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmdTimeout={slurmd_timeout}
ReturnToService=2
MpiDefault=none
KillWait=2
GresTypes=gpu
"""


def why_not() -> str | None:
    """Why there can be no Slurm here; ``None`` if there can."""
    for program in ("slurmctld", "slurmd", "srun"):
        if shutil.which(program) is None:
            return f"no {program}: apt-get install slurm-wlm"
    if os.geteuid() != 0:
        return "slurmd is started by root alone"
    return None


@dataclass
class Slurm:
    """A cluster that runs.

    Args:
        folder: all of its files.
        env: the environment for whatever is to find it.
        names: of the nodes.
        daemons: the controller, named `slurmctld`, and the nodes' daemons by the nodes' names.
    """

    folder: Path
    env: dict[str, str]
    names: tuple[str, ...]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *command: str, timeout: float = PATIENCE, check: bool = True) -> str:
        """What a command prints."""
        done = subprocess.run(
            command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def submit(self, script: str, *options: str) -> int:
        """Hand in a batch script's lines; the job's number."""
        path = self.folder / f"job-{time.monotonic_ns()}.sh"
        path.write_text("#!/bin/sh\n" + script)
        output = str(path.with_suffix(".out"))
        return int(self.run("sbatch", "--parsable", "-o", output, *options, str(path)))

    def jobs(self) -> dict[int, str]:
        """Jobs that wait, run or are about to end: number to state."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%A %T").splitlines()
        jobs = {int(number): state for number, state in map(str.split, lines)}
        over = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY")
        return {number: state for number, state in jobs.items() if state not in over}

    def state(self, job: int) -> str:
        """A job's state, of one that is over too."""
        return self.run("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()

    def cancel(self, *jobs: int) -> None:
        """As a user does."""
        self.run("scancel", *map(str, jobs))

    def nodes(self) -> dict[str, str]:
        """Name to state."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        return dict(sorted(line.split() for line in lines))  # type: ignore[arg-type]

    def processes(self, node: str | None = None, argument: str | None = None) -> list[psutil.Process]:
        """What was started with this cluster's environment, here or by jobs on one node; no daemons.

        Args:
            node: only what jobs on it started.
            argument: only what was called with it.
        """
        daemons = {daemon.pid for daemon in self.daemons.values()}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                environment = process.environ()
                if (
                    environment.get("SLURM_CONF") == self.env["SLURM_CONF"]
                    and node in (None, environment.get("SLURMD_NODENAME"))
                    and process.pid not in daemons
                    and process.status() != psutil.STATUS_ZOMBIE
                    and (argument is None or argument in process.cmdline())
                ):
                    found.append(process)
        return found

    def kill_daemon(self, node: str) -> None:
        """A node's `slurmd` dies; its jobs go on."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def kill_node(self, node: str) -> None:
        """A node loses its power: all processes on it are gone at once, and nobody is told."""
        self.kill_daemon(node)
        while found := [*self.processes(node), *self.steps(node)]:
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=0.2)

    def steps(self, node: str) -> list[psutil.Process]:
        """The `slurmstepd` of a node, told by the log of its `slurmd` that they write."""
        log = str(self.folder / f"slurmd-{node}.log")
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error, OSError):
                if process.info["name"] == "slurmstepd" and any(
                    file.path == log for file in process.open_files()
                ):
                    found.append(process)
        return found

    def clear(self) -> None:
        """End all jobs, and start nodes anew that were killed."""
        if jobs := self.jobs():
            self.cancel(*jobs)
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                self.start_node(name)
        wait_until(lambda: not self.jobs() and set(self.nodes().values()) == {"idle"}, "all is idle", self)

    def start_node(self, node: str) -> None:
        """Start a node, the first time or anew."""
        self._start(node, "slurmd", "-D", "-N", node)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                [*command, "-f", self.env["SLURM_CONF"]],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def log(self) -> str:
        """The end of what the controller has to say."""
        return (self.folder / "slurmctld.log").read_text(errors="replace")[-3000:]


@contextmanager
def cluster(
    folder: Path,
    *,
    partitions: dict[str, str] = PARTITIONS,
    nodes: int = 4,
    slurmd_timeout: int = 300,
) -> Iterator[Slurm]:
    """A Slurm that ends with the context, with all that runs on it.

    Args:
        folder: for its files; a short path, since Slurm makes sockets in it.
        partitions: what `slurm.conf` says of each.
        nodes: how many, named n1, n2, ...
        slurmd_timeout: seconds of silence after which a node counts as down; Slurm's own default is 300.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    names = [f"n{k + 1}" for k in range(nodes)]
    ports = _free_ports(nodes + 1)
    (folder / "slurm.conf").write_text(_configuration(folder, names, ports, partitions, slurmd_timeout))
    (folder / "gres.conf").write_text(_cards(folder, names))
    others = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
    slurm = Slurm(folder, {**others, "SLURM_CONF": str(folder / "slurm.conf")}, tuple(names))
    # Ends what is left of the cluster when this process is killed.
    reaper = subprocess.Popen(
        [sys.executable, __file__, str(folder), *names], stdin=subprocess.PIPE, start_new_session=True
    )
    with reaper:
        try:
            slurm._start("slurmctld", "slurmctld", "-D")
            for name in names:
                slurm.start_node(name)
            wait_until(lambda: _idle(slurm, nodes), "nodes are idle", slurm)
            yield slurm
        finally:
            _end(slurm)


def wait_until(
    holds: Callable[[], bool], what: str, slurm: Slurm | None = None, patience: float = PATIENCE
) -> None:
    """Wait for something, and fail with words if it does not come."""
    until = time.monotonic() + patience
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {patience:g} s: {what}\n{slurm.log() if slurm else ''}")
        time.sleep(0.05)


def _idle(slurm: Slurm, nodes: int) -> bool:
    with suppress(RuntimeError):  # the controller does not listen yet
        return list(slurm.nodes().values()) == ["idle"] * nodes
    return False


def _configuration(
    folder: Path, names: list[str], ports: list[int], partitions: dict[str, str], slurmd_timeout: int
) -> str:
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, port=ports[0], folder=folder, slurmd_timeout=slurmd_timeout)
    for name, port in zip(names, ports[1:], strict=True):
        cards = f" Gres=gpu:{CARDS[name]}" if name in CARDS else ""
        text += (
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} Sockets=1 "
            f"CoresPerSocket={CORES} ThreadsPerCore=1 RealMemory=2000{cards}\n"
        )
    return text + "".join(f"PartitionName={name} {rest} State=UP\n" for name, rest in partitions.items())


def _cards(folder: Path, names: list[str]) -> str:
    """Cards are other devices under another name: that they are devices is all that Slurm looks at."""
    text = ""
    for name in names:
        if count := CARDS.get(name):
            for k in range(count):
                (folder / f"{name}-card{k}").symlink_to(("/dev/null", "/dev/zero")[k])
            text += f"NodeName={name} Name=gpu File={folder}/{name}-card[0-{count - 1}]\n"
    return text


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _end(slurm: Slurm) -> None:
    """End jobs and daemons, and whatever of them is left."""
    with suppress(RuntimeError, TimeoutError, subprocess.TimeoutExpired):
        slurm.run("scancel", "--user=root", timeout=10)
        until = time.monotonic() + 5
        while slurm.jobs() and time.monotonic() < until:
            time.sleep(0.05)
    for daemon in slurm.daemons.values():
        daemon.terminate()
    for daemon in slurm.daemons.values():
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    _reap(slurm)


def _reap(slurm: Slurm) -> None:
    """Kill all that was started with this cluster's environment."""
    while left := [*slurm.processes(), *(step for node in slurm.names for step in slurm.steps(node))]:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)


def _main() -> None:
    """Wait for the end of whoever started this, then for what it should have ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    folder, *names = sys.argv[1:]
    sys.stdin.read()
    slurm = Slurm(Path(folder), {"SLURM_CONF": str(Path(folder) / "slurm.conf")}, tuple(names))
    _reap(slurm)


if __name__ == "__main__":
    _main()
