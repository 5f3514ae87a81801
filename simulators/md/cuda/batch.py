"""The course of a batch on the card: stretches of steps between which Python looks, keeps and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba import cuda

from simulators.contract import Observations, Progress
from simulators.md.cuda.device import Card, chunks

_TARGET = 0.25
"""Seconds to a launch: long against starting one, short against a user's patience."""
_FIRST = 16


class Stretches:
    """How many steps to a launch; they have no say in the numbers."""

    def __init__(self) -> None:
        self._steps = _FIRST

    def run(self, first: int, last: int, stop: int, launched: Callable[[int], None]) -> int:
        """Launch steps from ``first`` on and wait for them.

        Args:
            first: step.
            last: where the simulation ends.
            stop: where Python has to look at the latest.
            launched: starts a launch that ends at a given step.

        Returns:
            the step that was reached.
        """
        until = min(first + self._steps, last, stop)
        start = time.perf_counter()
        launched(until)
        cuda.synchronize()
        each = (time.perf_counter() - start) / max(until - first, 1)
        # The first launch compiles: it says little, hence no more than a factor of four at a time.
        self._steps = int(min(max(_TARGET / each, self._steps / 4, 1), self._steps * 4))
        return until


def parts(
    observations: Observations, bytes_each: float, card: Card, progress: Progress | None
) -> Iterator[tuple[range, Progress]]:
    """A batch in parts that fit on a card, each to be simulated before the next one is asked for.

    Args:
        observations: of the batch; what each part costs is written down.
        bytes_each: memory that a replica takes.
        card: where they run.
        progress: told the fraction of the batch that is done.

    Yields:
        indices in the batch, and what is to be told the fraction of them that is done.

    Raises:
        SimulatorError: not even one replica fits.
    """
    replicas = len(observations.wall_seconds)
    for indices in chunks(replicas, bytes_each, card) if replicas else []:

        def report(fraction: float, now: range = indices) -> None:
            if progress is not None:
                progress((now.start + fraction * len(now)) / replicas)

        with _costs(observations, indices):
            yield indices, report


@contextmanager
def _costs(observations: Observations, indices: range) -> Iterator[None]:
    """Write down what replicas cost that run together: each an equal share."""
    wall, cpu = time.perf_counter(), time.thread_time()
    yield
    each = slice(indices.start, indices.stop)
    observations.wall_seconds[each] = (time.perf_counter() - wall) / len(indices)
    observations.cpu_seconds[each] = (time.thread_time() - cpu) / len(indices)
