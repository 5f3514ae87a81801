"""Forces on C-alpha Go chains, sixteen replicas at a time, one to a lane.

Component c of the chain (x, y and z of bead 0, of bead 1, ...) of all replicas is one vector, at 16 c of an
array, so that no lane ever needs another: there are no gathers and no sums over lanes. Pairs that do not
touch in the native structure come from a list of those within reach in any replica; a pair beyond its cut
adds an exact zero, so that the numbers of a replica do not depend on the company that it is in.

Lengths in angstrom, energies in epsilon, unit mass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.chain.protein import Native
from simulators.md.laws import chain as laws
from simulators.md.vector import (
    LANES,
    aligned,
    any_of,
    compiled,
    fma,
    fnma,
    inline,
    load,
    maximum,
    on_vectors,
    splat,
    store,
)

_bond, _angle, _dihedral = on_vectors(laws.bond), on_vectors(laws.angle), on_vectors(laws.dihedral)
_direction, _joint, _torsion = on_vectors(laws.direction), on_vectors(laws.joint), on_vectors(laws.torsion)
_bond_gradient = on_vectors(laws.bond_gradient)
_contact, _repulsion = on_vectors(laws.contact), on_vectors(laws.repulsion)

SKIN = 1.0
"""How far beyond the cut the list of pairs reaches, angstrom."""
_REACH_SQUARE = np.float32((laws.REPULSION_CUT + SKIN) ** 2)
_FREE_SQUARE = np.float32((0.499 * SKIN) ** 2)
"""Square of how far a bead may move before a pair that is not in the list could come within the cut."""
BEAD = 3 * LANES
_ZERO = np.float32(0)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class Model(NamedTuple):
    """The native structure as kernels want it.

    Args:
        bonds: lengths, float32 array (beads - 1,).
        angles: radians, float32 array (beads - 2,).
        torsions: cosines and sines of the dihedrals, float32 array (beads - 3, 2).
        contacts, others: native and other pairs, int32 arrays (pairs, 2), each bead as the place of its x.
        contact_squares: squares of the native distances, float32 array (contacts,).
        position: of the native structure around its centre, float64 array (beads, 3).
    """

    bonds: Floats
    angles: Floats
    torsions: Floats
    contacts: Ints
    contact_squares: Floats
    others: Ints
    position: NDArray[np.float64]


class State(NamedTuple):
    """Sixteen chains, and room for what their forces are made of.

    Args:
        position, velocity, force: float32 arrays (components * 16,), rounded up to whole draws of noise;
            velocities are those half a kick before the step.
        listed_at: positions when the list of pairs was made.
        pairs: the list, int32 array (pairs + 1, 2).
        length: of the list, int64 array (1,).
        directions, crossed: unit vectors along the bonds, and their cross products, with zeros around them.
        pull, inverse: by bond.
        cosine, inverse_sine, bend: by joint, with a zero before and after.
        twist: by dihedral, with two zeros before and after.
    """

    position: Floats
    velocity: Floats
    force: Floats
    listed_at: Floats
    pairs: Ints
    length: NDArray[np.int64]
    directions: Floats
    crossed: Floats
    pull: Floats
    inverse: Floats
    cosine: Floats
    inverse_sine: Floats
    bend: Floats
    twist: Floats


def model(native: Native) -> Model:
    """Constants of the chain with this native structure."""
    dihedrals = native.dihedrals
    return Model(
        native.bonds.astype(np.float32),
        native.angles.astype(np.float32),
        np.ascontiguousarray(np.stack([np.cos(dihedrals), np.sin(dihedrals)], axis=1), np.float32),
        np.ascontiguousarray(native.contacts.T * BEAD, np.int32),
        (native.contact_distances**2).astype(np.float32),
        np.ascontiguousarray(native.others.T * BEAD, np.int32),
        native.position - native.position.mean(axis=0),
    )


def room(beads: int, others: int) -> State:
    """Sixteen chains at the origin, not yet placed."""
    components = -(-3 * beads // 4) * 4 * LANES
    slots = (beads + 2) * LANES
    return State(
        position=aligned(components, np.float32),
        velocity=aligned(components, np.float32),
        force=aligned(components, np.float32),
        listed_at=aligned(components, np.float32),
        pairs=np.zeros((others + 1, 2), np.int32),
        length=np.zeros(1, np.int64),
        directions=aligned(3 * slots, np.float32),
        crossed=aligned(3 * slots, np.float32),
        pull=aligned(slots, np.float32),
        inverse=aligned(slots, np.float32),
        cosine=aligned(slots, np.float32),
        inverse_sine=aligned(slots, np.float32),
        bend=aligned(slots, np.float32),
        twist=aligned(slots, np.float32),
    )


# Forces --------------------------------------------------------------------------------------------


@inline
def apart(position, i, j):
    """Separation of two beads."""
    return (
        load(position, i) - load(position, j),
        load(position, i + LANES) - load(position, j + LANES),
        load(position, i + 2 * LANES) - load(position, j + 2 * LANES),
    )


@inline
def _push(force, i, j, strength, x, y, z):
    """Add a force along the separation of two beads."""
    store(force, i, fma(strength, x, load(force, i)))
    store(force, i + LANES, fma(strength, y, load(force, i + LANES)))
    store(force, i + 2 * LANES, fma(strength, z, load(force, i + 2 * LANES)))
    store(force, j, fnma(strength, x, load(force, j)))
    store(force, j + LANES, fnma(strength, y, load(force, j + LANES)))
    store(force, j + 2 * LANES, fnma(strength, z, load(force, j + 2 * LANES)))


@inline
def _backbone(m, s):
    """Bonds, angles and dihedrals: overwrites the forces and gives the energy."""
    bonds = m.bonds.size
    energy = splat(_ZERO)
    for k in range(bonds):
        x, y, z = apart(s.position, (k + 1) * BEAD, k * BEAD)
        x, y, z, inverse, length = _direction(x, y, z)
        of_bond, pull = _bond(length, splat(m.bonds[k]))
        energy = energy + of_bond
        store(s.directions, (k + 1) * BEAD, x)
        store(s.directions, (k + 1) * BEAD + LANES, y)
        store(s.directions, (k + 1) * BEAD + 2 * LANES, z)
        store(s.inverse, k * LANES, inverse)
        store(s.pull, k * LANES, pull)
    for k in range(bonds - 1):
        at, after = (k + 1) * BEAD, (k + 2) * BEAD
        cosine, x, y, z, inverse_sine = _joint(
            load(s.directions, at),
            load(s.directions, at + LANES),
            load(s.directions, at + 2 * LANES),
            load(s.directions, after),
            load(s.directions, after + LANES),
            load(s.directions, after + 2 * LANES),
        )
        of_angle, bend = _angle(cosine, inverse_sine, splat(m.angles[k]))
        energy = energy + of_angle
        store(s.crossed, at, x)
        store(s.crossed, at + LANES, y)
        store(s.crossed, at + 2 * LANES, z)
        store(s.cosine, (k + 1) * LANES, cosine)
        store(s.inverse_sine, (k + 1) * LANES, inverse_sine)
        store(s.bend, (k + 1) * LANES, bend)
    for k in range(bonds - 2):
        at, after = (k + 1) * BEAD, (k + 2) * BEAD
        cosine, sine = _torsion(
            load(s.directions, at),
            load(s.directions, at + LANES),
            load(s.directions, at + 2 * LANES),
            load(s.crossed, at),
            load(s.crossed, at + LANES),
            load(s.crossed, at + 2 * LANES),
            load(s.crossed, after),
            load(s.crossed, after + LANES),
            load(s.crossed, after + 2 * LANES),
            load(s.inverse_sine, (k + 1) * LANES) * load(s.inverse_sine, (k + 2) * LANES),
        )
        of_dihedral, twist = _dihedral(cosine, sine, splat(m.torsions[k, 0]), splat(m.torsions[k, 1]))
        energy = energy + of_dihedral
        store(s.twist, (k + 2) * LANES, twist)
    gx, gy, gz = splat(_ZERO), splat(_ZERO), splat(_ZERO)
    for k in range(bonds):
        here = k * LANES
        cosine, after = load(s.cosine, here), load(s.cosine, here + LANES)
        bend, bend_after = load(s.bend, here), load(s.bend, here + LANES)
        sine, sine_after = load(s.inverse_sine, here), load(s.inverse_sine, here + LANES)
        twist = load(s.twist, here + LANES)
        along = splat(_ZERO) - fma(bend, cosine, bend_after * after)
        crossed = fnma(twist, cosine, load(s.twist, here)) * (sine * sine)
        crossed_after = fnma(twist, after, load(s.twist, here + 2 * LANES)) * (sine_after * sine_after)
        pull, inverse = load(s.pull, here), load(s.inverse, here)
        scalars = (pull, inverse, along, bend, bend_after, crossed, crossed_after)
        at = k * BEAD
        hx = _bond_gradient_of(s, at, *scalars)
        hy = _bond_gradient_of(s, at + LANES, *scalars)
        hz = _bond_gradient_of(s, at + 2 * LANES, *scalars)
        store(s.force, at, hx - gx)
        store(s.force, at + LANES, hy - gy)
        store(s.force, at + 2 * LANES, hz - gz)
        gx, gy, gz = hx, hy, hz
    end = bonds * BEAD
    store(s.force, end, splat(_ZERO) - gx)
    store(s.force, end + LANES, splat(_ZERO) - gy)
    store(s.force, end + 2 * LANES, splat(_ZERO) - gz)
    return energy


@inline
def _bond_gradient_of(s, at, pull, inverse, along, before, after, crossed_before, crossed_after):
    """A component of the gradient by a bond vector; ``at`` is that of the direction before it."""
    return _bond_gradient(
        pull,
        inverse,
        along,
        before,
        after,
        crossed_before,
        crossed_after,
        load(s.directions, at + BEAD),
        load(s.directions, at),
        load(s.directions, at + 2 * BEAD),
        load(s.crossed, at),
        load(s.crossed, at + BEAD),
    )


@inline
def all_forces(m, s):
    """All forces, from the list of pairs as it is; gives the energy."""
    energy = _backbone(m, s)
    for k in range(m.contact_squares.size):
        i, j = np.intp(m.contacts[k, 0]), np.intp(m.contacts[k, 1])
        x, y, z = apart(s.position, i, j)
        of_pair, strength = _contact(fma(x, x, fma(y, y, z * z)), splat(m.contact_squares[k]))
        energy = energy + of_pair
        _push(s.force, i, j, strength, x, y, z)
    for k in range(s.length[0]):
        i, j = np.intp(s.pairs[k, 0]), np.intp(s.pairs[k, 1])
        x, y, z = apart(s.position, i, j)
        of_pair, strength = _repulsion(fma(x, x, fma(y, y, z * z)))
        energy = energy + of_pair
        _push(s.force, i, j, strength, x, y, z)
    return energy


@inline
def list_pairs(m, s):
    """List the pairs within reach in any lane, in the order that they have always."""
    reach, length = splat(_REACH_SQUARE), np.intp(0)
    for k in range(len(m.others)):
        i, j = np.intp(m.others[k, 0]), np.intp(m.others[k, 1])
        x, y, z = apart(s.position, i, j)
        s.pairs[length, 0] = i
        s.pairs[length, 1] = j
        length += np.intp(any_of(fma(x, x, fma(y, y, z * z)) < reach))
    s.length[0] = length
    for c in range(0, s.position.size, LANES):
        store(s.listed_at, c, load(s.position, c))


@inline
def list_is_stale(m, s):
    """Whether any bead has moved so far that the list may lack a pair."""
    farthest = splat(_ZERO)
    for at in range(0, (m.bonds.size + 1) * BEAD, BEAD):
        x = load(s.position, at) - load(s.listed_at, at)
        y = load(s.position, at + LANES) - load(s.listed_at, at + LANES)
        z = load(s.position, at + 2 * LANES) - load(s.listed_at, at + 2 * LANES)
        farthest = maximum(fma(x, x, fma(y, y, z * z)), farthest)
    return any_of(farthest > splat(_FREE_SQUARE))


@compiled
def forces(m, s, energy):
    """Forces at the current positions.

    Args:
        m: a `Model`.
        s: a `State`, whose forces and list of pairs are overwritten.
        energy: float32 array (16,), filled with the potential energies.
    """
    list_pairs(m, s)
    store(energy, 0, all_forces(m, s))
