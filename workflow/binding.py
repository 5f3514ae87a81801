"""A campaign's names bound to its simulator: the space in declared units and the model's signature."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice, product

from simulators import InvalidInputError, Parameter, Simulator
from simulators.adapters.declared import DeclaredSimulator
from surrogates import Axis, Feature, InvalidQueryError, Signature, Target
from surrogates.contract import check_unit, parse_quantity
from workflow.campaign import Campaign, Keep, Range
from workflow.space import Dimension, Space

MOST_CORNERS = 4096
"""Beyond 12 dimensions not every corner is asked about: a second is what a check may take."""
MOST_CHOICES = 100_000


RESERVED = frozenset({"replica", "task", "held_out", "state", "wall_seconds", "seed", "asked", "failure"})
"""Columns of the table of results beside the inputs and outputs."""


@dataclass(frozen=True)
class Problem:
    """A mistake in a campaign that the schema alone cannot see.

    Args:
        location: keys from the top of the file to the value at fault.
        message: what is wrong and what would be accepted.
        at_key: whether the key is at fault rather than its value.
    """

    location: tuple[str | int, ...]
    message: str
    at_key: bool = False


class BindingError(ValueError):
    """The campaign's space does not fit its simulator; carries the list of `Problem`."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(p.message for p in problems))


def bind_space(simulator: Simulator, space: Mapping[str, Range]) -> Space:
    """The space in the units and within the limits that the simulator declares.

    Raises:
        BindingError: with every mistake found.
    """
    bound, problems = bind_ranges(simulator.kind, simulator.inputs, space)
    if not problems and all(d.low == d.high for d in bound.dimensions):
        problems = [Problem(("space",), "nothing varies: give at least one input a range, [low, high] say")]
    for name in [p.name for p in simulator.inputs] + [o.name for o in simulator.outputs]:
        if name in RESERVED:
            taken = f"{simulator.kind} calls a quantity `{name}`, which the table of results uses"
            problems.append(Problem(("simulator", "kind"), f"{taken}; rename it in the simulator"))
    problems += _unknown_units(simulator)
    problems = problems or _corners(simulator, bound)
    if problems:
        raise BindingError(problems)
    return bound


def bind_ranges(
    kind: str, inputs: tuple[Parameter, ...], space: Mapping[str, Range], broken: Set[str] = frozenset()
) -> tuple[Space, list[Problem]]:
    """The dimensions that fit the declared inputs, and the mistakes in the others.

    It needs no more than the declaration, so that a space is checked even where the simulator's own
    configuration does not parse. The ``broken`` inputs are given, but not as ranges: they are not missing.
    """
    declared = {p.name: p for p in inputs}
    problems: list[Problem] = []
    meant = {*space, *broken}
    dimensions = []
    for name, given in space.items():
        if name not in declared:
            close = get_close_matches(name, declared, 1)
            meant.update(close)
            hint = f"did you mean `{close[0]}`?" if close else f"it takes {', '.join(declared)}"
            problems.append(Problem(("space", name), f"{kind} has no input `{name}`; {hint}", at_key=True))
            continue
        try:
            dimensions.append(_dimension(declared[name], given))
        except BindingError as error:
            problems += error.problems
    for parameter in inputs:
        if parameter.default is None and parameter.name not in meant:
            accepted = f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".rstrip()
            problems.append(_missing(kind, parameter.name, accepted))
    return Space(tuple(dimensions)), problems


def _unknown_units(simulator: Simulator) -> list[Problem]:
    """Inputs of the user's own simulator whose units are none; the others' are what they are."""
    declared = isinstance(simulator, DeclaredSimulator)
    if not declared and ":" not in simulator.kind:
        return []
    problems = []
    for name, unit in ((p.name, p.unit) for p in simulator.inputs if p.unit):
        try:
            check_unit(unit, name)
        except InvalidQueryError as error:
            location = ("simulator", "parameters", name, "unit") if declared else ("simulator", "kind")
            problems.append(Problem(location, str(error)))
    return problems


def _missing(kind: str, name: str, accepted: str) -> Problem:
    return Problem(("space",), f"{kind} needs the input `{name}` ({accepted})", at_key=True)


def _dimension(parameter: Parameter, given: Range) -> Dimension:
    fields = {
        "low": [given.low] if given.low is not None else [],
        "high": [given.high] if given.high is not None else [],
        "value": [given.value] if given.value is not None else [],
        "values": list(given.values),
        "choices": list(given.choices),
    }
    problems = []
    numbers: dict[str, list[float]] = {}
    for key, texts in fields.items():
        numbers[key] = []
        for k, text in enumerate(texts):
            location = (
                ("space", parameter.name, key, k)
                if key in ("values", "choices")
                else ("space", parameter.name, key)
            )
            try:
                value = parse_quantity(text, parameter.unit, parameter.name)
                if not parameter.low <= value <= parameter.high:
                    raise ValueError(
                        f"{parameter.name} = {value:g} is out of range; accepted: "
                        f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".rstrip()
                    )
                if parameter.integer and value != round(value):
                    raise ValueError(f"{parameter.name} = {value:g} is not a whole number")
                numbers[key].append(value)
            except ValueError as error:
                problems.append(Problem(location, str(error)))
    if problems:
        raise BindingError(problems)
    name, unit = parameter.name, parameter.unit
    if given.value is not None:
        return Dimension(name, unit, numbers["value"][0], numbers["value"][0])
    if given.values or given.choices:
        values = tuple(sorted(set(numbers["values"] + numbers["choices"])))
        discrete = bool(given.choices) or parameter.integer
        return Dimension(name, unit, values[0], values[-1], values, discrete)
    low, high = numbers["low"][0], numbers["high"][0]
    if low >= high:
        raise BindingError([Problem(("space", name), f"{name}: low = {low:g} is not below high = {high:g}")])
    if parameter.integer:
        if high - low >= MOST_CHOICES:
            message = f"{name}: {high - low + 1:g} whole numbers are too many; give values: [...]"
            raise BindingError([Problem(("space", name), message)])
        values = tuple(float(v) for v in range(int(low), int(high) + 1))
        return Dimension(name, unit, low, high, values, discrete=True)
    return Dimension(name, unit, low, high)


def _corners(simulator: Simulator, space: Space) -> list[Problem]:
    """Ask the simulator about the corners of the space before anything runs."""
    ends = [sorted({d.low, d.high}) for d in space.dimensions]
    for corner in islice(product(*ends), MOST_CORNERS):
        error = _refusal(simulator, space, corner)
        if error is None:
            continue
        if error.name not in space.names and error.value == "(missing)":
            return [_missing(simulator.kind, error.name, error.accepted)]
        location = ("space", error.name) if error.name in space.names else ("space",)
        if error.name in type(simulator).model_fields:
            location = ("simulator", error.name)
        opposite = tuple(
            pair[0] if value == pair[-1] else pair[-1] for pair, value in zip(ends, corner, strict=True)
        )
        if str(error) == str(_refusal(simulator, space, opposite)):
            return [Problem(location, str(error))]  # no corner is at fault: a package is missing, say
        at = ", ".join(f"{n} = {v:g}" for n, v in zip(space.names, corner, strict=True))
        return [Problem(location, f"{error} (at the corner {at})")]
    return []


def _refusal(simulator: Simulator, space: Space, point: tuple[float, ...]) -> InvalidInputError | None:
    try:
        simulator.complete(dict(zip(space.names, point, strict=True)))
    except InvalidInputError as error:
        return error
    return None


def signature(simulator: Simulator, space: Space) -> Signature:
    """What the campaign's models map to what, self-contained: expressions name the space's inputs only."""
    fill = _Fill({p.name: p.default for p in simulator.inputs}, set(space.names))
    descriptions = {p.name: p.description for p in simulator.inputs}
    return Signature(
        tuple(
            Feature(d.name, d.unit, d.low, d.high, d.values if d.discrete else (), descriptions[d.name])
            for d in space.dimensions
        ),
        tuple(
            Target(o.name, o.unit, o.coordinate, o.average and fill(o.average), o.positive, o.description)
            for o in simulator.outputs
            if not o.optional  # a model would have to say whether there is one, too
        ),
        tuple(
            Axis(c.name, c.unit, {fill(text): list(numbers) for text, numbers in c.edges.items()})
            for c in simulator.coordinates
        ),
    )


class _Fill(ast.NodeTransformer):
    """Puts defaults in the place of inputs that the space does not name."""

    def __init__(self, defaults: dict[str, float | str | None], named: set[str]) -> None:
        self.defaults, self.named = defaults, named

    def __call__(self, expression: str) -> str:
        return ast.unparse(self.visit(ast.parse(expression, mode="eval")))

    def visit_Name(self, node: ast.Name) -> ast.expr:  # the name that ast.NodeTransformer asks for
        name: float | str | None = node.id
        while isinstance(name, str) and name not in self.named and name in self.defaults:
            name = self.defaults[name]
        return ast.Name(name) if isinstance(name, str) else ast.Constant(name)


def _not_kept(simulator: Simulator, keep: Keep | None) -> list[Problem]:
    """What the campaign asks to keep and the simulator cannot."""
    asked = keep.model_dump(exclude_none=True) if keep is not None else {}
    can = ", ".join(sorted(simulator.keeps - {"start"})) or "nothing"
    return [
        Problem(("keep", what), f"{simulator.kind} cannot keep {what}; it keeps {can}")
        for what in asked.keys() - simulator.keeps
    ]


def bind(campaign: Campaign) -> tuple[Space, Signature]:
    """The bound space and the signature of the campaign's models.

    Raises:
        BindingError: the space, or what is to be kept, does not fit the simulator.
    """
    space = bind_space(campaign.simulator, campaign.space)
    problems = _not_kept(campaign.simulator, campaign.keep)
    if problems:
        raise BindingError(problems)
    return space, signature(campaign.simulator, space)
