"""Inputs that are not known exactly: against a formula, and against plain Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
import slit_like

from surrogates import InvalidQueryError, Model, propagate
from surrogates.contract import find
from surrogates.contract.propagation import unit_samples

POINT = {"gap": 3.5, "cation_valency": 2, "concentration": 0.6, "diameter": 0.6}


@pytest.fixture(scope="module")
def model() -> Model:
    x, y, err = slit_like.data(120, seed=5)
    return find("gaussian_process")().fit(x, y, err, signature=slit_like.SIGNATURE, seed=1)


def plain_monte_carlo(model: Model, gap: float, concentration: float, shape: str) -> np.ndarray:
    rng = np.random.default_rng(77)
    n = 4000
    x = np.tile([3.5, 2.0, 1.0, 0.6, 0.6], (n, 1))
    for column, width in ((0, gap), (3, concentration)):
        noise = rng.standard_normal(n) if shape == "gaussian" else rng.uniform(-1, 1, n)
        x[:, column] += width * noise
    return model.predict(x, on_ood="ignore").std(axis=0)


@pytest.mark.parametrize("shape", ["gaussian", "uniform"])
def test_equal_to_plain_monte_carlo(model: Model, shape: str) -> None:
    found = propagate(model, POINT, {"gap": "0.05 nm", "concentration": 0.04}, shape)
    expected = plain_monte_carlo(model, 0.05, 0.04, shape)
    columns = model.signature.columns()
    assert found.spread == {"gap": 0.05, "concentration": 0.04}
    assert found.std["contact"] == pytest.approx(expected[columns["contact"].start], rel=0.06)
    assert found.std["density"].shape == (slit_like.BINS,)
    assert found.std["density"] == pytest.approx(expected[columns["density"]], rel=0.15, abs=1e-3)


def test_a_small_spread_is_the_slope_times_it(model: Model) -> None:
    def at(gap: float) -> float:
        return float(model.evaluate(**{**POINT, "gap": gap}).mid.mean)

    slope = (at(3.51) - at(3.49)) / 0.02
    found = propagate(model, POINT, {"gap": 0.005})
    assert found.std["mid"] == pytest.approx(abs(slope) * 0.005, rel=0.02)


def test_the_same_samples_at_every_call(model: Model) -> None:
    first, again = (propagate(model, POINT, {"gap": 0.05}) for _ in range(2))
    assert first.std["mid"] == again.std["mid"]
    with pytest.raises(ValueError, match="read-only"):
        unit_samples(5, "gaussian")[0, 0] = 1


def test_the_share_outside_is_that_of_the_tail(model: Model) -> None:
    edge = {**POINT, "gap": 4.0}
    assert propagate(model, edge, {"gap": 0.02}).outside == pytest.approx(0.5, abs=0.01)
    assert propagate(model, {**POINT, "gap": 3.98}, {"gap": 0.02}).outside == pytest.approx(0.16, abs=0.01)
    assert propagate(model, {**POINT, "gap": 3.98}, {"gap": 0.02}, "uniform").outside == 0


def test_nothing_uncertain_adds_nothing(model: Model) -> None:
    found = propagate(model, POINT, {"gap": 0})
    assert found.std["mid"] < 1e-12
    assert found.spread == {}


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        ({"gapp": 0.1}, "no input 'gapp' that could be uncertain; such inputs: gap, concentration, diameter"),
        ({"cation_valency": 1}, "cation_valency only takes single values"),
        ({"anion_valency": 1}, "anion_valency is a constant of the campaign"),
        ({"gap": -0.1}, "spread of gap = -0.1: it cannot be negative"),
        ({"gap": "0.1 kg"}, "spread of gap = '0.1 kg': expected a number in nm"),
    ],
)
def test_refusals(model: Model, spread: dict[str, str | float], words: str) -> None:
    with pytest.raises(InvalidQueryError, match=words):
        propagate(model, POINT, spread)
