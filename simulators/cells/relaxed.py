"""Loops over fields, for the compiler to vectorise: products and sums may be fused and reordered.

What stays as it is written: infinities and what is not a number. The order of a sum is the compiler's, and
the same in every call, so that a result is the same to the bit wherever and whenever it is computed with
the same instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types

from simulators.md.vector import primitive

_FLUSH = 0x8040
"""Bits of the control register of SSE and AVX: results and operands below 2e-308 count as 0."""


def relaxed(function: Callable[..., Any]) -> Any:
    """Compile a loop over fields; the optimiser inlines it into its caller."""
    return njit(function, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})


def _intrinsic(module: Any, kind: Any, name: str) -> Any:
    return module.globals.get(name) or ir.Function(module, kind, name)


def _control(context: Any, builder: Any, change: Callable[[Any], Any]) -> Any:
    """Give the thread's control register another value, where there is one; give back the former value."""
    if "+sse2" not in context.codegen().magic_tuple()[2]:
        return ir.Constant(ir.IntType(32), 0)
    slot = builder.alloca(ir.IntType(32))
    pointer = builder.bitcast(slot, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type])
    read, write = (
        _intrinsic(builder.module, kind, f"llvm.x86.sse.{name}") for name in ("stmxcsr", "ldmxcsr")
    )
    builder.call(read, [pointer])
    former = builder.load(slot)
    builder.store(change(former), slot)
    builder.call(write, [pointer])
    return former


@primitive
def flush_denormals(typing: Any) -> Any:
    """Take numbers too small for a full mantissa for 0 in this thread: each would cost a hundred cycles.

    Returns:
        what `restore_denormals` wants to know.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _control(context, builder, lambda old: builder.or_(old, ir.Constant(ir.IntType(32), _FLUSH)))

    return types.int32(), emit


@primitive
def restore_denormals(typing: Any, former: Any) -> Any:
    """End what `flush_denormals` began."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _control(context, builder, lambda old: args[0])
        return context.get_dummy_value()

    return types.none(types.int32), emit
