"""Physics written once: laws, and the arithmetics that they are computed in.

A *law* is a plain function of numbers (the force of a pair, a bond, a wall) that uses ``+ - * /`` and the
functions of this module. As it stands it computes in float64, on numbers or on numpy arrays: that is what
tests differentiate. `rebound` makes the same law over another arithmetic: sixteen float32 lanes
(`simulators.md.vector`), or one float32 of a GPU thread (`simulators.md.cuda`).

A constant in a law is written ``real(3.0)``, since a bare one would be a float64 on a GPU, and an integer
``word(7)``. Integers have 32 bits: a sum, a product or a shift to the left that may need more is wrapped by
``word`` too. As they stand, integers are arrays.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

Law = Callable[..., Any]

_LAWS: set[Law] = set()


def law(function: Law) -> Law:
    """Declare a function to be a law: laws that use it are rebound together with it."""
    _LAWS.add(function)
    return function


def rebound(function: Law, arithmetic: Mapping[str, Any], compiled: Callable[[Law], Any]) -> Any:
    """The same law over another arithmetic.

    Args:
        function: a law.
        arithmetic: name of a function of this module -> what takes its place.
        compiled: turns the rebound Python function into what kernels call.
    """
    if not isinstance(function, FunctionType) or function not in _LAWS:
        raise TypeError(f"{function!r} is not a law")
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name)
        if isinstance(value, FunctionType) and value in ARITHMETIC_FUNCTIONS:
            names[name] = arithmetic[value.__name__]
        elif isinstance(value, FunctionType) and value in _LAWS:
            names[name] = rebound(value, arithmetic, compiled)
    other = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    return compiled(other)


# The arithmetic of a law as it stands: float64 ---------------------------------------------------


def real(x: Any) -> Any:
    """A constant."""
    return x


def fma(a: Any, b: Any, c: Any) -> Any:
    """``a b + c``; rounded once where the hardware does so."""
    return a * b + c


def fnma(a: Any, b: Any, c: Any) -> Any:
    """``c - a b``."""
    return c - a * b


def maximum(a: Any, b: Any) -> Any:
    """The greater one."""
    return np.maximum(a, b)


def select(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition (``<`` or ``>`` of two numbers) holds, else ``b``."""
    return np.where(condition, a, b)


def sqrt(x: Any) -> Any:
    """Square root."""
    return np.sqrt(x)


def reciprocal(x: Any) -> Any:
    """``1 / x``, good to a few units in the last place."""
    return 1.0 / x


def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``, good to a few units in the last place."""
    return 1.0 / np.sqrt(x)


def exp(x: Any) -> Any:
    """Exponential, for arguments from -87 to 88."""
    return np.exp(x)


def sin(x: Any) -> Any:
    """Sine, for arguments of a few thousand turns at most."""
    return np.sin(x)


def cos(x: Any) -> Any:
    """Cosine, likewise."""
    return np.cos(x)


def acos(x: Any) -> Any:
    """Inverse cosine; what lies outside -1 to 1 counts as the end next to it."""
    return np.arccos(np.clip(x, -1.0, 1.0))


def word(x: Any) -> Any:
    """An integer of 32 bits with a sign; more bits are dropped."""
    return np.atleast_1d(x).astype(np.int64).astype(np.int32)


def multiply_high(a: Any, b: Any) -> Any:
    """The upper 32 bits of the product of two integers without signs."""
    product = a.view(np.uint32).astype(np.uint64) * b.view(np.uint32)
    return (product >> np.uint64(32)).astype(np.uint32).view(np.int32)


def to_float(x: Any) -> Any:
    """An integer as a real number."""
    return x.astype(float)


def to_float_unsigned(x: Any) -> Any:
    """An integer without sign as a real number."""
    return x.view(np.uint32).astype(float)


def as_int(x: Any) -> Any:
    """The bits of a float32."""
    return x.astype(np.float32).view(np.int32)


def as_float(x: Any) -> Any:
    """The float32 of these bits."""
    return x.view(np.float32).astype(float)


ARITHMETIC_FUNCTIONS = (
    *(real, fma, fnma, maximum, select, sqrt, reciprocal, rsqrt, exp, sin, cos, acos),
    *(word, multiply_high, to_float, to_float_unsigned, as_int, as_float),
)


def arithmetic_of(*namespaces: Mapping[str, Any]) -> dict[str, Any]:
    """What takes the place of each function of this module, for `rebound`: that of its name.

    Args:
        namespaces: name -> object; a name is looked up in the first that has it.
    """
    found = ChainMap(*(dict(namespace) for namespace in namespaces))
    return {function.__name__: found[function.__name__] for function in ARITHMETIC_FUNCTIONS}
