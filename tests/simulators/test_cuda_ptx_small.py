"""The kernels of small systems, compiled to PTX for a Hopper card."""

import re

import numpy as np
import pytest
from ptx import array, compiled, loops, needs_compiler

pytestmark = needs_compiler

FLOAT64 = re.compile(r"\.f64\b")
F, W, L, D = np.float32, np.int32, np.int64, np.float64


def members(kind, dimensions):
    """numba's type of a named tuple of arrays on the card: dtype and number of axes of each."""
    from numba import types

    assert kind._fields == tuple(dimensions)
    return types.NamedTuple([array(np.dtype(t), n) for t, n in dimensions.values()], kind)


@pytest.fixture(scope="module", params=[32, 512])
def chain(request):
    """The Go chain's kernel for so many beads."""
    from numba import types

    from simulators.md.cuda.chain import ADVANCE, CONSTANTS, Batch, Chain

    structure = {
        **{"bonds": (F, 1), "angles": (F, 1), "torsions": (F, 2), "partners": (np.uint16, 1)},
        **{"squares": (F, 1), "degree": (W, 1), "contacts": (W, 2), "contact_squares": (F, 1)},
        **{"repels": (np.uint8, 2), "native": (D, 2)},
    }
    batch = {
        **{"constants": (CONSTANTS, 1), "position": (F, 3), "velocity": (F, 3), "good": (F, 3)},
        **{"listed": (F, 3), "near": (np.uint16, 2), "count": (W, 2), "step": (L, 1), "broken": (L, 1)},
        **{"unfolded": (L, 1), "good_at": (L, 1), "looks": (W, 2), "sums": (D, 3), "formed": (W, 3)},
        "counts": (W, 3),
    }
    return compiled(ADVANCE[request.param], members(Chain, structure), members(Batch, batch), types.int64)


def test_the_chains_loops_over_pairs_are_float32_and_short(chain):
    pairs = [loop for loop in loops(chain, "div.approx") if loop["ld.global.u16"]]
    assert len(pairs) == 4  # native and listed, at a look and between
    for loop in pairs:
        assert not any("f64" in name for name in loop)
        assert loop["ld.shared.v4.f32"] == 1
        assert loop["div.approx.ftz.f32"] == 1
        assert loop.total() <= 36


def test_the_chain_needs_float64_for_what_is_summed_over_time_alone(chain):
    for loop in loops(chain, "rsqrt.approx.ftz.f32"):
        assert not any("f64" in name for name in loop)
    # Philox and the logarithm of its words are straight code: no block that multiplies words has float64.
    block = []
    for line in chain.splitlines():
        if line.startswith("$L"):
            block = []
        block.append(line)
        if "mul.hi.u32" in line or "mul.wide.u32" in line:
            assert not any(FLOAT64.search(other) for other in block)


def test_walkers_need_no_float64():
    from numba import types

    from simulators.md.cuda.walkers import MOTION, Escape, Surface, advance_escape, advance_surface

    surface = {
        **{name: (F, 1) for name in ("x", "y", "px", "py", "kick")},
        **{"core": (W, 1), "keys": (W, 2), "counts": (W, 2), "energy": (L, 1)},
    }
    text = compiled(advance_surface, members(Surface, surface), types.float32, types.int64, types.int64)
    assert not FLOAT64.search(text)
    assert text.count("ex2.approx.ftz.f32") == 4  # exponentials of the surface
    escape = {"motion": (MOTION, 1), "x": (F, 2), "v": (F, 2), "passages": (L, 2), "step": (L, 1)}
    text = compiled(advance_escape, members(Escape, escape), types.int64)
    assert not FLOAT64.search(text)
    assert ".local" not in text


def test_the_clusters_loop_over_pairs_is_float32_and_short():
    from numba import types

    from simulators.md.cuda.cluster import CONSTANTS, Batch, advance

    batch = {
        **{"constants": (CONSTANTS, 1), "position": (L, 3), "velocity": (L, 3), "force": (F, 3)},
        **{"cutoff_square": (F, 1), "slope": (F, 1)},
    }
    text = compiled(advance, members(Batch, batch), types.int64)
    pairs = loops(text, "rsqrt")
    assert pairs
    for loop in pairs:
        assert not any("f64" in name for name in loop)
        assert loop["ld.shared.v4.u32"] == loop["rsqrt.approx.ftz.f32"]
        assert loop.total() <= 36 * loop["rsqrt.approx.ftz.f32"]


@pytest.mark.parametrize("potential", ["harmonic", "lennard_jones", "double_well", "rugged"])
def test_single_particles_are_float64_and_nothing_is_estimated(potential):
    from numba import types

    from simulators.md.cuda.newton import ADVANCE, Flight

    flight = {name: (L if name == "turns" else D, 1) for name in Flight._fields}
    table = array(np.dtype(D), 2)
    numbers = [types.int64] * 3
    text = compiled(ADVANCE[potential], members(Flight, flight), *numbers, table, table)
    assert "fma.rn.f64" in text
    assert ".f32" not in text
    assert ".approx" not in text
