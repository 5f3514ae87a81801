"""Laws over one float32 (or one 32-bit integer) of a GPU thread, and how kernels are compiled.

Under numba's simulator of CUDA (``NUMBA_ENABLE_CUDASIM=1``) the same kernels run as Python threads; what it
lacks stands here once more in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config

from simulators.md.arithmetic import Law, arithmetic_of, rebound

SIMULATED = bool(config.ENABLE_CUDASIM)
"""Whether kernels run in numba's simulator."""


def device(function: Callable[..., Any]) -> Any:
    """Compile a piece of a kernel, inlined into its caller."""
    inlined: dict[str, bool] = {} if SIMULATED else {"forceinline": True}
    return cuda.jit(function, device=True, fastmath=True, **inlined)


def kernel(threads: int, blocks: int) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that Python launches; kept on disk under a name that says from which sources.

    Fast arithmetic flushes denormals, takes the hardware's estimates of roots and quotients (two units in
    the last place) and may assume that there is no NaN: ask `finite`, never ``x == x``.

    Args:
        threads: the most that a block has.
        blocks: how many of them a multiprocessor should have room for, which limits a thread's registers.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        if SIMULATED:
            return cuda.jit(function)
        sources = sorted(Path(__file__).parents[1].rglob("*.py"))
        digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        function.__qualname__ = f"{function.__qualname__}_{digest[:12]}"
        return cuda.jit(function, fastmath=True, cache=True, launch_bounds=(threads, blocks))

    return compiled


if SIMULATED:

    @device
    def rsqrt(x):
        """``1 / sqrt(x)``."""
        return np.float32(1.0 / np.sqrt(np.float32(x)))

    @device
    def as_int(x):
        """The bits of a float32."""
        return np.float32(x).view(np.int32)

    @device
    def as_float(x):
        """The float32 of these bits."""
        return np.int32(x).view(np.float32)

    @device
    def nearest(x):
        """The nearest integer; the nearest that there is beyond them, and 0 for no number."""
        return np.int32(np.clip(np.nan_to_num(np.rint(np.float64(x))), -(2**31), 2**31 - 1))

    _exp, _acos = math.exp, math.acos
    _near_sine, _near_cosine, _whole = math.sin, math.cos, np.rint

else:
    from numba.cuda import libdevice

    @device
    def rsqrt(x):
        """``1 / sqrt(x)``: the hardware's estimate, good to two units in the last place."""
        return libdevice.rsqrtf(x)

    @device
    def as_int(x):
        """The bits of a float32."""
        return libdevice.float_as_int(x)

    @device
    def as_float(x):
        """The float32 of these bits."""
        return libdevice.int_as_float(x)

    @device
    def nearest(x):
        """The nearest integer; the nearest that there is beyond them, and 0 for no number."""
        return libdevice.float2int_rn(x)

    _exp, _acos = libdevice.expf, libdevice.acosf
    _near_sine, _near_cosine, _whole = libdevice.fast_sinf, libdevice.fast_cosf, libdevice.rintf


@device
def real(x):
    """A constant."""
    return np.float32(x)


@device
def fma(a, b, c):
    """``a b + c``, rounded once."""
    return cuda.fma(a, b, c)


@device
def fnma(a, b, c):
    """``c - a b``, rounded once."""
    return cuda.fma(-a, b, c)


@device
def maximum(a, b):
    """The greater one."""
    return a if a > b else b


@device
def select(condition, a, b):
    """``a`` where the condition holds, else ``b``."""
    return a if condition else b


@device
def sqrt(x):
    """Square root."""
    return np.float32(math.sqrt(x))


@device
def reciprocal(x):
    """``1 / x``."""
    return np.float32(1.0) / x


@device
def exp(x):
    """Exponential."""
    return np.float32(_exp(x))


@device
def _within_a_turn(x):
    """The same angle between -pi and pi: the hardware's sine is good to 5e-7 there and nowhere else."""
    turns = np.float32(_whole(x * np.float32(0.15915494)))
    r = cuda.fma(-turns, np.float32(6.2831855), x)
    return cuda.fma(turns, np.float32(1.7484556e-7), r)  # two pi is that much less than its float32


@device
def sin(x):
    """Sine, good to 1e-6 up to a thousand turns."""
    return np.float32(_near_sine(_within_a_turn(x)))


@device
def cos(x):
    """Cosine, likewise."""
    return np.float32(_near_cosine(_within_a_turn(x)))


@device
def acos(x):
    """Inverse cosine; what lies outside -1 to 1 counts as the end next to it."""
    return np.float32(_acos(min(max(x, np.float32(-1.0)), np.float32(1.0))))


@device
def word(x):
    """An integer of 32 bits; more bits are dropped."""
    return np.int32(x)


@device
def multiply_high(a, b):
    """The upper 32 bits of the product of two integers without signs."""
    product = np.uint64(np.uint32(a)) * np.uint64(np.uint32(b))
    return np.int32(np.uint32(product >> np.uint64(32)))


@device
def to_float(x):
    """An integer as a float32."""
    return np.float32(np.int32(x))


@device
def to_float_unsigned(x):
    """An integer read as one without sign, as a float32."""
    return np.float32(np.uint32(x))


@device
def finite(x):
    """Whether a float32 is a number, by its bits."""
    return (as_int(x) & np.int32(0x7F800000)) != np.int32(0x7F800000)


_ARITHMETIC = arithmetic_of(globals())


def on_device(law: Law) -> Any:
    """A law (`simulators.md.arithmetic`) over one number, for kernels to call."""
    return rebound(law, _ARITHMETIC, device)
