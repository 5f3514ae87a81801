"""Types of sixteen lanes and their operators, and how functions on them are compiled."""

from __future__ import annotations

import operator
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 16
FLOAT = ir.VectorType(ir.FloatType(), LANES)
INT = ir.VectorType(ir.IntType(32), LANES)
WIDE = ir.VectorType(ir.IntType(64), LANES)
SHORT = ir.VectorType(ir.IntType(16), LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)


class VectorType(types.Type):
    """numba's type of a sixteen-lane value."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


float16 = VectorType("float16")
int16 = VectorType("int16")
mask16 = VectorType("mask16")
long16 = VectorType("long16")
LLVM = {float16: FLOAT, int16: INT, mask16: MASK, long16: WIDE}
OF_DTYPE = {types.float32: float16, types.int32: int16, types.int64: long16}


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, LLVM[vector])


def primitive(function: Callable[..., Any]) -> Any:
    """An operation given as LLVM instructions."""
    return intrinsic(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel as part of its callers: a call would pass vectors through memory."""
    return njit(function, error_model="numpy", forceinline=True)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: without the interpreter's lock, kept on disk.

    numba takes a kept function for current as long as its own file is; the name under which it is kept
    says from which sources it was made: those that all systems share, and those of its own folder.
    """
    shared = Path(__file__).parents[1]
    own = Path(function.__code__.co_filename).parent
    folders = {shared, shared / "vector", shared / "laws", own}
    sources = sorted({source for folder in folders for source in folder.glob("*.py")})
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    function.__qualname__ = f"{function.__qualname__}_{digest[:12]}"
    return njit(function, cache=True, nogil=True, error_model="numpy")


# What emits instructions ---------------------------------------------------------------------------


def call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """A call of an LLVM intrinsic."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def has(context: Any, feature: str) -> bool:
    """Whether the machine that is compiled for has a feature, as LLVM calls it."""
    return f"+{feature}" in context.codegen().magic_tuple()[2]


def has_avx512(context: Any) -> bool:
    """Whether it has registers for sixteen float32."""
    return has(context, "avx512f")


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Of an element of an array, as a pointer to a vector of this LLVM type."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The 4 x 4 blocks that four vectors have in each of their quarters, transposed."""

    def pick(a: Any, b: Any, chosen: list[int]) -> Any:
        lanes_of_both = [4 * quarter + k + (12 if k > 3 else 0) for quarter in range(4) for k in chosen]
        return builder.shuffle_vector(a, b, ir.Constant(INT, lanes_of_both))

    a, b, c, d = rows
    low, high = [0, 4, 1, 5], [2, 6, 3, 7]
    ab, cd, ab_high, cd_high = pick(a, b, low), pick(c, d, low), pick(a, b, high), pick(c, d, high)
    first, second = [0, 1, 4, 5], [2, 3, 6, 7]
    return [
        pick(ab, cd, first),
        pick(ab, cd, second),
        pick(ab_high, cd_high, first),
        pick(ab_high, cd_high, second),
    ]


# Operators -----------------------------------------------------------------------------------------


def _declare(operation: Callable[..., Any], cases: dict[VectorType, Callable[..., Any]], result: Any) -> None:
    """Give a Python operator a meaning on two vectors of one type."""

    class Template(AbstractTemplate):
        def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            if len(args) == 2 and args[0] == args[1] and args[0] in cases:
                return signature(result or args[0], *args)
            return None

    infer_global(operation)(Template)
    for vector, emit in cases.items():

        def lower(context: Any, builder: Any, sig: Any, args: Any, emit: Callable[..., Any] = emit) -> Any:
            return emit(builder, *args)

        lower_builtin(operation, vector, vector)(lower)


_declare(operator.add, {float16: ir.IRBuilder.fadd, int16: ir.IRBuilder.add, long16: ir.IRBuilder.add}, None)
_declare(operator.sub, {float16: ir.IRBuilder.fsub, int16: ir.IRBuilder.sub, long16: ir.IRBuilder.sub}, None)
_declare(operator.mul, {float16: ir.IRBuilder.fmul, int16: ir.IRBuilder.mul}, None)
_declare(operator.truediv, {float16: ir.IRBuilder.fdiv}, None)
_declare(operator.and_, {int16: ir.IRBuilder.and_, mask16: ir.IRBuilder.and_}, None)
_declare(operator.or_, {int16: ir.IRBuilder.or_}, None)
_declare(operator.xor, {int16: ir.IRBuilder.xor}, None)
_declare(operator.lshift, {int16: ir.IRBuilder.shl}, None)
_declare(operator.rshift, {int16: ir.IRBuilder.ashr}, None)
for _operation, _sign in ((operator.lt, "<"), (operator.gt, ">")):
    _declare(
        _operation,
        {
            float16: lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b),
            int16: lambda builder, a, b, sign=_sign: builder.icmp_signed(sign, a, b),
        },
        mask16,
    )
