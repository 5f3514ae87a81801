"""A batch over threads: kernels run without the interpreter's lock, so that threads are cores."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from simulators.contract import Observations, Progress, SimulatorError, StoppedEarlyError

Simulate = Callable[[list[int], Progress], None]
"""Simulate the replicas of these indices together, telling the fraction that is done."""


def over_threads(
    observations: Observations,
    simulate: Simulate,
    *,
    threads: int,
    progress: Progress | None,
    together: int = 1,
) -> None:
    """Simulate all replicas of a batch and write down what each of them cost.

    Args:
        observations: of the batch; ``simulate`` writes the results of its replicas and their failures.
        simulate: called once for each group of replicas, from several threads at a time.
        threads: how many groups may run at a time.
        progress: told the fraction of the batch that is done.
        together: replicas to a group, neighbours in the batch, which share the cost of their group.

    Raises:
        StoppedEarlyError: the groups that ran stopped, and the others did not begin.
    """
    n = len(observations.wall_seconds)
    done, lock = np.zeros(n), threading.Lock()
    stopping, leaving = threading.Event(), threading.Event()

    def one_group(indices: list[int]) -> None:
        def report(fraction: float) -> None:
            if stopping.is_set():
                raise SimulatorError("the batch was stopped")
            with lock:
                done[indices] = fraction
                if progress is not None:
                    progress(float(done.mean()))

        if leaving.is_set():
            raise StoppedEarlyError("told to stop before it began")
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            simulate(indices, report)
        except StoppedEarlyError:
            leaving.set()
            raise
        report(1.0)
        observations.wall_seconds[indices] = (time.perf_counter() - wall) / len(indices)
        observations.cpu_seconds[indices] = (time.thread_time() - cpu) / len(indices)

    groups: Sequence[list[int]] = [list(range(k, min(k + together, n))) for k in range(0, n, together)]
    with ThreadPoolExecutor(threads) as pool:
        try:
            list(pool.map(one_group, groups))
        except StoppedEarlyError:  # the others that run are told too, and write their checkpoints first
            raise
        except BaseException:  # Ctrl-C, or a fault in one group: the others end at their next report
            stopping.set()
            raise
