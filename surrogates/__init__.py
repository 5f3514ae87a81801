"""Surrogates: recipes that learn simulations, and models that answer with an error bar.

A file of this package is a recipe, named by its ``kind``; a folder is machinery.
"""

from __future__ import annotations

from pathlib import Path

from surrogates.contract import (
    Axis,
    Feature,
    InvalidDataError,
    InvalidQueryError,
    Model,
    ModelFileError,
    NotEnoughDataError,
    OutOfDomainError,
    OutOfDomainWarning,
    Prediction,
    Propagated,
    Signature,
    Surrogate,
    SurrogateError,
    Target,
    calibrated,
    held_out_moments,
    held_out_scores,
    load_model,
    propagate,
)

__all__ = [
    "Axis",
    "Feature",
    "InvalidDataError",
    "InvalidQueryError",
    "Model",
    "ModelFileError",
    "NotEnoughDataError",
    "OutOfDomainError",
    "OutOfDomainWarning",
    "Prediction",
    "Propagated",
    "Signature",
    "Surrogate",
    "SurrogateError",
    "Target",
    "calibrated",
    "held_out_moments",
    "held_out_scores",
    "load",
    "propagate",
]


def load(path: str | Path) -> Model:
    """A saved model: the folder of a model, or a run folder, whose promoted model it is.

    Raises:
        ModelFileError: no readable model there.
    """
    folder = Path(path)
    promoted = folder / "models" / "promoted"
    if promoted.is_file():
        folder = folder / "models" / promoted.read_text().strip()
    elif (folder / "models").is_dir():
        raise ModelFileError(f"{folder} has no model in use: none was trained yet, or none could be")
    elif not (folder / "model.json").is_file():
        raise ModelFileError(
            f"{folder} holds no readable model: it is no folder of a run or of a model "
            "(there is no model.json in it)"
        )
    return load_model(folder)
