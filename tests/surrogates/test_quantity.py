from __future__ import annotations

import re

import pytest

from surrogates import InvalidQueryError
from surrogates.contract import check_unit, parse_quantity
from surrogates.contract.quantity import USUAL


@pytest.mark.parametrize(
    ("given", "unit", "expected"),
    [
        (3.2, "nm", 3.2),
        (3, "nm", 3.0),
        ("3.2", "nm", 3.2),
        ("3.2 nm", "nm", 3.2),
        ("32 angstrom", "nm", 3.2),
        ("3.2e-9m", "nm", 3.2),
        ("0.5 M", "mol/L", 0.5),
        ("500 mM", "M", 0.5),
        ("0.5 mol/L", "M", 0.5),
        ("-1", "", -1.0),
        ("+.5", "", 0.5),
    ],
)
def test_converts_to_the_declared_unit(given: str | float, unit: str, expected: float) -> None:
    assert parse_quantity(given, unit, "x") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ("3 s", "nm"),
        ("3 nm", ""),
        ("nm", "nm"),
        ("3 flurb", "nm"),
        ("", "nm"),
        ("1 2", "nm"),
        (None, "nm"),
        ("3 )", "nm"),
    ],
)
def test_refuses_what_does_not_convert(given: str, unit: str) -> None:
    with pytest.raises(InvalidQueryError, match=r"gap = .*: expected a"):
        parse_quantity(given, unit, "gap")


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("Nm/foo", "there is no unit `foo`, as in 'Nm/foo'; known: m, s"),
        ("epsilon", "there is no unit `epsilon`"),
        ("3 nm", "'3 nm' is no unit"),
        ("nm)", "'nm)' is no unit"),
    ],
)
def test_a_declared_unit_that_is_none_is_refused(unit: str, said: str) -> None:
    with pytest.raises(InvalidQueryError, match=re.escape(f"force: {said}")):
        check_unit(unit, "force")


@pytest.mark.parametrize("unit", ["", "kJ/mol/nm^2", "1/uM/h", *re.findall(r"[A-Za-z]+(?=[,) ]|$)", USUAL)])
def test_the_units_that_are_called_known_are(unit: str) -> None:
    if unit not in ("with", "prefixes"):
        check_unit(unit, "x")


def test_what_is_converted_is_the_number_that_one_would_write():
    assert parse_quantity("2000 pm", "nm", "gap") == 2.0
