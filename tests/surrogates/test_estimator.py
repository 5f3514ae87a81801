from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from surrogates.estimator import SurrogateRegressor
from surrogates.mlp_ensemble import MlpEnsemble

SMALL = MlpEnsemble(members=8, folds=4, hidden=(16,), steps=40)


@pytest.mark.filterwarnings("ignore")  # the checks themselves ask far outside the training data
def test_scikit_learn_accepts_it() -> None:
    results = check_estimator(SurrogateRegressor(SMALL, random_state=0), on_fail=None, on_skip=None)
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []
    assert sum(r["status"] == "passed" for r in results) > 40


def test_pipeline_gives_std_and_the_domain() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (80, 2))
    y = np.stack([X[:, 0] + X[:, 1] ** 2, X[:, 0] - X[:, 1]], axis=1)
    pipeline = make_pipeline(StandardScaler(), SurrogateRegressor(SMALL, random_state=0))
    pipeline.fit(X, y, surrogateregressor__y_err=np.full_like(y, 0.01))
    mean, std = pipeline.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    assert pipeline.score(X, y) > 0.9
    fitted = pipeline[-1]
    assert fitted.in_domain(pipeline[:-1].transform(X)).mean() > 0.9
    assert not fitted.in_domain(np.array([[9.0, 0.0]]))[0]
    assert clone(fitted).get_params() == fitted.get_params()


def test_names_come_from_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.uniform(-1, 1, (30, 2)), columns=["gap", "salt"])
    fitted = SurrogateRegressor(SMALL, random_state=1).fit(frame, frame["gap"] * 2)
    assert fitted.model_.feature_names == ("gap", "salt")
    assert fitted.predict(frame).shape == (30,)
