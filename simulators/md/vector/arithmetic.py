"""Arithmetic lane by lane, and conversions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from simulators.md.vector.values import (
    FLOAT,
    INT,
    LANES,
    WIDE,
    call,
    float16,
    has,
    has_avx512,
    int16,
    long16,
    mask16,
    primitive,
)


@primitive
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``a b + c``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "llvm.fma.v16f32", FLOAT, list(args))

    return float16(float16, float16, float16), emit


@primitive
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """``c - a b``, rounded once."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, "llvm.fma.v16f32", FLOAT, [builder.fneg(args[0]), args[1], args[2]])

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
        return call(builder, "llvm.sqrt.v16f32", FLOAT, list(args))

    return float16(float16), emit


@primitive
def rsqrt_estimate(typing: Any, a: Any) -> Any:
    """About ``1 / sqrt(a)``: good to 14 bits with AVX-512, to 23 elsewhere; refine it by a Newton step."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if has_avx512(context):
            everywhere = ir.Constant(ir.IntType(16), -1)
            nothing = ir.Constant(FLOAT, [0.0] * LANES)
            return call(builder, "llvm.x86.avx512.rsqrt14.ps.512", FLOAT, [args[0], nothing, everywhere])
        root = call(builder, "llvm.sqrt.v16f32", FLOAT, list(args))
        return builder.fdiv(ir.Constant(FLOAT, [1.0] * LANES), root)

    return float16(float16), emit


@primitive
def reciprocal_estimate(typing: Any, a: Any) -> Any:
    """About ``1 / a``: good to 14 bits with AVX-512, to 24 elsewhere; refine it by a Newton step."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if has_avx512(context):
            everywhere = ir.Constant(ir.IntType(16), -1)
            nothing = ir.Constant(FLOAT, [0.0] * LANES)
            return call(builder, "llvm.x86.avx512.rcp14.ps.512", FLOAT, [args[0], nothing, everywhere])
        return builder.fdiv(ir.Constant(FLOAT, [1.0] * LANES), args[0])

    return float16(float16), emit


@primitive
def to_float(typing: Any, a: Any) -> Any:
    """Signed integers as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], FLOAT)

    return float16(int16), emit


@primitive
def to_float_unsigned(typing: Any, a: Any) -> Any:
    """Integers read as unsigned ones, as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.uitofp(args[0], FLOAT)

    return float16(int16), emit


@primitive
def to_int(typing: Any, a: Any) -> Any:
    """The nearest integers; anything, but no fault, for lanes that have none."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if has_avx512(context):
            everywhere, nearest = ir.Constant(ir.IntType(16), -1), ir.Constant(ir.IntType(32), 4)
            nothing = ir.Constant(INT, [0] * LANES)
            arguments = [args[0], nothing, everywhere, nearest]
            return call(builder, "llvm.x86.avx512.mask.cvtps2dq.512", INT, arguments)
        rounded = call(builder, "llvm.nearbyint.v16f32", FLOAT, list(args))
        return call(builder, "llvm.fptosi.sat.v16i32.v16f32", INT, [rounded])

    return int16(float16), emit


@primitive
def to_long(typing: Any, a: Any) -> Any:
    """Integers of 64 bits, towards zero; anything, but no fault, for lanes that have none."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not has(context, "avx512dq"):
            return call(builder, "llvm.fptosi.sat.v16i64.v16f32", WIDE, list(args))
        half, word = ir.VectorType(ir.IntType(64), 8), ir.IntType(32)
        nothing, everywhere = ir.Constant(half, [0] * 8), ir.Constant(ir.IntType(8), -1)
        halves = []
        for start in (0, 8):
            chosen = ir.Constant(ir.VectorType(word, 8), list(range(start, start + 8)))
            part = builder.shuffle_vector(args[0], ir.Constant(FLOAT, ir.Undefined), chosen)
            arguments = [part, nothing, everywhere, ir.Constant(word, 4)]
            halves.append(call(builder, "llvm.x86.avx512.mask.cvttps2qq.512", half, arguments))
        return builder.shuffle_vector(*halves, ir.Constant(INT, list(range(LANES))))

    return long16(float16), emit


@primitive
def upper_half(typing: Any, a: Any) -> Any:
    """The upper 32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.trunc(builder.lshr(args[0], ir.Constant(WIDE, [32] * LANES)), INT)

    return int16(long16), emit


@primitive
def as_float(typing: Any, a: Any) -> Any:
    """The same bits read as floats."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], FLOAT)

    return float16(int16), emit


@primitive
def as_int(typing: Any, a: Any) -> Any:
    """The same bits read as integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], INT)

    return int16(float16), emit


@primitive
def multiply_high(typing: Any, a: Any, b: Any) -> Any:
    """The upper 32 bits of the unsigned product."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        product = builder.mul(builder.zext(args[0], WIDE), builder.zext(args[1], WIDE))
        shift = ir.Constant(WIDE, [32] * LANES)
        return builder.trunc(builder.lshr(product, shift), INT)

    return int16(int16, int16), emit


@primitive
def word(typing: Any, x: Any) -> Any:
    """An integer in every lane; a vector as it is, since its lanes have 32 bits."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == int16:
            return args[0]
        one = context.cast(builder, args[0], sig.args[0], types.int32)
        lane = builder.insert_element(ir.Constant(INT, ir.Undefined), one, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(lane, ir.Constant(INT, ir.Undefined), ir.Constant(INT, [0] * LANES))

    return int16(int16 if x == int16 else types.unliteral(x)), emit
