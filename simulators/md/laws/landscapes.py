"""Potentials of one or two coordinates: U and its slope dU/dx, from which the force is minus the slope.

Each is in reduced units and of unit strength; a kernel multiplies the slope by a stiffness or a depth,
together with its time step.

- `harmonic`: U = x^2 / 2.
- `double_well`: U = x^4 / 4 - x^2 / 2, minima at -1 and 1, a barrier of 1/4. ``h (x^2 - 1)^2`` is
  ``4 h U + h``.
- `lennard_jones`: U = 4 (x^-12 - x^-6), a partner fixed at 0.
- `rugged`: U = (x^4 - x^3 - 16 x^2 + 4 x + 48) / 50 + sin(30 (x + 5)) / 5, a double well with some fifty
  small ones in it (Kadupitiya, Fox and Jadhao, Mach. Learn.: Sci. Technol. 3, 025002, 2022).
- `mueller_brown`: the model surface of Mueller and Brown, Theor. Chim. Acta 53, 75 (1979).
"""

from __future__ import annotations

from typing import Any

from simulators.md.arithmetic import cos, exp, fma, law, maximum, real, reciprocal, sin


@law
def harmonic_energy(x: Any) -> Any:
    """``x^2 / 2``."""
    return real(0.5) * x * x


@law
def harmonic_slope(x: Any) -> Any:
    """``x``."""
    return x


@law
def double_well_energy(x: Any) -> Any:
    """``x^4 / 4 - x^2 / 2``."""
    square = x * x
    return square * fma(real(0.25), square, real(-0.5))


@law
def double_well_slope(x: Any) -> Any:
    """``x^3 - x``."""
    return x * fma(x, x, real(-1.0))


@law
def lennard_jones_energy(x: Any) -> Any:
    """``4 (x^-12 - x^-6)``."""
    inverse = reciprocal(x)
    square = inverse * inverse
    sixth = square * square * square
    return real(4.0) * sixth * (sixth - real(1.0))


@law
def lennard_jones_slope(x: Any) -> Any:
    """``24 (x^-7 - 2 x^-13)``."""
    inverse = reciprocal(x)
    square = inverse * inverse
    sixth = square * square * square
    return sixth * inverse * fma(real(-48.0), sixth, real(24.0))


@law
def rugged_energy(x: Any) -> Any:
    """``(x^4 - x^3 - 16 x^2 + 4 x + 48) / 50 + sin(30 (x + 5)) / 5``."""
    smooth = fma(fma(fma(x - real(1.0), x, real(-16.0)), x, real(4.0)), x, real(48.0))
    return fma(real(0.02), smooth, real(0.2) * sin(real(30.0) * (x + real(5.0))))


@law
def rugged_slope(x: Any) -> Any:
    """``(4 x^3 - 3 x^2 - 32 x + 4) / 50 + 6 cos(30 (x + 5))``."""
    smooth = fma(fma(fma(real(4.0), x, real(-3.0)), x, real(-32.0)), x, real(4.0))
    return fma(real(0.02), smooth, real(6.0) * cos(real(30.0) * (x + real(5.0))))


_FLOOR, _CEILING = -80.0, 80.0
"""Exponents are held between these, where a float32 can hold the exponential."""


@law
def _mueller_brown_term(x: Any, y: Any, A: Any, a: Any, b: Any, c: Any, x0: Any, y0: Any) -> Any:
    """``T = A exp(a u^2 + b u v + c v^2)``, u = x - x0, v = y - y0: T, dT/dx and dT/dy."""
    u, v = x - x0, y - y0
    exponent = fma(a * u + b * v, u, c * v * v)
    held = real(0.0) - maximum(real(0.0) - maximum(exponent, real(_FLOOR)), real(-_CEILING))
    term = A * exp(held)
    return (
        term,
        term * fma(real(2.0) * a, u, b * v),
        term * fma(real(2.0) * c, v, b * u),
    )


@law
def mueller_brown(x: Any, y: Any) -> Any:
    """Energy U and its slopes dU/dx and dU/dy, which share four exponentials."""
    one, onex, oney = _mueller_brown_term(
        x, y, real(-200.0), real(-1.0), real(0.0), real(-10.0), real(1.0), real(0.0)
    )
    two, twox, twoy = _mueller_brown_term(
        x, y, real(-100.0), real(-1.0), real(0.0), real(-10.0), real(0.0), real(0.5)
    )
    three, threex, threey = _mueller_brown_term(
        x, y, real(-170.0), real(-6.5), real(11.0), real(-6.5), real(-0.5), real(1.5)
    )
    four, fourx, foury = _mueller_brown_term(
        x, y, real(15.0), real(0.7), real(0.6), real(0.7), real(-1.0), real(1.0)
    )
    return one + two + three + four, onex + twox + threex + fourx, oney + twoy + threey + foury
