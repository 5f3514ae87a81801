"""Ions around a polarizable sphere: their pairs, and the harmonics that the sphere answers with.

Lengths are in diameters of an ion, energies in kT. A force is what multiplies the separation vector.

The harmonics are irregular solid ones, real and semi-normalised after Schmidt: with lengths in units of the
sphere's radius, ``J(n, m) = S P_n^m(cos theta) (cos m phi, sin m phi) / r^(n + 1)`` without Condon and
Shortley's phase, and ``S^2 = (2 - delta_m0) (n - m)! / (n + m)!``. The addition theorem then reads
``sum_m J(r) J(r') = P_n(cos gamma) / (r r')^(n + 1)``.
"""

from __future__ import annotations

from typing import Any

from simulators.md.arithmetic import fma, fnma, law, maximum, real, select
from simulators.md.laws.lennard_jones import energy, force


@law
def core_force(inverse_square: Any) -> Any:
    """Soft core (Weeks, Chandler and Andersen, J. Chem. Phys. 54, 5237, 1971), given 1 / r^2."""
    return maximum(force(inverse_square), real(0.0))


@law
def core_energy(inverse_square: Any) -> Any:
    """Energy of `core_force`: the Lennard-Jones pair lifted by one, up to its minimum at 2^(1/6)."""
    inside = inverse_square > real(2.0 ** (-1 / 3))
    return select(inside, energy(inverse_square, real(-1.0)), real(0.0))


@law
def ion_force(inverse: Any, coulomb: Any) -> Any:
    """Coulomb and core, given 1 / r and ``coulomb`` = l_B q_i q_j."""
    inverse_square = inverse * inverse
    return fma(coulomb * inverse, inverse_square, core_force(inverse_square))


@law
def ion_energy(inverse: Any, coulomb: Any) -> Any:
    """Energy of `ion_force`."""
    return fma(coulomb, inverse, core_energy(inverse * inverse))


@law
def turned(x: Any, y: Any, cosine: Any, sine: Any, factor: Any) -> Any:
    """J(m, m), its cosine and its sine part, from those of J(m - 1, m - 1).

    Args:
        x: of the ion, over its squared distance from the centre.
        y: likewise.
        cosine: of J(m - 1, m - 1).
        sine: likewise.
        factor: 1 for m = 1, else sqrt((2 m - 1) / (2 m)).
    """
    return factor * fnma(y, sine, x * cosine), factor * fma(y, cosine, x * sine)


@law
def raised(z: Any, inverse_square: Any, value: Any, below: Any, first: Any, second: Any) -> Any:
    """J(n + 1, m) from J(n, m) and J(n - 1, m).

    Args:
        z: of the ion, over its squared distance from the centre.
        inverse_square: one over that.
        value: J(n, m).
        below: J(n - 1, m), anything where n = m.
        first: (2 n + 1) / sqrt((n + 1)^2 - m^2).
        second: sqrt((n^2 - m^2) / ((n + 1)^2 - m^2)).
    """
    return fnma(second * inverse_square, below, first * z * value)
