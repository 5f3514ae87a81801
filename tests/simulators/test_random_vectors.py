"""The random numbers of the vector kernels: Philox4x32-10 and normal deviates."""

import numpy as np
import pytest
from numba import njit
from scipy import stats

from simulators.md.random import NOISE, four_gaussians, gaussians, philox, split_seeds
from simulators.md.vector import lanes, load, splat, store

# The authors' known answers: counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@njit
def _words(counter, key, out):
    a, b, c, d = philox(
        splat(counter[0]), splat(counter[1]), splat(counter[2]), splat(counter[3]), key[0], key[1]
    )
    store(out, 0, a)
    store(out, 16, b)
    store(out, 32, c)
    store(out, 48, d)


@njit
def _normals(steps, key, out):
    for step in range(steps):
        a, b, c = gaussians(lanes(), step, NOISE, key[0], key[1])
        store(out, 48 * step, a)
        store(out, 48 * step + 16, b)
        store(out, 48 * step + 32, c)


@njit
def _four_normals(steps, keys, out):
    key0, key1 = load(keys[0], 0), load(keys[1], 0)
    for step in range(steps):
        a, b, c, d = four_gaussians(splat(np.int32(3)), step, NOISE, key0, key1)
        store(out, 64 * step, a)
        store(out, 64 * step + 16, b)
        store(out, 64 * step + 32, c)
        store(out, 64 * step + 48, d)


def _draw(steps, key):
    out = np.zeros(48 * steps, np.float32)
    _normals(steps, np.array(key, np.int32), out)
    return out.reshape(steps, 3, 16).astype(float)


def _hex(words):
    return np.array([int(word, 16) for word in words.split()], np.uint32)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    out = np.zeros(64, np.int32)
    _words(_hex(counter).view(np.int32), _hex(key).view(np.int32), out)
    assert (out.view(np.uint32).reshape(4, 16) == _hex(words)[:, None]).all()


def test_normals_are_normal():
    x = _draw(40_000, (5, 7))
    n = x.size
    assert x.mean() == pytest.approx(0, abs=4 / np.sqrt(n))
    assert (x**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / n))
    assert (x**3).mean() == pytest.approx(0, abs=4 * np.sqrt(15 / n))
    assert (x**4).mean() == pytest.approx(3, abs=4 * np.sqrt(96 / n))
    assert stats.kstest(x.ravel()[:400_000], "norm").pvalue > 1e-3
    assert 4.5 < np.abs(x).max() < 6.8  # the tail of 32-bit uniforms


def test_normals_of_different_components_lanes_steps_and_seeds_are_unrelated():
    x, other = _draw(20_000, (5, 7)), _draw(20_000, (6, 7))
    limit = 5 / np.sqrt(x.shape[0] * 16)
    for a, b in (
        (x[:, 0], x[:, 1]),
        (x[:, 0], x[:, 2]),
        (x[1:], x[:-1]),
        (x[..., 1:], x[..., :-1]),
        (x, other),
        (x[:, 0] ** 2 - 1, x[:, 1] ** 2 - 1),
    ):
        assert abs((a * b).mean()) < 3 * limit


def test_a_lane_with_a_key_of_its_own_draws_what_a_replica_alone_draws():
    seeds = np.random.default_rng(0).integers(0, 2**64, 16, dtype=np.uint64)
    out = np.zeros(64 * 5, np.float32)
    _four_normals(5, split_seeds(seeds), out)
    for lane, seed in enumerate(seeds):
        alone = _draw(5, split_seeds(np.array([seed]))[:, 0])
        # The third ion draws in the lane of that number.
        assert (out.reshape(5, 4, 16)[:, :3, lane] == alone[:, :, 3].astype(np.float32)).all()


def test_the_fourth_normal_is_normal_and_unrelated_to_the_others():
    out = np.zeros(64 * 20_000, np.float32)
    _four_normals(20_000, split_seeds(np.arange(16, dtype=np.uint64)), out)
    x = out.reshape(20_000, 4, 16).astype(float)
    assert stats.kstest(x[:, 3].ravel(), "norm").pvalue > 1e-3
    for other in range(3):
        assert abs((x[:, 3] * x[:, other]).mean()) < 5 / np.sqrt(20_000 * 16)
        assert abs(((x[:, 3] ** 2 - 1) * (x[:, other] ** 2 - 1)).mean()) < 10 / np.sqrt(20_000 * 16)


def test_the_stream_depends_on_the_step_alone():
    assert (_draw(10, (1, 2))[:5] == _draw(5, (1, 2))).all()
