"""The base of all surrogates: an immutable recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from surrogates.contract.errors import InvalidDataError, NotEnoughDataError
from surrogates.contract.model import Model
from surrogates.contract.predictor import Predictor
from surrogates.contract.signature import Signature

Array = NDArray[np.float64]


class Surrogate(BaseModel, ABC):
    """A recipe for learning a model: its settings as fields.

    A subclass is final, is named by the file it lives in (``kind``), and keeps torch and scikit-learn
    inside `fit`. A fitted model predicts with numpy alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    predictor: ClassVar[type[Predictor]]
    """What `fit` makes and a saved model is read back as."""
    needed: ClassVar[int] = 8
    """Fewest simulations that can be learned from."""

    @abstractmethod
    def fit(
        self,
        x: Array,
        y: Array,
        y_err: Array | None = None,
        *,
        signature: Signature,
        seed: int,
        ids: NDArray[np.int64] | None = None,
    ) -> Model:
        """A new model; the recipe stays as it is.

        Args:
            x: inputs, array (n, features), in the units of the signature.
            y: targets, array (n, columns), flat as in the signature.
            y_err: standard errors of `y`, same shape; ``None`` if unknown, and then the model's
                std covers the noise of the data too.
            signature: names, units and ranges of the features and targets.
            seed: the same data and seed give the same model to the bit.
            ids: which simulation each row was, array (n,).

        Raises:
            NotEnoughDataError: fewer than `needed` rows.
            InvalidDataError: NaN, a wrong shape or a negative standard error.
        """

    def checked(
        self, x: Array, y: Array, y_err: Array | None, signature: Signature
    ) -> tuple[Array, Array, Array | None]:
        """The training data as float64, after the checks that `fit` promises."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        arrays = {"x": (x, len(signature.features)), "y": (y, signature.n_columns)}
        if y_err is not None:
            y_err = np.asarray(y_err, dtype=np.float64)
            arrays["y_err"] = (y_err, signature.n_columns)
        for name, (array, width) in arrays.items():
            if array.shape != (len(x), width):
                raise InvalidDataError(f"{name} has shape {array.shape}, expected ({len(x)}, {width})")
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            if bad.size:
                raise InvalidDataError(
                    f"{name} is not finite in {bad.size} of {len(x)} rows (first: row {bad[0]}); "
                    "leave failed simulations out"
                )
        if y_err is not None and (y_err < 0).any():
            raise InvalidDataError(f"y_err is negative in row {np.argwhere(y_err < 0)[0][0]}")
        if len(x) < self.needed:
            raise NotEnoughDataError(len(x), self.needed)
        return x, y, y_err
