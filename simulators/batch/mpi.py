"""A batch over MPI ranks: launched from here, or shared by a program whose ranks are there already.

Ranks take replicas from a common queue, the longest first, one vector's worth for each of their threads at
a time; hence a slow replica holds nobody up. A replica's numbers do not depend on who computes it. The queue
is a counter on rank 0 that the others add to without its help (`MPI_Fetch_and_op`), and a rank that is done
sleeps rather than polls, since MPI's waiting takes a whole core.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shlex
import shutil
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.batch.decomposed import DecomposedSimulator
from simulators.batch.ownership import IdentifiedKeep
from simulators.batch.process import run_command
from simulators.batch.simulator import BatchSimulator
from simulators.contract import (
    InvalidInputError,
    Keep,
    Observations,
    Progress,
    SimulatorError,
    StoppedEarlyError,
)
from simulators.contract.simulator import Array, Seeds

REQUEST, RESULT, PROGRESS = "request.pickle", "result.pickle", "progress"
"""Files of a launch: what to do, what came of it (observations or an error), and the fraction done."""

LAUNCHES = 2
"""How often ranks are started that go down without a word: one may have been killed, and so all."""

_MISSING = (
    "backend 'mpi' needs {what}: pip install 'mlaround[mpi]', or on a cluster load its MPI and install mpi4py"
)
_OVERSUBSCRIBED = {  # Open MPI refuses more ranks than cores unless told so; MPICH does not
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}
_WORLD_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS")
"""What launchers tell those that they start."""
_PATIENCE = 0.005
"""Seconds between two looks at whether the other ranks are done."""


def spread(
    simulator: BatchSimulator,
    inputs: Array,
    seeds: Seeds,
    threads: int,
    progress: Progress | None,
    keep: Keep | None,
) -> Observations:
    """Simulate a batch over ranks; arguments as for `Simulator.run`, threads those of each rank.

    A program that was itself started by ``mpiexec -n R`` shares the batch among its own R ranks: all of
    them call this, and all get the observations. Otherwise ``ranks`` are launched, and end with the batch.

    Raises:
        SimulatorError: no MPI, or a rank went down.
    """
    assert keep is None or isinstance(keep, IdentifiedKeep)
    if importlib.util.find_spec("mpi4py") is None:
        raise SimulatorError(_MISSING.format(what="the package mpi4py"))
    if _within_world():
        from mpi4py import MPI

        shared = share(MPI.COMM_WORLD, simulator, inputs, seeds, threads, progress, keep)
        observations: Observations = MPI.COMM_WORLD.bcast(shared)
        return observations
    return _launch(simulator, inputs, seeds, threads, progress, keep)


def _within_world() -> bool:
    """Whether this process is one of several ranks of an MPI program.

    A batch system may start processes with the variables of ranks that know nothing of MPI, workers say, and
    to initialise it there would wait for ever. Hence a program says that it is one by importing mpi4py, as
    ``python -m mpi4py`` does.
    """
    started = any(int(os.environ.get(name, "1")) > 1 for name in _WORLD_SIZES)
    if not started or "mpi4py" not in sys.modules:
        return False
    from mpi4py import MPI

    return bool(MPI.COMM_WORLD.size > 1)


# Launching -----------------------------------------------------------------------------------------


def launcher() -> list[str]:
    """The command that starts ranks: MLAROUND_MPIEXEC, or this environment's mpiexec, or the one in the path.

    An mpiexec of another MPI than the one that mpi4py finds starts ranks that know nothing of each other,
    and the environment's own libraries are what mpi4py looks at first.
    """
    if given := os.environ.get("MLAROUND_MPIEXEC"):
        return shlex.split(given)
    for path in (sysconfig.get_path("scripts"), None):
        if found := shutil.which("mpiexec", path=path):
            return [found]
    raise SimulatorError(_MISSING.format(what="the command mpiexec"))


def scratch() -> str | None:
    """A folder that ranks find wherever they are: MLAROUND_SCRATCH; ``None`` for this machine's usual one."""
    return os.environ.get("MLAROUND_SCRATCH")


def _launch(
    simulator: BatchSimulator,
    inputs: Array,
    seeds: Seeds,
    threads: int,
    progress: Progress | None,
    keep: IdentifiedKeep | None,
) -> Observations:
    if keep is not None:
        keep = replace(keep, folder=keep.folder.resolve())
    rank = [sys.executable, "-m", "mpi4py", "-m", "simulators.batch.rank"]
    with tempfile.TemporaryDirectory(prefix="mlaround-mpi-", dir=scratch()) as name:
        folder = Path(name)
        try:
            request = pickle.dumps((simulator, inputs, seeds, threads, keep))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise SimulatorError(f"{simulator.kind} cannot be sent to other processes: {error}") from None
        (folder / REQUEST).write_bytes(request)
        for _ in range(LAUNCHES):
            completed = run_command(
                [*launcher(), "-n", str(simulator.ranks), *rank, str(folder)],
                folder=Path.cwd(),
                timeout=None,
                environment={**_OVERSUBSCRIBED, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                while_waiting=lambda: _pass_on(folder / PROGRESS, progress),
            )
            try:
                result = pickle.loads((folder / RESULT).read_bytes())
                break
            except (OSError, EOFError, pickle.UnpicklingError):
                result = None
    if isinstance(result, Observations):
        return result
    if isinstance(result, SimulatorError):
        raise result
    said = completed.stderr.strip() or completed.stdout.strip() or "it said nothing"
    raise SimulatorError(
        f"{simulator.ranks} ranks of {simulator.kind} went down ({completed.end}): {said[-2000:]}"
    )


def _pass_on(path: Path, progress: Progress | None) -> None:
    if progress is None:
        return
    try:
        fraction = np.frombuffer(path.read_bytes(), float)
    except OSError:
        return
    if fraction.size == 1:
        progress(float(fraction[0]))


# Sharing -------------------------------------------------------------------------------------------


def share(
    world: Any,
    simulator: BatchSimulator,
    inputs: Array,
    seeds: Seeds,
    threads: int,
    progress: Progress | None,
    keep: IdentifiedKeep | None,
) -> Observations | None:
    """Simulate a batch together with the other ranks of a communicator, which all call this alike.

    Where a replica is spread over ranks itself, so many ranks are a team that takes one at a time.

    Args:
        world: an mpi4py communicator; the other arguments are the same on every rank.
        simulator: as for `spread`, and so are the rest.
        inputs: array (replicas, inputs).
        seeds: array (replicas,).
        threads: of each rank.
        progress: told on rank 0.
        keep: what to leave in a folder, which all ranks can write to.

    Returns:
        the observations on rank 0, ``None`` on the others.

    Raises:
        SimulatorError: on every rank, if any of them raised anything.
        RuntimeError: on one rank of a team alone, whose program has to end.
    """
    size = simulator.ranks_per_replica if isinstance(simulator, DecomposedSimulator) else 1
    if world.size % size:
        raise SimulatorError(f"{world.size} ranks are no whole number of teams of {size} (ranks_per_replica)")
    team = world.Split(world.rank // size, world.rank)
    queue = _Queue(world, progress, len(seeds))
    finished: list[tuple[NDArray[np.intp], Observations]] = []
    error = None
    shares = _shares(simulator, inputs, threads, world.size // size)
    try:
        for indices in queue.taken(shares, team):
            part = None if keep is None else keep.part(indices.tolist())
            report = queue.report(len(indices)) if team.rank == 0 else None
            arguments = (inputs[indices], seeds[indices], threads, report, part)
            if isinstance(simulator, DecomposedSimulator) and size > 1:
                done = simulator.on_ranks(team, *arguments)
                done.cpu_seconds = team.allreduce(done.cpu_seconds)
            else:
                done = simulator.on_cpu(*arguments)
            if team.rank == 0:
                finished.append((indices, done))
                queue.add(len(indices))
    except Exception as problem:
        if size > 1 and not isinstance(problem, (InvalidInputError, StoppedEarlyError)):
            # Its team waits for it, and only the end of all ranks ends that. What a check refuses, all do,
            # and all stop where one is told to.
            raise RuntimeError(f"rank {world.rank} went down") from problem
        error = problem if isinstance(problem, SimulatorError) else _unexpected(problem, world.rank)
        queue.close()
    queue.wait()
    errors = [problem for problem in world.allgather(error) if problem is not None]
    parts = world.gather(finished)
    team.Free()
    queue.free()
    if errors:
        raise errors[0]
    return (
        _merged(simulator, inputs, [pair for part in parts for pair in part]) if parts is not None else None
    )


def _unexpected(problem: Exception, rank: int) -> SimulatorError:
    trace = "".join(traceback.format_exception(problem))
    return SimulatorError(f"rank {rank}: {type(problem).__name__}: {problem}\n{trace[-2000:]}")


def _shares(simulator: BatchSimulator, inputs: Array, threads: int, teams: int) -> list[NDArray[np.intp]]:
    """Indices of replicas to be computed together, the longest first, so that the last ones end together."""
    work = [simulator.work(row) for row in simulator.rows(inputs)]
    order = np.argsort(-np.array(work), kind="stable")
    groups = -(-len(order) // simulator.together)
    at_a_time = simulator.together * min(threads, max(1, groups // teams))
    return [order[k : k + at_a_time] for k in range(0, len(order), at_a_time)]


def _merged(
    simulator: BatchSimulator, inputs: Array, parts: list[tuple[NDArray[np.intp], Observations]]
) -> Observations:
    """The observations of a batch from those of its shares."""
    whole = simulator.nothing_yet(inputs)
    for indices, part in parts:
        for name in part.used.keys() - whole.used.keys():
            whole.used[name] = np.full((len(inputs), *part.used[name].shape[1:]), np.nan)
        for into, values in ((whole.mean, part.mean), (whole.stderr, part.stderr), (whole.used, part.used)):
            for name, array in values.items():
                into[name][indices] = array
        whole.wall_seconds[indices] = part.wall_seconds
        whole.cpu_seconds[indices] = part.cpu_seconds
        whole.failures.update({int(indices[k]): failure for k, failure in part.failures.items()})
    whole.failures = dict(sorted(whole.failures.items()))
    return whole


class _Queue:
    """What is still to be taken, and how much each rank has done: a window of memory on rank 0."""

    def __init__(self, world: Any, progress: Progress | None, replicas: int) -> None:
        from mpi4py import MPI

        self._mpi, self._world, self._replicas = MPI, world, replicas
        self._progress = progress if world.rank == 0 else None
        self._window = MPI.Win.Allocate(8 * (1 + world.size) if world.rank == 0 else 0, 8, comm=world)
        if world.rank == 0:
            self._memory = np.asarray(self._window.tomemory()).view(np.float64)
            self._memory[:] = 0  # eight bytes of zero are the integer too
        world.Barrier()
        self._done = 0.0
        self._told = time.monotonic()
        # Progress is told from the threads of a batch; without it nothing but the display is lost.
        self._tells = MPI.Query_thread() >= MPI.THREAD_SERIALIZED

    def taken(self, shares: list[NDArray[np.intp]], team: Any) -> Iterator[NDArray[np.intp]]:
        """This team's shares, one after another until there are none."""
        while True:
            number = self._fetch_and_add(1) if team.rank == 0 else 0
            number = team.bcast(number) if team.size > 1 else number
            if number >= len(shares):
                return
            yield shares[number]

    def _fetch_and_add(self, amount: int) -> int:
        got = np.zeros(1, np.int64)
        self._window.Lock(0)
        self._window.Fetch_and_op(np.array([amount], np.int64), got, 0, 0, self._mpi.SUM)
        self._window.Unlock(0)
        return int(got[0])

    def close(self) -> None:
        """Leave nothing for anyone."""
        self._fetch_and_add(2**40)

    def report(self, replicas: int) -> Progress:
        """What a share of so many replicas calls with the fraction that is done."""

        def tell(fraction: float) -> None:
            now = time.monotonic()
            if self._tells and now - self._told > 0.1:
                self._told = now
                self._put(self._done + fraction * replicas)

        return tell

    def add(self, replicas: int) -> None:
        """These replicas are done."""
        self._done += replicas
        self._put(self._done)

    def _put(self, done: float) -> None:
        self._window.Lock(0)
        self._window.Put(np.array([done]), 0, 1 + self._world.rank)
        self._window.Unlock(0)
        self._display()

    def _display(self) -> None:
        if self._progress is not None and self._replicas:
            self._progress(min(1.0, float(self._memory[1:].sum()) / self._replicas))

    def wait(self) -> None:
        """Until all ranks are here, without taking a core from those that are not."""
        arrived = self._world.Ibarrier()
        while not arrived.Test():
            time.sleep(_PATIENCE)
            self._display()

    def free(self) -> None:
        """Give the window back."""
        self._window.Free()
