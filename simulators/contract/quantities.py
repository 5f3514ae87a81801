"""Declared quantities: what goes in, what comes out, and over which coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Terms = dict[str, list[float]]


@dataclass(frozen=True)
class Parameter:
    """An input of a simulator.

    Args:
        name: the name used in campaigns, on the command line and in tables.
        unit: unit in which values are given and kept; empty for a pure number.
        description: one line for the schema and for ``mlaround simulate KIND --help``.
        low, high: the range that the simulator accepts (a campaign's space lies within it).
        integer: whether only whole numbers are accepted.
        default: a value, or the name of another parameter whose value is taken;
            ``None`` for an input that must be given.
        setting: what it is where it belongs to the numerical method rather than to the physics: a
            ``"time step"``, or ``"other"``. A campaign that varies one looks for its best value.
    """

    name: str
    unit: str
    description: str
    low: float
    high: float
    integer: bool = False
    default: float | str | None = None
    setting: Literal["", "time step", "other"] = ""


@dataclass(frozen=True)
class Coordinate:
    """The axis of an array output, as a function of the inputs.

    A coordinate is a sum of terms ``coefficient[k] * expression(inputs)``, so that a model that was
    trained on profiles can say where its bins lie without the simulator. Expressions hold names of
    inputs, numbers, ``+ - * / **`` and ``min``, ``max``, ``abs``.

    Args:
        edges: expression -> coefficients of the bin edges, shape (bins + 1,).
    """

    name: str
    unit: str
    description: str
    edges: Terms

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(next(iter(self.edges.values()))) - 1

    def at(self, inputs: Mapping[str, Array]) -> Array:
        """Bin edges of a batch.

        Args:
            inputs: name -> array (replicas,).

        Returns:
            array (replicas, bins + 1).
        """
        functions = {"min": _least, "max": _greatest, "abs": np.abs}
        replicas = len(next(iter(inputs.values())))
        edges = np.zeros((replicas, self.size + 1))
        for expression, coefficients in self.edges.items():
            # The expressions are declared in code; what a user declares are numbers.
            factor = eval(expression, {"__builtins__": {}}, {**functions, **inputs})
            edges += np.broadcast_to(factor, replicas)[:, None] * np.array(coefficients)
        return edges


def _least(*values: ArrayLike) -> ArrayLike:
    return reduce(np.minimum, values)


def _greatest(*values: ArrayLike) -> ArrayLike:
    return reduce(np.maximum, values)


def fixed(edges: ArrayLike) -> Terms:
    """Terms of a coordinate whose edges, array (bins + 1,), depend on no input."""
    return {"1": np.asarray(edges, dtype=np.float64).tolist()}


@dataclass(frozen=True)
class Output:
    """A named result of a simulator.

    Args:
        coordinate: name of its coordinate; ``None`` for a scalar.
        average: an expression of the inputs that gives the exact average of the output over its
            coordinate (weighted by bin widths), where a conservation law fixes it.
        positive: whether the quantity cannot be negative.
        optional: whether a replica may lack it, the time of something that did not happen, say: NaN then.
        verdict: whether it says, by 1 or 0, that the settings of the replica did their work.
    """

    name: str
    unit: str
    description: str
    coordinate: str | None = None
    average: str | None = None
    positive: bool = False
    optional: bool = False
    verdict: bool = False
