"""What inputs that are not known exactly make of a prediction: Monte Carlo over the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.errors import InvalidQueryError
from surrogates.contract.model import Model
from surrogates.contract.quantity import parse_quantity

Array = NDArray[np.float64]
Shape = Literal["gaussian", "uniform"]

SAMPLES = 200
AT_ONCE = 40
"""Samples predicted at a time: so few are multiplied by one thread, which on a busy machine is done sooner
than threads can meet, and leaves the other processors to others."""


@dataclass(frozen=True, eq=False)
class Propagated:
    """What an uncertainty of the inputs does to every target.

    Args:
        std: target -> std of the predicted mean over the inputs' distribution, a float or an array
            (bins,). Profiles are compared bin by bin: where the axis moves with the inputs, its bins
            move too.
        spread: input -> standard deviation (gaussian) or half width (uniform), in the declared unit.
        outside: share of the samples that lie outside the model's domain.
        samples: how many there were.
    """

    std: dict[str, Any]
    spread: dict[str, float]
    outside: float
    samples: int


def propagate(
    model: Model,
    point: Mapping[str, str | float],
    spread: Mapping[str, str | float],
    shape: Shape = "gaussian",
) -> Propagated:
    """The std that uncertain inputs add to a prediction; independent of the model's own.

    The samples are the same at every call (a Latin hypercube of fixed seed), so that a curve drawn from
    neighbouring points is smooth.

    Args:
        model: to ask.
        point: centre of the distribution, as in `Model.evaluate`.
        spread: input -> standard deviation of a gaussian or half width of a uniform distribution; a
            number in the declared unit, or text such as ``"0.05 nm"``. Other inputs are exact.
        shape: of the distribution.

    Raises:
        InvalidQueryError: a point or a spread that the model cannot read.
    """
    centre = model.complete(point)
    widths = read_spread(model, spread)
    unit = unit_samples(len(model.feature_names), shape)
    x = np.array([list(centre.values())]) + unit * np.array([widths.get(n, 0.0) for n in centre])
    parts = [
        model.predict(x[start : start + AT_ONCE], return_std=True, on_ood="ignore")
        for start in range(0, SAMPLES, AT_ONCE)
    ]
    mean, std = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    outside = float((model.domain.score(x, std) > 1).mean())
    columns = model.signature.columns()
    deviation = mean.std(axis=0)
    found = {
        t.name: float(deviation[columns[t.name].start]) if t.axis is None else deviation[columns[t.name]]
        for t in model.signature.targets
    }
    return Propagated(found, widths, outside, len(x))


def read_spread(model: Model, spread: Mapping[str, str | float]) -> dict[str, float]:
    """The spreads in declared units, zeros left out.

    Raises:
        InvalidQueryError: of an unknown input, of one that can take single values only, or negative.
    """
    features = {f.name: f for f in model.signature.features}
    continuous = [f.name for f in features.values() if f.low < f.high and not f.choices]
    widths = {}
    for name, given in spread.items():
        feature = features.get(name)
        if feature is None:
            known = ", ".join(continuous) or "none"
            raise InvalidQueryError(f"no input {name!r} that could be uncertain; such inputs: {known}")
        if name not in continuous:
            what = "only takes single values" if feature.choices else "is a constant of the campaign"
            raise InvalidQueryError(f"{name} {what}: it cannot be uncertain by {given}")
        width = parse_quantity(given, feature.unit, f"spread of {name}")
        if width < 0:
            raise InvalidQueryError(f"spread of {name} = {given}: it cannot be negative")
        if width > 0:
            widths[name] = width
    return widths


@lru_cache(maxsize=32)
def unit_samples(features: int, shape: Shape) -> Array:
    """Samples of standard deviation 1 (gaussian) or half width 1 (uniform), array (samples, features).

    Each column is stratified, which makes the spread of a nearly linear model exact to a percent.
    """
    strata = (np.arange(SAMPLES) + 0.5) / SAMPLES
    if shape == "gaussian":
        values = np.array([NormalDist().inv_cdf(u) for u in strata])
        values /= values.std()
    else:
        values = 2.0 * strata - 1.0
    rng = np.random.default_rng(2019)
    samples = np.stack([rng.permutation(values) for _ in range(features)], axis=1)
    samples.setflags(write=False)
    return samples
