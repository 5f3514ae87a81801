"""The form of what a wrapped function returns: flat rows for a surrogate, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates import Axis, Feature, Signature, Target

Array = NDArray[np.float64]

SINGLE = "value"
"""Name of the output of a function that returns a number or an array."""


@dataclass(frozen=True)
class Form:
    """Names and shapes of the outputs, in order; `named` if the function returns a dictionary."""

    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    named: bool

    @classmethod
    def of(cls, result: Any) -> tuple[Form, Array, Array | None]:
        """The form of a result, its values as a flat row, and their standard errors if all are given.

        Raises:
            TypeError: not a number, an array or a dictionary of these.
            ValueError: an error whose shape is not that of its output, or negative.
        """
        named = isinstance(result, Mapping)
        parts = result if named else {SINGLE: result}
        if not parts or any(value is None for value in parts.values()):
            raise TypeError(
                "a wrapped function returns a number, an array or a dictionary of these, not None"
            )
        try:
            arrays = {str(name): np.asarray(value, dtype=np.float64) for name, value in parts.items()}
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"a wrapped function returns a number, an array or a dictionary of these: {error}"
            ) from None
        errors = {name for name in arrays if name.endswith("_err") and name.removesuffix("_err") in arrays}
        names = [name for name in arrays if name not in errors]
        for name in errors:
            value = arrays[name]
            if value.shape != arrays[name.removesuffix("_err")].shape or (value < 0).any():
                raise ValueError(f"`{name}` must have the shape of its output and not be negative")
        form = cls(tuple((name, arrays[name].shape) for name in names), named)
        y = np.concatenate([arrays[name].ravel() for name in names])
        complete = bool(errors) and len(errors) == len(names)
        err = np.concatenate([arrays[f"{name}_err"].ravel() for name in names]) if complete else None
        return form, y, err

    def unflatten(self, row: Array) -> Any:
        """The row in the function's own form: a float, an array or a dictionary."""
        found: dict[str, Any] = {}
        start = 0
        for name, shape in self.outputs:
            size = int(np.prod(shape))
            part = row[start : start + size]
            found[name] = np.array(part).reshape(shape) if shape else float(part[0])
            start += size
        return found if self.named else found[SINGLE]

    def relative(self, value: Array, deviation: Array) -> float:
        """Largest ratio over the outputs of the root mean squares of deviation and value."""
        ratios = []
        start = 0
        for _, shape in self.outputs:
            part = slice(start, start := start + int(np.prod(shape)))
            size = float(np.linalg.norm(value[part]))
            ratios.append(float(np.linalg.norm(deviation[part])) / size if size > 0 else np.inf)
        return max(ratios)

    def signature(self, features: tuple[Feature, ...]) -> Signature:
        """The signature of the surrogate; the axis of an array is the index of its elements."""
        targets, axes = [], []
        for name, shape in self.outputs:
            axis = f"{name}_index" if shape else None
            targets.append(Target(name, axis=axis))
            if axis:
                axes.append(Axis(axis, "", {"1": (np.arange(int(np.prod(shape)) + 1) - 0.5).tolist()}))
        return Signature(features, tuple(targets), tuple(axes))

    def __str__(self) -> str:
        return ", ".join(f"{name} {list(shape) or 'number'}" for name, shape in self.outputs)
