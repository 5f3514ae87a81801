"""What a user's simulator says of a result, as a mean with its standard error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.contract import ReplicaError
from simulators.md.statistics import BLOCKS, blocked

Array = NDArray[np.float64]
Estimate = tuple[Array | float, Array | float]

SHOWN = 60
"""Characters of a faulty text that a message quotes."""


class AbsentError(ReplicaError):
    """A result is not there, as that of something that did not happen is not."""


def estimate(name: str, value: Any, error: Any, bins: int | None) -> Estimate:
    """Mean and standard error, numbers or arrays (bins,).

    Args:
        name: of the result.
        value: a number or array (bins,), or the two of them with their standard errors: (2,) or (2, bins).
        error: standard error where ``value`` holds none; ``None`` for none, which counts as 0.
        bins: of the result's axis; ``None`` for a number.

    Raises:
        AbsentError: ``None``, or not finite.
        ReplicaError: no numbers, or of another shape.
    """
    shape = () if bins is None else (bins,)
    means = _numbers(name, value)
    if means.shape == (1,) and bins is None:
        means = means[0]
    if means.shape == (2, *shape) and error is None:
        means, errors = means
    elif means.shape == shape:
        errors = np.zeros(shape) if error is None else _numbers(f"standard error of {name}", error)
    else:
        errors = np.empty(0)
    if means.shape != shape or errors.shape != shape:
        one = "a number" if bins is None else f"{bins} numbers, one to a bin"
        given = f"shape {_numbers(name, value).shape}" + ("" if error is None else f", error {errors.shape}")
        raise ReplicaError(
            f"{name} has {given}; accepted: {one}, or that and its standard error; a profile names its axis "
            "in `over`"
        )
    for what, numbers in ((name, means), (f"standard error of {name}", errors)):
        if not np.isfinite(numbers).all():
            raise AbsentError(f"{what} = {numbers[~np.isfinite(numbers)].flat[0]}: not finite")
    if (errors < 0).any():
        raise ReplicaError(f"standard error of {name} = {errors.min():g}: negative")
    return (means, errors) if shape else (float(means), float(errors))


def of_sign(name: str, found: Estimate, positive: bool) -> Estimate:
    """The same, unless it is declared that it cannot be negative and it is.

    Raises:
        ReplicaError: it is.
    """
    if positive and (np.asarray(found[0]) < 0).any():
        raise ReplicaError(f"{name} = {np.min(found[0]):g}: declared positive")
    return found


def mean_of(name: str, values: Array, equilibration: float) -> Estimate:
    """Mean of a series, array (rows,), without its first part, and its standard error by blocks.

    Raises:
        AbsentError: the series holds a number that is not finite.
    """
    used = values[int(equilibration * len(values)) :]
    parts = np.array_split(used, min(BLOCKS, len(used)))
    if len(parts) < 2:
        return estimate(name, used[-1], None, None)
    means = np.array([part.mean() for part in parts])
    mean, error = blocked(means, np.array([float(len(part)) for part in parts]))
    return estimate(name, mean, error, None)


def _numbers(name: str, value: Any) -> Array:
    if value is None:
        raise AbsentError(f"{name} is nothing; accepted: a number")
    try:
        return np.asarray(value, dtype=np.float64)
    except OverflowError:
        raise ReplicaError(f"{name} is too large; accepted: numbers below 1.8e308") from None
    except (TypeError, ValueError):
        raise ReplicaError(f"{name} = {str(value)[:SHOWN]!r}, which is no number") from None
