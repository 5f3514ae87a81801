"""Molecules for OpenMM: systems built from structure and force field or read from XML, what is measured.

Eastman et al., J. Phys. Chem. B 128, 109 (2024). Units are OpenMM's: nm, ps, kJ/mol, K, dalton.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

Array = NDArray[np.float64]

GAS_CONSTANT = 0.00831446261815324
"""kJ/(mol K)."""


class BuildError(Exception):
    """A system that cannot be built: the setting at fault, why, and what would be accepted."""

    def __init__(self, setting: str, value: object, reason: str, accepted: str) -> None:
        self.setting, self.value, self.reason, self.accepted = setting, value, reason, accepted
        super().__init__(f"{setting} = {value}: {reason}; accepted: {accepted}")


@dataclass(frozen=True)
class Recipe:
    """What a system is built from; see the settings of `simulators.openmm.OpenMM` of the same names."""

    pdb: str
    system: str | None
    force_field: tuple[str, ...]
    add_hydrogens: bool
    periodic: bool
    cutoff: float | None
    constraints: str


@dataclass(frozen=True)
class Molecules:
    """A built system; shared by replicas, which change nothing in it.

    Args:
        system: OpenMM's.
        position: array (particles, 3), nm.
        mass: array (particles,), dalton; 0 for what does not move.
        names: of the atoms.
        heavy: array (particles,), whether an atom is heavier than hydrogen.
        bonds: array (bonds, 2) of particles.
        freedom: degrees of freedom.
        parameters: global parameters of its forces, name -> default.
    """

    system: Any
    position: Array
    mass: Array
    names: tuple[str, ...]
    heavy: NDArray[np.bool_]
    bonds: NDArray[np.int64]
    freedom: int
    parameters: dict[str, float]


def text(given: str) -> str:
    """What stands in a file, if this is a path and no text of several lines."""
    return given if "\n" in given.strip() else Path(given).read_text(encoding="utf-8")


@lru_cache(maxsize=4)
def build(recipe: Recipe) -> Molecules:
    """The system of a recipe.

    Raises:
        BuildError: it cannot be built; OpenMM's own words are in the message.
    """
    try:
        pdb = app.PDBFile(io.StringIO(text(recipe.pdb)))
    except Exception as error:  # OpenMM raises whatever it stumbles over
        raise BuildError("pdb", _short(recipe.pdb), _words(error), "a structure in PDB format") from None
    if pdb.topology.getNumAtoms() == 0:
        raise BuildError("pdb", _short(recipe.pdb), "there are no atoms in it", "a structure in PDB format")
    model = app.Modeller(pdb.topology, pdb.positions)
    if recipe.system is not None:
        system = _from_xml(recipe.system)
        if system.getNumParticles() != model.topology.getNumAtoms():
            reason = (
                f"{system.getNumParticles()} particles, and {model.topology.getNumAtoms()} atoms in the PDB"
            )
            raise BuildError("system", _short(recipe.system), reason, "the system of this PDB")
    else:
        system = _from_force_field(recipe, model)
    atoms = list(model.topology.atoms())
    mass = np.array([system.getParticleMass(k).value_in_unit(unit.dalton) for k in range(len(atoms))])
    if not (mass > 0).any():
        raise BuildError("system", _short(recipe.system or ""), "nothing in it has a mass", "what can move")
    moving = int(3 * (mass > 0).sum()) - system.getNumConstraints()
    if any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces()):
        moving -= 3
    return Molecules(
        system,
        np.array(model.positions.value_in_unit(unit.nanometer), dtype=float).reshape(-1, 3),
        mass,
        tuple(atom.name for atom in atoms),
        np.array([atom.element is None or atom.element.atomic_number > 1 for atom in atoms]),
        np.array([[b[0].index, b[1].index] for b in model.topology.bonds()], np.int64).reshape(-1, 2),
        moving,
        _global_parameters(system),
    )


def _from_xml(given: str) -> Any:
    try:
        found = openmm.XmlSerializer.deserialize(text(given))
    except Exception as error:
        raise BuildError("system", _short(given), _words(error), "XML of openmm.XmlSerializer") from None
    if not isinstance(found, openmm.System):
        raise BuildError("system", _short(given), f"holds a {type(found).__name__}", "a System")
    return found


def _from_force_field(recipe: Recipe, model: Any) -> Any:
    value = list(recipe.force_field)
    try:
        force_field = app.ForceField(*recipe.force_field)
    except Exception as error:
        accepted = (
            "names of OpenMM's force fields, such as amber14-all.xml and implicit/obc2.xml, or of files"
        )
        raise BuildError("force_field", value, _words(error), accepted) from None
    method = app.NoCutoff
    if recipe.periodic:
        method = app.PME
        if model.topology.getPeriodicBoxVectors() is None:
            raise BuildError("periodic", True, "the PDB has no box (CRYST1)", "false, or a PDB with a box")
    elif recipe.cutoff is not None:
        method = app.CutoffNonPeriodic
    settings = {} if recipe.cutoff is None else {"nonbondedCutoff": recipe.cutoff * unit.nanometer}
    try:
        if recipe.add_hydrogens:
            model.addHydrogens(force_field)
        return force_field.createSystem(
            model.topology,
            nonbondedMethod=method,
            constraints={"none": None, "hbonds": app.HBonds, "allbonds": app.AllBonds}[recipe.constraints],
            **settings,
        )
    except Exception as error:
        hint = "a PDB whose residues the force field knows"
        if not recipe.add_hydrogens:
            hint += ", with its hydrogens; add_hydrogens: true puts them in place"
        raise BuildError("force_field", value, _words(error), hint) from None


def _global_parameters(system: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for force in system.getForces():
        for k in range(getattr(force, "getNumGlobalParameters", int)()):
            found[force.getGlobalParameterName(k)] = force.getGlobalParameterDefaultValue(k)
    return found


def platforms() -> list[str]:
    """Names of the platforms that this OpenMM has."""
    return [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]


def kinetic_temperature(energy: float, freedom: int) -> float:
    """K, from the kinetic energy (kJ/mol)."""
    return 2 * energy / (freedom * GAS_CONSTANT)


def radius_of_gyration(position: Array, mass: Array) -> float:
    """Root mean square distance from the centre of mass, of array (atoms, 3)."""
    centred = position - np.average(position, axis=0, weights=mass)
    return float(np.sqrt(np.average((centred**2).sum(axis=1), weights=mass)))


def rmsd(position: Array, reference: Array) -> float:
    """Root mean square deviation of two arrays (atoms, 3) after the best superposition.

    Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    a, b = position - position.mean(axis=0), reference - reference.mean(axis=0)
    left, sizes, right = np.linalg.svd(a.T @ b)
    if np.linalg.det(left) * np.linalg.det(right) < 0:  # the best one would be a reflection
        sizes[-1] = -sizes[-1]
    squares = (a**2).sum() + (b**2).sum() - 2 * sizes.sum()
    return float(np.sqrt(max(squares, 0.0) / len(a)))


def distances(position: Array, pairs: Sequence[tuple[int, int]]) -> list[float]:
    """Distances between atoms, counted from 0."""
    return [float(np.linalg.norm(position[i] - position[j])) for i, j in pairs]


def _short(given: str) -> str:
    return "(text)" if "\n" in given.strip() else given


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
