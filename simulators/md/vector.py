"""Sixteen lanes as one value: explicit ``<16 x float>`` and ``<16 x i32>`` vectors inside numba functions.

numba leaves vectorisation to the compiler, which gives up on most loops of a molecular simulation. The
values here are LLVM vectors that live in registers, so that a kernel reads like the physics and compiles
to the instructions that one would write by hand: 512-bit ones where the machine has AVX-512, pairs of
narrower ones elsewhere.

Values are of four types: `float16` (float32 lanes), `int16` (int32 lanes), `long16` (int64 lanes, to
load, add and subtract) and `mask16` (booleans), made by `load`, `splat` and `lanes`. ``+ - *`` act lane by
lane, as do ``& | ^ << >>`` on integers (``>>`` keeps the sign), ``<`` and ``>``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from simulators.md.arithmetic import ARITHMETIC_FUNCTIONS, rebound

LANES = 16
_FLOAT = ir.VectorType(ir.FloatType(), LANES)
_INT = ir.VectorType(ir.IntType(32), LANES)
_WIDE = ir.VectorType(ir.IntType(64), LANES)
_SHORT = ir.VectorType(ir.IntType(16), LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


class VectorType(types.Type):
    """numba's type of a sixteen-lane value."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


float16 = VectorType("float16")
int16 = VectorType("int16")
mask16 = VectorType("mask16")
long16 = VectorType("long16")
_LLVM = {float16: _FLOAT, int16: _INT, mask16: _MASK, long16: _WIDE}
_OF_DTYPE = {types.float32: float16, types.int32: int16, types.int64: long16}


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, _LLVM[vector])


def primitive(function: Callable[..., Any]) -> Any:
    """An operation given as LLVM instructions."""
    return intrinsic(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel as part of its callers: a call would pass vectors through memory."""
    return njit(function, error_model="numpy", forceinline=True)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: without the interpreter's lock, kept on disk.

    numba takes a kept function for current as long as its own file is; the name under which it is kept
    says from which sources of this folder and of its own it was made, since they are compiled into it.
    """
    folders = {Path(__file__).parent, Path(function.__code__.co_filename).parent}
    sources = sorted({source for folder in folders for source in folder.rglob("*.py")})
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    function.__qualname__ = f"{function.__qualname__}_{digest[:12]}"
    return njit(function, cache=True, nogil=True, error_model="numpy")


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


# Memory --------------------------------------------------------------------------------------------


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@primitive
def load(typing: Any, array: Any, index: Any) -> Any:
    """Sixteen neighbours of a contiguous one-dimensional array, from ``index``; those of uint16 as int32."""
    short = array.dtype == types.uint16
    vector = int16 if short else _OF_DTYPE[array.dtype]

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = _SHORT if short else _LLVM[vector]
        pointer = _address(context, builder, sig.args[0], args[0], args[1], there)
        values = builder.load(pointer, align=2 if short else 4)
        return builder.zext(values, _INT) if short else values

    return vector(array, types.intp), emit


@primitive
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen neighbours of a contiguous one-dimensional array, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1], _LLVM[value])
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), emit


@primitive
def load_rows(typing: Any, array: Any, row: Any) -> Any:
    """Sixteen neighbouring rows (x, y, z, w) of an int32 array (4 rows,), from ``row``: four vectors.

    Lanes come in the order that takes the fewest instructions, which is that of `store_rows` too.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], ir.Constant(args[1].type, 4))
        pointer = _address(context, builder, sig.args[0], args[0], first, _INT)
        step = [builder.gep(pointer, [ir.Constant(ir.IntType(32), k)]) for k in range(4)]
        columns = _transposed(builder, [builder.load(p, align=4) for p in step])
        return context.make_tuple(builder, sig.return_type, columns)

    return types.UniTuple(int16, 4)(array, types.intp), emit


@primitive
def gather_rows(typing: Any, array: Any, chosen: Any, index: Any) -> Any:
    """The x, y and z of sixteen rows anywhere in an int32 array (4 rows,): three vectors, lanes in order.

    Their numbers are sixteen neighbours of ``chosen``, an array of int32 or uint16, from ``index``. Rows are
    loaded whole and transposed, which takes a third of the time of three gathers.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, chosen, index = args
        base = context.make_array(sig.args[0])(context, builder, value=array).data
        names = context.make_array(sig.args[1])(context, builder, value=chosen).data
        row = ir.VectorType(ir.IntType(32), 4)
        four = ir.Constant(ir.IntType(64), 4)
        rows = []
        for k in (lane for first in range(4) for lane in range(first, LANES, 4)):
            name = builder.load(builder.gep(names, [builder.add(index, ir.Constant(index.type, k))]))
            place = builder.gep(base, [builder.mul(builder.zext(name, ir.IntType(64)), four)])
            rows.append(builder.load(builder.bitcast(place, row.as_pointer()), align=4))
        while len(rows) > 4:
            width = 2 * rows[0].type.count
            both = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(width)))
            rows = [builder.shuffle_vector(a, b, both) for a, b in zip(rows[::2], rows[1::2], strict=True)]
        return context.make_tuple(builder, sig.return_type, _transposed(builder, rows)[:3])

    return types.UniTuple(int16, 3)(array, chosen, types.intp), emit


@primitive
def store_rows(typing: Any, array: Any, row: Any, x: Any, y: Any, z: Any, w: Any) -> Any:
    """Write sixteen neighbouring rows of an int32 array (4 rows,), lanes in the order of `load_rows`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], ir.Constant(args[1].type, 4))
        pointer = _address(context, builder, sig.args[0], args[0], first, _INT)
        for k, value in enumerate(_transposed(builder, list(args[2:]))):
            builder.store(value, builder.gep(pointer, [ir.Constant(ir.IntType(32), k)]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, x, y, z, w), emit


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The 4 x 4 blocks that four vectors have in each of their quarters, transposed."""

    def pick(a: Any, b: Any, chosen: list[int]) -> Any:
        lanes_of_both = [4 * quarter + k + (12 if k > 3 else 0) for quarter in range(4) for k in chosen]
        return builder.shuffle_vector(a, b, ir.Constant(_INT, lanes_of_both))

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


@primitive
def append(typing: Any, array: Any, index: Any, mask: Any, values: Any) -> Any:
    """Write the lanes of an int16 vector where the mask holds, one after the other from ``index``.

    Up to sixteen numbers of the array, of int32 or uint16, are overwritten from ``index`` on.

    Returns:
        the index after the last one written.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, mask, values = args
        bits = sig.args[0].dtype.bitwidth
        narrow = ir.VectorType(ir.IntType(bits), LANES)
        pointer = _address(context, builder, sig.args[0], array, index, narrow)
        if _has_avx512(context):
            nothing = ir.Constant(_INT, [0] * LANES)
            packed = _call(builder, "llvm.x86.avx512.mask.compress.v16i32", _INT, [values, nothing, mask])
            builder.store(builder.trunc(packed, narrow) if bits < 32 else packed, pointer, align=bits // 8)
        else:
            element = builder.bitcast(pointer, ir.IntType(bits).as_pointer())
            chosen = builder.trunc(values, narrow) if bits < 32 else values
            name = f"llvm.masked.compressstore.v16i{bits}"
            _call(builder, name, ir.VoidType(), [chosen, element, mask])
        chosen = _call(builder, "llvm.ctpop.i16", ir.IntType(16), [builder.bitcast(mask, ir.IntType(16))])
        return builder.add(index, builder.zext(chosen, ir.IntType(64)))

    return types.intp(array, types.intp, mask16, int16), emit


@primitive
def splat(typing: Any, scalar: Any) -> Any:
    """The same float32 or int32 in every lane; a value that has lanes already, as it is."""
    vector = {types.float32: float16, types.int32: int16, float16: float16, int16: int16}.get(scalar)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == sig.return_type:
            return args[0]
        kind = _LLVM[sig.return_type]
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        spread = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), spread)

    return vector(scalar) if vector is not None else None, emit


@primitive
def lanes(typing: Any) -> Any:
    """The numbers 0 to 15."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(_INT, list(range(LANES)))

    return int16(), emit


# Arithmetic ----------------------------------------------------------------------------------------


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _has(context: Any, feature: str) -> bool:
    return f"+{feature}" in context.codegen().magic_tuple()[2]


def _has_avx512(context: Any) -> bool:
    return _has(context, "avx512f")


@primitive
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.fma.v16f32", _FLOAT, list(args))

    return float16(float16, float16, float16), emit


@primitive
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``c - a b``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.fma.v16f32", _FLOAT, [builder.fneg(args[0]), args[1], args[2]])

    return float16(float16, float16, float16), emit


@primitive
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """The greater one; the second if either is not a number."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[0], args[1])

    return float16(float16, float16), emit


@primitive
def select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    """``a`` where the mask holds, else ``b``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(mask16, a, a), emit


@primitive
def any_of(typing: Any, mask: Any) -> Any:
    """Whether the mask holds in any lane."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(mask16), emit


@primitive
def sqrt(typing: Any, a: Any) -> Any:
    """Square root, correctly rounded."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.sqrt.v16f32", _FLOAT, list(args))

    return float16(float16), emit


@primitive
def rsqrt_estimate(typing: Any, a: Any) -> Any:
    """About ``1 / sqrt(a)``: good to 14 bits with AVX-512, to 23 elsewhere; refine it by a Newton step."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _has_avx512(context):
            everywhere = ir.Constant(ir.IntType(16), -1)
            nothing = ir.Constant(_FLOAT, [0.0] * LANES)
            return _call(builder, "llvm.x86.avx512.rsqrt14.ps.512", _FLOAT, [args[0], nothing, everywhere])
        root = _call(builder, "llvm.sqrt.v16f32", _FLOAT, list(args))
        return builder.fdiv(ir.Constant(_FLOAT, [1.0] * LANES), root)

    return float16(float16), emit


@primitive
def reciprocal_estimate(typing: Any, a: Any) -> Any:
    """About ``1 / a``: good to 14 bits with AVX-512, to 24 elsewhere; refine it by a Newton step."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _has_avx512(context):
            everywhere = ir.Constant(ir.IntType(16), -1)
            nothing = ir.Constant(_FLOAT, [0.0] * LANES)
            return _call(builder, "llvm.x86.avx512.rcp14.ps.512", _FLOAT, [args[0], nothing, everywhere])
        return builder.fdiv(ir.Constant(_FLOAT, [1.0] * LANES), args[0])

    return float16(float16), emit


@primitive
def reduce_add(typing: Any, a: Any) -> Any:
    """Sum over the lanes, by halves: a float32."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        for width in (8, 4, 2, 1):
            low, high = (
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width))),
                )
                for start in (0, width)
            )
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(float16), emit


@primitive
def add_four_sums(typing: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Sum each of four vectors over its lanes and add the sums to four neighbours of a float32 array.

    The four are folded into one vector on the way, which takes a third of the work of four `reduce_add`.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def pick(first: Any, second: Any, chosen: list[int]) -> Any:
            kind = ir.VectorType(ir.IntType(32), len(chosen))
            return builder.shuffle_vector(first, second, ir.Constant(kind, chosen))

        def fold(first: Any, second: Any, width: int) -> Any:
            """Groups of lanes, each the sum of the two halves of a group twice as wide."""
            starts = range(0, 2 * LANES, 2 * width)
            low = [lane for start in starts for lane in range(start, start + width)]
            high = [lane + width for lane in low]
            return builder.fadd(pick(first, second, low), pick(first, second, high))

        _, _, a, b, c, d = args
        groups = fold(fold(a, b, 8), fold(c, d, 8), 4)
        for distance in (2, 1):
            swapped = [lane ^ distance for lane in range(LANES)]
            groups = builder.fadd(groups, pick(groups, groups, swapped))
        sums = pick(groups, groups, [0, 4, 8, 12])
        pointer = _address(context, builder, sig.args[0], args[0], args[1], sums.type)
        builder.store(builder.fadd(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, a, b, c, d), emit


@primitive
def reduce_max(typing: Any, a: Any) -> Any:
    """The greatest lane: a float32."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        for width in (8, 4, 2, 1):
            low, high = (
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width))),
                )
                for start in (0, width)
            )
            value = builder.select(builder.fcmp_ordered(">", low, high), low, high)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(float16), emit


@primitive
def total(typing: Any, a: Any) -> Any:
    """Sum over the lanes of an int16 vector: an int64."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = builder.sext(args[0], _WIDE)
        return _call(builder, "llvm.vector.reduce.add.v16i64", ir.IntType(64), [wide])

    return types.int64(int16), emit


@primitive
def store_three_sums(typing: Any, array: Any, index: Any, a: Any, b: Any, c: Any) -> Any:
    """Sum each of three int16 vectors over its lanes and write the sums, then a zero, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, a, b, c = args
        nothing = ir.Constant(_INT, [0] * LANES)
        columns = _transposed(builder, [a, b, c, nothing])
        value = builder.add(builder.add(columns[0], columns[1]), builder.add(columns[2], columns[3]))
        for width in (8, 4):
            low, high = (
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width))),
                )
                for start in (0, width)
            )
            value = builder.add(low, high)
        pointer = _address(context, builder, sig.args[0], array, index, value.type)
        builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, a, b, c), emit


# Conversion ----------------------------------------------------------------------------------------


@primitive
def to_float(typing: Any, a: Any) -> Any:
    """Signed integers as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], _FLOAT)

    return float16(int16), emit


@primitive
def to_float_unsigned(typing: Any, a: Any) -> Any:
    """Integers read as unsigned ones, as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.uitofp(args[0], _FLOAT)

    return float16(int16), emit


@primitive
def to_int(typing: Any, a: Any) -> Any:
    """The nearest integers; anything, but no fault, for lanes that have none."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _has_avx512(context):
            everywhere, nearest = ir.Constant(ir.IntType(16), -1), ir.Constant(ir.IntType(32), 4)
            nothing = ir.Constant(_INT, [0] * LANES)
            arguments = [args[0], nothing, everywhere, nearest]
            return _call(builder, "llvm.x86.avx512.mask.cvtps2dq.512", _INT, arguments)
        rounded = _call(builder, "llvm.nearbyint.v16f32", _FLOAT, list(args))
        return _call(builder, "llvm.fptosi.sat.v16i32.v16f32", _INT, [rounded])

    return int16(float16), emit


@primitive
def to_long(typing: Any, a: Any) -> Any:
    """Integers of 64 bits, towards zero; anything, but no fault, for lanes that have none."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not _has(context, "avx512dq"):
            return _call(builder, "llvm.fptosi.sat.v16i64.v16f32", _WIDE, list(args))
        half, word = ir.VectorType(ir.IntType(64), 8), ir.IntType(32)
        nothing, everywhere = ir.Constant(half, [0] * 8), ir.Constant(ir.IntType(8), -1)
        halves = []
        for start in (0, 8):
            chosen = ir.Constant(ir.VectorType(word, 8), list(range(start, start + 8)))
            part = builder.shuffle_vector(args[0], ir.Constant(_FLOAT, ir.Undefined), chosen)
            arguments = [part, nothing, everywhere, ir.Constant(word, 4)]
            halves.append(_call(builder, "llvm.x86.avx512.mask.cvttps2qq.512", half, arguments))
        return builder.shuffle_vector(*halves, ir.Constant(_INT, list(range(LANES))))

    return long16(float16), emit


@primitive
def upper_half(typing: Any, a: Any) -> Any:
    """The upper 32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.trunc(builder.lshr(args[0], ir.Constant(_WIDE, [32] * LANES)), _INT)

    return int16(long16), emit


@primitive
def as_float(typing: Any, a: Any) -> Any:
    """The same bits read as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _FLOAT)

    return float16(int16), emit


@primitive
def as_int(typing: Any, a: Any) -> Any:
    """The same bits read as integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _INT)

    return int16(float16), emit


@primitive
def multiply_high(typing: Any, a: Any, b: Any) -> Any:
    """The upper 32 bits of the unsigned product."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        product = builder.mul(builder.zext(args[0], _WIDE), builder.zext(args[1], _WIDE))
        shift = ir.Constant(_WIDE, [32] * LANES)
        return builder.trunc(builder.lshr(product, shift), _INT)

    return int16(int16, int16), emit


@primitive
def word(typing: Any, x: Any) -> Any:
    """An integer in every lane; a vector as it is, since its lanes have 32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == int16:
            return args[0]
        one = context.cast(builder, args[0], sig.args[0], types.int32)
        lane = builder.insert_element(ir.Constant(_INT, ir.Undefined), one, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(lane, ir.Constant(_INT, ir.Undefined), ir.Constant(_INT, [0] * LANES))

    return int16(int16 if x == int16 else types.unliteral(x)), emit


# Laws ----------------------------------------------------------------------------------------------


@inline
def real(x):
    """A constant in every lane."""
    return splat(np.float32(x))


@inline
def reciprocal(x):
    """``1 / x``: the estimate and a step of Newton's."""
    y = reciprocal_estimate(x)
    return fma(y, fnma(x, y, splat(np.float32(1.0))), y)


@inline
def rsqrt(x):
    """``1 / sqrt(x)``: the estimate and a step of Newton's."""
    y = rsqrt_estimate(x)
    return y * fnma(splat(np.float32(0.5)) * x * y, y, splat(np.float32(1.5)))


@inline
def exp(x):
    """Exponential: ``2^n`` by its exponent's bits times a polynomial over half an octave (Cephes, expf)."""
    n = to_int(x * splat(np.float32(1.44269504088896341)))
    turns = to_float(n)
    r = fnma(turns, splat(np.float32(0.693359375)), x)
    r = fnma(turns, splat(np.float32(-2.12194440e-4)), r)
    p = fma(splat(np.float32(1.9875691500e-4)), r, splat(np.float32(1.3981999507e-3)))
    p = fma(p, r, splat(np.float32(8.3334519073e-3)))
    p = fma(p, r, splat(np.float32(4.1665795894e-2)))
    p = fma(p, r, splat(np.float32(1.6666665459e-1)))
    p = fma(p, r, splat(np.float32(5.0000001201e-1)))
    p = fma(p, r * r, r) + splat(np.float32(1.0))
    return p * as_float((n + splat(np.int32(127))) << splat(np.int32(23)))


@inline
def _sine_of(x, quarter):
    """Sine of x advanced by so many quarter turns (Cephes, sinf and cosf)."""
    n = to_int(x * splat(np.float32(0.63661977236758134)))
    turns = to_float(n)
    r = fnma(turns, splat(np.float32(1.5703125)), x)
    r = fnma(turns, splat(np.float32(4.837512969970703125e-4)), r)
    r = fnma(turns, splat(np.float32(7.549789948768648e-8)), r)
    n = n + splat(quarter)
    square = r * r
    s = fma(splat(np.float32(-1.9515295891e-4)), square, splat(np.float32(8.3321608736e-3)))
    s = fma(fma(s, square, splat(np.float32(-1.6666654611e-1))) * square, r, r)
    c = fma(splat(np.float32(2.443315711809948e-5)), square, splat(np.float32(-1.388731625493765e-3)))
    c = fma(c, square, splat(np.float32(4.166664568e-2)))
    c = fma(c * square, square, fnma(splat(np.float32(0.5)), square, splat(np.float32(1.0))))
    odd = (n & splat(np.int32(1))) > splat(np.int32(0))
    sign = (n & splat(np.int32(2))) << splat(np.int32(30))
    return as_float(as_int(select(odd, c, s)) ^ sign)


@inline
def sin(x):
    """Sine, good to 1e-6 up to a thousand turns."""
    return _sine_of(x, np.int32(0))


@inline
def cos(x):
    """Cosine, likewise."""
    return _sine_of(x, np.int32(1))


@inline
def acos(x):
    """Inverse cosine: ``sqrt(1 - x)`` times a polynomial for x > 0 (Abramowitz and Stegun, 4.4.46)."""
    zero, one = splat(np.float32(0.0)), splat(np.float32(1.0))
    size = maximum(x, zero - x)
    p = fma(splat(np.float32(-0.0012624911)), size, splat(np.float32(0.0066700901)))
    p = fma(p, size, splat(np.float32(-0.0170881256)))
    p = fma(p, size, splat(np.float32(0.0308918810)))
    p = fma(p, size, splat(np.float32(-0.0501743046)))
    p = fma(p, size, splat(np.float32(0.0889789874)))
    p = fma(p, size, splat(np.float32(-0.2145988016)))
    p = fma(p, size, splat(np.float32(1.5707963050)))
    p = p * sqrt(maximum(one - size, zero))
    return select(x < zero, splat(np.float32(math.pi)) - p, p)


_ARITHMETIC = {
    "real": real,
    "fma": fma,
    "fnma": fnma,
    "maximum": maximum,
    "select": select,
    "sqrt": sqrt,
    "reciprocal": reciprocal,
    "rsqrt": rsqrt,
    "exp": exp,
    "sin": sin,
    "cos": cos,
    "acos": acos,
    "word": word,
    "multiply_high": multiply_high,
    "to_float": to_float,
    "to_float_unsigned": to_float_unsigned,
    "as_int": as_int,
    "as_float": as_float,
}


def on_vectors(law: Callable[..., Any]) -> Any:
    """A law (`simulators.md.arithmetic`) over sixteen lanes, for kernels to call."""
    return rebound(law, _ARITHMETIC, inline)


def on_numbers(law: Callable[..., Any]) -> Any:
    """A law in float64, for what kernels look at now and then."""
    return rebound(law, {function.__name__: inline(function) for function in ARITHMETIC_FUNCTIONS}, inline)


# Memory for Python ---------------------------------------------------------------------------------


def aligned(rows: int, dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """Zeroed array (rows,) that starts on a 64-byte boundary, so that no load straddles two cache lines."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(rows * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + rows * size].view(dtype)
