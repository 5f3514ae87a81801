"""Random numbers of a campaign: every one is a function of its seed and of what it is for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * _M1
        z = (z ^ (z >> np.uint64(27))) * _M2
        return z ^ (z >> np.uint64(31))


def replica_seeds(campaign_seed: int, replicas: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A 64-bit seed for each replica, array (n,): SplitMix64 at position replica + 1.

    The generator's start is the mixed seed of the campaign. Its output is a bijection of the
    position, so that no two replicas of a campaign share a seed (Steele, Lea and Flood, OOPSLA 2014).
    """
    start = _mix(np.array([campaign_seed], dtype=np.uint64) + _GAMMA)
    with np.errstate(over="ignore"):
        return _mix(start + (np.asarray(replicas).astype(np.uint64) + np.uint64(1)) * _GAMMA)


def training_seed(campaign_seed: int, version: int) -> int:
    """The 63-bit seed of the training that makes a model version."""
    return int(np.random.SeedSequence([campaign_seed, version]).generate_state(1, np.uint64)[0] >> 1)
