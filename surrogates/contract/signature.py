"""The signature of a model: named features in, named targets out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """An input of a model.

    Args:
        low, high: range of the space that the model is meant for.
        choices: the only values that mean anything (valencies, say); empty for a continuous feature.
            A feature with ``low == high`` is a constant of the campaign.
    """

    name: str
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf
    choices: tuple[float, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Axis:
    """The axis of an array target: bin edges as a sum of ``coefficient[k] * expression(features)``.

    Args:
        edges: expression -> coefficients, each of length bins + 1.
    """

    name: str
    unit: str
    edges: dict[str, list[float]]

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(next(iter(self.edges.values()))) - 1


@dataclass(frozen=True)
class Target:
    """An output of a model.

    Args:
        axis: name of its axis; ``None`` for a scalar.
        average: expression of the features that gives the exact bin-width-weighted average over
            the axis; every predicted mean obeys it.
        positive: whether the quantity cannot be negative.
    """

    name: str
    unit: str = ""
    axis: str | None = None
    average: str | None = None
    positive: bool = False
    description: str = ""


@dataclass(frozen=True)
class Signature:
    """What a model maps to what. Arrays of targets are flat: the targets' bins in declared order."""

    features: tuple[Feature, ...]
    targets: tuple[Target, ...]
    axes: tuple[Axis, ...] = field(default=())

    def axis(self, name: str) -> Axis:
        """The axis of that name."""
        return next(axis for axis in self.axes if axis.name == name)

    def size(self, target: Target) -> int:
        """Number of columns of a target."""
        return 1 if target.axis is None else self.axis(target.axis).size

    def columns(self) -> dict[str, slice]:
        """Target name -> its columns in a flat array (n, n_columns)."""
        found, start = {}, 0
        for target in self.targets:
            found[target.name] = slice(start, start + self.size(target))
            start = found[target.name].stop
        return found

    @property
    def n_columns(self) -> int:
        """Number of columns of a flat array of targets."""
        return sum(self.size(target) for target in self.targets)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary for ``model.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Signature:
        """The signature that `to_json` wrote."""
        features = tuple(Feature(**{**f, "choices": tuple(f["choices"])}) for f in data["features"])
        targets = tuple(Target(**t) for t in data["targets"])
        return cls(features, targets, tuple(Axis(**a) for a in data["axes"]))
