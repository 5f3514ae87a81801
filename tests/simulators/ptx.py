"""Kernels compiled for a card that need not be there."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

CARD = (9, 0)


def why_not() -> str | None:
    """What is missing to compile; None if nothing is."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return "numba simulates CUDA"
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed (pip install 'mlaround[gpu]')"
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    for library in ("nvvm", "nvrtc"):
        try:
            load_nvidia_dynamic_lib(library)
        except DynamicLibNotFoundError:
            return f"lib{library} is not installed (pip install 'mlaround[gpu]')"
    return None


_MISSING = why_not()
needs_compiler = pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))


def compiled(function: Any, *arguments: Any, device: bool = False) -> str:
    """PTX of a kernel or a device function; device functions that it calls are compiled for the same card."""
    import numba.cuda.dispatcher
    from numba import cuda

    numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CARD)
    plain = getattr(function, "py_func", function)
    text, _ = cuda.compile(plain, arguments, cc=CARD, fastmath=True, device=device, abi="numba")
    return str(text)


def loops(text: str, instruction: str) -> list[Counter[str]]:
    """Instructions of each basic block that jumps back to its own label and has this instruction in it."""
    found = []
    label, block = "", []
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("$L"):
            label, block = line.split(":")[0], []
        elif line and line[0] in "@abcdefghijklmnopqrstuvwxyz":
            words = line.split()
            block.append(words[1] if line[0] == "@" else words[0])
            if "bra" in block[-1]:
                if label in line and any(instruction in name for name in block):
                    found.append(Counter(name.rstrip(";") for name in block))
                label, block = "", []
    return found


def array(dtype: Any, dimensions: int) -> Any:
    """numba's type of a contiguous array."""
    from numba import types
    from numba.np.numpy_support import from_dtype

    return types.Array(from_dtype(dtype), dimensions, "C")
