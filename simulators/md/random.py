"""Random numbers that depend on nothing but their name: Philox4x32-10 and Gaussians from it.

A counter-based generator (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC11) turns (key, counter) into random words. The key is a replica's seed, the counter is the ion, the step
and the purpose; hence the noise of a replica is the same in any batch, on any thread, and on any machine.
A key is an int32 where all lanes belong to one replica, and an int16 vector where lanes are replicas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws import random as laws
from simulators.md.vector import inline, on_vectors, splat

NOISE, VELOCITIES = np.int32(0), np.int32(1)
"""Purposes: the last word of the counter."""


philox, _four_gaussians = on_vectors(laws.philox), on_vectors(laws.four_gaussians)
_eight_gaussians = on_vectors(laws.eight_gaussians)


@inline
def four_gaussians(ion, step, purpose, key0, key1):
    """Four standard normal numbers per lane, by Box and Muller's transformation.

    Args:
        ion: int16 vector, who draws.
        step: int64, when.
        purpose: int32, what for.
        key0: lower half of the seed, int32 or int16 vector.
        key1: upper half.
    """
    low, high = np.int32(step & 0xFFFFFFFF), np.int32(step >> 32)
    return _four_gaussians(ion, splat(low), splat(high), splat(purpose), key0, key1)


@inline
def eight_gaussians(ion, other, step, purpose, key0, key1):
    """The `four_gaussians` of ``ion`` and those of ``other``, in less time than one after the other."""
    low, high = np.int32(step & 0xFFFFFFFF), np.int32(step >> 32)
    return _eight_gaussians(ion, other, splat(low), splat(high), splat(purpose), key0, key1)


@inline
def gaussians(ion, step, purpose, key0, key1):
    """Three standard normal numbers per lane: the first of `four_gaussians`, for a vector's components."""
    x, y, z, _ = four_gaussians(ion, step, purpose, key0, key1)
    return x, y, z


def split_seeds(seeds: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Keys of replicas: the lower and the upper halves of their seeds, array (2, replicas)."""
    halves = np.stack([seeds & np.uint64(0xFFFFFFFF), seeds >> np.uint64(32)])
    return np.ascontiguousarray(halves.astype(np.uint32).view(np.int32))
