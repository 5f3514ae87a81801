"""A simulator that only waits: it measures what the engine costs, since it costs nothing itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from simulators.contract import Keep, Observations, Output, Parameter, Progress, Simulator
from simulators.contract.simulator import Array, Seeds


class Sleeping(Simulator):
    """Sleeps for the time it is told and answers with that time."""

    kind: Literal["sleeping"] = "sleeping"
    inputs: ClassVar = (Parameter("seconds", "s", "how long a replica sleeps", 0.0, 3600.0),)
    outputs: ClassVar = (Output("slept", "s", "the time it was told to sleep", positive=True),)

    def work(self, inputs: Mapping[str, float]) -> float:
        """The seconds themselves; a little more than zero, so that a cost per work exists."""
        return inputs["seconds"] + 1e-3

    def run(
        self,
        inputs: Array,
        seeds: Seeds,
        *,
        threads: int = 1,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Observations:
        """Sleep for each replica in turn, whatever ``threads`` says."""
        seconds = inputs[:, 0]
        wall = np.empty(len(seconds))
        for k, duration in enumerate(seconds):
            start = time.perf_counter()
            time.sleep(duration)
            wall[k] = time.perf_counter() - start
            if progress is not None:
                progress((k + 1) / len(seconds))
        return Observations(
            {"slept": seconds.copy()}, {"slept": np.full(len(seconds), 1e-9)}, {}, wall, np.zeros_like(wall)
        )
