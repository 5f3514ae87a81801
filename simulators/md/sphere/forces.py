"""Ions around a polarizable sphere whose multipoles are variables of their own: Car-Parrinello dynamics.

The sphere answers to the ions' moments ``b_k = sum_i q_i J_k(r_i)`` with amplitudes mu_k, scaled so that each
costs ``mu^2 / 2``. With ``s`` the sign of ``e_in - e_out``, and the coupling ``g_n^2 = |w_n| l_B / a`` where
``w_n = n (e_out - e_in) / (n e_in + (n + 1) e_out)``,

    E = sum_k mu_k^2 / 2 + s g mu_k b_k + (1 - s) / 2 g^2 b_k^2 ,

whose minimum over mu, at ``mu = -s g b``, is the exact answer's energy, ``-s / 2 sum g^2 b^2``, and whose
gradient at the minimum is the exact force. For s = -1 the plain functional (s = 1, g imaginary) would have no
minimum; the last term makes one without moving where it is stationary. The amplitudes have a mass and a heat
bath of their own, colder than the ions' (Car and Parrinello, Phys. Rev. Lett. 55, 2471, 1985).

Lengths in diameters, energies in kT, unit mass. Forces are float32, states and sums over time float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws.multipoles import core_force, ion_force
from simulators.md.sphere.multipoles import Harmonics, evaluate, expanded, gradient, harmonics, moments, room
from simulators.md.vector import (
    LANES,
    aligned,
    compiled,
    fma,
    inline,
    lanes,
    load,
    on_vectors,
    reciprocal,
    rsqrt,
    select,
    splat,
    store,
    to_float,
)

_ion_force, _core_force = on_vectors(ion_force), on_vectors(core_force)
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)
_FAR_SQUARE = np.float32(1e8)
"""Where an ion is put for its own lane. Farther, and powers of it would be subnormal numbers, which take a
hundred times as long."""
NEAREST_INVERSE = np.float32(1.1e-4)
"""One over a distance is greater, but for an ion and its own lane."""

Floats = NDArray[np.float32]
Array = NDArray[np.float64]


class Ions(NamedTuple):
    """Arrays (lanes,), whole vectors of ions; lanes left over have no charge and lie far away.

    Args:
        x, y, z: float64, from the centre.
        vx, vy, vz: float64.
        wx, wy, wz: int32, positions as the pairs see them, 2^32 to ``period``.
        px, py, pz: float32, positions as the sphere and the walls see them.
        fx, fy, fz: float32, forces.
        charge: float32, valency.
    """

    x: Array
    y: Array
    z: Array
    vx: Array
    vy: Array
    vz: Array
    wx: NDArray[np.int32]
    wy: NDArray[np.int32]
    wz: NDArray[np.int32]
    px: Floats
    py: Floats
    pz: Floats
    fx: Floats
    fy: Floats
    fz: Floats
    charge: Floats


class Sphere(NamedTuple):
    """The sphere, its amplitudes, and room for what is computed from them.

    Args:
        ions: how many there are.
        radius, boundary: of the sphere and of the outer wall, float32.
        bjerrum: l_B in the solvent, float32.
        valency: charge of the sphere, float32.
        kappa: float32, the period over 2^32.
        sign: s, float64.
        mass: of the amplitudes, float64.
        constants: of the harmonics.
        coupling: g of each harmonic, float64 array (size,); 0 for those that the sphere has no answer in.
        amplitude, velocity, pull: mu, its velocity and its force, float64 arrays (size,).
        coefficients: of the potential, C in ``sum C J``, likewise.
        values: float32 array (size * lanes,), harmonics of the ions.
        sums: float32 array (size,), moments; likewise gx, gy, gz, coefficients of the field.
    """

    ions: int
    radius: np.float32
    boundary: np.float32
    bjerrum: np.float32
    valency: np.float32
    kappa: np.float32
    sign: float
    mass: float
    constants: Harmonics
    coupling: Array
    amplitude: Array
    velocity: Array
    pull: Array
    coefficients: Array
    values: Floats
    sums: Floats
    gx: Floats
    gy: Floats
    gz: Floats


def build(
    position: Array,
    velocity: Array,
    charge: Array,
    *,
    radius: float,
    boundary: float,
    bjerrum: float,
    valency: float,
    inside: float,
    outside: float,
    degree: int,
    mass: float,
) -> tuple[Ions, Sphere]:
    """Ions and sphere, amplitudes at the exact answer and at rest.

    Args:
        position: array (ions, 3), diameters from the centre.
        velocity: array (ions, 3).
        charge: array (ions,), valencies.
        radius: of the sphere.
        boundary: of the outer wall.
        bjerrum: Bjerrum length in the solvent.
        valency: the sphere's own charge, at its centre.
        inside: relative permittivity of the sphere.
        outside: of the solvent.
        degree: highest n of the multipoles.
        mass: of the amplitudes, kT tau^2.
    """
    count = len(charge)
    width = -(-count // LANES) * LANES
    kinds = [np.float64] * 6 + [np.int32] * 3 + [np.float32] * 7
    ions = Ions(*(aligned(width, kind) for kind in kinds))
    ions.x[count:] = 10 * boundary  # far, but see `_FAR_SQUARE`
    for c in range(3):
        ions[c][:count], ions[3 + c][:count] = position[:, c], velocity[:, c]
    ions.charge[:count] = charge
    constants = harmonics(degree)
    n, size = constants.degrees(), constants.size
    weight = n * abs(inside - outside) / (n * inside + (n + 1) * outside)
    sphere = Sphere(
        count,
        np.float32(radius),
        np.float32(boundary),
        np.float32(bjerrum),
        np.float32(valency),
        np.float32(4 * boundary / 2**32),
        1.0 if inside >= outside else -1.0,
        mass,
        constants,
        np.where(n <= degree, np.sqrt(weight * bjerrum / radius), 0.0),
        aligned(size, np.float64),
        aligned(size, np.float64),
        aligned(size, np.float64),
        aligned(size, np.float64),
        aligned(size * width, np.float32),
        room(size),
        room(size),
        room(size),
        room(size),
    )
    relax(ions, sphere)
    return ions, sphere


@inline
def _see(ions, sphere):
    """Positions as forces see them."""
    scale = 1.0 / np.float64(sphere.kappa)
    for k in range(ions.x.size):
        ions.px[k], ions.py[k], ions.pz[k] = ions.x[k], ions.y[k], ions.z[k]
    for k in range(sphere.ions):
        ions.wx[k] = np.int32(ions.x[k] * scale)
        ions.wy[k] = np.int32(ions.y[k] * scale)
        ions.wz[k] = np.int32(ions.z[k] * scale)


@inline
def inverse_distances(ions, sphere, i, j, kappa):
    """Separations of ions j from ion i, and one over the distances; an ion is far from itself."""
    dx = to_float(load(ions.wx, j) - splat(ions.wx[i])) * kappa
    dy = to_float(load(ions.wy, j) - splat(ions.wy[i])) * kappa
    dz = to_float(load(ions.wz, j) - splat(ions.wz[i])) * kappa
    square = fma(dx, dx, fma(dy, dy, dz * dz))
    lane = lanes() + splat(np.int32(j))
    other = (lane ^ splat(np.int32(i))) > splat(np.int32(0))
    square = select(other & (lane < splat(np.int32(sphere.ions))), square, splat(_FAR_SQUARE))
    return dx, dy, dz, rsqrt(square)


@inline
def _direct_forces(ions, sphere):
    """Pairs, both walls, and the sphere's own charge; overwrites the forces."""
    kappa, half = splat(sphere.kappa), splat(_HALF)
    for j in range(0, ions.x.size, LANES):
        fx, fy, fz = splat(_ZERO), splat(_ZERO), splat(_ZERO)
        coulomb = load(ions.charge, j) * splat(sphere.bjerrum)
        for i in range(sphere.ions):
            dx, dy, dz, inverse = inverse_distances(ions, sphere, i, j, kappa)
            strength = _ion_force(inverse, coulomb * splat(ions.charge[i]))
            fx, fy, fz = fma(strength, dx, fx), fma(strength, dy, fy), fma(strength, dz, fz)
        x, y, z = load(ions.px, j), load(ions.py, j), load(ions.pz, j)
        square = fma(x, x, fma(y, y, z * z))
        inverse = rsqrt(square)
        distance = square * inverse
        inner = distance - splat(sphere.radius) + half
        outer = splat(sphere.boundary) + half - distance
        push = _core_force(reciprocal(inner * inner)) * inner - _core_force(reciprocal(outer * outer)) * outer
        strength = fma(coulomb * splat(sphere.valency), inverse * inverse, push) * inverse
        store(ions.fx, j, fma(strength, x, fx))
        store(ions.fy, j, fma(strength, y, fy))
        store(ions.fz, j, fma(strength, z, fz))


@inline
def _answer(ions, sphere):
    """Harmonics of the ions and their moments."""
    scale = np.float32(1.0) / sphere.radius
    evaluate(sphere.constants, ions.px, ions.py, ions.pz, scale, sphere.values)
    moments(sphere.values, ions.charge, sphere.sums)


@inline
def all_forces(ions, sphere):
    """Forces on ions and amplitudes."""
    _see(ions, sphere)
    _direct_forces(ions, sphere)
    _answer(ions, sphere)
    s = sphere.sign
    for k in range(sphere.coupling.size):
        g = sphere.coupling[k]
        driven = s * g * sphere.sums[k]
        sphere.pull[k] = -(sphere.amplitude[k] + driven)
        sphere.coefficients[k] = g * (s * sphere.amplitude[k] + (1 - s) * s * driven)
    gradient(sphere.constants, sphere.coefficients, sphere.gx, sphere.gy, sphere.gz)
    scale = splat(np.float32(-1.0) / sphere.radius)
    for j in range(0, ions.x.size, LANES):
        gx, gy, gz = expanded(sphere.values, sphere.gx, sphere.gy, sphere.gz, j, ions.x.size)
        strength = load(ions.charge, j) * scale
        store(ions.fx, j, fma(strength, gx, load(ions.fx, j)))
        store(ions.fy, j, fma(strength, gy, load(ions.fy, j)))
        store(ions.fz, j, fma(strength, gz, load(ions.fz, j)))


@compiled
def refresh(ions, sphere):
    """Make all forces those of the positions and amplitudes of `Ions` and `Sphere`."""
    all_forces(ions, sphere)


@compiled
def relax(ions, sphere):
    """Put the amplitudes where the exact answer is, and make all forces."""
    _see(ions, sphere)
    _answer(ions, sphere)
    for k in range(sphere.coupling.size):
        sphere.amplitude[k] = -sphere.sign * sphere.coupling[k] * sphere.sums[k]
    all_forces(ions, sphere)
