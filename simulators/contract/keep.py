"""What a batch leaves behind besides its observations, and the states that it starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from simulators.contract.observations import Frame


@dataclass(frozen=True)
class Keep:
    """Files of a batch: the replica called NAME writes NAME.gsd, NAME.csv and NAME.checkpoint.npz.

    NAME.about.json says whose they are: a batch that would write over another simulation's is refused.

    A replica that finds its checkpoint goes on from it and gives the same bits as one that was never
    interrupted, in its observations and in its files.

    Args:
        folder: where the files lie; made if there is none.
        names: one for each replica of the batch, told apart; ``/`` in one leads to a folder that exists.
        frames: steps between two frames of the trajectory (GSD); ``None`` for no trajectory.
        series: steps between two rows of the thermodynamic series (CSV); ``None`` for none.
        checkpoint: steps between two checkpoints; ``None`` for none.
        starts: index in the batch -> the state that this replica starts from, in place of the usual one.
        ending: whether the place where the batch runs is about to be taken away; once it is, it stays so.
            A batch that keeps checkpoints then writes one of each replica that runs and raises
            `StoppedEarlyError`. Ranks of MPI ask a copy of it.
    """

    folder: Path
    names: tuple[str, ...]
    frames: int | None = None
    series: int | None = None
    checkpoint: int | None = None
    starts: dict[int, Frame] = field(default_factory=dict)
    ending: Callable[[], bool] | None = None
