"""OpenMM as a simulator: any system from a structure and a force field, or from XML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from simulators.adapters.declared import DeclaredInput, Name, fault
from simulators.adapters.located import existing
from simulators.batch.simulator import BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.simulator import Array, Seeds
from simulators.md.statistics import BLOCKS

if TYPE_CHECKING:
    from simulators.adapters.molecules import Molecules
    from simulators.adapters.openmm_replica import Plan

_TEMPERATURE = Parameter("temperature", "K", "of the heat bath", 1, 2000)
_FRICTION = Parameter("friction", "1/ps", "of the heat bath", 1e-3, 1e3, default=1.0)
_RESULTS = (
    Output("potential_energy", "kJ/mol", "potential energy of all atoms"),
    Output("kinetic_temperature", "K", "from the kinetic energy", positive=True),
    Output("radius_of_gyration", "nm", "of the atoms that count, weighted by mass", positive=True),
    Output("rmsd", "nm", "of the atoms that count from the PDB, superposed", positive=True),
)


class OpenMM(BatchSimulator):
    """Langevin dynamics of a system of yours with OpenMM (Eastman et al., J. Phys. Chem. B 128, 109, 2024).

    The system is built from a PDB and force fields by their names in OpenMM, implicit solvent included, or is
    read from the XML of `openmm.XmlSerializer`. Inputs are `temperature` (K), `friction` (1/ps, 1 by default)
    and global parameters of the system's own forces. Results are `potential_energy` (kJ/mol),
    `kinetic_temperature` (K), `radius_of_gyration` and `rmsd` (nm), and distances between atoms that you name
    (nm); their errors come from blocks. No barostat, no virtual walls, no free energies.
    """

    kind: Literal["openmm"] = "openmm"
    backend: Literal["cpu", "mpi"] = Field(
        "cpu", description="how replicas are spread: 'cpu', over threads, or 'mpi', over processes"
    )
    platform: Literal["CPU", "CUDA", "OpenCL", "HIP", "Metal", "Reference"] = Field(
        "CPU", description="OpenMM's platform that computes a replica"
    )
    cores: int = Field(1, ge=1, le=1024, description="threads of a replica on the platform CPU")
    pdb: str = Field(description="structure: text in PDB format, or its path beside the campaign")
    force_field: tuple[str, ...] = Field(
        (), description="OpenMM's names or paths of XML files: [amber14-all.xml, implicit/obc2.xml]"
    )
    system: str | None = Field(None, description="in place of force fields: XML of a System, text or path")
    state: str | None = Field(None, description="XML of a State to start from, text or path")
    add_hydrogens: bool = Field(False, description="whether hydrogens are added to the PDB")
    periodic: bool = Field(
        False, description="whether the PDB's box repeats, with particle mesh Ewald; for explicit solvent"
    )
    cutoff: float | None = Field(
        None, gt=0, le=10, description="of pairs (nm); by default none, or PME's own 1"
    )
    constraints: Literal["none", "hbonds", "allbonds"] = Field(
        "hbonds", description="bonds of fixed length, with force fields; hydrogens' allow for 0.002 ps"
    )
    steps: int = Field(100_000, ge=BLOCKS, description="time steps, equilibration included")
    timestep: float = Field(0.002, gt=0, le=0.1, description="time step (ps)")
    equilibration: float = Field(
        0.2, ge=0, le=0.9, description="fraction of the steps that averages leave out"
    )
    every: int = Field(100, ge=1, description="steps between two looks, fewer where the simulation is short")
    minimize: bool = Field(True, description="whether the energy of the PDB is minimised first")
    atoms: Literal["heavy", "alpha", "all"] = Field(
        "heavy", description="which count for rmsd and radius of gyration: not hydrogens, or CA alone, or all"
    )
    parameters: dict[Name, DeclaredInput] = Field(
        {}, description="inputs that are global parameters of the system's forces: name to declaration"
    )
    distances: dict[Name, tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]] = Field(
        {}, description="results that are distances: name to two atoms, counted from 0"
    )

    version: ClassVar = 2
    keeps: ClassVar = frozenset({"frames", "series", "checkpoint", "start"})

    @field_validator("pdb", "system", "state", mode="before")
    @classmethod
    def _located(cls, given: Any, info: ValidationInfo) -> Any:
        """Paths become absolute."""
        if isinstance(given, str) and "\n" not in given.strip():
            return str(existing(given.strip(), info))
        return given

    @model_validator(mode="after")
    def _one_system(self) -> OpenMM:
        if (self.system is None) == (not self.force_field):
            raise fault("give either force_field or system", "force_field" if self.system else "system")
        taken = {p.name for p in (_TEMPERATURE, _FRICTION)} | {o.name for o in _RESULTS}
        for part in ("parameters", "distances"):
            for name in getattr(self, part):
                if name in taken:
                    raise fault(f"`{name}` is there already; call it otherwise", part, name)
                taken.add(name)
        return self

    @property
    def inputs(self) -> tuple[Parameter, ...]:
        """Temperature, friction and the system's own parameters."""
        return (_TEMPERATURE, _FRICTION, *(p.declared(name) for name, p in self.parameters.items()))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What every system has, and the distances."""
        own = (
            Output(name, "nm", f"distance of atoms {i} and {j}", positive=True)
            for name, (i, j) in self.distances.items()
        )
        return (*_RESULTS, *own)

    @property
    def _equilibration_steps(self) -> int:
        return int(self.equilibration * self.steps)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a system that cannot be built, and a platform that is not there."""
        self._molecules()
        if self.steps - self._equilibration_steps < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration))
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")

    def _molecules(self) -> Molecules:
        """The system.

        Raises:
            InvalidInputError: OpenMM or the platform is not there, or the system cannot be built.
        """
        try:
            from simulators.adapters.molecules import BuildError, Recipe, build, platforms
        except ImportError as error:
            if error.name != "openmm":
                raise
            raise InvalidInputError(
                "kind", "openmm", "OpenMM is not installed", "pip install 'mlaround[openmm]'"
            ) from None
        if self.platform not in platforms():
            raise InvalidInputError(
                "platform", self.platform, "this OpenMM does not have it", ", ".join(platforms())
            )
        recipe = Recipe(
            self.pdb,
            self.system,
            self.force_field,
            self.add_hydrogens,
            self.periodic,
            self.cutoff,
            self.constraints,
        )
        try:
            molecules = build(recipe)
        except BuildError as error:
            raise InvalidInputError(error.setting, error.value, error.reason, error.accepted) from None
        for name in self.parameters:
            if name not in molecules.parameters:
                accepted = ", ".join(molecules.parameters) or "none, since its forces have none"
                raise InvalidInputError("parameters", name, "no global parameter of the system", accepted)
        for name, pair in self.distances.items():
            if max(pair) >= len(molecules.names):
                last = len(molecules.names) - 1
                raise InvalidInputError("distances", f"{name}: {list(pair)}", "no such atom", f"0 to {last}")
        if not self._atoms(molecules):
            raise InvalidInputError("atoms", self.atoms, "the PDB has none of these", "heavy, alpha or all")
        return molecules

    def _atoms(self, molecules: Molecules) -> tuple[int, ...]:
        if self.atoms == "alpha":
            return tuple(k for k, name in enumerate(molecules.names) if name == "CA")
        chosen = molecules.heavy if self.atoms == "heavy" else np.ones(len(molecules.names), dtype=bool)
        return tuple(np.flatnonzero(chosen & (molecules.mass > 0)).tolist())

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps: the system is the same for all."""
        return float(self.steps)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, as many replicas at a time as have cores."""
        molecules = self._molecules()
        from simulators.adapters.openmm_replica import Replica, one_at_a_time
        from simulators.batch.keeping import open_keeper

        observations, rows = self.nothing_yet(inputs), self.rows(inputs)

        def simulate(indices: list[int], report: Progress) -> None:
            (index,) = indices
            keeper = open_keeper(
                keep,
                index,
                self.steps,
                length_unit="nm",
                types=molecules.names,
                mass=molecules.mass,
                bonds=molecules.bonds,
            )
            with keeper, one_at_a_time(self.platform):
                replica = Replica(molecules, self._plan(molecules, rows[index]), int(seeds[index]))
                failure = replica.run(keeper, report)
            if failure is not None:
                observations.failures[index] = failure
                return
            for name, (mean, stderr) in replica.estimates(list(self.distances)).items():
                observations.mean[name][index], observations.stderr[name][index] = mean, stderr

        at_a_time = max(1, threads // self.cores)
        over_threads(observations, simulate, threads=at_a_time, progress=progress)
        return observations

    def _plan(self, molecules: Molecules, inputs: Mapping[str, float]) -> Plan:
        from simulators.adapters.openmm_replica import Plan

        production = self.steps - self._equilibration_steps
        return Plan(
            temperature=inputs["temperature"],
            friction=inputs["friction"],
            timestep=self.timestep,
            steps=self.steps,
            equilibration=self._equilibration_steps,
            every=max(1, min(self.every, production // BLOCKS)),
            minimize=self.minimize,
            state=self.state,
            platform=self.platform,
            threads=self.cores,
            atoms=self._atoms(molecules),
            pairs=tuple(self.distances.values()),
            parameters={name: inputs[name] for name in self.parameters},
        )
