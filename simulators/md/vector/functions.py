"""Functions of sixteen lanes, and laws (`simulators.md.arithmetic`) over them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from simulators.md.arithmetic import ARITHMETIC_FUNCTIONS, arithmetic_of, rebound
from simulators.md.vector import arithmetic
from simulators.md.vector.arithmetic import (
    as_float,
    as_int,
    fma,
    fnma,
    maximum,
    reciprocal_estimate,
    rsqrt_estimate,
    select,
    sqrt,
    to_float,
    to_int,
)
from simulators.md.vector.memory import splat
from simulators.md.vector.values import inline


@inline
def real(x):
    """A constant in every lane."""
    return splat(np.float32(x))


@inline
def reciprocal(x):
    """``1 / x``: the estimate and a step of Newton's."""
    y = reciprocal_estimate(x)
    return fma(y, fnma(x, y, splat(np.float32(1.0))), y)


@inline
def rsqrt(x):
    """``1 / sqrt(x)``: the estimate and a step of Newton's."""
    y = rsqrt_estimate(x)
    return y * fnma(splat(np.float32(0.5)) * x * y, y, splat(np.float32(1.5)))


@inline
def exp(x):
    """Exponential: ``2^n`` by its exponent's bits times a polynomial over half an octave (Cephes, expf)."""
    n = to_int(x * splat(np.float32(1.44269504088896341)))
    turns = to_float(n)
    r = fnma(turns, splat(np.float32(0.693359375)), x)
    r = fnma(turns, splat(np.float32(-2.12194440e-4)), r)
    p = fma(splat(np.float32(1.9875691500e-4)), r, splat(np.float32(1.3981999507e-3)))
    p = fma(p, r, splat(np.float32(8.3334519073e-3)))
    p = fma(p, r, splat(np.float32(4.1665795894e-2)))
    p = fma(p, r, splat(np.float32(1.6666665459e-1)))
    p = fma(p, r, splat(np.float32(5.0000001201e-1)))
    p = fma(p, r * r, r) + splat(np.float32(1.0))
    return p * as_float((n + splat(np.int32(127))) << splat(np.int32(23)))


@inline
def _sine_of(x, quarter):
    """Sine of x advanced by so many quarter turns (Cephes, sinf and cosf)."""
    n = to_int(x * splat(np.float32(0.63661977236758134)))
    turns = to_float(n)
    r = fnma(turns, splat(np.float32(1.5703125)), x)
    r = fnma(turns, splat(np.float32(4.837512969970703125e-4)), r)
    r = fnma(turns, splat(np.float32(7.549789948768648e-8)), r)
    n = n + splat(quarter)
    square = r * r
    s = fma(splat(np.float32(-1.9515295891e-4)), square, splat(np.float32(8.3321608736e-3)))
    s = fma(fma(s, square, splat(np.float32(-1.6666654611e-1))) * square, r, r)
    c = fma(splat(np.float32(2.443315711809948e-5)), square, splat(np.float32(-1.388731625493765e-3)))
    c = fma(c, square, splat(np.float32(4.166664568e-2)))
    c = fma(c * square, square, fnma(splat(np.float32(0.5)), square, splat(np.float32(1.0))))
    odd = (n & splat(np.int32(1))) > splat(np.int32(0))
    sign = (n & splat(np.int32(2))) << splat(np.int32(30))
    return as_float(as_int(select(odd, c, s)) ^ sign)


@inline
def sin(x):
    """Sine, good to 1e-6 up to a thousand turns."""
    return _sine_of(x, np.int32(0))


@inline
def cos(x):
    """Cosine, likewise."""
    return _sine_of(x, np.int32(1))


@inline
def acos(x):
    """Inverse cosine: ``sqrt(1 - x)`` times a polynomial for x > 0 (Abramowitz and Stegun, 4.4.46)."""
    zero, one = splat(np.float32(0.0)), splat(np.float32(1.0))
    size = maximum(x, zero - x)
    p = fma(splat(np.float32(-0.0012624911)), size, splat(np.float32(0.0066700901)))
    p = fma(p, size, splat(np.float32(-0.0170881256)))
    p = fma(p, size, splat(np.float32(0.0308918810)))
    p = fma(p, size, splat(np.float32(-0.0501743046)))
    p = fma(p, size, splat(np.float32(0.0889789874)))
    p = fma(p, size, splat(np.float32(-0.2145988016)))
    p = fma(p, size, splat(np.float32(1.5707963050)))
    p = p * sqrt(maximum(one - size, zero))
    return select(x < zero, splat(np.float32(math.pi)) - p, p)


_ARITHMETIC = arithmetic_of(globals(), vars(arithmetic))


def on_vectors(law: Callable[..., Any]) -> Any:
    """A law (`simulators.md.arithmetic`) over sixteen lanes, for kernels to call."""
    return rebound(law, _ARITHMETIC, inline)


def on_numbers(law: Callable[..., Any]) -> Any:
    """A law in float64, for what kernels look at now and then."""
    return rebound(law, {function.__name__: inline(function) for function in ARITHMETIC_FUNCTIONS}, inline)
