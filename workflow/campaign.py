"""The campaign: one YAML file, one to one with these models. Reading it has no side effects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PositiveInt,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from simulators import Simulator
from surrogates import Surrogate
from workflow.durations import Duration
from workflow.plugins import OneOf
from workflow.resources import Local, Resources
from workflow.steering.contract import Policy

if TYPE_CHECKING:
    from workflow.run import Run
    from workflow.space import Space

Quantity = float | str
"""A number in the declared unit, or a text with a unit such as ``3.2 nm``."""


class Part(BaseModel):
    """Base of the campaign's parts: immutable, and a mistyped key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Range(Part):
    """An input of the space; written in full or as ``[low, high]`` or as a single number."""

    low: Quantity | None = Field(None, description="lower end of a continuous range")
    high: Quantity | None = Field(None, description="upper end of a continuous range")
    values: tuple[Quantity, ...] = Field(
        (), description="values to simulate; a model may interpolate between them"
    )
    choices: tuple[Quantity, ...] = Field(
        (), description="the only values that have a meaning, valencies say"
    )
    value: Quantity | None = Field(None, description="a constant of the campaign")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The keys or one of the short forms, so that editors accept what `_short_forms` does."""
        quantity = {"type": ["number", "string"]}
        pair = {"type": "array", "items": quantity, "minItems": 2, "maxItems": 2}
        return {"anyOf": [handler.resolve_ref_schema(handler(schema)), pair, quantity]}

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if isinstance(data, (int, float, str)) and not isinstance(data, bool):
            return {"value": data}
        if isinstance(data, (list, tuple)):
            if len(data) != 2:
                raise ValueError(
                    "a list is [low, high]; for single values write {values: [...]} or {choices: [...]}"
                )
            return {"low": data[0], "high": data[1]}
        return data

    @model_validator(mode="after")
    def _one_form(self) -> Range:
        ends = (self.low is not None) + (self.high is not None)
        forms = (ends > 0) + bool(self.values) + bool(self.choices) + (self.value is not None)
        if forms != 1 or ends == 1:
            raise ValueError("give one of: low and high; values; choices; value")
        return self


class Keep(Part):
    """Files that every simulation leaves behind besides its results, where the simulator can."""

    frames: PositiveInt | None = Field(
        None,
        description="steps between two frames of a trajectory, a GSD file",
    )
    series: PositiveInt | None = Field(None, description="steps between two rows of a series, a CSV file")
    checkpoint: PositiveInt | None = Field(
        None, description="steps between two checkpoints, from which a simulation that was cut off goes on"
    )


class Training(Part):
    """When a surrogate is trained, and on what it is judged."""

    first: PositiveInt = Field(48, description="simulations done before the first training")
    every: PositiveInt = Field(24, description="further simulations done before the next training")
    held_out: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share of the simulations that no model ever sees in training and that judge it",
    )


class Stop(Part):
    """When the run ends; whichever comes first. A run that ended can be resumed with a larger budget."""

    simulations: PositiveInt = Field(
        description="number of simulations proposed in all, held-out ones included"
    )
    success: float | None = Field(
        None,
        gt=0,
        le=1,
        description="held-out success rate: predictions within twice the simulation's standard error",
    )
    error: float | None = Field(
        None,
        gt=0,
        description="calibrated relative error: median of std / |mean| over the held-out targets",
    )
    wall_time: Duration | None = Field(None, description="such as 30 min, 11:45:00 or a number of seconds")


def _local_by_default(value: Any) -> Any:
    """``resources: {workers: 2}`` means this machine."""
    return {"kind": "local", **value} if isinstance(value, dict) else value


class Campaign(Part):
    """A campaign: what is simulated, over which space, what is learned, how it is steered, when it ends."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run folder")
    simulator: Annotated[Simulator, OneOf("simulators")] = Field(description="what is simulated")
    space: dict[str, Range] = Field(
        min_length=1, description="inputs of the simulator: range, values or constant"
    )
    keep: Keep | None = Field(None, description="trajectories, series, checkpoints; none by default")
    surrogate: Annotated[Surrogate, OneOf("surrogates")] = Field(description="what is learned")
    steering: Annotated[Policy, OneOf("workflow.steering")] = Field(
        description="which points are simulated next"
    )
    training: Training = Field(Training(), description="when a surrogate is trained, and its judges")
    stop: Stop = Field(description="when the run ends")
    resources: Annotated[Resources, BeforeValidator(_local_by_default)] = Field(
        default_factory=Local, description="where tasks run"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="every random number of the run follows from it")
    deterministic: bool = Field(
        False, description="decide at fixed points (rounds), so that two runs give equal results and models"
    )

    def total(self, space: Space) -> int:
        """Simulations that the policy decides in all: as many as the budget has, or as it asks for."""
        size = self.steering.size(space)
        return self.stop.simulations if size is None else min(self.stop.simulations, size)

    @classmethod
    def load(cls, path: str | Path, set: Mapping[str, Any] | None = None) -> Campaign:
        """The campaign in a YAML file.

        Args:
            path: of the file.
            set: dotted key -> value in place of what the file says, such as ``{"stop.simulations": 64}``.

        Raises:
            CampaignError: with every mistake that can be seen at once.
        """
        import json

        from workflow.reading import load_campaign
        from workflow.worker import add_to_path

        add_to_path(str(Path(path).absolute().parent))  # the user's own plug-ins lie beside the file
        # JSON is YAML: numbers, texts and lists come back as what they were.
        return load_campaign(path, [f"{key}={json.dumps(value)}" for key, value in (set or {}).items()])

    def start(self, run: str | Path | None = None) -> Run:
        """Start the campaign in a process of its own and return at once; see `workflow.launch.start`."""
        from workflow.launch import start

        return start(self, run)
