"""What a plug-in's `fit` makes: the numbers behind a model, evaluated by numpy alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.signature import Signature

Array = NDArray[np.float64]


class Moments(NamedTuple):
    """Mean, std of that mean and std of the noise of one simulation, arrays (n, columns)."""

    mean: Array
    std: Array
    noise: Array


class Predictor(ABC):
    """A fitted function from inputs to the moments of the targets, in the signature's units."""

    @abstractmethod
    def moments(self, x: Array) -> Moments:
        """Prediction for rows x, array (n, features)."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything numeric that `restore` needs, for ``weights.safetensors``."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything else that `restore` needs, for ``model.json``."""

    @classmethod
    @abstractmethod
    def restore(
        cls, signature: Signature, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> Predictor:
        """The predictor that `arrays` and `settings` were taken from."""
