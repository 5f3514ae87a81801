"""What each rank of a launched batch runs: ``mpiexec -n R python -m mpi4py -m simulators.batch.rank FOLDER``.

Rank 0 alone reads and writes the folder, which need not exist on other machines. A rank that raises anything
ends all of them, by mpi4py's own hook.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from simulators.batch.mpi import PROGRESS, REQUEST, RESULT, share
from simulators.contract import SimulatorError


def main(folder: Path) -> None:
    """Do what the folder's request says; its result is there when this returns on rank 0."""
    world = MPI.COMM_WORLD
    request = world.bcast((folder / REQUEST).read_bytes() if world.rank == 0 else None)
    simulator, inputs, seeds, threads, keep = pickle.loads(request)
    unfinished = folder / "progress.unfinished"

    def tell(fraction: float) -> None:
        unfinished.write_bytes(np.float64(fraction).tobytes())
        os.replace(unfinished, folder / PROGRESS)

    result: Any
    try:
        result = share(world, simulator, inputs, seeds, threads, tell, keep)
    except SimulatorError as error:  # the same on all ranks
        result = error
    if world.rank == 0:
        (folder / RESULT).write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
