"""From a kind to its recipe, and from a folder to its model."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.domain import Domain
from surrogates.contract.errors import ModelFileError
from surrogates.contract.model import FORMAT, Model
from surrogates.contract.signature import Signature
from surrogates.contract.storage import read_folder
from surrogates.contract.surrogate import Surrogate


def find(kind: str) -> type[Surrogate]:
    """The recipe class of a kind: a file of this package, or ``module:Class`` of the user's own.

    Raises:
        ModelFileError: there is no such recipe.
    """
    module_name, _, class_name = kind.partition(":")
    try:
        module = importlib.import_module(module_name if class_name else f"surrogates.{kind}")
    except ImportError as error:
        raise ModelFileError(f"no surrogate of kind {kind!r}: {error}") from error
    for name, value in vars(module).items():
        wanted = name == class_name if class_name else getattr(value, "__module__", None) == module.__name__
        if wanted and isinstance(value, type) and issubclass(value, Surrogate):
            return value
    raise ModelFileError(f"no surrogate of kind {kind!r} in {module.__name__}")


def load_model(folder: Path) -> Model:
    """The model in a folder that `Model.save` wrote; torch and scikit-learn are not imported.

    Raises:
        ModelFileError: no readable model there.
    """
    description, arrays = read_folder(folder)
    if description.get("format") != FORMAT:
        raise ModelFileError(
            f"{folder}: model format {description.get('format')!r}, this version reads {FORMAT}"
        )
    try:
        return _restored(description, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{folder} does not hold what this version of the program expects ({error!r}): "
            "it was damaged, or another version wrote it"
        ) from error


def _restored(description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Model:
    signature = Signature.from_json(description["signature"])
    domain = Domain(
        names=tuple(f.name for f in signature.features),
        units=tuple(f.unit for f in signature.features),
        choices=tuple(f.choices for f in signature.features),
        low=arrays["domain.low"],
        high=arrays["domain.high"],
        x=arrays["domain.x"],
        ids=arrays["domain.ids"].astype(np.int64),
        scale=arrays["domain.scale"],
        **description["domain"],
    )
    own = {
        name.removeprefix("predictor."): value
        for name, value in arrays.items()
        if name.startswith("predictor.")
    }
    predictor = find(description["kind"]).predictor.restore(signature, own, description["predictor"])
    return Model(
        description["kind"],
        description["recipe"],
        signature,
        domain,
        predictor,
        description["training"],
        description["std_factor"],
        description["scores"],
        description["provenance"],
    )
