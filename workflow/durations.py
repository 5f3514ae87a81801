"""Durations as people write them."""

from __future__ import annotations

import math
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
_CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d)")
_DAYS = re.compile(r"(\d+)-(\d+)(?::([0-5]\d))?(?::([0-5]\d))?")
_MEASURED = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-z]+?)s?")
ACCEPTED = "a duration is a number of seconds, `30 min`, `1.5 h`, `11:45:00` or `2-00:00:00`"


def parse_duration(value: object) -> float:
    """Seconds of a number, ``30 min``, ``1.5 h``, ``11:45:00`` or Slurm's ``2-00:00:00``.

    ``12:30`` is refused: Slurm reads minutes and seconds where most people mean hours and minutes.

    Raises:
        ValueError: the value is none of these.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = _parse_text(value.strip())
    else:
        raise ValueError(ACCEPTED)
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError("a duration is positive and finite")
    return seconds


def _parse_text(text: str) -> float:
    if match := _CLOCK.fullmatch(text):
        hours, minutes, rest = map(int, match.groups())
        return (hours * 60 + minutes) * 60 + rest
    if match := _DAYS.fullmatch(text):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if match := _MEASURED.fullmatch(text):
        number, unit = match.groups()
        if unit not in _SECONDS:
            raise ValueError(f"unknown unit of time `{unit}`: write s, min, h or d")
        return float(number) * _SECONDS[unit]
    raise ValueError(ACCEPTED)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
"""Seconds; written as `parse_duration` reads them."""
