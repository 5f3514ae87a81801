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

from simulators.md.vector.arithmetic import (
    any_of,
    as_float,
    as_int,
    fma,
    fnma,
    maximum,
    multiply_high,
    reciprocal_estimate,
    rsqrt_estimate,
    select,
    sqrt,
    to_float,
    to_float_unsigned,
    to_int,
    to_long,
    upper_half,
    word,
)
from simulators.md.vector.functions import (
    acos,
    cos,
    exp,
    on_numbers,
    on_vectors,
    real,
    reciprocal,
    rsqrt,
    sin,
)
from simulators.md.vector.memory import (
    aligned,
    append,
    gather_rows,
    lanes,
    load,
    load_rows,
    splat,
    store,
    store_rows,
)
from simulators.md.vector.sums import add_four_sums, reduce_add, reduce_max, store_three_sums, total
from simulators.md.vector.values import (
    LANES,
    VectorType,
    compiled,
    float16,
    inline,
    int16,
    long16,
    mask16,
    primitive,
)

__all__ = [
    "LANES",
    "VectorType",
    "acos",
    "add_four_sums",
    "aligned",
    "any_of",
    "append",
    "as_float",
    "as_int",
    "compiled",
    "cos",
    "exp",
    "float16",
    "fma",
    "fnma",
    "gather_rows",
    "inline",
    "int16",
    "lanes",
    "load",
    "load_rows",
    "long16",
    "mask16",
    "maximum",
    "multiply_high",
    "on_numbers",
    "on_vectors",
    "primitive",
    "real",
    "reciprocal",
    "reciprocal_estimate",
    "reduce_add",
    "reduce_max",
    "rsqrt",
    "rsqrt_estimate",
    "select",
    "sin",
    "splat",
    "sqrt",
    "store",
    "store_rows",
    "store_three_sums",
    "to_float",
    "to_float_unsigned",
    "to_int",
    "to_long",
    "total",
    "upper_half",
    "word",
]
