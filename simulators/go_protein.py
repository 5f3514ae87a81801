"""A protein as a chain of C-alpha beads that knows its native structure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from simulators.batch.keeping import Keeper, abreast, open_keeper
from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import Coordinate, InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.quantities import fixed
from simulators.contract.simulator import Array, Seeds
from simulators.md.chain.protein import DEFAULT, Native, read_calphas
from simulators.md.statistics import BLOCKS

if TYPE_CHECKING:
    from simulators.md.chain.folding import Chains, Plan

_MOST_BINS = 40


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Native:
    """The structure of a file as of this time of change."""
    return Native(read_calphas(path))


class GoProtein(BatchSimulator):
    """A C-alpha Go model: every bond, angle, dihedral and contact of the native structure is preferred.

    Langevin dynamics in reduced units: energies in epsilon, lengths in angstrom, unit mass of a bead, time in
    angstrom * sqrt(mass / epsilon). Equations, estimators and measured accuracy: docs/physics/go_protein.md.
    """

    kind: Literal["go_protein"] = "go_protein"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    structure: str | None = Field(
        None,
        description="native structure: a PDB file of one chain, whose C-alpha atoms in the first model are "
        "read; the 28 residues of FSD-EY (1FME) if not given",
    )
    start: Literal["native", "extended"] = Field(
        "native", description="starting state: 'native', or 'extended', a zigzag with native bonds and angles"
    )
    steps: int = Field(100_000, ge=100, description="time steps, equilibration included")
    timestep: float = Field(0.01, gt=0, le=0.1, description="time step")
    friction: float = Field(0.2, gt=0, le=100, description="friction per unit of time")
    equilibration: float = Field(
        0.1, ge=0, le=0.9, description="fraction of the steps that are left out of the averages"
    )
    unfolded_below: float = Field(
        0.3, gt=0, le=1, description="fraction of native contacts below which the chain counts as unfolded"
    )

    version: ClassVar[int] = 2
    compiles: ClassVar[bool] = True
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    together: ClassVar[int] = 16
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "temperature",
            "",
            "temperature in epsilon / k; 1FME has lost half of its contacts at 0.9",
            0.01,
            5,
        ),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("native_contacts", "", "Q, mean fraction of native contacts that are formed", positive=True),
        Output("radius_of_gyration", "angstrom", "mean radius of gyration", positive=True),
        Output("rmsd", "angstrom", "mean distance to the native structure, superposed", positive=True),
        Output("potential_energy", "", "mean potential energy in epsilon"),
        Output(
            "first_unfolded",
            "",
            "steps to the first state that counts as unfolded; none if there was none",
            positive=True,
            optional=True,
        ),
        Output(
            "contact_formed", "", "fraction of the time that each contact is formed", "contact", positive=True
        ),
        Output("contacts_density", "", "probability density of Q", "fraction", positive=True),
    )

    @property
    def native(self) -> Native:
        """The native structure.

        Raises:
            InvalidInputError: the file cannot be read, or has no native contacts.
        """
        path = Path(self.structure) if self.structure is not None else DEFAULT
        changed = path.stat().st_mtime_ns if path.exists() else 0
        native = _read(path, changed)
        if not len(native.contact_distances):
            raise InvalidInputError(
                "structure",
                path,
                "no two C-alpha atoms four or more residues apart are nearer than 8 angstrom",
                "a folded structure",
            )
        return native

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Native contacts by number, and bins of Q each as wide as a whole number of contacts."""
        contacts, levels = len(self.native.contact_distances), self._levels
        bins = -(-(contacts + 1) // levels)
        return (
            Coordinate(
                "contact",
                "",
                "native contacts, by distance along the chain and then by their first residue",
                fixed(np.arange(contacts + 1) + 0.5),
            ),
            Coordinate(
                "fraction",
                "",
                "fraction of native contacts that are formed",
                fixed((levels * np.arange(bins + 1) - 0.5) / contacts),
            ),
        )

    @property
    def _levels(self) -> int:
        """Numbers of formed contacts to a bin."""
        return math.ceil((len(self.native.contact_distances) + 1) / _MOST_BINS)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a structure that cannot be read and runs too short for an error bar."""
        _ = self.native
        if self.steps - self._equilibration_steps < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration))
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")

    @property
    def _equilibration_steps(self) -> int:
        return int(self.equilibration * self.steps)

    @property
    def sampling_interval(self) -> int:
        """Steps between two looks: one unit of time, over which contacts hardly change."""
        production = self.steps - self._equilibration_steps
        return max(1, min(round(1 / self.timestep), production // BLOCKS))

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps times beads and pairs."""
        beads = len(self.native.position)
        return self.steps * beads * (50 + beads / 2)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, sixteen replicas to a vector."""
        from simulators.md.chain.folding import warm_up

        plan, observations = self._plan(), self._begun(inputs, keep)

        def simulate(indices: list[int], report: Progress) -> None:
            with ExitStack() as files:
                keepers = {k: files.enter_context(self._keeper(keep, k)) for k in indices}
                for members, chains in self._groups(plan, inputs, seeds, keepers):
                    chains.run([keepers[k] for k in members], report)
                    self._write(observations, chains, members)

        warm_up()  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress, together=self.together)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, as many replicas at once as its memory holds."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.chain.folding import warm_up
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.chain_replicas import ChainsOnCard, bytes_each, check_beads

        plan = self._plan()
        check_beads(len(plan.native.position))
        observations = self._begun(inputs, keep)
        warm_up()
        for indices, report in parts(observations, bytes_each(plan.native), card, progress):
            with ExitStack() as files:
                keepers = {k: files.enter_context(self._keeper(keep, k)) for k in indices}
                groups = list(self._groups(plan, inputs, seeds, keepers))
                of_groups = [[keepers[k] for k in members] for members, _ in groups]
                ChainsOnCard([chains for _, chains in groups], of_groups).run(report)
                for members, chains in groups:
                    self._write(observations, chains, members)
        return observations

    def _begun(self, inputs: Array, keep: Keep | None) -> Observations:
        """Observations of a batch with nothing measured yet; refuses starts that do not fit."""
        from simulators.md.chain.folding import check_start

        for frame in keep.starts.values() if keep is not None else ():
            check_start(self._plan(), frame)
        observations = self.nothing_yet(inputs)
        observations.used["temperature"] = np.full(len(inputs), np.nan)
        return observations

    def _groups(
        self, plan: Plan, inputs: Array, seeds: Seeds, keepers: Mapping[int, Keeper]
    ) -> Iterator[tuple[list[int], Chains]]:
        """Replicas sixteen at a time, each where its checkpoint left it; lanes share their steps."""
        from simulators.md.chain.folding import Chains

        temperatures = [row["temperature"] for row in self.rows(inputs)]
        found = {k: keeper.resume() for k, keeper in keepers.items()}
        for step, members, saved in abreast(found, self.together):
            chains = Chains(
                plan,
                [temperatures[k] for k in members],
                seeds[members],
                [keepers[k].start for k in members],
            )
            if saved:
                chains.load(step, saved)
            yield members, chains

    def _plan(self) -> Plan:
        from simulators.md.chain.folding import Plan

        return Plan(
            native=self.native,
            extended=self.start == "extended",
            timestep=self.timestep,
            friction=self.friction,
            steps=self.steps,
            equilibration=self._equilibration_steps,
            every=self.sampling_interval,
            threshold=self.unfolded_below,
            levels=self._levels,
        )

    def _keeper(self, keep: Keep | None, index: int) -> Keeper:
        beads = np.arange(len(self.native.position))
        bonds = np.stack([beads[:-1], beads[1:]], axis=1)
        return open_keeper(
            keep, index, self.steps, length_unit="angstrom", types=["CA"] * len(beads), bonds=bonds
        )

    @staticmethod
    def _write(observations: Observations, chains: Chains, members: list[int]) -> None:
        """What a group has found, for its replicas in the batch."""
        for lane, index in enumerate(members):
            failure = chains.failure(lane)
            if failure is not None:
                observations.failures[index] = failure
                continue
            observations.used["temperature"][index] = chains.temperature(lane)
            for name, (mean, error) in chains.estimates(lane).items():
                observations.mean[name][index] = mean
                observations.stderr[name][index] = error
