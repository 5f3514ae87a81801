"""What a batch of replicas gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Where the particles of a replica are at one step.

    Args:
        step: of the simulation.
        position: array (particles, 3) in the simulator's unit of length.
        box: sides of the periodic box, array (3,), 0 along an open direction; ``None`` without a box.
        velocity: array (particles, 3); ``None`` where it is not known.
    """

    step: int
    position: Array
    box: Array | None = None
    velocity: Array | None = None


@dataclass(frozen=True)
class Failure:
    """Why one replica of a batch gave nothing.

    Args:
        reason: short and the same for like failures (they are grouped by it), such as ``"not finite"``.
        message: the whole sentence: parameter, value, step and what would be accepted.
        frame: the last good frame, where there was one.
    """

    reason: str
    message: str
    frame: Frame | None = None


@dataclass
class Observations:
    """The results of a batch.

    Args:
        mean: output -> array (replicas,) or (replicas, bins), in the output's unit; NaN where failed.
        stderr: standard errors of the means, same names and shapes; 0 where a mean is exact, NaN where its
            error is not known (a single draw, say), which an optional output may give.
        edges: coordinate -> bin edges, array (replicas, bins + 1).
        wall_seconds, cpu_seconds: cost of each replica, arrays (replicas,).
        failures: index in the batch -> why it failed.
        used: replica-wise settings after rounding (number of cations, box length ...), for the record.
    """

    mean: dict[str, Array]
    stderr: dict[str, Array]
    edges: dict[str, Array]
    wall_seconds: Array
    cpu_seconds: Array
    failures: dict[int, Failure] = field(default_factory=dict)
    used: dict[str, Array] = field(default_factory=dict)
