"""Inputs and outputs that a campaign declares, where the simulator is the user's own."""

from __future__ import annotations

import keyword
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from simulators.batch.simulator import BatchSimulator
from simulators.contract import Coordinate, Output, Parameter
from simulators.contract.quantities import fixed


def _is_a_name(name: str) -> str:
    # Names stand in expressions, templates and tables.
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise ValueError(f"`{name}` is no name: letters, digits and _ are, such as `wall_charge`")
    return name


Name = Annotated[str, AfterValidator(_is_a_name)]


def fault(message: str, *within: str | int) -> PydanticCustomError:
    """What to raise for a mistake that stands at these keys below the place that is validated."""
    return PydanticCustomError("misconfigured", "{message}", {"message": message, "within": within})


class Part(BaseModel):
    """Base of what is declared: immutable, and a mistyped key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DeclaredInput(Part):
    """An input of the user's simulator."""

    unit: str = Field("", description="in which it is handed over; empty for a pure number")
    description: str = Field("", description="one line for tables and figures")
    low: float | None = Field(None, description="least value that makes sense")
    high: float | None = Field(None, description="greatest value that makes sense")
    integer: bool = Field(False, description="whether only whole numbers are accepted")
    default: float | None = Field(None, description="value where a campaign gives none")
    setting: Literal["", "time step", "other"] = Field(
        "", description="what it is where it belongs to the numerical method rather than to the physics"
    )

    @model_validator(mode="after")
    def _ordered(self) -> DeclaredInput:
        low, high = self.limits
        if not low < high:
            raise ValueError(f"low = {low:g} is not below high = {high:g}")
        if self.default is not None and not low <= self.default <= high:
            raise ValueError(f"default = {self.default:g} lies outside {low:g} to {high:g}")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The range, without end where none is declared."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high

    def declared(self, name: str) -> Parameter:
        """The parameter of this name."""
        description = self.description or _words(name)
        limits = self.limits
        return Parameter(
            name, self.unit, description, *limits, self.integer, self.default, setting=self.setting
        )


class DeclaredOutput(Part):
    """A result of the user's simulator."""

    unit: str = Field("", description="in which it is given; empty for a pure number")
    description: str = Field("", description="one line for tables and figures")
    over: str | None = Field(None, description="the axis of a profile; without one it is a number")
    positive: bool = Field(False, description="whether it cannot be negative")
    optional: bool = Field(False, description="whether a simulation may lack it")
    verdict: bool = Field(False, description="whether it says, by 1 or 0, that the settings did their work")


class DeclaredAxis(Part):
    """The bins of a profile: equal ones from low to high, or any by their edges."""

    unit: str = Field("", description="of the edges")
    description: str = Field("", description="one line for figures")
    low: float | None = Field(None, description="where the first bin begins")
    high: float | None = Field(None, description="where the last bin ends")
    bins: int | None = Field(None, ge=1, le=100_000, description="number of equal bins")
    edges: tuple[float, ...] = Field((), description="edges of bins that are not equal, one more than bins")

    @model_validator(mode="after")
    def _one_form(self) -> DeclaredAxis:
        ends = (self.low, self.high, self.bins)
        if bool(self.edges) == any(e is not None for e in ends) or (not self.edges and None in ends):
            raise ValueError("give either low, high and bins, or edges")
        if len(self.at) < 2 or (np.diff(self.at) <= 0).any():
            raise ValueError("the edges of bins must grow, and be two at least")
        return self

    @property
    def at(self) -> list[float]:
        """The edges of the bins."""
        if self.edges:
            return list(self.edges)
        assert self.low is not None
        assert self.high is not None
        assert self.bins is not None
        return [float(edge) for edge in np.linspace(self.low, self.high, self.bins + 1)]


class DeclaredSimulator(BatchSimulator):
    """A simulator whose quantities stand in its configuration.

    A subclass narrows ``results`` to what it needs to know of a result, and ``reserved`` to the names that
    mean something else where its inputs are named.
    """

    reserved: ClassVar[Mapping[str, str]] = {}
    """Name that no input may bear -> what it means."""

    parameters: dict[Name, DeclaredInput] = Field(min_length=1, description="inputs: name to declaration")
    axes: dict[Name, DeclaredAxis] = Field({}, description="bins of profiles: name to declaration")
    results: Mapping[Name, DeclaredOutput] = Field(min_length=1, description="outputs: name to declaration")

    @model_validator(mode="after")
    def _names_fit(self) -> DeclaredSimulator:
        seen: dict[str, str] = {}
        for part in ("parameters", "results", "axes"):
            for name in getattr(self, part):
                if name in seen:
                    raise fault(f"`{name}` stands in `{seen[name]}` and in `{part}`; rename one", part, name)
                seen[name] = part
        for name in self.parameters:
            if name in self.reserved:
                message = f"no input can be called `{name}`, which is {self.reserved[name]}"
                raise fault(message, "parameters", name)
        for name, result in self.results.items():
            if result.over is not None and result.over not in self.axes:
                known = f"declared are {', '.join(self.axes)}" if self.axes else "declare it in `axes`"
                message = f"{name}: there is no axis `{result.over}`; {known}"
                raise fault(message, "results", name, "over")
        return self

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """As declared in ``parameters``."""
        return tuple(p.declared(name) for name, p in self.parameters.items())

    @property
    def outputs(self) -> tuple[Output, ...]:
        """As declared in ``results``."""
        return tuple(
            Output(
                name,
                r.unit,
                r.description or _words(name),
                r.over,
                positive=r.positive,
                optional=r.optional,
                verdict=r.verdict,
            )
            for name, r in self.results.items()
        )

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """As declared in ``axes``."""
        return tuple(
            Coordinate(name, a.unit, a.description or _words(name), fixed(a.at))
            for name, a in self.axes.items()
        )

    def work(self, inputs: Mapping[str, float]) -> float:
        """One: what a replica costs is not known before it ran."""
        return 1.0


def _words(name: str) -> str:
    return name.replace("_", " ")
