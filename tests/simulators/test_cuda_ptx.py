"""Kernels compiled to PTX for a Hopper card, and what their loops are made of."""

import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
from ptx import array, compiled, loops, needs_compiler

from simulators.md import arithmetic, laws

pytestmark = needs_compiler

FLOAT64 = re.compile(r"\.f64\b")


def _laws():
    for module in pkgutil.iter_modules(laws.__path__):
        importlib.import_module(f"{laws.__name__}.{module.name}")
    declared = [law for law in arithmetic._LAWS if law.__module__.startswith(laws.__name__)]
    return {f"{law.__module__.rpartition('.')[2]}.{law.__name__}": law for law in declared}


def _takes_numbers(law):
    """Laws of integers and of series are compiled within the kernels that use them."""
    return not law.__module__.endswith("random") and law.__name__ != "series"


@pytest.mark.parametrize("name", sorted(name for name, law in _laws().items() if _takes_numbers(law)))
def test_no_law_needs_float64_on_a_card(name):
    from numba import types

    from simulators.md.cuda.arithmetic import on_device

    law = _laws()[name]
    numbers = [types.float32] * len(inspect.signature(law).parameters)
    text = compiled(on_device(law), *numbers, device=True)
    assert not FLOAT64.search(text)
    assert ".f32" in text


def _batch():
    from numba import types

    from simulators.md.cuda.slit import CONSTANTS, Batch

    dimensions = {
        **{
            "rows": (np.float32, 2),
            "place": (np.int32, 3),
            "speed": (np.float32, 3),
            "force": (np.float32, 4),
        },
        **{"field": (np.float32, 2), "step": (np.int64, 1), "code": (np.int32, 1), "profile": (np.int32, 2)},
        **{"fine": (np.int32, 2), "middle": (np.int32, 2), "looks": (np.int32, 2), "heat": (np.float64, 2)},
    }
    members = [array(CONSTANTS, 1), *(array(np.dtype(t), n) for t, n in dimensions.values())]
    assert Batch._fields == ("constants", *dimensions)
    return types.NamedTuple(members, Batch)


def test_the_slits_loop_over_pairs_is_float32_and_short():
    from numba import types

    from simulators.md.cuda import slit

    text = compiled(slit.advance, _batch(), types.int64)
    found = loops(text, "rsqrt")
    assert len(found) == 2  # with cations, and with anions
    for loop in found:
        assert not any("f64" in name for name in loop)
        assert loop["rsqrt.approx.ftz.f32"] == slit.ROWS
        assert loop["ld.shared.v4.u32"] == 1
        assert loop.total() <= 24 * slit.ROWS
    assert not FLOAT64.search(compiled(slit.forces, _batch()))


def test_the_fluids_loop_over_its_list_is_float32():
    from numba import types

    from simulators.md.cuda.fluid import CONSTANTS, Batch, advance

    f, i = np.float32, np.int32
    dimensions = {
        **{"place": (i, 3), "velocity": (i, 3), "force": (f, 3), "listed": (i, 3), "near": (np.uint16, 2)},
        **{"count": (i, 2), "step": (np.int64, 1), "code": (i, 1), "looks": (i, 2), "sums": (np.int64, 3)},
        "lists": (i, 1),
    }
    members = [array(CONSTANTS, 1), *(array(np.dtype(t), n) for t, n in dimensions.values())]
    assert Batch._fields == ("constants", *dimensions)
    text = compiled(advance, types.NamedTuple(members, Batch), types.int64)
    four = [loop for loop in loops(text, "ld.shared.v4.u32") if loop["ld.global.u16"] == 4]
    assert len(four) == 2  # sharp and smooth, four neighbours at a time
    for loop in four:
        assert loop["ld.shared.v4.u32"] == 4
        assert not any("f64" in name for name in loop)
        assert loop.total() <= 4 * 32
