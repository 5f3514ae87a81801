"""Random numbers that depend on nothing but their name: Philox4x32-10 and Gaussians from it.

A counter-based generator (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC11) turns (key, counter) into random words. The key is a replica's seed, the counter is the ion, the step
and the purpose; hence the noise of a replica is the same in any batch, on any thread, and on any machine.
A key is an int32 where all lanes belong to one replica, and an int16 vector where lanes are replicas.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import (
    as_float,
    as_int,
    fma,
    fnma,
    inline,
    maximum,
    multiply_high,
    select,
    splat,
    sqrt,
    to_float,
    to_float_unsigned,
)

NOISE, VELOCITIES = np.int32(0), np.int32(1)
"""Purposes: the last word of the counter."""


def _word(value: int) -> np.int32:
    return np.uint32(value).view(np.int32)


_M0, _M1 = _word(0xD2511F53), _word(0xCD9E8D57)
_W0, _W1 = _word(0x9E3779B9), _word(0xBB67AE85)

_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
_TO_UNIT = np.float32(2.0**-32)
_LN2 = np.float32(math.log(2.0))
_ROOT_HALF = np.float32(math.sqrt(0.5))
_QUARTER_TURN = np.float32(math.pi / 2 / 2**30)

# Minimax polynomials of the Cephes library (S. Moshier): ln(1 + x) for x in [sqrt(1/2) - 1, sqrt(2) - 1],
# sin and cos on [-pi/4, pi/4], each to about one unit in the last place of a float32.
_L = tuple(
    np.float32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
_S0, _S1, _S2 = np.float32(-1.9515295891e-4), np.float32(8.3321608736e-3), np.float32(-1.6666654611e-1)
_C0, _C1, _C2 = (
    np.float32(2.443315711809948e-5),
    np.float32(-1.388731625493765e-3),
    np.float32(4.166664568e-2),
)


@inline
def philox(c0, c1, c2, c3, key0, key1):
    """Ten rounds of Philox4x32.

    Args:
        c0: first word of the counter, an int16 vector.
        c1: second.
        c2: third.
        c3: fourth.
        key0: first word of the key, int32 or int16 vector.
        key1: second.

    Returns:
        four int16 vectors of random words.
    """
    m0, m1 = splat(_M0), splat(_M1)
    k0, k1 = splat(key0), splat(key1)
    w0, w1 = splat(_W0), splat(_W1)
    for _ in range(10):
        high0, low0 = multiply_high(m0, c0), m0 * c0
        high1, low1 = multiply_high(m1, c2), m1 * c2
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + w0, k1 + w1
    return c0, c1, c2, c3


@inline
def minus_log(u):
    """``-ln u`` for u in (0, 1]."""
    bits = as_int(u)
    mantissa = as_float((bits & splat(np.int32(0x007FFFFF))) | splat(np.int32(0x3F000000)))
    exponent = to_float((bits >> splat(np.int32(23))) - splat(np.int32(126)))
    low = mantissa < splat(_ROOT_HALF)
    exponent = select(low, exponent - splat(_ONE), exponent)
    x = select(low, mantissa + mantissa, mantissa) - splat(_ONE)
    p = fma(splat(_L[0]), x, splat(_L[1]))
    p = fma(p, x, splat(_L[2]))
    p = fma(p, x, splat(_L[3]))
    p = fma(p, x, splat(_L[4]))
    p = fma(p, x, splat(_L[5]))
    p = fma(p, x, splat(_L[6]))
    p = fma(p, x, splat(_L[7]))
    p = fma(p, x, splat(_L[8]))
    square = x * x
    logarithm = x + fma(p * x, square, fnma(splat(_HALF), square, exponent * splat(_LN2)))
    return splat(_ZERO) - logarithm


@inline
def cos_sin(turn):
    """Cosine and sine of ``2 pi turn / 2^32``, the int16 vector read as a fraction of a turn."""
    quadrant = (turn + splat(np.int32(1 << 29))) >> splat(np.int32(30))
    x = to_float(turn - (quadrant << splat(np.int32(30)))) * splat(_QUARTER_TURN)
    square = x * x
    s = fma(fma(splat(_S0), square, splat(_S1)), square, splat(_S2))
    s = fma(s * square, x, x)
    c = fma(fma(splat(_C0), square, splat(_C1)), square, splat(_C2))
    c = fma(c * square, square, fnma(splat(_HALF), square, splat(_ONE)))
    even = (quadrant & splat(np.int32(1))) < splat(np.int32(1))
    cosine, sine = select(even, c, s), select(even, s, c)
    cosine_sign = ((quadrant + splat(np.int32(1))) & splat(np.int32(2))) << splat(np.int32(30))
    sine_sign = (quadrant & splat(np.int32(2))) << splat(np.int32(30))
    return as_float(as_int(cosine) ^ cosine_sign), as_float(as_int(sine) ^ sine_sign)


@inline
def four_gaussians(ion, step, purpose, key0, key1):
    """Four standard normal numbers per lane, by Box and Muller's transformation.

    Args:
        ion: int16 vector, who draws.
        step: int64, when.
        purpose: int32, what for.
        key0: lower half of the seed, int32 or int16 vector.
        key1: upper half.
    """
    low, high = np.int32(step & 0xFFFFFFFF), np.int32(step >> 32)
    a, b, c, d = philox(ion, splat(low), splat(high), splat(purpose), key0, key1)
    half, unit = splat(_HALF), splat(_TO_UNIT)
    # The logarithm of a number just above one is a rounding error below zero.
    first = minus_log((to_float_unsigned(a) + half) * unit)
    second = minus_log((to_float_unsigned(c) + half) * unit)
    zero = splat(_ZERO)
    radius = sqrt(maximum(first + first, zero))
    cosine, sine = cos_sin(b)
    last = sqrt(maximum(second + second, zero))
    other_cosine, other_sine = cos_sin(d)
    return radius * cosine, radius * sine, last * other_cosine, last * other_sine


@inline
def gaussians(ion, step, purpose, key0, key1):
    """Three standard normal numbers per lane: the first of `four_gaussians`, for a vector's components."""
    x, y, z, _ = four_gaussians(ion, step, purpose, key0, key1)
    return x, y, z


def split_seeds(seeds: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Keys of replicas: the lower and the upper halves of their seeds, array (2, replicas)."""
    halves = np.stack([seeds & np.uint64(0xFFFFFFFF), seeds >> np.uint64(32)])
    return np.ascontiguousarray(halves.astype(np.uint32).view(np.int32))
