"""The answer to one question: every target with its error bar, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TargetPrediction:
    """One target of a prediction.

    Args:
        mean, std: predicted mean and its std, in `unit`; floats, or arrays (bins,).
        axis, axis_unit, edges: of an array target: the axis' name, unit and bin edges, array (bins + 1,).
    """

    name: str
    mean: Any
    std: Any
    unit: str
    axis: str | None = None
    axis_unit: str = ""
    edges: Array | None = None

    @property
    def grid(self) -> Array | None:
        """Bin centres of an array target, array (bins,)."""
        return None if self.edges is None else 0.5 * (self.edges[1:] + self.edges[:-1])

    def interval(self, probability: float = 0.95) -> tuple[Any, Any]:
        """Ends of the central normal interval that holds the true mean with that probability."""
        half = NormalDist().inv_cdf(0.5 + 0.5 * probability) * self.std
        return self.mean - half, self.mean + half

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        data: dict[str, Any] = {
            "mean": np.asarray(self.mean).tolist(),
            "std": np.asarray(self.std).tolist(),
            "unit": self.unit,
        }
        if self.grid is not None:
            data["axis"] = {"name": self.axis, "unit": self.axis_unit, "values": self.grid.tolist()}
        return data


@dataclass(frozen=True)
class Neighbour:
    """The training simulation nearest to a question: its id, distance in box widths and inputs."""

    id: int
    distance: float
    inputs: dict[str, float]


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's answer at one point. Targets are attributes too: ``p.density.mean``.

    Args:
        inputs: the question, in the signature's units.
        in_domain, score: whether the model may be believed, and how far out it is (<= 1 is inside).
        near_edge: whether it is inside, but close to where the domain ends.
        reason: why it is outside or near the edge, in words; empty well inside.
        seconds: what the answer took.
    """

    outputs: dict[str, TargetPrediction]
    inputs: dict[str, float]
    in_domain: bool
    near_edge: bool
    score: float
    reason: str
    nearest: Neighbour
    seconds: float
    source: str = "surrogate"

    def __getattr__(self, name: str) -> TargetPrediction:
        outputs = self.__dict__.get("outputs", {})
        if name not in outputs:
            raise AttributeError(f"no target {name!r}; the model predicts {', '.join(outputs)}")
        found: TargetPrediction = outputs[name]
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {
            "outputs": {name: target.to_json() for name, target in self.outputs.items()},
            "inputs": self.inputs,
            "in_domain": self.in_domain,
            "near_edge": self.near_edge,
            "score": self.score,
            "reason": self.reason,
            "nearest": {
                "id": self.nearest.id,
                "distance": self.nearest.distance,
                "inputs": self.nearest.inputs,
            },
            "source": self.source,
            "seconds": self.seconds,
        }
