"""A particle in a harmonic well: exact answers in microseconds, to try a campaign out and to test with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from simulators.contract import (
    Coordinate,
    Failure,
    Keep,
    Observations,
    Output,
    Parameter,
    Progress,
    Simulator,
)
from simulators.contract.simulator import Array, Seeds

_BINS = 16


class Harmonic(Simulator):
    """Independent draws from the Boltzmann distribution of V(x) = k x^2 / 2.

    Exact: <x^2> = T / k and p(|x|) = sqrt(2 k / (pi T)) exp(-k x^2 / (2 T)), in reduced units.
    """

    kind: Literal["harmonic"] = "harmonic"
    samples: PositiveInt = Field(1000, description="independent positions drawn per replica")
    breaks_above: float | None = Field(
        None, description="stiffness above which a replica fails, to try out what a failure looks like"
    )

    length: ClassVar = "samples"
    inputs: ClassVar = (
        Parameter("stiffness", "", "force constant k", 0.1, 100.0),
        Parameter("temperature", "", "temperature T", 0.1, 10.0, default=1.0),
    )
    outputs: ClassVar = (
        Output("mean_square", "", "mean of x^2", positive=True),
        Output("density", "", "density of |x|", "x", average="1 / (4 * temperature)", positive=True),
    )
    coordinates: ClassVar = (
        Coordinate(
            "x", "", "distance from the middle", {"temperature": np.linspace(0, 4, _BINS + 1).tolist()}
        ),
    )

    def work(self, inputs: Mapping[str, float]) -> float:
        """Number of draws."""
        return float(self.samples)

    def run(
        self,
        inputs: Array,
        seeds: Seeds,
        *,
        threads: int = 1,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Observations:
        """Draw each replica's positions; what lies beyond the last bin is counted in it."""
        n = len(seeds)
        edges = inputs[:, 1:2] * np.linspace(0, 4, _BINS + 1)
        mean = {"mean_square": np.full(n, np.nan), "density": np.full((n, _BINS), np.nan)}
        stderr = {name: values.copy() for name, values in mean.items()}
        wall, cpu = np.empty(n), np.empty(n)
        failures = {}
        for k, (stiffness, temperature) in enumerate(inputs):
            start, start_cpu = time.perf_counter(), time.thread_time()
            if self.breaks_above is not None and stiffness > self.breaks_above:
                failures[k] = Failure(
                    "well too stiff",
                    f"stiffness = {stiffness:g}: too stiff; accepted: up to {self.breaks_above:g}",
                )
            else:
                x = np.random.default_rng(seeds[k]).normal(
                    0.0, np.sqrt(temperature / stiffness), self.samples
                )
                mean["mean_square"][k] = np.mean(x**2)
                stderr["mean_square"][k] = np.std(x**2) / np.sqrt(self.samples)
                counts = np.histogram(np.minimum(np.abs(x), np.nextafter(edges[k, -1], 0)), edges[k])[0]
                share = counts / self.samples
                width = np.diff(edges[k])
                mean["density"][k] = share / width
                # A bin that no draw hit has the error that one draw would have given.
                share = np.maximum(share, 1 / self.samples)
                stderr["density"][k] = np.sqrt(share * (1 - share) / self.samples) / width
            wall[k], cpu[k] = time.perf_counter() - start, time.thread_time() - start_cpu
            if progress is not None:
                progress((k + 1) / n)
        return Observations(mean, stderr, {"x": edges}, wall, cpu, failures)
