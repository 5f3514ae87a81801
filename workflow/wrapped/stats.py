"""What a wrapped function has spent, what that bought, and how its forecasts fared."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from workflow.speedup import Speedup


@dataclass
class Stats:
    """What was spent so far, as measured; lookups are those of this session.

    Args:
        simulations: calls of the function itself, those of earlier sessions included.
        taught: how many of these the surrogate could learn from.
        lookups: answers of the surrogate.
        trainings: of this session.
        simulation_seconds, learning_seconds, lookup_seconds: on the clock.
        rejected_seconds: lookups whose answer was not good enough; charged to the simulations.
        z2, relative_errors: of the surrogate's forecasts of simulations that it then asked for, each
            made before the simulation: a fair test, and a hard one, for it was least sure of these.
    """

    simulations: int = 0
    taught: int = 0
    lookups: int = 0
    trainings: int = 0
    simulation_seconds: float = 0.0
    learning_seconds: float = 0.0
    lookup_seconds: float = 0.0
    rejected_seconds: float = 0.0
    z2: list[float] = field(default_factory=list, repr=False)
    relative_errors: list[float] = field(default_factory=list, repr=False)

    @property
    def speedup(self) -> Speedup | None:
        """Ingredients of the effective speedup; ``None`` before the first simulation."""
        n = self.simulations
        if not n:
            return None
        return Speedup(
            t_seq=self.simulation_seconds / n,
            t_train=(self.simulation_seconds + self.rejected_seconds) / n,
            t_learn=self.learning_seconds / n,
            t_lookup=self.lookup_seconds / self.lookups if self.lookups else 0.0,
            n_train=n,
            n_lookup=self.lookups,
        )

    @property
    def effective_speedup(self) -> float:
        """How much faster the calls so far were than simulating each, learning paid for; NaN before any."""
        return math.nan if self.speedup is None else self.speedup.value

    @property
    def rms_z(self) -> float:
        """Calibration of the forecasts, 1 is right; NaN before any."""
        return math.sqrt(float(np.mean(self.z2))) if self.z2 else math.nan

    @property
    def median_relative_error(self) -> float:
        """Of the forecasts; NaN before any."""
        return float(np.median(self.relative_errors)) if self.relative_errors else math.nan
