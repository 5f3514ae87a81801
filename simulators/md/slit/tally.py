"""What is counted while a replica runs: histograms of heights, block by block, never a trajectory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import inline

Counts = NDArray[np.int64]


class Tally(NamedTuple):
    """Counts of ions, and where the bins lie (lengths, distances from the nearer wall).

    Args:
        profile: array (blocks, 2 species, 2 sides, bins), bins from the wall to the mid-plane.
        fine: array (blocks, fine bins), cations of both sides, bins of equal width from the wall.
        middle: array (blocks,), cations around the mid-plane.
        heat: float array (blocks,), sums of twice the kinetic energy.
        looks: array (blocks,), how many times the ions were looked at.
        start, steps: the first step that counts and how many follow.
        near, narrow, narrow_bins, far, wide: the first bin ends at `near`, then `narrow_bins` of width
            `narrow` up to `far`, then bins of width `wide`.
        fine_width: width of the fine bins.
        middle_half_width: how far from the mid-plane `middle` reaches.
    """

    profile: Counts
    fine: Counts
    middle: Counts
    heat: NDArray[np.float64]
    looks: Counts
    start: int
    steps: int
    near: float
    narrow: float
    narrow_bins: int
    far: float
    wide: float
    fine_width: float
    middle_half_width: float


def bin_of(distance, near, narrow, narrow_bins, far, wide, last):
    """The bin of `Tally.profile` that a distance from the wall lies in; ``last`` is its last one."""
    if distance < near:
        return 0
    if distance < far:
        return 1 + min(int((distance - near) / narrow), narrow_bins - 1)
    return min(1 + narrow_bins + int((distance - far) / wide), last)


_bin_of = inline(bin_of)


@inline
def count(tally, ions, slit, heat, step):
    """Add the ions to the block that the step lies in.

    Returns:
        whether all ions lie between the walls.
    """
    counting = tally.start <= step < tally.start + tally.steps
    block = (step - tally.start) * tally.looks.size // tally.steps if counting else 0
    if counting:
        tally.looks[block] += 1
        tally.heat[block] += heat
    kappa, half_gap = np.float64(slit.kappa), np.float64(slit.half_gap)
    last = tally.profile.shape[3] - 1
    for i in range(ions.x.size):
        if ions.present[i] == 0:
            continue
        z = ions.z[i] * kappa
        distance = half_gap - abs(z)
        if distance < 0:
            return False
        if not counting:
            continue
        k = _bin_of(distance, tally.near, tally.narrow, tally.narrow_bins, tally.far, tally.wide, last)
        species = 0 if i < slit.first_anion else 1
        tally.profile[block, species, 1 if z > 0 else 0, k] += 1
        if species == 0:
            tally.fine[block, min(int(distance / tally.fine_width), tally.fine.shape[1] - 1)] += 1
            if abs(z) < tally.middle_half_width:
                tally.middle[block] += 1
    return True
