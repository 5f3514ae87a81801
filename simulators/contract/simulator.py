"""The base of all simulators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from simulators.contract.errors import InvalidInputError
from simulators.contract.keep import Keep
from simulators.contract.observations import Observations
from simulators.contract.quantities import Coordinate, Output, Parameter

Array = NDArray[np.float64]
Seeds = NDArray[np.uint64]
Progress = Callable[[float], None]
"""Called now and then with the fraction of the batch that is done, from any thread."""


class Simulator(BaseModel):
    """A simulator: its configuration as fields, its inputs and outputs as declarations.

    A subclass is final, is named by the file it lives in (``kind``), and keeps heavy imports inside
    its methods, since every plug-in is imported to build the campaign's schema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    version: ClassVar[int] = 1
    """Raised whenever the numbers that a seed gives change."""
    keeps: ClassVar[frozenset[str]] = frozenset()
    """What `Keep` may ask of it: any of "frames", "series", "checkpoint" and "start"."""
    length: ClassVar[str] = "steps"
    """The setting, a whole number, that a replica's cost is proportional to, if there is one of this name."""
    compiles: ClassVar[bool] = False
    """Whether its first run on a machine begins with the compilation of its kernels, a minute perhaps."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[Parameter, ...]:
        """What goes in; a class variable where the configuration has no say in it."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Output, ...]:
        """What comes out; a class variable likewise."""

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The axes of array outputs; a class variable likewise."""
        return ()

    @property
    def together(self) -> int:
        """How many replicas cost as much as one, by sharing lanes; a class variable likewise."""
        return 1

    def complete(self, given: Mapping[str, float]) -> Array:
        """All inputs in declared order, defaults filled in and each within its accepted range.

        Returns:
            array (inputs,).

        Raises:
            InvalidInputError: unknown, missing, out of range or not whole.
        """
        known = {p.name: p for p in self.inputs}
        for unknown in given.keys() - known.keys():
            raise InvalidInputError(
                unknown, given[unknown], f"{self.kind} has no such input", ", ".join(known)
            )
        values = []
        for parameter in self.inputs:
            accepted = f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".rstrip()
            value = _given_or_default(parameter, given, known)
            if value is None:
                raise InvalidInputError(parameter.name, "(missing)", "it has no default", accepted)
            if not parameter.low <= value <= parameter.high:
                raise InvalidInputError(parameter.name, f"{value:g}", "out of range", accepted)
            if parameter.integer and value != round(value):
                raise InvalidInputError(parameter.name, f"{value:g}", "not a whole number", "whole numbers")
            values.append(value)
        self.check(dict(zip(known, values, strict=True)))
        return np.array(values)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a combination of inputs and configuration that cannot be simulated.

        Raises:
            InvalidInputError: naming the parameter, its value and what would be accepted.
        """

    @abstractmethod
    def work(self, inputs: Mapping[str, float]) -> float:
        """Relative cost of one replica (floating-point operations, say), to plan with before any ran."""

    @abstractmethod
    def run(
        self,
        inputs: Array,
        seeds: Seeds,
        *,
        threads: int = 1,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Observations:
        """Simulate a batch.

        A replica's result depends on its inputs and its seed alone: it is the same to the bit in any
        batch, on any thread and in any order. A replica that fails does so alone.

        Args:
            inputs: array (replicas, inputs), rows as `complete` gives them.
            seeds: array (replicas,) of 64-bit seeds.
            threads: how many replicas may run at a time.
            progress: told the fraction that is done, now and then.
            keep: what to leave in a folder besides, and what to start from; asks for no more than `keeps`.
        """


def _given_or_default(
    parameter: Parameter, given: Mapping[str, float], known: Mapping[str, Parameter]
) -> float | None:
    """The value of an input; ``None`` if neither it nor an input that it defaults to is given."""
    asked: set[str] = set()
    while parameter.name not in given:
        asked.add(parameter.name)
        default = parameter.default
        if not isinstance(default, str):
            return default
        if default in asked:
            return None
        parameter = known[default]
    return float(given[parameter.name])
