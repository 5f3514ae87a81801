"""Numbers with units, as people type them."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from surrogates.contract.errors import InvalidQueryError

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")


USUAL = (
    "m, s, kg, K, A, mol, cd, N, J, W, Pa, C, V, Hz with prefixes (nm, ps, kJ), angstrom, bohr, min, h, "
    "L, M, amu, eV, hartree, cal, bar, atm, e, degC, deg, rad, percent"
)
"""Units that simulators are declared in; pint knows a thousand."""


def parse_quantity(given: str | float, unit: str, name: str) -> float:
    """A number in the declared unit.

    Args:
        given: a number, taken to be in the declared unit, or text such as ``"3.2 nm"``.
        unit: the declared unit; empty for a pure number. ``M`` is mol/L.
        name: of the parameter, for the error.

    Raises:
        InvalidQueryError: not a finite number, or a unit that does not convert to the declared one.
    """
    expected = f"a number in {unit}, or text with a unit that converts to it" if unit else "a pure number"
    refusal = f"{name} = {given!r}: expected {expected}"
    if isinstance(given, str):
        match = NUMBER.fullmatch(given)
        if match is None:
            raise InvalidQueryError(refusal)
        value, given_unit = float(match[1]), match[2]
        if given_unit and given_unit != unit:
            # 2000 pm are 2 nm, and not 1.9999999999999996.
            value = float(f"{_convert(value, given_unit, unit, refusal):.15g}")
    else:
        try:
            value = float(given)
        except (TypeError, ValueError):
            raise InvalidQueryError(refusal) from None
    if not math.isfinite(value):
        raise InvalidQueryError(refusal)
    return value


def check_unit(unit: str, name: str) -> None:
    """Refuse a declared unit that nothing converts to.

    Args:
        unit: as declared; empty for a pure number.
        name: of the parameter, for the error.

    Raises:
        InvalidQueryError: naming what is no unit in it, and what is.
    """
    try:
        _registry().Quantity(1.0, unit or "dimensionless")
    except Exception as error:  # as in `_convert`
        unknown = getattr(error, "unit_names", ())
        first = unknown if isinstance(unknown, str) else next(iter(unknown), "")
        what = f"there is no unit `{first}`, as in {unit!r}" if first else f"{unit!r} is no unit"
        raise InvalidQueryError(
            f"{name}: {what}; known: {USUAL}, their products, quotients and powers, and all that pint knows; "
            "leave it empty for a pure number, of reduced units say"
        ) from error


def _convert(value: float, given: str, unit: str, refusal: str) -> float:
    try:
        return float(_registry().Quantity(value, given).to(unit or "dimensionless").magnitude)
    except Exception as error:  # pint's own, and whatever its tokenizer raises on text that is no unit
        raise InvalidQueryError(refusal) from error


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint  # imported here: 0.3 s that a plain number need not pay

    return pint.UnitRegistry()
