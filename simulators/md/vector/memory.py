"""Between memory and sixteen lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from simulators.md.vector.values import (
    INT,
    LANES,
    LLVM,
    OF_DTYPE,
    SHORT,
    address,
    call,
    float16,
    has_avx512,
    int16,
    mask16,
    primitive,
    transposed,
)


@primitive
def load(typing: Any, array: Any, index: Any) -> Any:
    """Sixteen neighbours of a contiguous one-dimensional array, from ``index``; those of uint16 as int32."""
    short = array.dtype == types.uint16
    vector = int16 if short else OF_DTYPE[array.dtype]

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = SHORT if short else LLVM[vector]
        pointer = address(context, builder, sig.args[0], args[0], args[1], there)
        values = builder.load(pointer, align=2 if short else 4)
        return builder.zext(values, INT) if short else values

    return vector(array, types.intp), emit


@primitive
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen neighbours of a contiguous one-dimensional array, from ``index``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args[0], args[0], args[1], LLVM[value])
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
        pointer = address(context, builder, sig.args[0], args[0], first, INT)
        step = [builder.gep(pointer, [ir.Constant(ir.IntType(32), k)]) for k in range(4)]
        columns = transposed(builder, [builder.load(p, align=4) for p in step])
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
        return context.make_tuple(builder, sig.return_type, transposed(builder, rows)[:3])

    return types.UniTuple(int16, 3)(array, chosen, types.intp), emit


@primitive
def store_rows(typing: Any, array: Any, row: Any, x: Any, y: Any, z: Any, w: Any) -> Any:
    """Write sixteen neighbouring rows of an int32 array (4 rows,), lanes in the order of `load_rows`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], ir.Constant(args[1].type, 4))
        pointer = address(context, builder, sig.args[0], args[0], first, INT)
        for k, value in enumerate(transposed(builder, list(args[2:]))):
            builder.store(value, builder.gep(pointer, [ir.Constant(ir.IntType(32), k)]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, x, y, z, w), emit


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
        pointer = address(context, builder, sig.args[0], array, index, narrow)
        if has_avx512(context):
            nothing = ir.Constant(INT, [0] * LANES)
            packed = call(builder, "llvm.x86.avx512.mask.compress.v16i32", INT, [values, nothing, mask])
            builder.store(builder.trunc(packed, narrow) if bits < 32 else packed, pointer, align=bits // 8)
        else:
            element = builder.bitcast(pointer, ir.IntType(bits).as_pointer())
            chosen = builder.trunc(values, narrow) if bits < 32 else values
            name = f"llvm.masked.compressstore.v16i{bits}"
            call(builder, name, ir.VoidType(), [chosen, element, mask])
        chosen = call(builder, "llvm.ctpop.i16", ir.IntType(16), [builder.bitcast(mask, ir.IntType(16))])
        return builder.add(index, builder.zext(chosen, ir.IntType(64)))

    return types.intp(array, types.intp, mask16, int16), emit


@primitive
def splat(typing: Any, scalar: Any) -> Any:
    """The same float32 or int32 in every lane; a value that has lanes already, as it is."""
    vector = {types.float32: float16, types.int32: int16, float16: float16, int16: int16}.get(scalar)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if sig.args[0] == sig.return_type:
            return args[0]
        kind = LLVM[sig.return_type]
        one = builder.insert_element(ir.Constant(kind, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        spread = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), spread)

    return vector(scalar) if vector is not None else None, emit


@primitive
def lanes(typing: Any) -> Any:
    """The numbers 0 to 15."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(INT, list(range(LANES)))

    return int16(), emit


def aligned(rows: int, dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """Zeroed array (rows,) that starts on a 64-byte boundary, so that no load straddles two cache lines."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(rows * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + rows * size].view(dtype)
