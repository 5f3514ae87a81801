"""The run of one replica of a polarizable sphere: velocity Verlet between heat baths, and looks at it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.laws.multipoles import core_energy, ion_energy
from simulators.md.sphere.forces import NEAREST_INVERSE, all_forces, inverse_distances
from simulators.md.sphere.thermostat import chain_energy, thermostatted
from simulators.md.vector import (
    LANES,
    compiled,
    fma,
    inline,
    load,
    on_vectors,
    reciprocal,
    reduce_add,
    rsqrt,
    select,
    splat,
)

_ion_energy, _core_energy = on_vectors(ion_energy), on_vectors(core_energy)
_ZERO, _HALF = np.float32(0.0), np.float32(0.5)

FINE, NOT_FINITE, RUN_AWAY, TOO_HOT, LOST = 0, 1, 2, 3, 4
"""How a stretch of a run ended."""

Array = NDArray[np.float64]


class Looks(NamedTuple):
    """What is looked at while a replica runs.

    Args:
        every: steps between two looks.
        first: the first look that counts.
        counterions: the first ions.
        energies: array (looks, 6), in kT: kinetic energy of the ions, of the amplitudes; energy of the ions
            among themselves, with the walls and with the sphere's own charge; of the sphere's answer as it
            stands; of the exact answer; of both heat baths.
        edges: array (bins + 1,), of distances from the centre.
        profile: int64 array (blocks, 2 species, bins).
        contact: int64 array (blocks,), counterions half a diameter from the sphere.
        contact_half_width: of the layer that counts as such.
        hottest: kinetic energy of a degree of freedom, in kT, at which a run is given up.
    """

    every: int
    first: int
    counterions: int
    energies: Array
    edges: Array
    profile: NDArray[np.int64]
    contact: NDArray[np.int64]
    contact_half_width: float
    hottest: float


@inline
def _kick(ions, sphere, half):
    for k in range(sphere.ions):
        ions.vx[k] += half * ions.fx[k]
        ions.vy[k] += half * ions.fy[k]
        ions.vz[k] += half * ions.fz[k]
    for k in range(sphere.amplitude.size):
        sphere.velocity[k] += half / sphere.mass * sphere.pull[k]


@inline
def _scale(ions, sphere, real, fake):
    for k in range(sphere.ions):
        ions.vx[k] *= real
        ions.vy[k] *= real
        ions.vz[k] *= real
    for k in range(sphere.velocity.size):
        sphere.velocity[k] *= fake


@inline
def _kinetic_energies(ions, sphere):
    real, fake = 0.0, 0.0
    for k in range(sphere.ions):
        real += ions.vx[k] ** 2 + ions.vy[k] ** 2 + ions.vz[k] ** 2
    for k in range(sphere.velocity.size):
        fake += sphere.velocity[k] ** 2
    return 0.5 * real, 0.5 * sphere.mass * fake


@compiled
def advance(ions, sphere, bath, cold_bath, timestep, first, last, looks):
    """Velocity Verlet of ions and amplitudes between half steps of their Nose-Hoover chains.

    Args:
        ions: an `Ions`, advanced in place; its forces are those of its positions.
        sphere: a `Sphere`, likewise.
        bath: a `Chain`, of the ions.
        cold_bath: of the amplitudes.
        timestep: tau.
        first: the step that the state is at.
        last: the step to go to.
        looks: a `Looks`, written at its steps.

    Returns:
        how it ended, and at which step.
    """
    half = 0.5 * timestep
    real, fake = _kinetic_energies(ions, sphere)
    for step in range(first + 1, last + 1):
        _scale(ions, sphere, thermostatted(bath, real, half), thermostatted(cold_bath, fake, half))
        _kick(ions, sphere, half)
        for k in range(sphere.ions):
            ions.x[k] += timestep * ions.vx[k]
            ions.y[k] += timestep * ions.vy[k]
            ions.z[k] += timestep * ions.vz[k]
        for k in range(sphere.amplitude.size):
            sphere.amplitude[k] += timestep * sphere.velocity[k]
        all_forces(ions, sphere)
        _kick(ions, sphere, half)
        real, fake = _kinetic_energies(ions, sphere)
        warmer, colder = thermostatted(bath, real, half), thermostatted(cold_bath, fake, half)
        _scale(ions, sphere, warmer, colder)
        real, fake = real * warmer**2, fake * colder**2
        if step % looks.every == 0:
            energies = _energies(ions, sphere, bath, cold_bath)
            for k in range(len(energies)):
                looks.energies[step // looks.every - 1, k] = energies[k]
            if not np.isfinite(energies[0] + energies[1] + energies[2] + energies[3]):
                return NOT_FINITE, step
            # A runaway's chain may have stopped it for the moment: its displacement tells then.
            excess = max(fake, energies[3] - energies[4])
            if excess > looks.hottest * bath.temperature * cold_bath.freedom:
                return RUN_AWAY, step
            if real > looks.hottest * bath.temperature * bath.freedom:
                return TOO_HOT, step
            if not _count(ions, sphere, looks, step // looks.every - 1):
                return LOST, step
    return FINE, last


@inline
def _count(ions, sphere, looks, look):
    """Add the ions to the histograms of the look's block; whether all lie between sphere and boundary."""
    inner, outer = np.float64(sphere.radius), np.float64(sphere.boundary)
    taken = looks.energies.shape[0] - looks.first
    block = (look - looks.first) * looks.contact.size // taken if look >= looks.first else -1
    for i in range(sphere.ions):
        distance = np.sqrt(ions.x[i] ** 2 + ions.y[i] ** 2 + ions.z[i] ** 2)
        if not inner < distance < outer:
            return False
        if block < 0:
            continue
        species = 0 if i < looks.counterions else 1
        looks.profile[block, species, np.searchsorted(looks.edges, distance) - 1] += 1
        if species == 0 and abs(distance - inner - 0.5) < looks.contact_half_width:
            looks.contact[block] += 1
    return True


@inline
def _energies(ions, sphere, bath, cold_bath):
    """The columns of `Looks.energies`; the harmonics are at hand."""
    kappa, half = splat(sphere.kappa), splat(_HALF)
    direct = 0.0
    for i in range(sphere.ions):
        total = splat(_ZERO)
        for j in range(0, ions.x.size, LANES):
            _, _, _, inverse = inverse_distances(ions, sphere, i, j, kappa)
            coulomb = load(ions.charge, j) * splat(sphere.bjerrum * ions.charge[i])
            energy = _ion_energy(inverse, coulomb)
            total = total + select(inverse > splat(NEAREST_INVERSE), energy, splat(_ZERO))
        direct += 0.5 * reduce_add(total)
    for j in range(0, ions.x.size, LANES):
        x, y, z = load(ions.px, j), load(ions.py, j), load(ions.pz, j)
        square = fma(x, x, fma(y, y, z * z))
        inverse = rsqrt(square)
        distance = square * inverse
        inner = distance - splat(sphere.radius) + half
        outer = splat(sphere.boundary) + half - distance
        walls = _core_energy(reciprocal(inner * inner)) + _core_energy(reciprocal(outer * outer))
        own = load(ions.charge, j) * splat(sphere.bjerrum * sphere.valency) * inverse
        direct += reduce_add(walls + own)
    answer, exact = 0.0, 0.0
    for k in range(sphere.coupling.size):
        driven = sphere.coupling[k] * sphere.sums[k]
        best = -0.5 * sphere.sign * driven * driven
        exact += best
        answer += best + 0.5 * (sphere.amplitude[k] + sphere.sign * driven) ** 2
    real, fake = _kinetic_energies(ions, sphere)
    return real, fake, direct, answer, exact, chain_energy(bath) + chain_energy(cold_bath)


@compiled
def energies(ions, sphere, bath, cold_bath):
    """A row of `Looks.energies`, for a state whose forces are those of its positions."""
    return _energies(ions, sphere, bath, cold_bath)
