"""The base of all steering policies."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from surrogates import Model
from workflow.space import Space

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """All that a policy may look at: the recorded state, never Parsl, files or clocks.

    Args:
        space: the campaign's space.
        proposed: array (replicas, dimensions) of all points proposed so far, held-out ones included.
        model: the best model so far; ``None`` before the first training.
        seed: the campaign's seed; a policy draws from ``numpy.random.default_rng([seed, first])``.
        first: number that the first point of this proposal gets among the policy's own, so that a
            proposal is the same after a resume.
    """

    space: Space
    proposed: Array
    model: Model | None
    seed: int
    first: int


class Policy(BaseModel):
    """A steering policy: which points to simulate next.

    A policy is a pure function of the `View`; two policies are compared by changing one line of YAML.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    independent: ClassVar[bool]
    """Whether points are chosen without looking at results."""
    judged_by_own: ClassVar[bool]
    """Whether every so many of its points, held out, are a fair test of the space and leave a design that is
    one. If not, held-out points come from a scrambled Sobol sequence of their own, in between."""

    @abstractmethod
    def propose(self, view: View, count: int) -> Array:
        """The next points.

        Returns:
            array (n, dimensions) with n <= count, columns in the order of the space; fewer than
            ``count`` rows mean that the policy has nothing more to ask.
        """

    def size(self, space: Space) -> int | None:
        """How many points the policy has in all; ``None`` for no end."""
        return None
