"""Durations as people write them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}


def parse_duration(value: float | str) -> float:
    """Seconds of a number, ``30 min``, ``1.5 h``, ``11:45:00`` or Slurm's ``2-00:00:00``.

    Raises:
        ValueError: the text is none of these.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (
        match := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?", value.strip())
    ):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    elif isinstance(value, str) and (
        match := re.fullmatch(r"([\d.]+(?:[eE]\d+)?)\s*([a-z]+?)s?", value.strip())
    ):
        number, unit = match.groups()
        if unit not in _SECONDS:
            raise ValueError(f"unknown unit of time `{unit}`: write s, min, h or d")
        seconds = float(number) * _SECONDS[unit]
    else:
        raise ValueError("a duration is a number of seconds, `30 min`, `1.5 h` or `11:45:00`")
    if seconds <= 0:
        raise ValueError("a duration is positive")
    return seconds


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
