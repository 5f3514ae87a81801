"""Error bars that held-out simulations have put right, and scores that do not judge themselves."""

from dataclasses import replace

import numpy as np
import pytest
import slit_like

from surrogates import calibrated, held_out_moments, held_out_scores, load


def rms_z(mean, std, y, err):
    return np.sqrt(np.mean(((mean - y) / np.hypot(std, err))[err > 0] ** 2))


@pytest.fixture
def overconfident(model):
    """The model with error bars a third of what its fit says."""
    return replace(model, std_factor=1 / 3)


def test_bars_fit_simulations_that_did_not_set_them(overconfident):
    setting, fresh = slit_like.data(60, seed=21), slit_like.data(200, seed=22)
    before = rms_z(*overconfident.predict(fresh[0], return_std=True, on_ood="ignore"), *fresh[1:])
    mended = calibrated(overconfident, *setting)
    after = rms_z(*mended.predict(fresh[0], return_std=True, on_ood="ignore"), *fresh[1:])
    assert before > 1.05
    assert after == pytest.approx(1, abs=0.1)
    means = [m.predict(fresh[0], on_ood="ignore") for m in (mended, overconfident)]
    np.testing.assert_array_equal(*means)


def test_no_simulation_judges_bars_that_it_set(overconfident):
    x, y, err = slit_like.data(40, seed=23)
    mended = calibrated(overconfident, x, y, err)
    _, std = held_out_moments(mended, x, y, err)
    wild = y.copy()
    wild[0] += 40 * err[0]  # would widen its own bars if it had a say in them
    _, wild_std = held_out_moments(mended, x, wild, err)
    np.testing.assert_array_equal(wild_std[::2], std[::2])
    assert (wild_std[1::2] > std[1::2]).all()


def test_scores_of_a_calibrated_model_use_the_other_halfs_bars(overconfident):
    x, y, err = slit_like.data(40, seed=24)
    mended = calibrated(overconfident, x, y, err)
    mean, std = held_out_moments(mended, x, y, err)
    c = mended.signature.columns()["contact"].start
    scores = held_out_scores(mended, x, y, err)["targets"]["contact"]
    assert scores["rms_z"] == pytest.approx(rms_z(mean[:, c], std[:, c], y[:, c], err[:, c]))


def test_a_few_simulations_change_nothing(model):
    assert calibrated(model, *slit_like.data(10, seed=25)) is model


def test_the_factor_is_kept_and_told(overconfident, tmp_path):
    x, y, err = slit_like.data(40, seed=26)
    mended = calibrated(overconfident, x, y, err)
    again = load(mended.save(tmp_path / "model"))
    assert again.std_factor == mended.std_factor
    np.testing.assert_array_equal(again.predict(x, return_std=True)[1], mended.predict(x, return_std=True)[1])
    assert f"multiplied by {mended.std_factor:.3g}" in again.card()
    np.testing.assert_allclose(again.domain_score(x), overconfident.domain_score(x), rtol=1e-9)


def test_empty_bins_do_not_make_a_model_look_better(model):
    x, y, err = slit_like.data(40, seed=27)
    name, columns = next((n, c) for n, c in model.signature.columns().items() if c.stop - c.start > 4)
    before = held_out_scores(model, x, y, err)["targets"][name]["median_relative_error"]
    empty, unsure = y.copy(), err.copy()
    half = slice(columns.start, columns.start + (columns.stop - columns.start) * 2 // 3)
    empty[:, half], unsure[:, half] = 0.0, 1e-3
    rest = slice(half.stop, columns.stop)
    mean = model.predict(x, on_ood="ignore")
    known = (err[:, rest] > 0) & (y[:, rest] != 0)
    expected = np.median(np.abs((mean[:, rest] - y[:, rest])[known] / y[:, rest][known]))
    assert held_out_scores(model, x, empty, unsure)["targets"][name]["median_relative_error"] == expected
    assert before > 0
    nothing = held_out_scores(model, x, np.zeros_like(y), np.full_like(err, 1e-3))
    assert "median_relative_error" not in nothing["overall"]
