"""The time that controllers held a run, and how busy their workers were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Sessions:
    """One session for each controller that held the run."""

    def __init__(self, rows: Array | None = None) -> None:
        # Of each: first event, last event, workers, busy seconds, first start and last end of a task.
        self._rows: list[list[float]] = [] if rows is None else rows.tolist()

    def begin(self, t: float, workers: int) -> None:
        """A controller took the run."""
        self._rows.append([t, t, float(workers), 0.0, np.inf, -np.inf])

    def see(self, t: float) -> None:
        """Something happened under the controller that holds the run."""
        if self._rows:
            self._rows[-1][1] = t

    def ran(self, started: float, ended: float) -> None:
        """A task ran on a worker."""
        session = self._rows[-1]
        # A task that an earlier controller's worker finished was adopted; it is nobody's idle time.
        if started >= session[0]:
            session[3] += ended - started
            session[4] = min(session[4], started)
            session[5] = max(session[5], ended)

    def as_array(self) -> Array:
        """All that is known, array (sessions, 6), from which it can be made again."""
        return np.array(self._rows, dtype=float).reshape(-1, 6)

    @property
    def elapsed(self) -> float:
        """Seconds that controllers held the run, stops and crashes left out."""
        return sum(row[1] - row[0] for row in self._rows)

    @property
    def workers(self) -> int:
        """Number of workers of the last controller."""
        return int(self._rows[-1][2]) if self._rows else 0

    @property
    def busy_fraction(self) -> float | None:
        """Share of the workers' time, from the first task's start to the last one's end, spent in tasks."""
        busy = sum(row[3] for row in self._rows)
        available = sum(row[2] * (row[5] - row[4]) for row in self._rows if row[5] > row[4])
        # A clock that jumped may make nonsense of it.
        return min(1.0, busy / available) if available > 0 and busy >= 0 else None
