"""A stand-in for the ions in a slit: a smooth profile in closed form, with noise of known size.

Boltzmann form: a repulsion from the wall that grows with valency and decays over the Debye length,
against packing at the wall that grows with concentration and diameter. No physics is claimed; it has
the shapes that a surrogate has to learn (depletion, a wall peak that turns into a mid-slit maximum,
a conserved average) and costs nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from surrogates import Axis, Feature, Signature, Target
from surrogates.contract import find

Array = NDArray[np.float64]

FRACTION = np.linspace(0.0, 1.0, 110) ** 1.5
"""Bin edges from wall contact (0) to mid-slit (1), finer at the wall; one empty bin lies before them."""
BINS = len(FRACTION)

SIGNATURE = Signature(
    features=(
        Feature("gap", "nm", 3.0, 4.0),
        Feature("cation_valency", "", 1.0, 3.0, (1.0, 2.0, 3.0)),
        Feature("anion_valency", "", 1.0, 1.0),
        Feature("concentration", "M", 0.3, 0.9),
        Feature("diameter", "nm", 0.5, 0.75),
    ),
    targets=(
        Target("density", "M", "z", "concentration / cation_valency", positive=True),
        Target("contact", "M", positive=True),
        Target("mid", "M", positive=True),
        Target("peak", "M", positive=True),
    ),
    axes=(
        Axis(
            "z",
            "nm",
            {"gap": [0.0, *(0.5 * FRACTION)], "diameter": [0.0, *(0.5 - 0.5 * FRACTION)]},
        ),
    ),
)


def inputs(n: int, seed: int) -> Array:
    """Rows drawn uniformly from the space, array (n, 5)."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(3, 4, n),
        rng.integers(1, 4, n),
        np.ones(n),
        rng.uniform(0.3, 0.9, n),
        rng.uniform(0.5, 0.75, n),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def truth(x: Array) -> Array:
    """Exact targets, array (n, BINS + 3)."""
    gap, z, _, c, d = (column[:, None] for column in x.T)
    half = 0.5 * (gap - d)

    def weight(s: Array) -> Array:
        debye = 0.304 / np.sqrt(0.5 * c * (z + 1))
        repulsion = 0.35 * z**1.5 * np.exp(-s / debye) / (1 + s / (2 * d))
        packing = 3.2 * c * d**1.5 * z**-0.3 * np.cos(2 * np.pi * (s / d - 0.25)) * np.exp(-s / (0.45 * d))
        soft = 1.2 * np.exp(-((s / (0.12 * d)) ** 2))
        return np.exp(-repulsion + packing - soft)

    def both(s: Array) -> Array:
        return weight(s) * weight(2 * half - s)

    edges = FRACTION * half
    width = np.diff(edges, axis=1)
    profile = both(0.5 * (edges[:, 1:] + edges[:, :-1]))
    norm = (c / z) / ((profile * width).sum(axis=1, keepdims=True) / (0.5 * gap))
    scalars = [both(np.zeros_like(half)), both(half), profile.max(axis=1, keepdims=True)]
    return np.concatenate([np.zeros_like(gap), profile, *scalars], axis=1) * norm


def simulate(x: Array, seed: int) -> tuple[Array, Array]:
    """Noisy targets and their standard errors (1-3 %), arrays (n, BINS + 3)."""
    rng = np.random.default_rng(seed)
    exact = truth(x)
    relative = rng.uniform(0.01, 0.03, (len(x), 1)) * np.ones(exact.shape[1])
    relative[:, -2] *= 0.6
    err = relative * exact
    return exact + err * rng.standard_normal(exact.shape), err


def data(n: int, seed: int) -> tuple[Array, Array, Array]:
    """Inputs, noisy targets and standard errors of n simulations."""
    x = inputs(n, seed)
    return (x, *simulate(x, seed + 1_000_000))


def widths(x: Array) -> Array:
    """Bin widths of the profile, array (n, BINS)."""
    gap, diameter = x[:, :1], x[:, 4:]
    edges = 0.5 * FRACTION * (gap - diameter) + 0.5 * diameter
    return np.diff(np.concatenate([np.zeros_like(gap), edges], axis=1), axis=1)


def fit_bits(kind: str, seed: int) -> str:
    """Digest of the weights of a small fit."""
    x, y, err = data(20, seed=1)
    model = find(kind)().fit(x, y, err, signature=SIGNATURE, seed=seed)
    bits = hashlib.sha256()
    for name, array in sorted(model.predictor.arrays().items()):
        bits.update(name.encode() + array.tobytes())
    return bits.hexdigest()
