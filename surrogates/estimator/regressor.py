"""Any recipe as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from surrogates.contract import Feature, Signature, Surrogate, Target
from surrogates.contract.model import OnOod
from surrogates.mlp_ensemble import MlpEnsemble

Array = NDArray[np.float64]


class SurrogateRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A recipe behind scikit-learn's conventions; targets are scaled inside.

    Args:
        recipe: what is fitted; `MlpEnsemble` with its defaults where ``None``.
        random_state: seed, generator or ``None``, as everywhere in scikit-learn.

    After `fit`: ``model_`` (a `Model`), ``n_features_in_`` and, for data frames, ``feature_names_in_``.
    """

    def __init__(self, recipe: Surrogate | None = None, random_state: Any = None) -> None:
        self.recipe = recipe
        self.random_state = random_state

    def fit(self, X: Any, y: Any, y_err: Any = None) -> SurrogateRegressor:
        """Learn from X (n, features) and y, array (n,) or (n, targets).

        Args:
            X: inputs; their range is the box of the domain.
            y: targets.
            y_err: standard errors of y, same shape; ``None`` if unknown, and then std covers noise too.

        Raises:
            ValueError: data that cannot be fitted, or too few rows.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        recipe = MlpEnsemble() if self.recipe is None else self.recipe
        if len(X) < recipe.needed:
            raise ValueError(f"n_samples={len(X)}, but {recipe.kind} needs at least {recipe.needed}")
        columns = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        errors = None if y_err is None else np.asarray(y_err, dtype=np.float64).reshape(len(X), -1)
        names = getattr(self, "feature_names_in_", [f"x{k}" for k in range(X.shape[1])])
        signature = Signature(
            features=tuple(Feature(str(name)) for name in names),
            targets=tuple(Target(f"y{k}") for k in range(columns.shape[1])),
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.model_ = recipe.fit(X, columns, errors, signature=signature, seed=seed)
        self._flat = np.ndim(y) == 1
        return self

    def predict(self, X: Any, return_std: bool = False, on_ood: OnOod = "warn") -> Any:
        """Means of y, and with `return_std` their std: arrays (n,) or (n, targets).

        Args:
            X: array (n, features).
            return_std: also return std.
            on_ood: as in `Model.predict`.
        """
        X = self._rows(X)
        mean, std = self.model_.predict(X, return_std=True, on_ood=on_ood)
        if self._flat:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean

    def in_domain(self, X: Any) -> NDArray[np.bool_]:
        """Whether each row lies inside the model's domain, array (n,)."""
        return self.model_.in_domain(self._rows(X))

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self, "model_")
        rows: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
