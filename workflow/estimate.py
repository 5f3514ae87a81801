"""What a campaign will cost, from short timings of its own simulator. Nothing is written or submitted."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from simulators import InvalidInputError, Simulator, SimulatorError
from workflow.binding import bind
from workflow.campaign import Campaign
from workflow.resources import Batch, Local
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


Range = tuple[float, float, float]
"""Low, expected, high."""


@dataclass(frozen=True)
class Place:
    """Where simulations run, as far as it decides what they cost.

    Args:
        workers: that simulate at a time.
        ranks: processes that share the simulations of a worker.
        at_once: simulations on one core each that keep all of it busy.
        cores, gpus: that a worker holds.
        walltime, drain: of a job of the batch system; its workers take nothing new when less is left
            than the drain (s). ``None`` where there are no jobs.
        blocks: jobs at a time.
    """

    workers: int
    ranks: int
    at_once: int
    cores: float
    gpus: float
    walltime: float | None = None
    drain: float = 0.0
    blocks: int = 0


def place(campaign: Campaign) -> Place:
    """Where the campaign's simulations run."""
    resources = campaign.resources
    workers = resources.workers
    settings = campaign.simulator.model_dump()
    ranks = int(settings.get("ranks", 1)) if settings.get("backend") == "mpi" else 1
    if isinstance(resources, Batch):
        nodes = resources.nodes * resources.blocks
        cores = resources.cores_per_node * nodes
        return Place(
            workers,
            ranks,
            min(workers * ranks, cores),  # ranks get the cores that there are, and no more of them
            cores / workers,
            resources.gpus * nodes / workers,
            resources.time,
            resources.drain,
            resources.blocks,
        )
    gpus = (resources.gpus or 0) if isinstance(resources, Local) else 0
    at_once = min(workers * ranks, max(workers, os.cpu_count() or 1))
    return Place(workers, ranks, at_once, at_once / workers, gpus / workers)


@dataclass(frozen=True)
class Estimate:
    """What a campaign will cost; what has a range as (low, expected, high).

    The range covers the differences between the probes; a busy machine or a slower one comes on top.

    Args:
        simulations, held_out: of the budget, and those of them that judge.
        seconds: of an average simulation, on one core.
        longest: seconds of the dearest one, on the cores that it has, by the slowest probe.
        place: where they run.
        backend: of the simulator, where it was timed with another one, on a core of this machine.
    """

    simulations: int
    held_out: int
    seconds: Range
    longest: float
    place: Place
    backend: str | None
    trainings: int
    tasks: int
    disk_bytes: int
    files: int
    probes: tuple[Probe, ...]

    @property
    def workers(self) -> int:
        """That simulate at a time."""
        return self.place.workers

    @property
    def core_hours(self) -> Range:
        """Of the cores that workers hold while they simulate."""
        return self._of_workers(self.place.cores)

    @property
    def gpu_hours(self) -> Range:
        """Of the GPUs that workers hold while they simulate."""
        return self._of_workers(self.place.gpus)

    def _of_workers(self, held: float) -> Range:
        """Hours of something of which a worker holds so many while it simulates."""
        each = held * self.workers / self.place.at_once / 3600
        low, mean, high = (s * self.simulations * each for s in self.seconds)
        return low, mean, high

    @property
    def _simulating(self) -> Range:
        """Seconds that all workers together simulate for."""
        at_once = min(self.place.at_once, self.simulations)
        low, mean, high = (s * self.simulations / at_once for s in self.seconds)
        return low, mean, high

    @property
    def wall_seconds(self) -> Range:
        """Of the simulations on all workers; trainings run beside them, waiting in a queue is left out."""
        if self.place.walltime is None:
            return self._simulating
        # At the worst nothing runs while a block drains.
        usable = self.place.walltime - self.place.drain
        low, mean, high = (s if s <= usable else s * self.place.walltime / usable for s in self._simulating)
        return low, mean, high

    @property
    def jobs(self) -> tuple[int, int, int] | None:
        """Jobs of the batch system that simulate, in all; ``None`` if there are none."""
        if self.place.walltime is None:
            return None
        usable = self.place.walltime - self.place.drain
        low, mean, high = (self.place.blocks * max(1, math.ceil(s / usable)) for s in self._simulating)
        return low, mean, high

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        ranges: dict[str, Any] = {
            "seconds_per_simulation": self.seconds,
            "core_hours": self.core_hours,
            "gpu_hours": self.gpu_hours,
            "wall_seconds": self.wall_seconds,
        }
        if self.jobs is not None:
            ranges["jobs"] = self.jobs
        return {
            "simulations": self.simulations,
            "held_out": self.held_out,
            **{k: dict(zip(("low", "mean", "high"), v, strict=True)) for k, v in ranges.items()},
            "longest_simulation_seconds": self.longest,
            "timed_instead_of": self.backend,
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
    simulator, instead_of = _timed(campaign.simulator)
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
    where = place(campaign)
    batch = min(batch, max(1, campaign.training.first // where.workers))
    tasks = -(-simulations // batch)
    numbers = 2 * signature.n_columns + sum(a.size + 1 for a in signature.axes) + len(simulator.inputs) + 5
    return Estimate(
        simulations,
        held_out,
        (low, mean, high),
        float(rates.max() * work.max()) / where.ranks,
        where,
        instead_of,
        trainings,
        tasks,
        8 * numbers * simulations + 6_000 * tasks + MODEL_BYTES * trainings,
        tasks + MODEL_FILES * trainings + FILES_BESIDE,
        tuple(probes),
    )


def _timed(simulator: Simulator) -> tuple[Simulator, str | None]:
    """The simulator as it can be timed here, on one core if need be, and the backend that it has instead."""
    backend = simulator.model_dump().get("backend", "cpu")
    if backend == "mpi":  # ranks would share what a place for commands has for everybody
        return simulator.model_copy(update={"backend": "cpu"}), None
    if backend == "cuda":
        from simulators.md.cuda.device import find_card

        try:
            find_card()
        except SimulatorError:  # the nodes have one, or so the campaign hopes
            return simulator.model_copy(update={"backend": "cpu"}), "cuda"
    return simulator, None


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
