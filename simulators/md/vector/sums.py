"""Sums and the like over the lanes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from simulators.md.vector.values import INT, LANES, WIDE, address, call, float16, int16, primitive, transposed


def _halves(builder: Any, value: Any, width: int) -> tuple[Any, Any]:
    """The lower and the upper lanes, so many of each."""
    nothing = ir.Constant(value.type, ir.Undefined)
    low, high = (
        ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
        for start in (0, width)
    )
    return builder.shuffle_vector(value, nothing, low), builder.shuffle_vector(value, nothing, high)


@primitive
def reduce_add(typing: Any, a: Any) -> Any:
    """Sum over the lanes, by halves: a float32."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        for width in (8, 4, 2, 1):
            low, high = _halves(builder, value, width)
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
        pointer = address(context, builder, sig.args[0], args[0], args[1], sums.type)
        builder.store(builder.fadd(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, a, b, c, d), emit


@primitive
def reduce_max(typing: Any, a: Any) -> Any:
    """The greatest lane: a float32."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        for width in (8, 4, 2, 1):
            low, high = _halves(builder, value, width)
            value = builder.select(builder.fcmp_ordered(">", low, high), low, high)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(float16), emit


@primitive
def total(typing: Any, a: Any) -> Any:
    """Sum over the lanes of an int16 vector: an int64."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = builder.sext(args[0], WIDE)
        return call(builder, "llvm.vector.reduce.add.v16i64", ir.IntType(64), [wide])

    return types.int64(int16), emit


@primitive
def store_three_sums(typing: Any, array: Any, index: Any, a: Any, b: Any, c: Any) -> Any:
    """Sum each of three int16 vectors over its lanes and write the sums, then a zero, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array, index, a, b, c = args
        nothing = ir.Constant(INT, [0] * LANES)
        columns = transposed(builder, [a, b, c, nothing])
        value = builder.add(builder.add(columns[0], columns[1]), builder.add(columns[2], columns[3]))
        for width in (8, 4):
            low, high = _halves(builder, value, width)
            value = builder.add(low, high)
        pointer = address(context, builder, sig.args[0], array, index, value.type)
        builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, a, b, c), emit
