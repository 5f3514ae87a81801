"""Ions between walls as laws: the pair, the soft core of the walls, and the series of the far images.

A pair is Coulomb's and a purely repulsive core (Weeks, Chandler and Andersen, J. Chem. Phys. 54, 5237, 1971).
The core's ``24 (2 S^2 - S) / r^2`` with ``S = (sigma / r)^6`` is written as ``s max(s - c, 0)`` with s
proportional to S: it is cut where its force vanishes, hence no comparison of distances.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simulators.md.arithmetic import fma, law, maximum, real

RANK = 16
"""Polynomials to a height: the series of the far images is good to 1e-6 of their force for gaps up to the
side of the box."""


class PairCoefficients(NamedTuple):
    """What `pair_force` takes for a pair: numbers or arrays."""

    coulomb: Any
    core: Any
    threshold: Any


def pair_coefficients(coulomb: Any, sigma: Any, unit: float, scale: float) -> PairCoefficients:
    """The constants of `pair_force`.

    Args:
        coulomb: l_B q_i q_j, a length.
        sigma: diameter of the core, a length; 0 for none.
        unit: w, the length that `pair_force` is given over the distance.
        scale: g, what `pair_force` gives over the force.
    """
    return PairCoefficients(
        scale * coulomb / unit**3,
        (48 * scale) ** (1 / 6) * sigma**2 / unit ** (7 / 3),
        (12 * scale) ** 0.5 / unit,
    )


@law
def pair_force(inverse: Any, coulomb: Any, core: Any, threshold: Any) -> Any:
    """G times the force of a pair (kT per length) over its separation, given w / r; `pair_coefficients`."""
    square = inverse * inverse
    ratio = core * square
    s = ratio * ratio * ratio
    soft = maximum(s - threshold, real(0.0))
    return fma(s, soft, coulomb * inverse) * square


@law
def wall_force(distance: Any, size: Any) -> Any:
    """Force of a soft core of the given size: ``24 / r (2 (s/r)^12 - (s/r)^6)``, where repulsive."""
    inverse = real(1.0) / distance
    ratio = size * inverse
    square = ratio * ratio
    sixth = square * square * square
    twelfth = sixth * maximum(fma(real(2.0), sixth, real(-1.0)), real(0.0))
    return real(24.0) * inverse * twelfth


@law
def next_polynomial(twice: Any, now: Any, before: Any) -> Any:
    """``T_(n+1)(t)`` from ``2 t``, ``T_n`` and ``T_(n-1)``."""
    return twice * now - before


@law
def series(coefficients: Any, t: Any) -> Any:
    """``sum_k coefficients[k] T_k(t)``, array (RANK,), by Clenshaw's recurrence."""
    twice = t + t
    after, now = real(0.0), real(0.0)
    for k in range(RANK - 1):
        after, now = now, fma(twice, now, real(coefficients[RANK - 1 - k]) - after)
    return fma(t, now, real(coefficients[0]) - after)
