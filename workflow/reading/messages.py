"""What pydantic finds wrong, said in the words of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from workflow.campaign import Campaign
from workflow.plugins import OneOf, PluginError, find, named
from workflow.reading.document import Document, Location
from workflow.words import suggestion

EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def complain(document: Document, errors: list[ErrorDetails]) -> None:
    """Record each of pydantic's errors at its place; members of a union speak with one voice."""
    said: set[Location] = set()
    for error in errors:
        kind, context = error["type"], error.get("ctx", {})
        location = _in_file((*error["loc"], *context.get("within", ())), document.data)
        if location in said:
            continue
        said.add(location)
        if kind == "extra_forbidden":
            document.complain(document.place(location, at_key=True), _unknown_key(location, document.data))
        elif kind in ("missing", "union_tag_not_found"):
            if kind == "union_tag_not_found":
                location = (*location, "kind")
            place = document.place(location[:-1], at_key=True)
            document.complain(place, _missing_key(location, document.data))
        else:
            at = (*location, "kind") if kind in ("union_tag_invalid", "plugin_import") else location
            document.complain(
                document.place(at),
                _wrong_value(location, kind, context, error, document.data),
                missing_plugin=kind == "plugin_import",
            )


def _in_file(loc: tuple[int | str, ...], data: Any) -> Location:
    """Pydantic's location without the names of union members, which no file holds."""
    location: Location = ()
    tagged: Location | None = None
    for k, step in enumerate(loc):
        if step == "[key]":  # pydantic's word for the key that comes before
            continue
        if isinstance(data, Mapping):
            if step == data.get("kind") and tagged != location:
                tagged = location  # the tag of a discriminated union, and perhaps a key of the same name next
                continue
            if step in data:
                data = data[step]
            elif k < len(loc) - 1:
                continue
            else:
                data = None
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step] if step < len(data) else None
        elif isinstance(data, list) and step in ("low", "high"):
            data = data[step == "high"]
        else:
            continue  # the name of a type of a plain union
        location = (*location, step)
    return location


def _dotted(location: Location) -> str:
    return ".".join(map(str, location))


def _shown(value: Any) -> str:
    text = {True: "true", False: "false", None: "nothing"}.get(value) if _is_word(value) else repr(value)
    return text if text and len(text) <= 60 else f"{str(text)[:57]}..."


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _unknown_key(location: Location, data: Any) -> str:
    *above, key = location
    model = model_at(tuple(above), data)
    where = f" in `{_dotted(tuple(above))}`" if above else ""
    fields = [name for name in model.model_fields if name != "kind"] if model else []
    hint = suggestion(str(key), fields) if fields else "it has no settings"
    if above == ["resources"] and (others := _kinds_with(str(key))):
        return f"unknown key `{key}`{where}; it goes with `kind: {others[0]}`"
    if not hint.startswith("did you mean"):
        for part, other in _parts(data).items():
            if key in other.model_fields and part != _dotted(tuple(above)):
                hint = f"it belongs in `{part}`"
    return f"unknown key `{key}`{where}; {hint}"


def _kinds_with(key: str) -> list[str]:
    """The kinds of resources that have a key."""
    members = get_args(Campaign.model_fields["resources"].annotation)
    return [str(m.model_fields["kind"].default) for m in members if key in m.model_fields]


def _parts(data: Any) -> dict[str, type[BaseModel]]:
    found = {name: model_at((name,), data) for name in Campaign.model_fields}
    return {name: model for name, model in found.items() if model is not None}


def _missing_key(location: Location, data: Any) -> str:
    *above, key = location
    where = f" in `{_dotted(tuple(above))}`" if above else ""
    model = model_at(tuple(above), data)
    field = model.model_fields.get(str(key)) if model else None
    hint = f" ({field.description})" if field and field.description else ""
    if key == "kind" and len(above) == 1:
        hint = f"; one of {', '.join(kinds(str(above[0])))}"
    return f"missing key `{key}`{where}{hint}"


def _wrong_value(
    location: Location, kind: str, context: Mapping[str, Any], error: ErrorDetails, data: Any
) -> str:
    name, given = f"`{_dotted(location)}`" if location else "a campaign", _shown(error["input"])
    if kind == "union_tag_invalid":
        known = kinds(_dotted(location))
        return f"`{_dotted(location)}.kind` is {context['tag']!r}; {suggestion(str(context['tag']), known)}"
    if kind in EXPECTED and len(location) == 2 and location[0] == "space":
        return f"{name} must be [low, high], a number, {{values: [...]}} or {{choices: [...]}}, got {given}"
    if kind in EXPECTED:
        return f"{name} must be {EXPECTED[kind]}, got {given}"
    if kind in BOUNDS:
        key, words = BOUNDS[kind]
        return f"{name} must be {words} {context[key]:g}, got {given}"
    if kind == "literal_error":
        choices = _literals(location, data)
        hint = f"; {suggestion(str(error['input']), choices)}" if choices else ""
        return f"{name} must be {context['expected']}, got {given}{hint}"
    if kind in ("too_short", "dict_too_short"):
        return f"{name} must not be empty"
    if kind == "string_pattern_mismatch":
        return f"{name} may hold letters, digits, `.`, `_` and `-`, got {given}"
    if kind == "value_error":
        return f"{name}: {context['error']}" + ("" if isinstance(error["input"], dict) else f", got {given}")
    if kind in ("plugin_import", "misconfigured"):
        return error["msg"]
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}, got {given}"


def kinds(part: str) -> list[str]:
    """The kinds that a part of the campaign (``simulator``, ``resources`` ...) may have."""
    field = Campaign.model_fields[part]
    for mark in field.metadata:
        if isinstance(mark, OneOf):
            return sorted(find(mark.package, cast("type[BaseModel]", field.annotation)))
    return [str(member.model_fields["kind"].default) for member in get_args(field.annotation)]


def model_at(location: Location, data: Any) -> type[BaseModel] | None:
    """The model that a mapping of the file stands for; ``None`` where it stands for none."""
    model: Any = Campaign
    for step in location:
        field = model.model_fields.get(step) if _is_model(model) else None
        value_type = get_args(model)[1] if get_origin(model) is dict else None
        data = data.get(step) if isinstance(data, Mapping) else None
        given = data.get("kind") if isinstance(data, Mapping) else None
        model = value_type if field is None else field.annotation
        plugin = next((m for m in field.metadata if isinstance(m, OneOf)), None) if field else None
        if plugin:
            try:
                model = named(str(given), plugin.package, model)
            except PluginError:
                return None
        elif get_args(model) and get_origin(model) is not dict:
            members = [m for m in get_args(model) if _is_model(m)]
            tags = [m.model_fields["kind"].default for m in members if "kind" in m.model_fields]
            model = members[tags.index(given)] if given in tags else next(iter(members), None)
    return model if _is_model(model) else None


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _literals(location: Location, data: Any) -> list[str]:
    model = model_at(location[:-1], data)
    field = model.model_fields.get(str(location[-1])) if model else None
    annotation = field.annotation if field else None
    return [str(v) for v in get_args(annotation)] if get_origin(annotation) is Literal else []
