"""The arithmetic of a GPU thread, as numba's simulator has it, beside that of sixteen lanes and float64."""

import numpy as np
import pytest
from numba import cuda, njit

from simulators.md import arithmetic
from simulators.md.cuda import arithmetic as on_card
from simulators.md.cuda.arithmetic import on_device
from simulators.md.laws import random as laws
from simulators.md.random import four_gaussians
from simulators.md.vector import lanes, store

philox, gaussians = on_device(laws.philox), on_device(laws.four_gaussians)


@cuda.jit
def _draw(words, normals):
    i = cuda.threadIdx.x
    words[0, i], words[1, i], words[2, i], words[3, i] = philox(i, 9, 0, 0, -5, 7)
    normals[0, i], normals[1, i], normals[2, i], normals[3, i] = gaussians(i, 9, 0, 0, -5, 7)


@njit
def _draw_on_lanes(out):
    a, b, c, d = four_gaussians(lanes(), 9, np.int32(0), np.int32(-5), np.int32(7))
    store(out, 0, a)
    store(out, 16, b)
    store(out, 32, c)
    store(out, 48, d)


def test_random_numbers_are_the_same_everywhere():
    words, normals = np.zeros((4, 16), np.int32), np.zeros((4, 16), np.float32)
    _draw[1, 16](words, normals)
    here = np.zeros(64, np.float32)
    _draw_on_lanes(here)
    np.testing.assert_allclose(normals, here.reshape(4, 16), rtol=1e-6, atol=1e-7)

    ion = np.arange(16, dtype=np.int32)
    constant = [np.full(16, value, np.int32) for value in (9, 0, 0, -5, 7)]
    np.testing.assert_array_equal(words, laws.philox(ion, *constant))
    np.testing.assert_allclose(normals, laws.four_gaussians(ion, *constant), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sqrt", "reciprocal", "rsqrt", "exp", "sin", "cos", "acos"])
def test_functions_are_those_of_float64(name):
    x = np.linspace(0.01, 1.0 if name == "acos" else 80.0, 64).astype(np.float32)
    out = np.zeros_like(x)
    function = getattr(on_card, name)

    @cuda.jit
    def each(x, out):
        i = cuda.threadIdx.x
        out[i] = function(x[i])

    each[1, 64](x, out)
    np.testing.assert_allclose(out, getattr(arithmetic, name)(x.astype(float)), rtol=1e-5, atol=1e-5)
