"""A colony of bacteria that spreads over a disc, with a gene circuit in each cell: fields over the radius.

Cells C divide and diffuse; lysozyme L, T7 RNA polymerase T, their complex P and the reporter of lysozyme F
are carried along by the cells' flux. Nutrient and the signal AHL are uniform over the disc. Equations and
numbers: Wang et al., Nat. Commun. 10, 4354 (2019); docs/physics/gene_circuit.md.

One time step: diffusion of C by Crank and Nicolson (its matrix never changes, so that it is factored once),
everything else by Adams and Bashforth's second-order formula; every `EQUILIBRATION` the binding of L and T to
P is brought to its equilibrium, as in the published solution.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.cells.relaxed import flush_denormals, relaxed, restore_denormals
from simulators.md.vector import compiled, inline

Array = NDArray[np.float64]

RADIUS, DURATION = 80.0, 150.0
"""Of the disc and of the experiment, in the circuit's units of length and time."""
EQUILIBRATION = 0.01
"""Time between two equilibrations of the binding."""
RIPENING = 10.0
"""Up to this time cells express their genes wherever they are."""

_VACUUM = 1e-5
"""Density that keeps the cells' velocity finite where there are none."""
_EDGE = 0.9
"""The rim of the colony is where its density first falls below this fraction of the highest."""
_LYSOZYME_DECAY, _T7_DECAY, _DISSOCIATION = 0.0144, 0.3, 0.037
_NUTRIENT_HALF, _UPTAKE, _SPACING = 0.3, 0.6814, 0.18898


class Circuit(NamedTuple):
    """The dimensionless groups G1 to G12 and what enters as it is.

    Args:
        motility: G1, diffusion coefficient of cells.
        nutrient_half, uptake: G2, nutrient of half the growth; G3, its consumption.
        signal, signal_decay: G4 and G5, of AHL.
        lysozyme: G6, synthesis and decay.
        t7_decay, t7: G8 and G9, decay and synthesis.
        per_t7, dissociation, per_complex: G10, G11 and G12, of the binding.
        burden_t7, burden_lysozyme: alpha and beta, of growth.
        depth, steepness: Kphi and n, of the gene expression's fall with the distance from the rim.
    """

    motility: float
    nutrient_half: float
    uptake: float
    signal: float
    signal_decay: float
    lysozyme: float
    t7_decay: float
    t7: float
    per_t7: float
    dissociation: float
    per_complex: float
    burden_t7: float
    burden_lysozyme: float
    depth: float
    steepness: float


def circuit(
    *,
    g4: float,
    alpha: float,
    beta: float,
    Kphi: float,
    n: float,
    ac: float,
    aT: float,
    aL: float,
    KC: float,
    KT: float,
    KP: float,
    dA: float,
    R: float,
) -> Circuit:
    """The groups for these inputs, which are those of the published model."""
    return Circuit(
        motility=KC / _SPACING**2 / ac,
        nutrient_half=_NUTRIENT_HALF,
        uptake=_UPTAKE * _SPACING**3 / ac / R**2,
        signal=g4 / ac / R**2,
        signal_decay=dA / ac,
        lysozyme=_LYSOZYME_DECAY / ac,
        t7_decay=_T7_DECAY / ac,
        t7=aT / (ac * KT),
        per_t7=_LYSOZYME_DECAY * KT / aL,
        dissociation=_LYSOZYME_DECAY / aL / _DISSOCIATION,
        per_complex=_LYSOZYME_DECAY * KP / aL,
        burden_t7=alpha,
        burden_lysozyme=beta,
        depth=Kphi,
        steepness=n,
    )


class Colony(NamedTuple):
    """Fields at equidistant radii from 0 to RADIUS, and what a step needs.

    Args:
        fields: array (5, points): C, L, T, P and F.
        pools: array (2,): nutrient and AHL.
        rates, pool_rates: of change, arrays (2, 5, points) and (2, 2): those of even and of odd steps.
            Diffusion is no part of them.
        radius: of the points, array (points,).
        capacity: of gene expression, array (points,).
        below, middle, above: rows of ``1 + dt D / 2``, D the diffusion operator, arrays (points,).
        pivot, eliminate, substitute: the factors of ``1 - dt D / 2``, arrays (points,).
        growth, velocity, expression, free: scratch, arrays (points,).
        rim: array (1,): the rim for which `capacity` was computed.
        timestep: dt.
        between: steps between two equilibrations.
        stable: whether the equilibrium is computed without cancellation.
    """

    fields: Array
    pools: Array
    rates: Array
    pool_rates: Array
    radius: Array
    capacity: Array
    below: Array
    middle: Array
    above: Array
    pivot: Array
    eliminate: Array
    substitute: Array
    growth: Array
    velocity: Array
    expression: Array
    free: Array
    rim: NDArray[np.int64]
    timestep: float
    between: int
    stable: bool


def colony(c: Circuit, points: int, timestep: float, stable: bool) -> Colony:
    """A droplet of cells in the middle of the disc."""
    radius = np.linspace(0.0, RADIUS, points)
    fields = np.zeros((5, points))
    fields[0] = 0.2 * np.exp(-(np.linspace(0.0, math.pi, points) ** 2) / 0.005)
    fields[2] = 0.1 * fields[0]
    below, middle, above = _diffusion(c.motility, radius, RADIUS / points)
    half = timestep / 2
    pivot, eliminate, substitute = (np.empty(points) for _ in range(3))
    last = 0.0
    for i in range(points):
        pivot[i] = 1 / (1 - half * middle[i] + half * below[i] * last)
        eliminate[i] = -half * below[i] * pivot[i]
        substitute[i] = last = -half * above[i] * pivot[i]
    return Colony(
        fields=fields,
        pools=np.array([1.0, 0.0]),
        rates=np.zeros((2, 5, points)),
        pool_rates=np.zeros((2, 2)),
        radius=radius,
        capacity=np.ones(points),
        below=half * below,
        middle=1 + half * middle,
        above=half * above,
        pivot=pivot,
        eliminate=eliminate,
        substitute=substitute,
        growth=np.zeros(points),
        velocity=np.zeros(points),
        expression=np.zeros(points),
        free=np.zeros(points),
        rim=np.zeros(1, np.int64),
        timestep=timestep,
        between=round(EQUILIBRATION / timestep),
        stable=stable,
    )


def saved(s: Colony) -> Colony:
    """The same colony, to go on from after this one has gone on."""
    return s._replace(
        fields=s.fields.copy(),
        pools=s.pools.copy(),
        rates=s.rates.copy(),
        pool_rates=s.pool_rates.copy(),
        capacity=s.capacity.copy(),
        rim=s.rim.copy(),
        growth=np.zeros_like(s.growth),
        velocity=np.zeros_like(s.velocity),
        expression=np.zeros_like(s.expression),
        free=np.zeros_like(s.free),
    )


def _diffusion(coefficient: float, radius: Array, spacing: float) -> tuple[Array, Array, Array]:
    """Rows of ``G1 (C'' + C' / r)``, mirrored at both ends: three arrays (points,).

    The published solution divides by L / N in derivatives, though its points lie L / (N - 1) apart.
    """
    second = np.full(len(radius), coefficient / spacing**2)
    first = np.zeros(len(radius))
    first[1:-1] = coefficient / (2 * spacing * radius[1:-1])
    below, middle, above = second - first, -2 * second, second + first
    middle[0], above[0] = -4 * second[0], 4 * second[0]
    below[0], below[-1], above[-1] = 0.0, 2 * second[-1], 0.0
    return below, middle, above


# Right-hand sides ----------------------------------------------------------------------------------


@relaxed
def _inside_cells(y: Array, s: Colony, c: Circuit, nutrition: float) -> None:
    """Growth rate of cells, transcription by T7, and what of it is left where T7 is bound."""
    C, L, T, P = y[0], y[1], y[2], y[3]
    for i in range(C.size):
        s.growth[i] = (1.0 - C[i]) * nutrition / (1.0 + c.burden_t7 * T[i] + c.burden_lysozyme * L[i])
        transcription = s.capacity[i] * T[i] / (1.0 + T[i])
        s.expression[i] = transcription if C[i] > 0.0 else 0.0
        s.free[i] = s.expression[i] / (1.0 + P[i])


@relaxed
def _cells_velocity(C: Array, factor: float, velocity: Array) -> None:
    """``factor (C[i + 1] - C[i - 1]) / C[i]``; no gradient at the mirrored ends."""
    before, here, after, inner = C[:-2], C[1:-1], C[2:], velocity[1:-1]
    for i in range(inner.size):
        inner[i] = factor * (after[i] - before[i]) / (here[i] + _VACUUM)


@relaxed
def _carried(X: Array, s: Colony, loss: float, gain: float, source: Array, out: Array) -> None:
    """Rate of what the cells carry, dilute by their growth, lose and make."""
    last = X.size - 1
    before, here, after, inner = X[:-2], X[1:-1], X[2:], out[1:-1]
    velocity, growth, made = s.velocity[1:-1], s.growth[1:-1], source[1:-1]
    for i in range(inner.size):
        inner[i] = velocity[i] * (after[i] - before[i]) - (growth[i] + loss) * here[i] + gain * made[i]
    out[0] = gain * source[0] - (s.growth[0] + loss) * X[0]
    out[last] = gain * source[last] - (s.growth[last] + loss) * X[last]


@relaxed
def _multiplication(C: Array, growth: Array, out: Array) -> None:
    for i in range(C.size):
        out[i] = C[i] * growth[i]


@relaxed
def _over_disc(C: Array, density: Array, radius: Array) -> float:
    """Integral of ``2 pi r C density`` by the trapezoidal rule."""
    last = C.size - 1
    total: float = -0.5 * C[last] * density[last] * radius[last]
    for i in range(C.size):
        total += C[i] * density[i] * radius[i]
    return 2.0 * math.pi * float(radius[1] - radius[0]) * total


@relaxed
def _rates(s: Colony, c: Circuit, out: Array, pools: Array) -> None:
    """All rates of change but the diffusion of cells, from the colony as it is."""
    y = s.fields
    nutrient, signal = s.pools[0], s.pools[1]
    response = signal * signal / (1.0 + signal * signal)
    spacing = RADIUS / s.radius.size
    _inside_cells(y, s, c, nutrient / (c.nutrient_half + nutrient))
    _cells_velocity(y[0], c.motility / (4.0 * spacing * spacing), s.velocity)
    _multiplication(y[0], s.growth, out[0])
    _carried(y[1], s, c.lysozyme, c.lysozyme * response, s.expression, out[1])
    _carried(y[2], s, c.t7_decay, c.t7, s.free, out[2])
    _carried(y[3], s, 0.0, 0.0, s.free, out[3])
    _carried(y[4], s, 0.0, response, s.expression, out[4])
    pools[0] = -c.uptake * _over_disc(y[0], s.growth, s.radius)
    pools[1] = c.signal * _over_disc(y[0], s.free, s.radius) - c.signal_decay * signal


# One step ------------------------------------------------------------------------------------------


@relaxed
def _diffused(C: Array, s: Colony, now: Array, before: Array, a: float, b: float) -> None:
    """Cells after a step: ``(1 - dt D / 2) C' = (1 + dt D / 2) C + a now + b before``."""
    last = C.size - 1
    right = s.velocity  # scratch: the rates are known
    left, here, after, inner = C[:-2], C[1:-1], C[2:], right[1:-1]
    below, middle, above = s.below[1:-1], s.middle[1:-1], s.above[1:-1]
    new, old = now[1:-1], before[1:-1]
    for i in range(inner.size):
        inner[i] = below[i] * left[i] + middle[i] * here[i] + above[i] * after[i] + a * new[i] + b * old[i]
    right[0] = s.middle[0] * C[0] + s.above[0] * C[1] + a * now[0] + b * before[0]
    right[last] = s.below[last] * C[last - 1] + s.middle[last] * C[last] + a * now[last] + b * before[last]
    value = 0.0
    for i in range(C.size):
        value = right[i] * s.pivot[i] - s.eliminate[i] * value
        C[i] = value
    for i in range(last - 1, -1, -1):
        value = C[i] - s.substitute[i] * value
        C[i] = value


@relaxed
def _added(X: Array, now: Array, before: Array, a: float, b: float) -> None:
    for i in range(X.size):
        X[i] += a * now[i] + b * before[i]


@inline
def _bound(L: Array, T: Array, P: Array, c: Circuit) -> None:
    """Equilibrium of L + T and P as published: the root loses an L far below the dissociation constant.

    Nothing is fused or reordered here, since the profile hangs on it for one in seven of the inputs.
    """
    for i in range(L.size):
        b = L[i] - c.per_t7 * T[i] - c.dissociation
        free = 0.5 * (b + math.sqrt(b * b + 4.0 * c.dissociation * (L[i] + c.per_complex * P[i])))
        bound = L[i] - free
        P[i] += bound / c.per_complex
        T[i] -= bound / c.per_t7
        L[i] = free


@inline
def _bound_stably(L: Array, T: Array, P: Array, c: Circuit) -> None:
    """The same root without the difference of two like numbers."""
    for i in range(L.size):
        b = L[i] - c.per_t7 * T[i] - c.dissociation
        product = 4.0 * c.dissociation * (L[i] + c.per_complex * P[i])
        root = math.sqrt(b * b + product)
        free = 0.5 * (b + root) if b > 0.0 else 0.5 * product / (root - b)
        bound = L[i] - free
        P[i] += bound / c.per_complex
        T[i] -= bound / c.per_t7
        L[i] = free


@relaxed
def _rim(C: Array) -> int:
    """Number of points up to the first one below the edge's density, that one included."""
    highest = 0.0
    for i in range(C.size):
        highest = max(highest, C[i])
    for i in range(C.size):
        if C[i] < _EDGE * highest:
            return i + 1
    return C.size


@inline
def _set_capacity(s: Colony, c: Circuit) -> None:
    """Hill's function of the depth below the rim, anew where the rim has moved."""
    rim = _rim(s.fields[0])
    if rim == s.rim[0]:
        return
    s.rim[0] = rim
    edge, half = RADIUS / s.radius.size * rim, c.depth**c.steepness
    for i in range(s.radius.size):
        inside = max(edge - s.radius[i], 0.0)
        s.capacity[i] = half / (half + inside**c.steepness)


@compiled
def advance(s: Colony, c: Circuit, first: int, last: int) -> None:
    """Steps ``first`` to ``last``, the last one left out.

    Where numbers end, in a reaction that has run away, they do so for good: fields say so when asked.
    """
    former = flush_denormals()
    y, dt = s.fields, s.timestep
    for step in range(first, last):
        if (step // s.between + 1) * EQUILIBRATION > RIPENING + 0.5 * EQUILIBRATION:
            _set_capacity(s, c)
        now, before = s.rates[step % 2], s.rates[1 - step % 2]
        pools, pools_before = s.pool_rates[step % 2], s.pool_rates[1 - step % 2]
        _rates(s, c, now, pools)
        a, b = (1.5 * dt, -0.5 * dt) if step > 0 else (dt, 0.0)
        _diffused(y[0], s, now[0], before[0], a, b)
        for k in range(1, 5):
            _added(y[k], now[k], before[k], a, b)
        _added(s.pools, pools, pools_before, a, b)
        if (step + 1) % s.between == 0:
            if s.stable:
                _bound_stably(y[1], y[2], y[3], c)
            else:
                _bound(y[1], y[2], y[3], c)
    restore_denormals(former)
