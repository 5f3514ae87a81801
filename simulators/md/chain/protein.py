"""The C-alpha atoms of a protein: a PDB file, the native structure, and how near to it a state is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulators.contract import InvalidInputError

Array = NDArray[np.float64]
Pairs = NDArray[np.intp]

DEFAULT = Path(__file__).with_name("1FME.pdb")
"""FSD-EY, 28 residues: the smallest fold with two strands and a helix."""
CONTACT = 8.0
"""Beads nearer than this in the native structure are a native pair, angstrom."""
APART = 4
"""Fewest residues from one bead of a pair to the other."""
FORMED = 1.2
"""A native pair counts as formed up to so many times its native distance."""

FEWEST, MOST = 5, 1000
_LONGEST, _SHORTEST = 4.5, 2.5
"""C-alpha atoms of neighbours are 3.8 angstrom apart, 2.9 across a cis bond."""


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Atom:
    line: int
    alternative: str
    chain: str
    residue: str
    position: tuple[float, float, float]


def read_calphas(path: Path) -> Array:
    """The C-alpha atoms of the first model in a PDB file (wwPDB format 3.3).

    Args:
        path: of the file, which has one chain without gaps and one place for each atom.

    Returns:
        array (residues, 3), angstrom.

    Raises:
        InvalidInputError: no such file, no C-alpha atoms, several chains, a gap, or alternative places;
            says the line and what to do.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError("structure", path, reason, "a PDB file that can be read") from None
    atoms = list(_calphas(path, lines))
    if not FEWEST <= len(atoms) <= MOST:
        reason = (
            f"{len(atoms)} C-alpha atoms (CA) in its first model" if atoms else "it has no C-alpha atoms (CA)"
        )
        accepted = f"a file in PDB format, not mmCIF, with {FEWEST} to {MOST} residues"
        raise InvalidInputError("structure", path, reason, accepted)
    for before, atom in pairwise(atoms):
        _check_neighbours(path, before, atom)
    return np.array([atom.position for atom in atoms])


def _calphas(path: Path, lines: list[str]) -> Iterator[_Atom]:
    ended: set[str] = set()
    for number, line in enumerate(lines, 1):
        if line.startswith("ENDMDL"):
            return
        chain = line[21:22]
        if line.startswith("TER"):
            ended.add(chain)
        # Modified residues are HETATM inside the chain; calcium is "CA" one column to the left.
        hetero = line.startswith("HETATM") and chain not in ended
        if not (line.startswith("ATOM  ") or hetero) or line[12:16] != " CA ":
            continue
        try:
            x, y, z = (float(line[k : k + 8]) for k in (30, 38, 46))
        except ValueError:
            x = y = z = np.nan
        if not np.isfinite([x, y, z]).all():
            raise InvalidInputError(
                "structure",
                path,
                f"line {number}: no coordinates in columns 31 to 54 ({line[30:54].strip()!r})",
                "three numbers of eight columns each",
            )
        yield _Atom(number, line[16:17].strip(), chain, f"{line[17:20]} {line[22:27].strip()}", (x, y, z))


def _check_neighbours(path: Path, before: _Atom, atom: _Atom) -> None:
    where = f"line {atom.line}: "
    if atom.chain != before.chain:
        raise InvalidInputError(
            "structure",
            path,
            f"{where}a second chain, {atom.chain!r} after {before.chain!r}",
            "a single chain; keep the lines of one and remove the others",
        )
    if atom.residue == before.residue:
        named = f" ({before.alternative!r} and {atom.alternative!r})" if atom.alternative else ""
        raise InvalidInputError(
            "structure",
            path,
            f"{where}a second place for the C-alpha atom of {atom.residue}{named}",
            "one place for each; keep the line of higher occupancy and remove the other",
        )
    distance = float(np.linalg.norm(np.subtract(atom.position, before.position)))
    if not _SHORTEST <= distance <= _LONGEST:
        raise InvalidInputError(
            "structure",
            path,
            f"{where}the chain breaks, {before.residue} and {atom.residue} are {distance:.2f} angstrom apart",
            f"{_SHORTEST} to {_LONGEST} angstrom; model the missing residues, or keep one side of the gap",
        )


# The native structure ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Native:
    """A native structure, and all that the Go model takes from it.

    Args:
        position: array (beads, 3), angstrom.
    """

    position: Array

    @cached_property
    def bonds(self) -> Array:
        """Lengths of the bonds, array (beads - 1,)."""
        return np.asarray(np.linalg.norm(np.diff(self.position, axis=0), axis=1))

    @cached_property
    def angles(self) -> Array:
        """Bond angles in radians, array (beads - 2,)."""
        along = np.diff(self.position, axis=0) / self.bonds[:, None]
        return np.asarray(np.arccos(np.clip(-np.sum(along[:-1] * along[1:], axis=1), -1, 1)))

    @cached_property
    def dihedrals(self) -> Array:
        """Dihedrals in radians, IUPAC's sign, array (beads - 3,)."""
        a, b, c = (np.diff(self.position, axis=0)[k : len(self.position) - 3 + k] for k in range(3))
        m, n = np.cross(a, b), np.cross(b, c)
        length = np.linalg.norm(b, axis=1)
        return np.asarray(np.arctan2(length * np.sum(a * n, axis=1), np.sum(m * n, axis=1)))

    @cached_property
    def _pairs(self) -> tuple[Pairs, Array]:
        """All pairs far enough along the chain, array (2, pairs), and their native distances."""
        pairs = np.array(np.triu_indices(len(self.position), APART))
        # Neighbours in this order share no bead, so that the sums over pairs do not wait for one another.
        pairs = pairs[:, np.lexsort((pairs[0], pairs[1] - pairs[0]))]
        return pairs, distances(self.position, pairs)

    @property
    def contacts(self) -> Pairs:
        """The native pairs, array (2, contacts)."""
        pairs, apart = self._pairs
        return pairs[:, apart < CONTACT]

    @property
    def contact_distances(self) -> Array:
        """Their native distances, array (contacts,)."""
        _, apart = self._pairs
        return apart[apart < CONTACT]

    @property
    def others(self) -> Pairs:
        """The pairs that repel each other, array (2, pairs)."""
        pairs, apart = self._pairs
        return pairs[:, apart >= CONTACT]

    def extended(self) -> Array:
        """The chain stretched into a planar zigzag of native bonds and angles, array (beads, 3)."""
        turn = np.concatenate([[0.0], np.pi - self.angles]) * (-1.0) ** np.arange(len(self.bonds))
        heading = np.cumsum(turn)
        steps = self.bonds[:, None] * np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
        return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])


# States ------------------------------------------------------------------------------------------


def distances(positions: ArrayLike, pairs: Pairs) -> Array:
    """Distances of pairs, array (..., pairs), from positions (..., beads, 3)."""
    positions = np.asarray(positions, dtype=float)
    return np.asarray(np.linalg.norm(positions[..., pairs[0], :] - positions[..., pairs[1], :], axis=-1))


def native_contacts(positions: ArrayLike, native: Native) -> Array:
    """Q: the fraction of native pairs that are formed, array (...,), from positions (..., beads, 3)."""
    formed = distances(positions, native.contacts) < FORMED * native.contact_distances
    return np.asarray(formed.mean(axis=-1))


def contact_map(positions: ArrayLike, cut: float = CONTACT) -> NDArray[np.bool_]:
    """Which beads are nearer than ``cut``, array (..., beads, beads), from positions (..., beads, 3)."""
    positions = np.asarray(positions, dtype=float)
    apart = positions[..., :, None, :] - positions[..., None, :, :]
    return np.asarray(np.sum(apart**2, axis=-1) < cut**2)


def radius_of_gyration(positions: ArrayLike) -> Array:
    """Root mean square distance from the centre, array (...,), from positions (..., beads, 3)."""
    positions = np.asarray(positions, dtype=float)
    centred = positions - positions.mean(axis=-2, keepdims=True)
    return np.asarray(np.sqrt(np.mean(np.sum(centred**2, axis=-1), axis=-1)))


def rmsd(positions: ArrayLike, reference: ArrayLike) -> Array:
    """Root mean square distance after the best superposition (Kabsch, Acta Cryst. A 32, 922, 1976).

    Args:
        positions: array (..., beads, 3).
        reference: array (beads, 3).

    Returns:
        array (...,).
    """
    a, b = np.asarray(positions, dtype=float), np.asarray(reference, dtype=float)
    a, b = a - a.mean(axis=-2, keepdims=True), b - b.mean(axis=0)
    covariance = np.swapaxes(a, -1, -2) @ b
    singular = np.linalg.svd(covariance, compute_uv=False)
    singular[..., -1] *= np.sign(np.linalg.det(covariance))
    squares = np.sum(a**2, axis=(-1, -2)) + np.sum(b**2) - 2 * singular.sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(squares, 0) / len(b)))
