"""Chemical Langevin kinetics of the MYC/E2F network: sixteen cells to a vector, all from the same constants.

Euler and Maruyama's step. Each reaction between species has a noise of its own, which its species share; the
reactions that make or destroy one species alone, and the noise from outside, are independent of one another,
so that one normal deviate with the sum of their variances stands for them: sixteen deviates a step in place
of thirty-eight, with the same law.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.cells import myc_e2f
from simulators.cells.myc_e2f import Constants
from simulators.md.random import eight_gaussians
from simulators.md.vector import (
    LANES,
    compiled,
    fma,
    inline,
    lanes,
    load,
    maximum,
    on_vectors,
    real,
    splat,
    sqrt,
    store,
)

OUTSIDE_STEP = 0.01
"""Hours: at this step the published noise from outside is delta dt; at others it has its variance per h."""

_PURPOSE = np.int32(0)
_DRAWS = np.int32(4)
"""Blocks of four deviates that a cell takes in a step."""

made, exchanged = on_vectors(myc_e2f.made), on_vectors(myc_e2f.exchanged)


class Noise(NamedTuple):
    """Time step and noise, all float32 or int32.

    Args:
        dt: hours.
        inside: sigma sqrt(dt), of a reaction of unit rate.
        inside_squared: its square.
        outside_squared: variance of the noise from outside.
        key0, key1: the seed.
    """

    dt: np.float32
    inside: np.float32
    inside_squared: np.float32
    outside_squared: np.float32
    key0: np.int32
    key1: np.int32


def noise(timestep: float, sigma: float, delta: float, seed: int) -> Noise:
    """Noise of a cell: sigma scales that of reactions, delta (molecules per hour) is that from outside."""
    return Noise(
        np.float32(timestep),
        np.float32(sigma * math.sqrt(timestep)),
        np.float32(sigma**2 * timestep),
        np.float32(delta**2 * timestep * OUTSIDE_STEP),
        *np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32).view(np.int32),
    )


@inline
def _stepped(x: Any, made_here: Any, decay: Any, change: Any, deviate: Any, noise: Noise) -> Any:
    """A species after a step: what it gains and loses alone, with noise, and what others exchange with it."""
    loss = decay * x
    variance = fma(made_here + loss, real(noise.inside_squared), real(noise.outside_squared))
    new = x + fma(made_here - loss, real(noise.dt), change) + sqrt(variance) * deviate
    return maximum(new, real(0.0))


@inline
def _flux(rate: Any, deviate: Any, noise: Noise) -> Any:
    """Reactions in a step, a normal number in place of Poisson's."""
    return fma(sqrt(rate), deviate * real(noise.inside), rate * real(noise.dt))


@compiled
def advance(state: NDArray[np.float32], first: int, k: Constants, noise: Noise, steps: int) -> None:
    """All steps of sixteen cells.

    Args:
        state: molecules, array (10 * 16,), species by species in the order of `myc_e2f.SPECIES`.
        first: number of the first cell, which tells its noise from that of others.
        k: constants.
        noise: time step and noise.
        steps: how many.
    """
    MC, EFm, EFp = load(state, 0), load(state, LANES), load(state, 2 * LANES)
    CD, RB, CE = load(state, 3 * LANES), load(state, 4 * LANES), load(state, 5 * LANES)
    RP, RE = load(state, 6 * LANES), load(state, 7 * LANES)
    AF, MR = load(state, 8 * LANES), load(state, 9 * LANES)
    draw = (lanes() + splat(np.int32(first))) * splat(_DRAWS)
    one, two, three = splat(np.int32(1)), splat(np.int32(2)), splat(np.int32(3))
    for step in range(steps):
        z0, z1, z2, z3, z4, z5, z6, z7 = eight_gaussians(
            draw, draw + one, step, _PURPOSE, noise.key0, noise.key1
        )
        z8, z9, n0, n1, n2, n3, n4, n5 = eight_gaussians(
            draw + two, draw + three, step, _PURPOSE, noise.key0, noise.key1
        )
        mMC, mEFm, mEFp, mCD, mRB, mCE, mAF, mMR = made(k, MC, EFm, EFp, MR)
        free_d, free_e, bind, restore, mark_d, mark_e = exchanged(k, EFp, CD, RB, CE, RP, RE)
        freed = _flux(free_d, n0, noise) + _flux(free_e, n1, noise)
        bound, restored = _flux(bind, n2, noise), _flux(restore, n3, noise)
        marked = _flux(mark_d, n4, noise) + _flux(mark_e, n5, noise)
        e2f_decay = fma(real(k.KAFR), AF, real(1.0)) * real(k.dEFp)
        none = real(0.0)
        MC = _stepped(MC, mMC, real(k.dMC), none, z0, noise)
        EFm = _stepped(EFm, mEFm, real(k.dEFm), none, z1, noise)
        EFp = _stepped(EFp, mEFp, e2f_decay, freed - bound, z2, noise)
        CD = _stepped(CD, mCD, real(k.dCD), none, z3, noise)
        RB = _stepped(RB, mRB, real(k.dRB), restored - bound - marked, z4, noise)
        CE = _stepped(CE, mCE, real(k.dCE), none, z5, noise)
        RP = _stepped(RP, none, real(k.dRP), marked + freed - restored, z6, noise)
        RE = _stepped(RE, none, real(k.dRE), bound - freed, z7, noise)
        AF = _stepped(AF, mAF, real(k.dAF), none, z8, noise)
        MR = _stepped(MR, mMR, real(k.dMR), none, z9, noise)
    store(state, 0, MC)
    store(state, LANES, EFm)
    store(state, 2 * LANES, EFp)
    store(state, 3 * LANES, CD)
    store(state, 4 * LANES, RB)
    store(state, 5 * LANES, CE)
    store(state, 6 * LANES, RP)
    store(state, 7 * LANES, RE)
    store(state, 8 * LANES, AF)
    store(state, 9 * LANES, MR)
