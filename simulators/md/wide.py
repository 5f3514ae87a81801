"""Sixty-four float64 lanes as one value, for the trajectories of single particles.

A step of such a particle is a chain of a few operations, each of which waits for the one before. Sixty-four
lanes are eight of the machine's registers with AVX-512, whose chains take turns: that is what keeps its
arithmetic units busy, and positions and velocities stay in registers from one recorded point to the next.

Values are of the type `double64`, made by `load` and `real`; ``+ - * /`` act lane by lane. Nothing is fused
or reordered that is not written so: a lane's bits are the same in every kernel.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from simulators.md.arithmetic import rebound
from simulators.md.vector import inline, primitive

WIDTH = 64
_DOUBLE = ir.VectorType(ir.DoubleType(), WIDTH)
_LONG = ir.VectorType(ir.IntType(64), WIDTH)


class WideType(types.Type):
    """numba's type of a value of sixty-four lanes."""


double64 = WideType("double64")


@register_model(WideType)
class _WideModel(models.PrimitiveModel):
    def __init__(self, manager: Any, wide: WideType) -> None:
        super().__init__(manager, wide, _DOUBLE)


def _declare(operation: Callable[..., Any], emit: Callable[..., Any]) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            return signature(double64, *args) if args == (double64, double64) else None

    infer_global(operation)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    lower_builtin(operation, double64, double64)(lower)


_declare(operator.add, ir.IRBuilder.fadd)
_declare(operator.sub, ir.IRBuilder.fsub)
_declare(operator.mul, ir.IRBuilder.fmul)
_declare(operator.truediv, ir.IRBuilder.fdiv)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), _DOUBLE.as_pointer())


@primitive
def load(typing: Any, array: Any, index: Any) -> Any:
    """Sixty-four neighbours of a contiguous one-dimensional float64 array, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=8)

    return double64(array, types.intp), emit


@primitive
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixty-four neighbours of a contiguous one-dimensional float64 array, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, double64), emit


@primitive
def real(typing: Any, scalar: Any) -> Any:
    """The same float64 in every lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        undefined = ir.Constant(_DOUBLE, ir.Undefined)
        one = builder.insert_element(undefined, args[0], ir.Constant(ir.IntType(32), 0))
        spread = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(one, undefined, spread)

    return double64(types.float64), emit


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f64")
    return builder.call(function, [a, b, c])


@primitive
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fused(builder, *args)

    return double64(double64, double64, double64), emit


@primitive
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``c - a b``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fused(builder, builder.fneg(args[0]), args[1], args[2])

    return double64(double64, double64, double64), emit


@primitive
def signs_that_differ(typing: Any, a: Any, b: Any) -> Any:
    """The lanes where two values differ in sign, as the bits of an uint64."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (builder.bitcast(value, _LONG) for value in args)
        differ = builder.icmp_signed("<", builder.xor(a, b), ir.Constant(_LONG, [0] * WIDTH))
        return builder.bitcast(differ, ir.IntType(WIDTH))

    return types.uint64(double64, double64), emit


@primitive
def _flipped_where_even(typing: Any, value: Any, number: Any) -> Any:
    """``-value`` where the last bit of ``number`` is 0."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, number = (builder.bitcast(value, _LONG) for value in args)
        sign = builder.shl(builder.not_(number), ir.Constant(_LONG, [63] * WIDTH))
        return builder.bitcast(builder.xor(value, sign), _DOUBLE)

    return double64(double64, double64), emit


@inline
def reciprocal(x):
    """``1 / x``, correctly rounded."""
    return real(1.0) / x


_ROUND = 1.5 * 2.0**52
"""A float64 to which this is added is rounded to a whole number, whose last bit is the last of the sum."""
_PI_REST = 1.2246467991473532e-16
"""What the float64 that is nearest to pi lacks."""


@inline
def cos(x):
    """Cosine: ``-(-1)^k sin(x - (k + 1/2) pi)``, the sine by its series to the 21st power, good to 1e-15."""
    number = fma(x, real(1 / math.pi), real(-0.5)) + real(_ROUND)
    turns = (number - real(_ROUND)) + real(0.5)
    r = fnma(turns, real(math.pi), x)
    r = fnma(turns, real(_PI_REST), r)
    square = r * r
    p = real(1 / 51090942171709440000.0)
    p = fma(p, square, real(-1 / 121645100408832000.0))
    p = fma(p, square, real(1 / 355687428096000.0))
    p = fma(p, square, real(-1 / 1307674368000.0))
    p = fma(p, square, real(1 / 6227020800.0))
    p = fma(p, square, real(-1 / 39916800.0))
    p = fma(p, square, real(1 / 362880.0))
    p = fma(p, square, real(-1 / 5040.0))
    p = fma(p, square, real(1 / 120.0))
    p = fma(p, square, real(-1 / 6.0))
    sine = fma(p * square, r, r)
    return _flipped_where_even(sine, number)


_ARITHMETIC = {"real": real, "fma": fma, "fnma": fnma, "reciprocal": reciprocal, "cos": cos}


def on_wide(law: Callable[..., Any]) -> Any:
    """A law (`simulators.md.arithmetic`) over sixty-four float64 lanes, for kernels to call."""
    return rebound(law, _ARITHMETIC, inline)
