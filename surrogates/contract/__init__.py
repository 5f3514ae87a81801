"""What every surrogate promises: a recipe that is fitted once, a model that knows its error and domain."""

from surrogates.contract.domain import Domain
from surrogates.contract.errors import (
    ExpressionError,
    InvalidDataError,
    InvalidQueryError,
    ModelFileError,
    NotEnoughDataError,
    OutOfDomainError,
    OutOfDomainWarning,
    SurrogateError,
)
from surrogates.contract.expression import evaluate, evaluate_terms
from surrogates.contract.loading import find, load_model
from surrogates.contract.model import Model
from surrogates.contract.prediction import Neighbour, Prediction, TargetPrediction
from surrogates.contract.predictor import Moments, Predictor
from surrogates.contract.propagation import Propagated, propagate
from surrogates.contract.quantity import check_unit, parse_quantity
from surrogates.contract.scores import calibrated, held_out_moments, held_out_scores
from surrogates.contract.signature import Axis, Feature, Signature, Target
from surrogates.contract.surrogate import Surrogate

__all__ = [
    "Axis",
    "Domain",
    "ExpressionError",
    "Feature",
    "InvalidDataError",
    "InvalidQueryError",
    "Model",
    "ModelFileError",
    "Moments",
    "Neighbour",
    "NotEnoughDataError",
    "OutOfDomainError",
    "OutOfDomainWarning",
    "Prediction",
    "Predictor",
    "Propagated",
    "Signature",
    "Surrogate",
    "SurrogateError",
    "Target",
    "TargetPrediction",
    "calibrated",
    "check_unit",
    "evaluate",
    "evaluate_terms",
    "find",
    "held_out_moments",
    "held_out_scores",
    "load_model",
    "parse_quantity",
    "propagate",
]
