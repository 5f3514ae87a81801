"""The laws of ions and of random words as they stand, in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.md.laws import ions, random

some = st.floats(0.2, 5.0)


def pair_energy(r, coulomb, sigma):
    sixth = (sigma / r) ** 6
    return coulomb / r + np.where(r < 2 ** (1 / 6) * sigma, 4 * (sixth**2 - sixth) + 1, 0.0)


H = 1e-5


def slope(function, x, h=H):
    return (function(x - 2 * h) - 8 * function(x - h) + 8 * function(x + h) - function(x + 2 * h)) / (12 * h)


def error_of_slope(r, sigma):
    """Where the core ends, its curvature, 36 2^(2/3) / sigma^2, does too: that times h / 6 is the most."""
    across = np.abs(r - 2 ** (1 / 6) * sigma) < 2 * H
    return float(across * 36 * 2 ** (2 / 3) / sigma**2 * H / 5) + 1e-8 / sigma


@given(some, st.floats(-9, 9), st.floats(0.3, 2), some, some)
def test_the_force_of_a_pair_is_minus_the_slope_of_its_energy(unit, coulomb, sigma, scale, at):
    r = np.array([sigma * (0.8 + at / 4)])
    force = float(
        ions.pair_force(unit / r, *ions.pair_coefficients(coulomb, sigma, unit, scale))[0] * r[0] / scale
    )
    expected = -slope(lambda x: pair_energy(x, coulomb, sigma), r)[0]
    assert force == pytest.approx(expected, rel=1e-6, abs=error_of_slope(r[0], sigma))


@given(st.floats(0.3, 2), st.floats(0.8, 3))
def test_the_force_of_a_wall_is_minus_the_slope_of_its_energy(size, at):
    r = size * at
    expected = -slope(lambda x: pair_energy(x, 0.0, size), r)
    assert float(ions.wall_force(r, size)) == pytest.approx(
        float(expected), rel=1e-6, abs=error_of_slope(r, size)
    )


def test_the_series_is_chebyshevs():
    coefficients = np.random.default_rng(1).normal(size=ions.RANK)
    t = np.linspace(-1, 1, 41)
    expected = np.polynomial.chebyshev.chebval(t, coefficients)
    np.testing.assert_allclose(ions.series(coefficients, t), expected, atol=1e-12)
    before, now = np.ones_like(t), t
    for k in range(1, ions.RANK):
        np.testing.assert_allclose(now, np.cos(k * np.arccos(t)), atol=1e-12)
        before, now = now, ions.next_polynomial(2 * t, now, before)


def test_words_are_the_authors_known_answer():
    counter = np.array([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], np.uint32).view(np.int32)[:, None]
    key = np.array([0xA4093822, 0x299F31D0], np.uint32).view(np.int32)[:, None]
    words = np.array(random.philox(*counter, *key)).astype(np.int32).view(np.uint32).ravel()
    assert words.tolist() == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_logarithm_and_cosine_are_what_they_say():
    u = np.linspace(1e-6, 1.0, 1001)
    np.testing.assert_allclose(random.minus_log(u), -np.log(u.astype(np.float32).astype(float)), atol=2e-7)
    turn = np.linspace(-(2**31), 2**31 - 1, 999).astype(np.int32)
    cosine, sine = random.cos_sin(turn)
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * turn / 2.0**32), atol=2e-7)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * turn / 2.0**32), atol=2e-7)
