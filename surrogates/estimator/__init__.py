"""The face that scikit-learn knows: fit, predict, pipelines, searches."""

from surrogates.estimator.regressor import SurrogateRegressor

__all__ = ["SurrogateRegressor"]
