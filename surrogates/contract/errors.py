"""Errors of the surrogates.

SurrogateError
├── NotEnoughDataError    fewer simulations than a recipe can learn from
├── InvalidDataError      data or a recipe that cannot be fitted: NaN, wrong shape, negative error
├── InvalidQueryError     a question a model cannot read: unknown name, wrong unit, wrong shape
├── ExpressionError       an expression that holds more than names, numbers and arithmetic
├── OutOfDomainError      a question outside the domain, asked with ``on_ood="raise"``
└── ModelFileError        a folder that holds no model, or one written by another version

OutOfDomainWarning (a UserWarning)   the same, with ``on_ood="warn"``
"""


class SurrogateError(Exception):
    """Base of all errors of the surrogates."""


class NotEnoughDataError(SurrogateError):
    """Fewer simulations than a recipe can learn from."""

    def __init__(self, given: int, needed: int) -> None:
        self.given, self.needed = given, needed
        super().__init__(f"{given} simulations are too few to fit this surrogate; it needs at least {needed}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.given, self.needed)


class InvalidDataError(SurrogateError, ValueError):
    """Data or a recipe that cannot be fitted."""


class InvalidQueryError(SurrogateError, ValueError):
    """A question that a model cannot read."""


class ExpressionError(SurrogateError):
    """An expression that holds more than names, numbers and arithmetic."""


class OutOfDomainError(SurrogateError):
    """A question outside the domain of a model."""


class ModelFileError(SurrogateError):
    """A folder that holds no readable model."""


class OutOfDomainWarning(UserWarning):
    """Some rows lie outside the domain of a model."""
