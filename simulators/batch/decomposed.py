"""The base of simulators that can spread one replica over several ranks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from simulators.batch.keeping import Keeper
from simulators.batch.replica_files import Arrays
from simulators.batch.simulator import BatchSimulator
from simulators.contract import Frame, Keep, Observations, Progress, StoppedEarlyError
from simulators.contract.simulator import Array, Seeds

Answer = TypeVar("Answer")


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
            the observations, complete on rank 0 of the team; ``cpu_seconds`` are each rank's own.
        """


class TeamKeeper(Keeper):
    """The keeper of a replica that is spread over a team: rank 0 has the files, and all go the same way.

    What `visit` is given is called on all ranks, since to make a frame may take all of them.

    Args:
        team: an mpi4py communicator.
        keeper: of rank 0; ``None`` on the others.
    """

    def __init__(self, team: Any, keeper: Keeper | None) -> None:
        self._team, self._keeper = team, keeper
        self.start = team.bcast(keeper.start if keeper is not None else None)

    def resume(self) -> tuple[int, Arrays] | None:
        """What rank 0 found."""
        return self._told(lambda keeper: keeper.resume())

    def next_stop(self, step: int) -> int:
        """The next step at which rank 0 has anything due."""
        return self._told(lambda keeper: keeper.next_stop(step))

    def wants_frame(self, step: int) -> bool:
        """Whether rank 0 has a frame due."""
        return self._told(lambda keeper: keeper.wants_frame(step))

    def wants_row(self, step: int) -> bool:
        """Whether rank 0 has a row due."""
        return self._told(lambda keeper: keeper.wants_row(step))

    def wants_checkpoint(self, step: int) -> bool:
        """Whether rank 0 has a checkpoint due."""
        return self._told(lambda keeper: keeper.wants_checkpoint(step))

    def frame(self, frame: Frame) -> None:
        """Rank 0 writes a frame."""
        if self._keeper is not None:
            self._keeper.frame(frame)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Rank 0 writes a row."""
        if self._keeper is not None:
            self._keeper.row(step, values)

    def save(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Rank 0 writes a checkpoint."""
        if self._keeper is not None:
            self._keeper.save(step, arrays)

    def close(self) -> None:
        """Rank 0 closes its files."""
        if self._keeper is not None:
            self._keeper.close()

    def _told(self, ask: Callable[[Keeper], Answer]) -> Answer:
        found: Answer | StoppedEarlyError | None = None
        if self._keeper is not None:
            try:
                found = ask(self._keeper)
            except StoppedEarlyError as error:
                found = error
        answer: Answer | StoppedEarlyError = self._team.bcast(found)
        if isinstance(answer, StoppedEarlyError):
            raise answer
        return answer
