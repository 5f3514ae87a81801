"""A campaign's space bound to its simulator's declaration."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulators import Coordinate, InvalidInputError, Observations, Output, Parameter, Simulator
from simulators.harmonic import Harmonic
from simulators.python import Python
from workflow.binding import RESERVED, BindingError, Problem, bind_space, signature
from workflow.campaign import Range
from workflow.record import Record
from workflow.space import Dimension
from workflow.table import result_columns


class Slit(Simulator):
    kind: Literal["slit"] = "slit"
    bins: int = 4
    library: str | None = "installed"
    inputs: ClassVar = (
        Parameter("gap", "nm", "distance of the walls", 1.0, 10.0),
        Parameter("valency", "", "of the cation", 1, 3, integer=True, default=1.0),
        Parameter("diameter", "nm", "of the anion", 0.1, 1.0, default=0.5),
        Parameter("cation_diameter", "nm", "of the cation", 0.1, 1.0, default="diameter"),
    )
    outputs: ClassVar = (
        Output("density", "mol/L", "profile", "z", average="valency / cation_diameter", positive=True),
    )
    coordinates: ClassVar = (Coordinate("z", "nm", "position", {"gap - cation_diameter": [0.0, 0.5, 1.0]}),)

    def check(self, inputs: dict[str, float]) -> None:  # type: ignore[override]  # a dict is what it gets
        if self.library is None:
            raise InvalidInputError("library", None, "not installed", "pip install library")
        if inputs["gap"] > 2 * self.bins:
            raise InvalidInputError("bins", self.bins, "too few for the gap", "more of them")
        if inputs["gap"] < 3 * inputs["diameter"]:
            raise InvalidInputError("gap", inputs["gap"], "too narrow for its ions", "3 diameters or more")

    def work(self, inputs: object) -> float:
        return 1.0

    def run(self, inputs: object, seeds: object, **_: object) -> Observations:  # type: ignore[override]
        raise AssertionError("binding runs nothing")


def ranges(**given: object) -> dict[str, Range]:
    return TypeAdapter(dict[str, Range]).validate_python(given)


def problems(**given: object) -> list[Problem]:
    with pytest.raises(BindingError) as caught:
        bind_space(Slit(), ranges(**given))
    return caught.value.problems


def test_values_are_kept_in_the_declared_unit() -> None:
    space = bind_space(Slit(), ranges(gap=["30 angstrom", "4e-9 m"], valency={"choices": [3, 1]}))
    assert space.dimensions[0].name == "gap"
    np.testing.assert_allclose([space.dimensions[0].low, space.dimensions[0].high], [3, 4])
    assert space.dimensions[1] == Dimension("valency", "", 1, 3, (1.0, 3.0), discrete=True)


def test_a_space_in_which_nothing_varies_is_refused() -> None:
    (problem,) = problems(gap={"values": [4, 4]}, valency=1)
    assert problem.location == ("space",)
    assert "nothing varies" in problem.message


def test_whole_numbers_are_never_interpolated() -> None:
    space = bind_space(Slit(), ranges(gap=3, valency=[1, 3]))
    assert space.dimensions == (
        Dimension("gap", "nm", 3, 3),
        Dimension("valency", "", 1, 3, (1.0, 2.0, 3.0), discrete=True),
    )
    assert bind_space(Slit(), ranges(gap=3, valency={"values": [1, 2]})).dimensions[1].discrete


def test_values_of_a_continuous_input_may_be_interpolated() -> None:
    assert not bind_space(Slit(), ranges(gap={"values": [3, 2]})).dimensions[0].discrete


@pytest.mark.parametrize(
    ("given", "location", "words"),
    [
        ({"gap": [3, 40]}, ("space", "gap", "high"), "accepted: 1 to 10 nm"),
        ({"gap": {"values": [3, "4 s"]}}, ("space", "gap", "values", 1), "a number in nm"),
        ({"gap": 3, "valency": 1.5}, ("space", "valency", "value"), "not a whole number"),
        ({"gap": 3, "gapp": 3}, ("space", "gapp"), "did you mean `gap`?"),
        ({"gap": 3, "zzz": 3}, ("space", "zzz"), "it takes gap, valency"),
        ({"valency": 1}, ("space",), "needs the input `gap` (1 to 10 nm)"),
        ({"gap": [4, 3]}, ("space", "gap"), "low = 4 is not below high = 3"),
        ({"gap": [1, 4]}, ("space", "gap"), "too narrow for its ions"),
    ],
)
def test_a_mistake_has_a_location(given: dict[str, object], location: tuple[object, ...], words: str) -> None:
    (problem,) = problems(**given)
    assert problem.location == location
    assert words in problem.message


def test_all_mistakes_are_found_at_once() -> None:
    assert len(problems(gap=["1 s", 40], valency=[0, 7], unknown=1)) == 5


def test_a_mistyped_input_is_not_also_missing() -> None:
    assert [p.location for p in problems(gapp=[3, 4])] == [("space", "gapp")]


def test_the_corner_is_told_where_it_is_at_fault() -> None:
    (narrow,) = problems(gap=[1.2, 4], diameter=[0.1, 0.6])
    assert narrow.location == ("space", "gap")
    assert narrow.message.endswith("(at the corner gap = 1.2, diameter = 0.6)")
    (wide,) = problems(gap=[4, 9], diameter=[0.1, 0.6])
    assert wide.location == ("simulator", "bins")
    assert wide.message.endswith("(at the corner gap = 9, diameter = 0.1)")


def test_no_corner_is_told_where_none_is_at_fault() -> None:
    with pytest.raises(BindingError) as caught:
        bind_space(Slit(library=None), ranges(gap=[4, 5], diameter=[0.1, 0.6], valency=1))
    message = "library = None: not installed; accepted: pip install library"
    assert caught.value.problems == [Problem(("simulator", "library"), message)]


def test_the_signature_stands_on_the_space_alone() -> None:
    space = bind_space(Slit(), ranges(gap=[3, 4], diameter=[0.4, 0.6]))
    found = signature(Slit(), space)
    assert [f.name for f in found.features] == ["gap", "diameter"]
    assert found.targets[0].average == "1.0 / diameter"
    assert list(found.axes[0].edges) == ["gap - diameter"]


def test_a_quantity_may_not_be_called_like_a_column_of_the_table() -> None:
    class Clash(Harmonic):
        inputs = (*Harmonic.inputs, Parameter("seed", "", "clashes", 0.0, 1.0, default=0.5))

    with pytest.raises(BindingError, match="`seed`, which the table of results uses"):
        bind_space(Clash(), {"stiffness": Range(low=1, high=2)})


def test_every_other_column_of_the_table_is_reserved() -> None:
    simulator = Harmonic()
    space = bind_space(simulator, {"stiffness": Range(low=1, high=2)})
    own = {"stiffness", "mean_square", "mean_square_stderr"}
    assert {c.name for c in result_columns(Record(), simulator, space, 0)} - own == RESERVED


def test_an_input_declared_in_no_unit_is_refused() -> None:
    declared = {"force": {"unit": "Nm/foo"}, "gap": {"unit": "nm"}, "number": {}}
    simulator = Python.model_validate(
        {"function": "math:sqrt", "parameters": declared, "results": {"energy": {"unit": "what I like"}}}
    )
    with pytest.raises(BindingError) as caught:
        bind_space(simulator, ranges(force=[1, 2], gap=1, number=1))
    (problem,) = caught.value.problems
    assert problem.location == ("simulator", "parameters", "force", "unit")
    assert "there is no unit `foo`" in problem.message

    class Own(Slit):
        kind: Literal["own:Slit"] = "own:Slit"  # type: ignore[assignment]  # as the user's classes are called
        inputs: ClassVar = (Parameter("gap", "parrot", "distance of the walls", 1.0, 10.0),)
        outputs: ClassVar = (Output("density", "mol/L", "mean"),)

        def check(self, inputs: dict[str, float]) -> None:  # type: ignore[override]
            pass

    with pytest.raises(BindingError, match="gap: there is no unit `parrot`"):
        bind_space(Own(), ranges(gap=[2, 3]))
