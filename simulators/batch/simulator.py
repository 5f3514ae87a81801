"""The base of simulators whose replicas may be computed in more than one place."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from pydantic import Field, PositiveInt

from simulators.batch.ownership import identified
from simulators.contract import Keep, Observations, Progress, Simulator
from simulators.contract.simulator import Array, Seeds

BACKEND = "where to compute: 'cpu', over threads"
"""Opens the description of every `backend`, which goes on with the others that the simulator has."""


class BatchSimulator(Simulator):
    """A simulator with backends; a subclass declares which with a narrower type of ``backend``.

    A subclass writes `on_cpu`, and `on_gpu` if it has the backend ``cuda``. The backend ``mpi`` runs `on_cpu`
    on every rank with its share of the replicas.
    """

    backend: str
    ranks: PositiveInt = Field(2, description="processes that share a batch, with backend: mpi")

    @abstractmethod
    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch over threads; arguments as for `Simulator.run`."""

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card; arguments as for `Simulator.run`."""
        raise NotImplementedError(f"{self.kind} has no cuda backend")

    def run(
        self,
        inputs: Array,
        seeds: Seeds,
        *,
        threads: int = 1,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Observations:
        """Simulate a batch where ``backend`` says."""
        keep = identified(self, inputs, seeds, keep)
        if self.backend == "cuda":
            return self.on_gpu(inputs, seeds, progress, keep)
        if self.backend == "mpi":
            from simulators.batch.mpi import spread

            return spread(self, inputs, seeds, threads, progress, keep)
        return self.on_cpu(inputs, seeds, threads, progress, keep)

    def rows(self, inputs: Array) -> list[dict[str, float]]:
        """The inputs of each replica by name, from array (replicas, inputs)."""
        names = [parameter.name for parameter in self.inputs]
        return [dict(zip(names, row, strict=True)) for row in np.asarray(inputs, dtype=float).tolist()]

    def nothing_yet(self, inputs: Array) -> Observations:
        """Observations of a batch with nothing in them but the edges of the bins."""
        n = len(inputs)
        columns = dict(zip((p.name for p in self.inputs), np.asarray(inputs, dtype=float).T, strict=True))
        sizes = {c.name: c.size for c in self.coordinates}
        shapes = {o.name: (n, sizes[o.coordinate]) if o.coordinate else (n,) for o in self.outputs}
        return Observations(
            mean={name: np.full(shape, np.nan) for name, shape in shapes.items()},
            stderr={name: np.full(shape, np.nan) for name, shape in shapes.items()},
            edges={c.name: c.at(columns) for c in self.coordinates},
            wall_seconds=np.zeros(n),
            cpu_seconds=np.zeros(n),
        )
