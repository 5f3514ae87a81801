"""What becomes of a task whose worker or pool went away: the cause decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from workflow.pool import BlockEndingError, LostError, PoolLostError
from workflow.words import duration

FREE = 20
"""How often a task is handed over again because of nodes, managers or interchanges that went away."""

ALONE = 3
"""How often a worker may die under a single simulation before that is taken for the simulation's doing."""


@dataclass(frozen=True)
class Verdict:
    """What to do with a task that was lost.

    Args:
        what: run it again, split it into tasks of fewer simulations, or give it up.
        reason: in a word or two, as it is recorded.
        message: in a sentence.
    """

    what: Literal["again", "split", "give up"]
    reason: str
    message: str


class Losses:
    """Tells infrastructure from simulations that take their workers along.

    What the infrastructure does costs a task nothing, up to a limit. A worker that dies is the task's doing
    until shown otherwise: of several simulations one may be the culprit, so that they are run apart from each
    other; a single one is run again, and fails when it was there each time.
    """

    def __init__(self) -> None:
        self._alone: Counter[int] = Counter()
        self._free: Counter[int] = Counter()

    def judge(self, task: int, count: int, error: LostError, overran: float | None) -> Verdict:
        """What to do with a task.

        Args:
            task: its number.
            count: its simulations.
            error: what happened.
            overran: seconds after which it was ended because its time was over; ``None`` if it was not.
        """
        if isinstance(error, BlockEndingError):
            return Verdict("again", "block ended", str(error))
        if isinstance(error, PoolLostError):
            self._free[task] += 1
            if self._free[task] <= FREE:
                return Verdict("again", "pool lost", str(error))
            message = f"what it ran on went away {self._free[task]} times, the last time because {error}"
            return Verdict("give up", "infrastructure", message)
        if overran is not None:
            message = (
                f"it was still running after {duration(overran)}, and was killed with all it had started"
            )
            return Verdict("split" if count > 1 else "give up", "timed out", message)
        if count > 1:
            return Verdict("split", "worker lost", f"its worker died: {error}")
        self._alone[task] += 1
        if self._alone[task] < ALONE:
            return Verdict("again", "worker lost", str(error))
        message = f"its worker died {self._alone[task]} times under it ({error}); out of memory, or a crash?"
        return Verdict("give up", "worker lost", message)
