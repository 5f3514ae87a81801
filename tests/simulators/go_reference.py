"""The Go chain in float64, twice: its energy from the equations, and its forces from the laws."""

import numpy as np

from simulators.md.chain.protein import APART, CONTACT, Native
from simulators.md.laws import chain as laws


def energy(position, native):
    """The energy as the literature writes it, from distances and angles; position (beads, 3)."""
    now = Native(position)
    turn = now.dihedrals - native.dihedrals
    total = np.sum(100 * (now.bonds - native.bonds) ** 2) + np.sum(20 * (now.angles - native.angles) ** 2)
    total += np.sum((1 - np.cos(turn)) + 0.5 * (1 - np.cos(3 * turn)))
    i, j = np.triu_indices(len(position), APART)
    r = np.linalg.norm(position[i] - position[j], axis=1)
    s = np.linalg.norm(native.position[i] - native.position[j], axis=1)
    contact = 5 * (s / r) ** 12 - 6 * (s / r) ** 10
    repulsion = np.where(r < 8, (4 / r) ** 12, 0)
    return total + np.sum(np.where(s < CONTACT, contact, repulsion))


def energy_and_forces(position, native):
    """The same energy and the forces, put together from the laws as they stand."""
    *t, inverse, length = laws.direction(*np.diff(position, axis=0).T)
    of_bonds, pull = laws.bond(length, native.bonds)
    t = np.array(t)
    cosine, *m, inverse_sine = laws.joint(*t[:, :-1], *t[:, 1:])
    of_angles, bend = laws.angle(cosine, inverse_sine, native.angles)
    m = np.array(m)
    turned = laws.torsion(*t[:, :-2], *m[:, :-1], *m[:, 1:], inverse_sine[:-1] * inverse_sine[1:])
    of_dihedrals, twist = laws.dihedral(*turned, np.cos(native.dihedrals), np.sin(native.dihedrals))

    def around(values, zeros):
        return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(zeros, zeros)])

    q, c, s, m, t, p = (around(v, 1) for v in (bend, cosine, inverse_sine, m, t, around(twist, 1)))
    gradient = np.array(
        laws.bond_gradient(
            pull,
            inverse,
            -(q[:-1] * c[:-1] + q[1:] * c[1:]),
            q[:-1],
            q[1:],
            (p[:-2] - p[1:-1] * c[:-1]) * s[:-1] ** 2,
            (p[2:] - p[1:-1] * c[1:]) * s[1:] ** 2,
            t[:, 1:-1],
            t[:, :-2],
            t[:, 2:],
            m[:, :-1],
            m[:, 1:],
        )
    )
    forces = np.diff(around(gradient, 1), axis=1).T
    total = of_bonds.sum() + of_angles.sum() + of_dihedrals.sum()
    for pairs, law, arguments in (
        (native.contacts, laws.contact, (native.contact_distances**2,)),
        (native.others, laws.repulsion, ()),
    ):
        apart = position[pairs[0]] - position[pairs[1]]
        of_pairs, strength = law(np.sum(apart**2, axis=1), *arguments)
        total += of_pairs.sum()
        np.add.at(forces, pairs[0], strength[:, None] * apart)
        np.add.at(forces, pairs[1], -strength[:, None] * apart)
    return total, forces


def numerical_forces(position, native, step=1e-4):
    """Minus the gradient of `energy`, by differences of fourth order."""
    forces = np.empty_like(position)
    for index in np.ndindex(position.shape):
        values = []
        for shift in (-2, -1, 1, 2):
            moved = position.copy()
            moved[index] += shift * step
            values.append(energy(moved, native))
        forces[index] = -(values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return forces


def helix(residues):
    """An ideal alpha helix, array (residues, 3): rise 1.5, 100 degrees, radius 2.3 angstrom."""
    turn = np.deg2rad(100) * np.arange(residues)
    return np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(residues)], axis=1)


def pdb_line(number, position, *, record="ATOM", name=" CA ", alternative=" ", chain="A", residue="ALA"):
    """A line of a PDB file for the residue of this number."""
    x, y, z = position
    return (
        f"{record:<6}{number:5d} {name}{alternative}{residue} {chain}{number:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C"
    )
