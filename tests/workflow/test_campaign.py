"""The campaign's own rules: ranges, durations, defaults."""

from __future__ import annotations

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from workflow.campaign import Range
from workflow.durations import Duration, parse_duration

RANGE = TypeAdapter(Range)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ([1, 2.5], {"low": 1, "high": 2.5}),
        (["1 nm", "2 nm"], {"low": "1 nm", "high": "2 nm"}),
        (3, {"value": 3}),
        ("3 nm", {"value": "3 nm"}),
    ],
)
def test_short_forms_mean_the_full_ones(short: object, full: dict[str, object]) -> None:
    assert RANGE.validate_python(short) == RANGE.validate_python(full)


@pytest.mark.parametrize(
    "given", [{}, {"low": 1}, {"high": 1}, {"low": 0, "high": 1, "value": 1}, {"values": [], "choices": []}]
)
def test_a_range_has_exactly_one_form(given: object) -> None:
    with pytest.raises(ValidationError, match="give one of"):
        RANGE.validate_python(given)


@pytest.mark.parametrize("given", [True, [1], [1, 2, 3], None])
def test_what_is_no_range_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        RANGE.validate_python(given)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90 s", 90),
        ("30 min", 1800),
        ("30min", 1800),
        ("2 hours", 7200),
        ("1.5 h", 5400),
        ("1e-1 s", 0.1),
        (".5 d", 43200),
        ("11:45:00", 42300),
        ("100:00:00", 360000),
        ("2-12", 216000),
        ("2-12:30", 217800),
        ("2-00:00:01", 172801),
    ],
)
def test_durations(text: float | str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["12:30", "90", "5 ms", "1.2.3 s", "12:60:00", "-5", "h", "", -1, 0, math.nan, math.inf, True, None],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)
