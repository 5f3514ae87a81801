"""What a campaign will cost, from short timings of its own simulator. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from simulators import InvalidInputError, Simulator
from workflow.binding import bind
from workflow.campaign import Campaign
from workflow.space import Space

Array = NDArray[np.float64]

ENOUGH_SECONDS = 0.3
"""A probe is lengthened until it takes this long: below, overhead is all that is timed."""
FIRST_FRACTION, FACTOR = 1 / 256, 4
POINTS = 64
"""Points of the space over which the cost of a simulation is averaged."""
FILES_BESIDE = 12
"""Files of a run folder that are neither results nor models, and Parsl's logs."""
MODEL_BYTES, MODEL_FILES = 2_000_000, 3


@dataclass(frozen=True)
class Probe:
    """A shortened simulation that was timed.

    Args:
        inputs: where in the space.
        fraction: of the campaign's length that was run.
        seconds: what a replica took.
        per_work: seconds per unit of the simulator's `work`.
    """

    inputs: dict[str, float]
    fraction: float
    seconds: float
    per_work: float


@dataclass(frozen=True)
class Estimate:
    """What a campaign will cost; seconds and core hours as (low, expected, high).

    The range covers the differences between the probes; a busy machine or a slower one comes on top.
    """

    simulations: int
    held_out: int
    seconds: tuple[float, float, float]
    workers: int
    trainings: int
    tasks: int
    disk_bytes: int
    files: int
    probes: tuple[Probe, ...]

    @property
    def core_hours(self) -> tuple[float, float, float]:
        """Of the simulations."""
        low, mean, high = (s * self.simulations / 3600 for s in self.seconds)
        return low, mean, high

    @property
    def wall_seconds(self) -> tuple[float, float, float]:
        """Of the simulations on all workers; trainings run beside them."""
        low, mean, high = (s * self.simulations / self.workers for s in self.seconds)
        return low, mean, high

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        ranges = {
            "seconds_per_simulation": self.seconds,
            "core_hours": self.core_hours,
            "wall_seconds": self.wall_seconds,
        }
        return {
            "simulations": self.simulations,
            "held_out": self.held_out,
            **{k: dict(zip(("low", "mean", "high"), v, strict=True)) for k, v in ranges.items()},
            "workers": self.workers,
            "trainings": self.trainings,
            "tasks": self.tasks,
            "files": self.files,
            "disk_bytes": self.disk_bytes,
            "probes": [vars(probe) for probe in self.probes],
        }


def estimate(campaign: Campaign, progress: Callable[[float], None] = lambda fraction: None) -> Estimate:
    """Time the campaign's simulator at the cheapest, the dearest and two other points of its space."""
    space, signature = bind(campaign)
    simulator = campaign.simulator
    points = _points(space)
    work = np.array([simulator.work(_named(simulator, space, x)) for x in points])
    order = np.argsort(work, kind="stable")
    chosen = list(dict.fromkeys(order[[0, len(order) // 3, 2 * len(order) // 3, -1]].tolist()))
    probes = []
    for k, index in enumerate(chosen):
        probes.append(_probe(simulator, space, points[index], warm=k > 0))
        progress((k + 1) / len(chosen))
    rates = np.array([p.per_work for p in probes])
    low, mean, high = (float(rate * work.mean()) for rate in (rates.min(), rates.mean(), rates.max()))
    simulations = campaign.total(space)
    held_out = round(simulations * campaign.training.held_out)
    rounds = max(0, simulations - campaign.training.first) // campaign.training.every
    trainings = (simulations >= campaign.training.first) * (1 + rounds)
    batch = max(1, round(campaign.resources.task_time / max(mean, 1e-9)))
    # No batch leaves a worker without work for the first training.
    batch = min(batch, max(1, campaign.training.first // campaign.resources.workers))
    tasks = -(-simulations // batch)
    numbers = 2 * signature.n_columns + sum(a.size + 1 for a in signature.axes) + len(simulator.inputs) + 5
    return Estimate(
        simulations,
        held_out,
        (low, mean, high),
        campaign.resources.workers,
        trainings,
        tasks,
        8 * numbers * simulations + 6_000 * tasks + MODEL_BYTES * trainings,
        tasks + MODEL_FILES * trainings + FILES_BESIDE,
        tuple(probes),
    )


def _points(space: Space) -> Array:
    """Points spread over the space, its lowest and highest corner among them, array (n, dimensions)."""
    from scipy.stats import qmc

    dimensions = len(space.dimensions)
    spread = qmc.Sobol(dimensions, seed=0).random(POINTS)
    return space.from_unit(np.vstack([np.zeros(dimensions), np.ones(dimensions), spread]))


def _named(simulator: Simulator, space: Space, x: Array) -> dict[str, float]:
    row = simulator.complete(dict(zip(space.names, x.tolist(), strict=True)))
    return dict(zip((p.name for p in simulator.inputs), row.tolist(), strict=True))


def _probe(simulator: Simulator, space: Space, x: Array, *, warm: bool) -> Probe:
    inputs = _named(simulator, space, x)
    rows = np.tile(list(inputs.values()), (simulator.together, 1))
    seeds = np.arange(simulator.together, dtype=np.uint64)
    fraction = FIRST_FRACTION
    while True:
        shortened = _shortened(simulator, fraction)
        try:
            work = (shortened or simulator).work(inputs)
            if shortened is not None or fraction == 1:
                if not warm:  # compiled code is made or loaded before anything is timed
                    (shortened or simulator).run(rows, seeds)
                    warm = True
                start = time.perf_counter()
                (shortened or simulator).run(rows, seeds)
                elapsed = time.perf_counter() - start
                seconds = elapsed / simulator.together
                if elapsed > ENOUGH_SECONDS or fraction == 1:
                    used = {name: inputs[name] for name in space.names}
                    return Probe(used, fraction, seconds, seconds / work)
        except InvalidInputError:  # too short for the simulator's taste
            if fraction == 1:
                raise
        fraction = min(1.0, fraction * FACTOR)


def _shortened(simulator: Simulator, fraction: float) -> Simulator | None:
    """The simulator with a fraction of its length; ``None`` if it has no such form."""
    settings = simulator.model_dump()
    whole = settings.get(simulator.length)
    if not isinstance(whole, int):
        return None
    try:
        return type(simulator)(**{**settings, simulator.length: max(1, round(whole * fraction))})
    except ValidationError:
        return None
