"""MPI programs of many sizes side by side in one allocation, and what a killed caller leaves of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from cluster import Slurm, wait_until

SEATS = [sys.executable, "-m", "workflow.seats"]

RANK = """
import os, sys, time
from mpi4py import MPI
world = MPI.COMM_WORLD
began = time.time()
nodes = world.gather(os.environ["SLURMD_NODENAME"])
total = world.allreduce(1)
time.sleep(0.2)
if world.rank == 0:
    print("ranks", total, ",".join(nodes), began, time.time(), flush=True)
"""


@contextmanager
def job(slurm: Slurm, *options: str) -> Iterator[dict[str, str]]:
    """A job that waits; the environment that programs in it have."""
    report = slurm.folder / "environment"
    report.unlink(missing_ok=True)
    number = slurm.submit(f"env -0 > {report}.part; mv {report}.part {report}; sleep 600.5\n", *options)
    wait_until(report.exists, "the job runs", slurm)
    pairs = (line.partition("=") for line in report.read_text().split("\0") if line)
    try:
        yield {name: value for name, _, value in pairs} | {"OMP_NUM_THREADS": "1"}
    finally:
        slurm.cancel(number)


@pytest.mark.mpi
@pytest.mark.parametrize("launcher", ["srun", "mpiexec"])
def test_narrow_and_wide_programs_side_by_side_on_three_nodes(
    slurm: Slurm, tmp_path: Path, launcher: str
) -> None:
    pytest.importorskip("mpi4py")
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    with job(slurm, "-N3", "-n6") as environment:
        sizes = [2, 2, 6, 4]  # a node each, all three, two
        programs = [
            subprocess.Popen(
                [*SEATS, "-n", str(size), "--", sys.executable, "-m", "mpi4py", str(script)],
                env=environment | {"MLAROUND_LAUNCHER": launcher},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
            for size in sizes
        ]
        said = [program.communicate(timeout=60)[0] for program in programs]
    spans = []
    for size, text in zip(sizes, said, strict=True):
        found = re.fullmatch(r"ranks (\d+) (\S+) (\S+) (\S+)\n", text)
        assert found, said
        nodes = found[2].split(",")
        assert (int(found[1]), len(nodes)) == (size, size)
        assert len(set(nodes)) == -(-size // 2)  # as few nodes as there can be, and really those
        spans.append((float(found[3]), float(found[4]), nodes))
    # Never more ranks on a node than it has cores.
    for moment, *_ in spans:
        busy = [node for start, end, nodes in spans if start <= moment < end for node in nodes]
        assert max(busy.count(node) for node in busy) <= 2


def test_nothing_is_left_of_a_program_whose_caller_is_killed(slurm: Slurm) -> None:
    seats = [*SEATS, "-n", "4", "--", "sh", "-c", "trap '' TERM; exec sleep 600.25"]
    with job(slurm, "-N2", "-n4") as environment:

        def ranks() -> list[psutil.Process]:
            return [rank for node in ("n1", "n2") for rank in slurm.processes(node, "600.25")]

        for kill in (kill_caller, kill_all_on_the_first_node):
            caller = subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *seats], env=environment)
            wait_until(lambda: len(ranks()) == 4, "ranks run", slurm)
            kill(caller)
            caller.wait()
            if kill is kill_all_on_the_first_node:
                # Nobody is there to end the ranks of the other node until the next one wants their cores.
                again = [*SEATS, "-n", "1", "--", "printenv", "SLURMD_NODENAME"]
                done = subprocess.run(again, env=environment, capture_output=True, text=True, timeout=60)
                assert done.stdout.strip() in ("n1", "n2")
            wait_until(lambda: not ranks(), "no rank is left", slurm)


def kill_caller(caller: subprocess.Popen[bytes]) -> None:
    caller.kill()


def kill_all_on_the_first_node(caller: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(caller.pid).children(recursive=True)
    for process in [*family, psutil.Process(caller.pid)]:
        process.send_signal(signal.SIGSTOP)  # or srun had the time to end its ranks
    for process in family:
        process.kill()
    os.kill(caller.pid, signal.SIGKILL)
