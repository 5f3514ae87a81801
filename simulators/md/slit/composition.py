"""How many ions make a neutral slit, and how large its walls then are."""

from __future__ import annotations

import math
from typing import NamedTuple

from simulators.contract import InvalidInputError
from simulators.md.units import AVOGADRO, ELEMENTARY

WALL_IONS = ELEMENTARY / AVOGADRO
"""mol/L of monovalent charge in a gap of 1 nm that neutralises one wall of 1 C/m^2."""

_TOLERANCE = 0.02


class Composition(NamedTuple):
    """A neutral slit: numbers of ions, side of the square walls (nm), charge of each wall (C/m^2)."""

    cations: int
    anions: int
    side: float
    surface_charge: float


def compose(
    *,
    gap: float,
    cation_valency: int,
    anion_valency: int,
    concentration: float,
    surface_charge: float,
    ions: int,
) -> Composition:
    """The neutral slit nearest to a requested total number of ions.

    ``N+ z+ = N- |z-| - 2 sigma L^2 / e``. The side of the box makes the concentration of anions exact (that
    of the wall charge where there are no anions); with charged walls the numbers are chosen among totals
    within 5 % of the requested one such that the wall charge comes out best.

    Raises:
        InvalidInputError: no such slit.
    """
    if concentration == 0:
        return _counterions_only(cation_valency, surface_charge, ions)
    volume = 1 / (AVOGADRO * concentration)  # nm^3 for each anion
    area = volume / gap
    if surface_charge == 0:
        divisor = math.gcd(cation_valency, anion_valency)
        unit_cations, unit_anions = -anion_valency // divisor, cation_valency // divisor
        unit = unit_cations + unit_anions
        units = max(1, math.floor(ions / unit + 0.5))
        if units * unit < 0.95 * ions:
            units += 1
        anions = units * unit_anions
        return Composition(units * unit_cations, anions, math.sqrt(anions * area), 0.0)

    wall = -2 * surface_charge * ELEMENTARY * area  # charge to be neutralised for each anion
    ratio = (wall - anion_valency) / cation_valency
    if ratio <= 0:
        lowest = 2 * surface_charge * WALL_IONS / (gap * -anion_valency)
        raise InvalidInputError(
            "surface_charge",
            f"{surface_charge:g} C/m^2",
            f"more charge than {concentration:g} mol/L of anions carry, so that no cation is left",
            f"a concentration above {lowest:.3g} mol/L, or a smaller charge",
        )
    middle = ions / (1 + ratio)
    candidates = []
    for anions in range(max(1, math.floor(0.95 * middle)), math.ceil(1.05 * middle) + 1):
        cations = max(1, round(anions * ratio))
        achieved = -(cations * cation_valency + anions * anion_valency) / (2 * ELEMENTARY * anions * area)
        deviation = abs(achieved / surface_charge - 1)
        # Beyond a thousandth a better charge is worth less than the number that was asked for.
        rank = (max(deviation, 1e-3), abs(anions + cations - ions))
        candidates.append((rank, deviation, Composition(cations, anions, math.sqrt(anions * area), achieved)))
    _, deviation, best = min(candidates)
    if deviation > _TOLERANCE:
        enough = math.ceil(cation_valency / (2 * _TOLERANCE) / abs(wall) * (1 + ratio))
        raise InvalidInputError(
            "surface_charge",
            f"{surface_charge:g} C/m^2",
            f"{ions} whole ions come no nearer than {best.surface_charge:.3g} C/m^2",
            f"ions of at least {enough}, or a charge of zero",
        )
    return best


def _counterions_only(cation_valency: int, surface_charge: float, ions: int) -> Composition:
    if surface_charge >= 0:
        raise InvalidInputError(
            "concentration",
            "0 mol/L",
            "leaves no ion between these walls",
            "above 0, or walls with a negative surface_charge, which bring cations",
        )
    area = ions * cation_valency / (-2 * surface_charge * ELEMENTARY)
    return Composition(ions, 0, math.sqrt(area), surface_charge)


def lattice_shape(gap: float, side: float, diameter: float) -> tuple[int, int]:
    """How many sites a simple cubic lattice has along the side and across the gap, a diameter apart."""
    return int(side / diameter), int((gap - diameter) / diameter + 1e-9) + 1
