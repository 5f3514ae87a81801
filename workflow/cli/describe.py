"""Plug-ins in words: inputs, outputs and settings, for help texts and the reference pages."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo

from workflow.cli.console import table
from workflow.durations import parse_duration

if TYPE_CHECKING:
    from simulators import Parameter, Simulator


DECLARED_BY_CONFIGURATION = "Its inputs and outputs are declared in its configuration."


def describe_simulator(simulator: type[Simulator], configured: Simulator | None = None) -> str:
    """Its purpose, inputs, configuration and outputs as aligned text, by default without settings."""
    settings = [("setting", "type", "default", "description"), *setting_rows(simulator)]
    declared = configured or with_defaults(simulator)
    if declared is None:
        parts = [summary(simulator), DECLARED_BY_CONFIGURATION, table(settings)]
        for name, part in named_parts(simulator).items():
            parts.append(table([(f"of {name}", "type", "default", "description"), *setting_rows(part)]))
    else:
        inputs = [("input", "unit", "range", "default", "description"), *map(input_row, declared.inputs)]
        outputs = [("output", "unit", "over", "description")]
        outputs += [(o.name, o.unit, o.coordinate or "", o.description) for o in declared.outputs]
        parts = [summary(simulator), table(inputs), table(settings), table(outputs)]
    return "\n\n".join(part for part in parts if part)


def with_defaults(simulator: type[Simulator]) -> Simulator | None:
    """The simulator in its default configuration; ``None`` if it cannot do without some setting."""
    field = simulator.model_fields["kind"]
    try:
        return simulator.model_validate({"kind": "unnamed" if field.is_required() else field.default})
    except ValidationError:
        return None


def summary(model: type[BaseModel]) -> str:
    """The docstring."""
    return inspect.cleandoc(model.__doc__ or "")


def input_row(parameter: Parameter) -> tuple[str, str, str, str, str]:
    """Name, unit, range, default and description."""
    whole = ", whole" if parameter.integer else ""
    default = parameter.default
    shown = "required" if default is None else (default if isinstance(default, str) else f"{default:g}")
    limits = f"{parameter.low:g} to {parameter.high:g}{whole}"
    about = parameter.description
    if parameter.setting:
        about += "; a setting of the method" + (", its time step" if parameter.setting == "time step" else "")
    return parameter.name, parameter.unit, limits, shown, about


def setting_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and description of every setting but the kind."""
    return [
        (name, type_name(field), default_text(field), field.description or "")
        for name, field in model.model_fields.items()
        if name != "kind"
    ]


def named_parts(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The settings that hold named parts, which have settings of their own -> the model of a part."""
    found = {}
    for name, field in model.model_fields.items():
        members = get_args(field.annotation) if get_origin(field.annotation) is dict else ()
        if members and isinstance(members[1], type) and issubclass(members[1], BaseModel):
            found[name] = members[1]
    return found


def default_text(field: FieldInfo) -> str:
    """The default of a setting as YAML would hold it."""
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "see text"
    if isinstance(field.default, BaseModel):
        return "its defaults"
    if field.default is None or field.default == ():
        return "none"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def type_name(field: FieldInfo) -> str:
    """The type of a setting with its bounds, in words."""
    if any(_reads_durations(mark) for mark in field.metadata):
        return "duration"
    bounds = {
        key: f"{sign} {getattr(mark, key):g}"
        for mark in field.metadata
        for key, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        if getattr(mark, key, None) is not None
    }
    if "ge" in bounds:  # it was narrowed from "positive", which it still carries
        bounds.pop("gt", None)
    return " ".join([_type_words(field.annotation), ", ".join(bounds.values())]).strip()


def _reads_durations(mark: object) -> bool:
    return isinstance(mark, BeforeValidator) and mark.func is parse_duration


def _type_words(annotation: Any) -> str:
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(map(str, members))
    if origin is Annotated:
        return "duration" if any(map(_reads_durations, members)) else _type_words(members[0])
    if origin in (tuple, list):
        return f"list of {_type_words(members[0])}"
    if origin is None or origin is dict:
        words = {float: "number", int: "whole number", str: "text", bool: "true or false"}
        return words.get(annotation, "mapping")
    return " or ".join(dict.fromkeys(_type_words(m) for m in members if m is not type(None)))
