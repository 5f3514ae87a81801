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


def _fluid(batch, dimensions):
    from numba import types

    from simulators.md.cuda.fluid import CONSTANTS

    dimensions = {"constants": (CONSTANTS, 1), **dimensions} if "constants" in batch._fields else dimensions
    assert batch._fields == tuple(dimensions)
    return types.NamedTuple([array(np.dtype(t), n) for t, n in dimensions.values()], batch)


def _fluid_in_blocks():
    from simulators.md.cuda.fluid import Batch

    f, i, long, double = np.float32, np.int32, np.int64, np.float64
    dimensions = {
        **{"place": (i, 3), "path": (long, 3), "velocity": (i, 3), "force": (f, 3), "listed": (i, 3)},
        **{"near": (np.uint16, 2), "count": (i, 2), "step": (long, 1), "code": (i, 1), "value": (double, 1)},
        **{"looks": (i, 2), "sums": (long, 3), "first_energy": (double, 2), "lists": (i, 1)},
    }
    return _fluid(Batch, dimensions)


def _fluid_in_cells():
    from simulators.md.cuda.fluid_cells import Batch

    f, i, long, double = np.float32, np.int32, np.int64, np.float64
    dimensions = {
        **{"units": (f, 2), "place": (i, 3), "path": (long, 3), "velocity": (i, 3), "side": (i, 1)},
        **{"listed": (i, 3), "near": (i, 2), "count": (i, 2), "cell": (i, 2), "rank": (i, 2)},
        **{"members": (i, 2), "first": (i, 2), "stale": (i, 1), "moved": (i, 1), "strongest": (i, 1)},
        **{"done": (i, 1), "step": (long, 1), "code": (i, 1), "value": (double, 1), "lists": (i, 1)},
        "energies": (long, 2),
    }
    return _fluid(Batch, dimensions)


def _fluid_looks():
    from simulators.md.cuda.fluid_looks import Looks

    i, long, double = np.int32, np.int64, np.float64
    dimensions = {
        **{"place": (i, 3), "side": (i, 1), "path": (long, 3), "origin": (long, 3), "due": (i, 2)},
        **{"displacements": (double, 2), "waves": (i, 2), "power": (double, 2), "distances": (long, 2)},
        "scale": (np.float32, 2),
    }
    return _fluid(Looks, dimensions)


def test_the_fluids_loop_over_its_list_is_float32():
    from numba import types

    from simulators.md.cuda.fluid import advance

    text = compiled(advance, _fluid_in_blocks(), types.int64)
    four = [loop for loop in loops(text, "ld.shared.v4.u32") if loop["ld.global.u16"] == 4]
    assert len(four) == 2  # sharp and smooth, four neighbours at a time
    for loop in four:
        assert loop["ld.shared.v4.u32"] == 4
        assert not any("f64" in name for name in loop)
        assert loop.total() <= 4 * 32


def test_the_loop_over_lists_made_of_cells_loads_a_place_at_a_time():
    from numba import types

    from simulators.md.cuda import fluid_cells

    text = compiled(fluid_cells.advance, _fluid_in_cells(), types.int64)
    four = [loop for loop in loops(text, "ld.global.v4.u32") if loop["ld.global.v4.u32"] == 4]
    assert len(four) == 2
    for loop in four:
        assert loop["ld.global.u32"] == 4
        assert not any("f64" in name for name in loop)
        assert loop.total() <= 4 * 40
    assert "ld.local" not in text


@pytest.mark.parametrize(
    "phase", ["find_cells", "find_firsts", "sort_particles", "list_neighbours", "add_energies"]
)
def test_phases_of_a_fluid_in_cells_compile(phase):
    from simulators.md.cuda import fluid_cells

    text = compiled(getattr(fluid_cells, phase), _fluid_in_cells())
    assert phase == "find_firsts" or not FLOAT64.search(text)


def test_distances_are_counted_in_float32():
    from numba import types

    from simulators.md.cuda import fluid_cells, fluid_looks

    sizes = (types.int64, types.int64)
    for text in (
        compiled(fluid_looks.count_distances, _fluid_looks(), *sizes),
        compiled(fluid_cells.count_distances, _fluid_in_cells(), _fluid_looks(), *sizes),
    ):
        assert not FLOAT64.search(text)
        assert "atom.shared.add" in text


@pytest.mark.parametrize("look", ["follow_particles", "count_displacements", "count_waves"])
def test_looks_at_a_fluid_compile(look):
    from simulators.md.cuda import fluid_looks

    text = compiled(getattr(fluid_looks, look), _fluid_looks())
    assert ".entry" in text
