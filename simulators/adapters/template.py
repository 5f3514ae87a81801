"""Texts with ``{name}`` in them, filled in for each replica."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

_FIELD = re.compile(r"(?<![$\\{])\{(?P<name>[A-Za-z_]\w*)(?P<format>:[^{}\s]+)?\}")
"""``{name}`` or ``{name:.3f}``; a shell's ``${name}`` is none, nor is ``{{name}}``."""
_ESCAPED = re.compile(r"\{\{(?P<name>[A-Za-z_]\w*)\}\}")
"""``{{name}}`` stands for ``{name}``. Other braces, JSON's and TeX's, stand for themselves."""

Value = float | int | str


class TemplateError(ValueError):
    """A text names something that is not known, or formats it as it cannot be."""


def fill(text: str, values: Mapping[str, Value], where: str) -> str:
    """The text with its fields filled in.

    Args:
        text: with fields such as ``{temperature}`` or ``{temperature:.2f}``.
        values: name -> number (written so that reading it gives the same number) or text.
        where: how messages call the text.

    Raises:
        TemplateError: an unknown name, or a format that does not fit.
    """

    def value(field: re.Match[str]) -> str:
        name, form = field["name"], (field["format"] or "")[1:]
        if name not in values:
            raise TemplateError(_unknown(text, field, values, where))
        try:
            return format(values[name], form) if form else str(values[name])
        except ValueError as error:
            raise TemplateError(f"`{field[0]}` {_line(text, field, where)}: {error}") from None

    return _ESCAPED.sub(lambda m: f"{{{m['name']}}}", _FIELD.sub(value, text))


def fields(texts: Iterable[str]) -> set[str]:
    """The names that texts ask for."""
    return {field["name"] for text in texts for field in _FIELD.finditer(text)}


def _unknown(text: str, field: re.Match[str], known: Collection[str], where: str) -> str:
    close = get_close_matches(field["name"], known, 1)
    hint = f"did you mean `{{{close[0]}}}`?" if close else f"known: {', '.join(known)}"
    literal = f"braces that mean themselves are written `{{{field[0]}}}`"
    return f"`{field[0]}` {_line(text, field, where)} is not known; {hint} ({literal})"


def _line(text: str, field: re.Match[str], where: str) -> str:
    number = text.count("\n", 0, field.start()) + 1
    return f"in `{where}`" + (f", line {number}," if "\n" in text else "")
