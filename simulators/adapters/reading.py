"""Numbers read from what a program printed or wrote: JSON, regular expressions, columns of tables."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from simulators.adapters.declared import DeclaredOutput
from simulators.adapters.estimates import SHOWN, AbsentError, Estimate, estimate, mean_of
from simulators.contract import ReplicaError

Array = NDArray[np.float64]

STDOUT = "stdout"


class ReadOutput(DeclaredOutput):
    """A result and where it stands: ``key``, ``match`` or ``column``; by default the key of its own name."""

    file: str | None = Field(
        None, description="file in the replica's folder that holds it; by default what the program prints"
    )
    key: str | None = Field(None, description="of a JSON object, dotted: `energy.total`")
    match: str | None = Field(
        None,
        description="regular expression; its first group is the number, a second one its standard error",
    )
    column: str | int | None = Field(None, description="of a table: its heading, or its number from 1")
    use: Literal["last", "mean"] | None = Field(
        None,
        description="of many numbers the last or their mean, with an error bar from blocks; by default the "
        "last of what `match` finds and the mean of a `column`",
    )

    @field_validator("match")
    @classmethod
    def _is_an_expression(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            groups = re.compile(text).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if groups not in (1, 2):
            raise ValueError(
                f"a regular expression with {groups} groups; put what is the number into brackets, such as "
                r"`energy = (\S+)`"
            )
        return text

    @model_validator(mode="after")
    def _one_place(self) -> ReadOutput:
        ways = [w for w in ("key", "match", "column") if getattr(self, w) is not None]
        if len(ways) > 1:
            raise ValueError(f"give one of key, match and column, not {' and '.join(ways)}")
        if self.use is not None and (self.over is not None or not {"match", "column"} & set(ways)):
            raise ValueError("`use` is for a number that `match` or `column` gives many times")
        if isinstance(self.column, int) and self.column < 1:
            raise ValueError("columns count from 1")
        return self


def read_result(
    name: str, result: ReadOutput, text_of: Callable[[str], str], bins: int | None, equilibration: float
) -> Estimate:
    """Mean and standard error of one result, a number or array (bins,); NaN where an optional one is absent.

    Args:
        name: of the result.
        result: where it stands.
        text_of: the text of a file by its name, or of ``stdout``.
        bins: of its axis; ``None`` for a number.
        equilibration: share of the rows, from the first, that is left out of a mean.

    Raises:
        ReplicaError: it is not there, or is no finite number.
    """
    try:
        return _read(name, result, text_of, bins, equilibration)
    except AbsentError:
        if not result.optional:
            raise
        nothing = math.nan if bins is None else np.full(bins, math.nan)
        return nothing, nothing


def _read(
    name: str, result: ReadOutput, text_of: Callable[[str], str], bins: int | None, equilibration: float
) -> Estimate:
    source = result.file or STDOUT
    text = text_of(source)
    where = "what the program printed" if source == STDOUT else f"`{source}`"
    if result.match is None and result.column is None:
        value, error = _by_key(name, result.key or name, text, where)
        return estimate(name, value, error, bins)
    if result.match is not None:
        values, errors = _matches(name, result.match, text, where)
    else:
        assert result.column is not None
        values, errors = column_of(text, result.column, where), None
    if bins is not None:
        return estimate(name, values, errors, bins)
    if (result.use or ("last" if result.column is None else "mean")) == "mean":
        return mean_of(name, values, equilibration)
    return estimate(name, values[-1], None if errors is None else errors[-1], None)


def column_of(text: str, column: str | int, where: str) -> Array:
    """A column of a table of numbers, array (rows,).

    Numbers stand between blanks or commas; lines that begin with # are comments; headings stand in the first
    line or in the last comment above the numbers.

    Raises:
        ReplicaError: there is no such column, or something in it is no number.
    """
    headings: list[str] = []
    place = column - 1 if isinstance(column, int) else None
    values: list[float] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = _cells(line.lstrip().lstrip("#"))
        if not cells:
            continue
        if line.lstrip().startswith("#") or (not values and not headings and not is_number(cells[0])):
            headings = headings if values else cells
            continue
        if place is None:
            place = _place(str(column), headings, where)
        try:
            values.append(float(cells[place]))
        except (IndexError, ValueError):
            raise ReplicaError(
                f"column {column} of {where}: line {number} has none: {line.strip()[:SHOWN]!r}; "
                "accepted: a number in every line"
            ) from None
    if not values:
        raise ReplicaError(f"column {column} of {where}: there are no rows of numbers")
    return np.array(values)


def _cells(line: str) -> list[str]:
    if "," in line:
        return [cell.strip() for cell in next(csv.reader([line]))]
    return line.split()


def is_number(text: str) -> bool:
    """Whether a text is a number as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _place(column: str, headings: list[str], where: str) -> int:
    lower = [h.lower() for h in headings]
    for wanted, among in ((column, headings), (column.lower(), lower)):
        if among.count(wanted) == 1:
            return among.index(wanted)
    known = f"its headings are {', '.join(headings)}" if headings else "it has no headings"
    raise ReplicaError(f"{where} has no column `{column}`; {known}; a number counts columns from 1")


def _matches(name: str, expression: str, text: str, where: str) -> tuple[Array, Array | None]:
    compiled = re.compile(expression, re.MULTILINE)
    found = list(compiled.finditer(text))
    if not found:
        raise AbsentError(f"{name}: nothing in {where} matches `{expression}`; {_end_of(text)}")
    values = np.array([_number(name, match[1], where) for match in found])
    if compiled.groups == 1:
        return values, None
    return values, np.abs([_number(name, match[2], where) for match in found])


def _number(name: str, text: str | None, where: str) -> float:
    try:
        return float((text or "").replace("D", "E").replace("d", "e"))  # Fortran writes 1.0D-3
    except ValueError:
        raise ReplicaError(f"{name}: {where} says {text!r}, which is no number") from None


def _by_key(name: str, key: str, text: str, where: str) -> tuple[Any, Any]:
    """What a JSON object holds under a key, and under the same key with ``_err``."""
    data = _object(name, text, where)
    try:
        value = _at(data, key)
    except KeyError:
        raise AbsentError(f"{name}: {where} has no key `{key}`; it has {', '.join(data) or 'none'}") from None
    try:
        return value, _at(data, f"{key}_err")
    except KeyError:
        return value, None


def _object(name: str, text: str, where: str) -> Mapping[str, Any]:
    """The text as a JSON object, or the last line that is one, since programs print other things too."""
    for part in (text, *reversed(text.splitlines())):
        if part.lstrip().startswith("{"):
            with suppress(ValueError):
                data: Mapping[str, Any] = json.loads(part)
                return data
    raise ReplicaError(
        f"{name}: {where} holds no JSON object; {_end_of(text)}; accepted: JSON, or say with match or column "
        f"in `results.{name}` where it stands"
    )


def _at(data: Mapping[str, Any], key: str) -> Any:
    if key in data:
        return data[key]
    value: Any = data
    for step in key.split("."):
        if not isinstance(value, Mapping):
            raise KeyError(key)
        value = value[step]
    return value


def _end_of(text: str) -> str:
    lines = text.strip().splitlines()
    return f"it ends with {lines[-1][-SHOWN:]!r}" if lines else "it is empty"
