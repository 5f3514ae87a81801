"""Arithmetic over named arrays, read from text without running it as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates.contract.errors import ExpressionError

Array = NDArray[np.float64]

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {"min": np.minimum, "max": np.maximum, "abs": np.abs}
ALLOWED = "names of inputs, numbers, + - * / **, min(a, b), max(a, b), abs(a)"


def evaluate(expression: str, values: Mapping[str, Array]) -> Array:
    """The value of an expression for every row.

    Args:
        expression: such as ``"concentration / cation_valency"``.
        values: name -> array (n,).

    Returns:
        array (n,).

    Raises:
        ExpressionError: it holds anything but names, numbers and arithmetic, or an unknown name.
    """
    n = len(next(iter(values.values()))) if values else 1
    result = np.asarray(_value(_parse(expression), values, expression), dtype=np.float64)
    return np.array(np.broadcast_to(result, (n,)))


def evaluate_terms(terms: Mapping[str, list[float]], values: Mapping[str, Array]) -> Array:
    """The sum of ``coefficient[k] * expression`` for every row.

    Args:
        terms: expression -> k coefficients.
        values: name -> array (n,).

    Returns:
        array (n, k).

    Raises:
        ExpressionError: as `evaluate`.
    """
    parts = [evaluate(text, values)[:, None] * np.asarray(factor) for text, factor in terms.items()]
    total: Array = np.sum(parts, axis=0)
    return total


@lru_cache(maxsize=256)
def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ExpressionError(f"{expression!r} is not an expression; accepted: {ALLOWED}") from error


def _value(node: ast.expr, values: Mapping[str, Array], expression: str) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.float64(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id=name):
            raise ExpressionError(f"{expression!r} names {name!r}; the inputs are {', '.join(values)}")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values, expression)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](_value(left, values, expression), _value(right, values, expression))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS and len(args) == (
            1 if name == "abs" else 2
        ):
            return FUNCTIONS[name](*(_value(arg, values, expression) for arg in args))
    found = ast.unparse(node)
    raise ExpressionError(f"{expression!r} holds {found!r}, which is not accepted; accepted: {ALLOWED}")
