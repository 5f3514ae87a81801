"""The Lennard-Jones pair, 4 (r^-12 - r^-6) in reduced units, and the three ways to end it at a cutoff.

- ``cut``: u(r), which jumps by u(rc) at the cutoff.
- ``shifted``: u(r) - u(rc), the same force; continuous.
- ``shifted_force``: u(r) - u(rc) + (r - rc) f(rc), force f(r) - f(rc) with f = -du/dr; both continuous
  (Toxvaerd and Dyre, J. Chem. Phys. 134, 081102, 2011).

All of them are laws of ``inverse = 1 / r`` or of its square; the comparison with the cutoff is the caller's.
A force here is what multiplies the separation vector: -u'(r) / r.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from simulators.md.arithmetic import fma, fnma, law, real

Truncation = Literal["cut", "shifted", "shifted_force"]


@law
def force(inverse_square: Any) -> Any:
    """``-u'(r) / r`` of ``cut`` and ``shifted``, given 1 / r^2."""
    square = inverse_square * inverse_square
    return square * square * fma(real(48.0), square * inverse_square, real(-24.0))


@law
def energy(inverse_square: Any, shift: Any) -> Any:
    """``u(r) - shift``, given 1 / r^2; the shift is 0 for ``cut`` and u(rc) for ``shifted``."""
    sixth = inverse_square * inverse_square * inverse_square
    return fma(real(4.0) * sixth, sixth - real(1.0), real(0.0) - shift)


@law
def force_shifted_force(inverse: Any, slope: Any) -> Any:
    """``(f(r) - f(rc)) / r``, given 1 / r and ``slope`` = f(rc)."""
    return fnma(slope, inverse, force(inverse * inverse))


@law
def energy_shifted_force(distance: Any, inverse: Any, shift: Any, slope: Any) -> Any:
    """``u(r) - shift + slope r``, given r and 1 / r, ``slope`` = f(rc) and ``shift`` = u(rc) + rc f(rc)."""
    return fma(slope, distance, energy(inverse * inverse, shift))


class End(NamedTuple):
    """How the pair ends at its cutoff: the constants of the laws above.

    Args:
        cutoff: rc.
        shift: what is taken from the energy.
        slope: f(rc) for ``shifted_force``, else 0.
        jump: by how much the energy jumps at the cutoff: u(rc) for ``cut``, else 0.
    """

    cutoff: float
    shift: float
    slope: float
    jump: float


def end(truncation: Truncation, cutoff: float) -> End:
    """The constants for a truncation at a cutoff."""
    at_cutoff, slope = float(energy(cutoff**-2, 0.0)), float(force(cutoff**-2)) * cutoff
    if truncation == "cut":
        return End(cutoff, 0.0, 0.0, at_cutoff)
    if truncation == "shifted":
        return End(cutoff, at_cutoff, 0.0, 0.0)
    return End(cutoff, at_cutoff + cutoff * slope, slope, 0.0)


def energy_correction(density: float, cutoff: float) -> float:
    """Energy per particle of ``cut`` beyond the cutoff where g(r) = 1: 8/3 pi rho (rc^-9 / 3 - rc^-3).

    Allen and Tildesley, Computer Simulation of Liquids, 2nd edition (2017), eq. 2.144.
    """
    return 8 / 3 * math.pi * density * (cutoff**-9 / 3 - cutoff**-3)


def pressure_correction(density: float, cutoff: float) -> float:
    """Pressure of ``cut`` beyond the cutoff, likewise (eq. 2.145): 16/3 pi rho^2 (2/3 rc^-9 - rc^-3)."""
    return 16 / 3 * math.pi * density**2 * (2 / 3 * cutoff**-9 - cutoff**-3)
