"""The base of simulators that can spread one replica over several ranks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from pydantic import Field, PositiveInt, model_validator

from simulators.batch.simulator import BatchSimulator
from simulators.contract import Keep, Observations, Progress
from simulators.contract.simulator import Array, Seeds


class DecomposedSimulator(BatchSimulator):
    """A simulator whose replicas may be too large for one process.

    What a replica gives depends on ``ranks_per_replica``, by rounding alone.
    """

    ranks_per_replica: PositiveInt = Field(
        1, description="processes that share one large replica, with backend: mpi; ranks is a multiple of it"
    )

    @model_validator(mode="after")
    def _teams(self) -> Self:
        if self.ranks_per_replica > 1 and self.backend != "mpi":
            raise ValueError("ranks_per_replica above 1 needs backend: mpi")
        if self.backend == "mpi" and self.ranks % self.ranks_per_replica:
            raise ValueError(
                f"ranks = {self.ranks} is no multiple of ranks_per_replica = {self.ranks_per_replica}"
            )
        return self

    @abstractmethod
    def on_ranks(
        self,
        team: Any,
        inputs: Array,
        seeds: Seeds,
        threads: int,
        progress: Progress | None,
        keep: Keep | None,
    ) -> Observations:
        """Simulate a batch, one replica after another, each of them over all ranks of a team.

        Args:
            team: an mpi4py communicator, whose ranks all call this alike; the rest as for `Simulator.run`.
            inputs: array (replicas, inputs).
            seeds: array (replicas,).
            threads: of each rank.
            progress: on rank 0 of the team.
            keep: files, which rank 0 of the team writes.

        Returns:
            the observations, complete on rank 0 of the team.
        """
