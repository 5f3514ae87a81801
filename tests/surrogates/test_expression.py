from __future__ import annotations

import numpy as np
import pytest

from surrogates.contract import ExpressionError, evaluate, evaluate_terms

VALUES = {"a": np.array([1.0, -2.0]), "b": np.array([3.0, 0.5])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", [1, -2]),
        ("2", [2, 2]),
        ("-a + 2 * b - 1 / 4", [4.75, 2.75]),
        ("b ** 2", [9, 0.25]),
        ("(a + b) * 2", [8, -3]),
        ("min(a, b)", [1, -2]),
        ("max(abs(a), 1.5)", [1.5, 2]),
    ],
)
def test_arithmetic(text: str, expected: list[float]) -> None:
    np.testing.assert_allclose(evaluate(text, VALUES), expected)


def test_terms_add_up() -> None:
    edges = evaluate_terms({"a": [0.0, 0.5, 1.0], "b": [1.0, 1.0, 0.0]}, VALUES)
    np.testing.assert_allclose(edges, [[3, 3.5, 1], [0.5, -0.5, -2]])


@pytest.mark.parametrize(
    "text",
    [
        "a.__class__",
        "__import__('os')",
        "abs.__call__(a)",
        "(lambda: a)()",
        "[a, b]",
        "a if b else a",
        "a < b",
        "a[0]",
        "'text'",
        "True",
        "min(a)",
        "abs(a, b)",
        "min(*b)",
        "max(a, key=b)",
        "sum(a, b)",
        "a // b",
        "a = 1",
        "a +",
        "",
        "unknown + 1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, VALUES)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ExpressionError, match="names 'gap'; the inputs are a, b"):
        evaluate("gap / 2", VALUES)
    with pytest.raises(ExpressionError, match=r"holds 'a.real', which is not accepted; accepted: names"):
        evaluate("1 + a.real", VALUES)
