"""Philox4x32-10 and normal deviates from it, as laws of words: the same numbers in every arithmetic.

A counter-based generator (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC11) turns (key, counter) into random words.
"""

from __future__ import annotations

import math
from typing import Any

from simulators.md.arithmetic import (
    as_float,
    as_int,
    fma,
    fnma,
    law,
    maximum,
    multiply_high,
    real,
    select,
    sqrt,
    to_float,
    to_float_unsigned,
    word,
)

_M0, _M1 = 0xD2511F53 - 2**32, 0xCD9E8D57 - 2**32
_W0, _W1 = 0x9E3779B9 - 2**32, 0xBB67AE85 - 2**32
_ROOT_HALF_BITS, _EXPONENT_BITS, _SIGN_BIT = 0x3F3504F3, 0xFF800000 - 2**32, -(2**31)
"""Of a float32: sqrt(1/2), its sign and exponent, its sign."""
_TO_UNIT, _LN2_BY_BITS = 2.0**-32, math.log(2.0) / 2**23
_QUARTER_TURN = math.pi / 2 / 2**32


@law
def _philox_round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    high0, low0 = multiply_high(word(_M0), c0), word(word(_M0) * c0)
    high1, low1 = multiply_high(word(_M1), c2), word(word(_M1) * c2)
    return word(high1 ^ c1 ^ k0), low1, word(high0 ^ c3 ^ k1), low0


@law
def philox(c0: Any, c1: Any, c2: Any, c3: Any, key0: Any, key1: Any) -> Any:
    """Ten rounds of Philox4x32: the words of the counter and of the key -> four random words."""
    k0, k1 = word(key0), word(key1)
    for _ in range(10):
        c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
        k0, k1 = word(k0 + word(_W0)), word(k1 + word(_W1))
    return c0, c1, c2, c3


@law
def minus_log(u: Any) -> Any:
    """``-ln u`` for u in (0, 1], to about a unit in the last place of a float32 (Cephes, logf; Moshier)."""
    bits = as_int(u)
    octaves = word(word(bits - word(_ROOT_HALF_BITS)) & word(_EXPONENT_BITS))
    x = as_float(word(bits - octaves)) - real(1.0)
    p = fma(real(7.0376836292e-2), x, real(-1.1514610310e-1))
    p = fma(p, x, real(1.1676998740e-1))
    p = fma(p, x, real(-1.2420140846e-1))
    p = fma(p, x, real(1.4249322787e-1))
    p = fma(p, x, real(-1.6668057665e-1))
    p = fma(p, x, real(2.0000714765e-1))
    p = fma(p, x, real(-2.4999993993e-1))
    p = fma(p, x, real(3.3333331174e-1))
    square = x * x
    logarithm = x + fma(p * x, square, fnma(real(0.5), square, to_float(octaves) * real(_LN2_BY_BITS)))
    return real(0.0) - logarithm


@law
def cos_sin(turn: Any) -> Any:
    """Cosine and sine of ``2 pi turn / 2^32``, likewise (Cephes, cosf and sinf)."""
    # The lower 30 bits, as a number with a sign, are how far the nearest quarter turn is.
    x = to_float(word(turn << word(2))) * real(_QUARTER_TURN)
    square = x * x
    s = fma(fma(real(-1.9515295891e-4), square, real(8.3321608736e-3)), square, real(-1.6666654611e-1))
    s = fma(s * square, x, x)
    c = fma(real(2.443315711809948e-5), square, real(-1.388731625493765e-3))
    c = fma(c, square, real(4.166664568e-2))
    c = fma(c * square, square, fnma(real(0.5), square, real(1.0)))
    quarters = word(turn + word(1 << 29))
    odd = word(quarters & word(1 << 30)) > word(0)
    cosine, sine = select(odd, s, c), select(odd, c, s)
    cosine_sign = word(word(quarters + word(1 << 30)) & word(_SIGN_BIT))
    sine_sign = word(quarters & word(_SIGN_BIT))
    return as_float(word(as_int(cosine) ^ cosine_sign)), as_float(word(as_int(sine) ^ sine_sign))


@law
def _box_muller(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four words -> four standard normal numbers, by Box and Muller's transformation."""
    # The logarithm of a number just above one is a rounding error below zero.
    first = maximum(minus_log(fma(to_float_unsigned(a), real(_TO_UNIT), real(_TO_UNIT / 2))), real(0.0))
    second = maximum(minus_log(fma(to_float_unsigned(c), real(_TO_UNIT), real(_TO_UNIT / 2))), real(0.0))
    radius, last = sqrt(first + first), sqrt(second + second)
    cosine, sine = cos_sin(b)
    other_cosine, other_sine = cos_sin(d)
    return radius * cosine, radius * sine, last * other_cosine, last * other_sine


@law
def four_gaussians(c0: Any, c1: Any, c2: Any, c3: Any, key0: Any, key1: Any) -> Any:
    """Four standard normal numbers from one draw of `philox`."""
    a, b, c, d = philox(c0, c1, c2, c3, key0, key1)
    return _box_muller(a, b, c, d)


@law
def eight_gaussians(c0: Any, d0: Any, c1: Any, c2: Any, c3: Any, key0: Any, key1: Any) -> Any:
    """`four_gaussians` of the counters that begin with c0 and d0.

    A round of `philox` waits for the one before it; those of two draws in turns keep a processor busy.
    """
    a0, a1, a2, a3 = c0, c1, c2, c3
    b0, b1, b2, b3 = d0, c1, c2, c3
    k0, k1 = word(key0), word(key1)
    for _ in range(10):
        a0, a1, a2, a3 = _philox_round(a0, a1, a2, a3, k0, k1)
        b0, b1, b2, b3 = _philox_round(b0, b1, b2, b3, k0, k1)
        k0, k1 = word(k0 + word(_W0)), word(k1 + word(_W1))
    a0, a1, a2, a3 = _box_muller(a0, a1, a2, a3)
    b0, b1, b2, b3 = _box_muller(b0, b1, b2, b3)
    return a0, a1, a2, a3, b0, b1, b2, b3
