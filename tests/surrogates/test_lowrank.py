"""Targets as few coefficients and back, on cases small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
import slit_like

from surrogates import Axis, Feature, Signature, Target
from surrogates.lowrank.calibration import calibration_factors, rms_z
from surrogates.lowrank.decoder import reduce
from surrogates.lowrank.encoder import Encoder
from surrogates.lowrank.transform import Transform


def test_encoder_scales_drops_and_marks() -> None:
    x = np.array([[3.0, 1, 1, 0.3, 0.5], [4.0, 3, 1, 0.9, 0.625]])
    encoded = Encoder.fit(slit_like.SIGNATURE, x)(x)
    np.testing.assert_allclose(encoded, [[-1, -1, -1, -1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 1]], atol=1e-12)


def test_transform_inverts_and_knows_its_slope() -> None:
    signature = Signature(
        (Feature("a"),), (Target("p", positive=True), Target("q", positive=True), Target("r"))
    )
    y = np.array([[1.0, 0.0, -3.0], [2.0, 0.5, 4.0], [5.0, 40.0, 0.0]])
    err = np.array([[0.1, 0.2, 0.1]] * 3)
    transform = Transform.fit(signature, y, err)
    assert transform.s[0] == 0 < transform.s[1]
    back, slope = transform.inverse(transform.forward(y))
    np.testing.assert_allclose(back, y, atol=1e-12)
    np.testing.assert_allclose(slope, transform.slope(y), rtol=1e-12)
    step = 1e-6
    numerical = (transform.forward(y + step) - transform.forward(y)) / step
    np.testing.assert_allclose(1 / numerical, transform.slope(y), rtol=1e-4)


@pytest.mark.parametrize("positive", [True, False])
def test_std_and_average_against_many_draws(positive: bool) -> None:
    """First-order error bars, conservation law included, against the spread of decoded random draws."""
    axis = Axis("z", "", {"a": [0.0, 0.3, 0.5, 1.0]})
    targets = (Target("p", "", "z", "2 * a", positive), Target("q"), Target("top", positive=True))
    signature = Signature((Feature("a"),), targets, (axis,))
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 2, (40, 1))
    profile = x * (np.array([3.5, 2, 2]) + rng.uniform(-1, 1, (40, 3)) * [1, 0.5, 0.3])
    y = np.hstack([profile, x**2, 1.1 * profile[:, :1]])
    decoder, coefficients = reduce(signature, y, np.full_like(y, 0.02))
    assert decoder.leader.tolist() == [-1, -1, -1, -1, 0 if positive else -1]
    k = len(decoder.basis)
    spread = 1e-3 * (np.eye(k) + 0.5)
    point, mean = x[:1], coefficients.mean[:1]
    answer, std, _ = decoder.decode(point, mean, spread[None])
    draws = rng.multivariate_normal(mean[0], spread, 20_000)
    decoded = decoder.decode(np.repeat(point, 20_000, axis=0), draws, np.zeros((20_000, k, k))).mean
    np.testing.assert_allclose(decoded.std(axis=0), std[0], rtol=0.05, atol=1e-4)
    width = np.array([0.3, 0.2, 0.5])
    np.testing.assert_allclose(answer[0, :3] @ width, 2 * x[0, 0], rtol=1e-12)


def test_empty_bins_stay_empty() -> None:
    x, y, err = slit_like.data(40, seed=1)
    decoder, coefficients = reduce(slit_like.SIGNATURE, y, err)
    k = len(decoder.basis)
    mean, std, _ = decoder.decode(x, coefficients.mean, np.tile(np.eye(k), (40, 1, 1)))
    assert np.abs(mean[:, 0]).max() < 1e-9
    assert std[:, 0].max() < 1e-6


def test_only_the_peak_follows_the_maximum_of_the_profile() -> None:
    decoder, _ = reduce(slit_like.SIGNATURE, *slit_like.data(100, seed=1)[1:])
    assert {name: decoder.leader[c.start] for name, c in slit_like.SIGNATURE.columns().items()} == {
        "density": -1,
        "contact": -1,
        "mid": -1,
        "peak": 0,
    }


def test_factor_makes_rms_z_one() -> None:
    signature = Signature((Feature("a"),), (Target("p"), Target("q")))
    rng = np.random.default_rng(2)
    std, err = np.full((2000, 2), 0.1), np.full((2000, 2), 0.05)
    error = rng.standard_normal((2000, 2)) * np.hypot(std * [1, 3], err)
    factors = calibration_factors(signature, error, std, err)
    assert factors["p"] == pytest.approx(1, abs=0.06)
    assert factors["q"] == pytest.approx(3, rel=0.06)
    scaled = std * [factors["p"], factors["q"]]
    assert rms_z(signature, error, scaled, err) == pytest.approx({"p": 1.0, "q": 1.0})
