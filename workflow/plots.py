"""The figures of one run, each a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow import figures
from workflow.figures import Figure
from workflow.folder import RunError
from workflow.speedup import measure

if TYPE_CHECKING:
    from workflow.run import Run


class Plots:
    """Figures of a run. Each raises `RunError` or ValueError while there is nothing to show yet.

    Args:
        run: whose figures.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def profiles(self, axis: str | None = None, version: int | str | None = None) -> Figure:
        """Held-out profiles with error bars against the predicted band."""
        return figures.profiles(self._run.held_out(version), axis)

    def parity(self, version: int | str | None = None) -> Figure:
        """Predicted against simulated values, both with error bars."""
        return figures.parity(self._run.held_out(version))

    def calibration(self, version: int | str | None = None) -> Figure:
        """Histogram of z and coverage of the error bars."""
        return figures.calibration(self._run.held_out(version))

    def learning_curve(self) -> Figure:
        """Held-out error against the number of simulations, a point per model version."""
        models = self._run.record.models
        return figures.learning_curve([(m["simulations"], self._run.held_out(m["model"])) for m in models])

    def timeline(self) -> Figure:
        """What each worker did when."""
        return figures.timeline(self._run.record)

    def speedup(self, n_lookup: float = 1_000_000) -> Figure:
        """Effective speedup against the number of lookups.

        Args:
            n_lookup: the number that the summary speaks of.
        """
        measured = measure(self._run.record, n_lookup)
        if measured is None:
            raise RunError("no model yet: nothing has been sped up")
        return figures.speedup(measured)

    def cost(self) -> Figure:
        """What the run cost, in core time."""
        return figures.cost(self._run.record)
