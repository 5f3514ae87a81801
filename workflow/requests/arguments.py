"""The verbs, and what each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from simulators import InvalidInputError, Simulator
from surrogates.contract import InvalidQueryError, parse_quantity
from workflow.space import Space
from workflow.words import suggestion

Array = NDArray[np.float64]


class RequestError(ValueError):
    """A request that makes no sense; says why, and what would."""


class Arguments(BaseModel):
    """What a verb takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Pause(Arguments):
    """Start nothing new; what runs ends."""


class Resume(Arguments):
    """Go on after a pause."""


class Stop(Arguments):
    """Let the run go; it can be resumed."""

    now: bool = Field(False, description="do not wait for running tasks")


class Budget(Arguments):
    """How many simulations the run has in all; points that users ask for are extra."""

    simulations: PositiveInt


class Kill(Arguments):
    """End these tasks; their simulations count as failed."""

    tasks: tuple[NonNegativeInt, ...] = Field(min_length=1)


class Retry(Arguments):
    """Simulate again what failed: these simulations, all that failed for a reason, or all that failed."""

    simulations: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)
    reason: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Retry:
        if self.simulations is not None and self.reason is not None:
            raise ValueError("give simulations or a reason, not both")
        return self


class Promote(Arguments):
    """Use this version of the model from now on."""

    model: PositiveInt


class Simulate(Arguments):
    """Simulate a point of the user's own."""

    inputs: dict[str, float | str] = Field(min_length=1)


VERBS: dict[str, type[Arguments]] = {
    "pause": Pause,
    "resume": Resume,
    "stop": Stop,
    "budget": Budget,
    "kill": Kill,
    "retry": Retry,
    "promote": Promote,
    "simulate": Simulate,
}


def parse(verb: str, arguments: Mapping[str, Any]) -> Arguments:
    """The arguments of a verb.

    Raises:
        RequestError: no such verb, or not what it takes.
    """
    if verb not in VERBS:
        raise RequestError(f"a run cannot be asked to `{verb}`; {suggestion(verb, VERBS)}")
    try:
        return VERBS[verb].model_validate(dict(arguments))
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        message = found["msg"].removeprefix("Value error, ")
        raise RequestError(f"{verb}: {f'{where}: ' if where else ''}{message}") from None


def point(simulator: Simulator, space: Space, inputs: Mapping[str, float | str]) -> Array:
    """A user's point in the order and the units of the space, constants filled in, array (dimensions,).

    It may lie outside the campaign's ranges, if the simulator accepts it there.

    Raises:
        RequestError: an input that is not the campaign's, or is missing; a value that is none; a point that
            the simulator refuses.
    """
    for name in inputs:
        if name not in space.names:
            raise RequestError(f"the campaign has no input `{name}`; {suggestion(name, space.names)}")
    values = []
    for dimension in space.dimensions:
        if dimension.name in inputs:
            try:
                given = inputs[dimension.name]
                values.append(parse_quantity(given, dimension.unit, dimension.name))
            except InvalidQueryError as error:
                raise RequestError(str(error)) from None
        elif dimension.low == dimension.high:
            values.append(dimension.low)
        else:
            accepted = f"{dimension.low:g} to {dimension.high:g} {dimension.unit}".rstrip()
            raise RequestError(f"`{dimension.name}` is missing; the campaign's range is {accepted}")
    try:
        simulator.complete(dict(zip(space.names, values, strict=True)))
    except InvalidInputError as error:
        raise RequestError(str(error)) from None
    return np.array(values)
