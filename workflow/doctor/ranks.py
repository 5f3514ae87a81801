"""Ranks that say hello: ``mpiexec -n 2 python -m mpi4py -m workflow.doctor.ranks``.

The first prints a line of JSON: how many they are and where, how long a message takes there and back, and how
far the clocks of the others are from its own.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

TRIPS = 200
"""Messages to each rank; the fastest counts, since others were held up."""


def main() -> None:
    """Say hello to all ranks."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    hosts = world.gather(os.environ.get("SLURMD_NODENAME") or socket.gethostname())
    if world.rank:
        for _ in range(TRIPS):
            world.recv(source=0)
            world.send(time.time(), dest=0)
        return
    trips = [min(_trip(world, rank) for _ in range(TRIPS)) for rank in range(1, world.size)]
    answer = {
        "ranks": world.size,
        "hosts": hosts,
        "library": " ".join(MPI.Get_library_version().strip("\0").partition("\n")[0].split()),
        "latency": max((took for took, _ in trips), default=0.0),
        "ahead": [0.0, *(ahead for _, ahead in trips)],
    }
    print(json.dumps(answer), flush=True)


def _trip(world: Any, rank: int) -> tuple[float, float]:
    """Seconds there and back, and how far the other's clock is ahead."""
    before, start = time.time(), time.perf_counter()
    world.send(None, dest=rank)
    theirs = world.recv(source=rank)
    took = time.perf_counter() - start
    return took, theirs - (before + took / 2)


if __name__ == "__main__":
    main()
