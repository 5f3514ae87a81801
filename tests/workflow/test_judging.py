from __future__ import annotations

import numpy as np
import pytest

from surrogates import Axis, Feature, Signature, Target
from workflow.judging import calibrated_error, compare, least_success, squared_error
from workflow.results import Examples

RNG = np.random.default_rng(7)
N = 64
X = RNG.uniform(0, 1, (N, 1))
TRUTH = np.concatenate([2 + X, 100 * X + [1, 2, 3]], axis=1)
ERR = np.full(TRUTH.shape, [0.1, 5, 5, 5])
HELD = Examples(X, TRUTH + RNG.normal(0, ERR), ERR)


class Off:
    """Predicts the truth, shifted by a multiple of the noise that may differ from row to row."""

    signature = Signature(
        (Feature("x"),), (Target("a"), Target("b", axis="z")), (Axis("z", "", {"1": [0, 1, 2, 3]}),)
    )

    def __init__(self, shift):
        self.shift = np.broadcast_to(np.asarray(shift, dtype=float), (N,))[:, None]

    def predict(self, x, return_std=False, on_ood="warn"):
        mean = 2 + x, 100 * x + [1, 2, 3]
        mean = np.concatenate(mean, axis=1) + self.shift[: len(x)] * ERR[: len(x)]
        return (mean, 0.01 * np.abs(mean)) if return_std else mean


def test_the_squared_error_by_loops():
    got = squared_error(Off(0.5), HELD)
    mean = Off(0.5).predict(X)
    for i in range(N):
        z2 = [((mean[i, j] - HELD.y[i, j]) / ERR[i, j]) ** 2 for j in range(4)]
        assert got[i] == pytest.approx((z2[0] + (z2[1] + z2[2] + z2[3]) / 3) / 2)


def test_the_same_model_is_no_worse_and_so_the_newer_one_is_used():
    same = compare(Off(0.3), Off(0.3), HELD)
    assert (same.difference, same.stderr) == (0, 0)
    assert same.promotes


def test_a_model_that_is_a_hair_worse_within_the_noise_is_used():
    noisy = np.tile([0.5, -0.5], N // 2)
    newer, old = Off(1.02 * noisy), Off(-noisy)
    found = compare(newer, old, HELD)
    assert 0 < abs(found.difference) < found.stderr
    assert found.promotes


def test_a_model_that_is_worse_beyond_the_noise_is_not_used_and_the_other_way_round_it_is():
    worse = compare(Off(1.5), Off(0), HELD)
    assert worse.difference > 5 * worse.stderr
    assert not worse.promotes
    better = compare(Off(0), Off(1.5), HELD)
    assert better.difference == -worse.difference
    assert better.promotes


def test_pairing_sees_what_two_separate_means_would_not():
    hard = RNG.normal(0, 20, N)  # some simulations are hard for both models
    found = compare(Off(1.1 * hard), Off(hard), HELD)
    errors = squared_error(Off(hard), HELD)
    unpaired = np.sqrt(2) * errors.std(ddof=1) / np.sqrt(N)
    assert found.stderr < 0.3 * unpaired
    assert not found.promotes


def test_one_simulation_that_claims_to_be_exact_does_not_decide():
    err = ERR.copy()
    err[0] = 1e-9 * ERR[0]
    held = Examples(X, HELD.y, err)
    assert squared_error(Off(0.5), held)[0] == pytest.approx(squared_error(Off(0.5), HELD)[0])


def test_without_standard_errors_the_spread_of_the_output_is_the_unit():
    held = Examples(X, HELD.y, np.zeros_like(ERR))
    mean = Off(1.0).predict(X)
    first = ((mean[:, 0] - HELD.y[:, 0]) / HELD.y[:, 0].std()) ** 2
    rest = (((mean - HELD.y) / HELD.y.std(axis=0)) ** 2)[:, 1:].mean(axis=1)
    np.testing.assert_allclose(squared_error(Off(1.0), held), (first + rest) / 2)


def test_a_model_that_does_not_answer_is_not_used():
    assert not compare(Off(np.nan), Off(3.0), HELD).promotes


def test_one_simulation_alone_cannot_keep_the_older_model():
    held = Examples(X[:1], HELD.y[:1], ERR[:1])
    assert compare(Off(0.1), Off(0), held).promotes


def test_the_calibrated_error_is_the_median_relative_std():
    assert calibrated_error(Off(0), HELD) == pytest.approx(0.01)


def test_the_worst_target_says_whether_the_success_is_reached():
    assert least_success({"targets": {"a": {"success": 0.9}, "b": {"success": 0.4}}}) == 0.4
    assert least_success({}) is None
