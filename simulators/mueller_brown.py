"""A walker on the Mueller-Brown surface: the customary test of methods that look for rare transitions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from simulators.batch.keeping import Keeper, abreast, open_keeper
from simulators.batch.simulator import BACKEND, BatchSimulator
from simulators.batch.threads import over_threads
from simulators.contract import InvalidInputError, Keep, Observations, Output, Parameter, Progress
from simulators.contract.simulator import Array, Seeds
from simulators.md.statistics import BLOCKS

if TYPE_CHECKING:
    from simulators.md.landscapes.surface import Replicas


class MuellerBrown(BatchSimulator):
    """Overdamped Langevin dynamics, mobility 1, on the surface of Mueller and Brown (1979).

    Two deep minima, A at (-0.558, 1.442) and B at (0.623, 0.028), and a shallow one between them. A
    transition is an arrival in the disc of radius 0.2 around one deep minimum after a visit to the other's.
    Basins end at the line through the pass towards each minimum, at right angles to the pass. Equations and
    measured accuracy: docs/physics/mueller_brown.md.
    """

    kind: Literal["mueller_brown"] = "mueller_brown"
    backend: Literal["cpu", "mpi", "cuda"] = Field(
        "cpu", description=f"{BACKEND}, 'mpi', over processes, or 'cuda', on a graphics card"
    )
    steps: int = Field(1_000_000, ge=64, description="time steps, equilibration included")
    timestep: float = Field(
        1e-4, gt=0, le=3e-4, description="time step; the stiffest well has a time of 2.5e-4"
    )
    equilibration: float = Field(
        0.1, ge=0, le=0.9, description="fraction of the steps before anything is counted"
    )
    start: Literal["a", "b"] = Field("a", description="the minimum to start from: 'a' or 'b'")

    version: ClassVar[int] = 2
    compiles: ClassVar[bool] = True
    together: ClassVar[int] = 16
    keeps: ClassVar[frozenset[str]] = frozenset({"frames", "series", "checkpoint", "start"})
    inputs: ClassVar[tuple[Parameter, ...]] = (
        Parameter("temperature", "", "kT in the unit of the surface's energy", 0.1, 100),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("transitions", "", "between A and B, either way, in the steps that count", positive=True),
        Output("population_a", "", "fraction of time in the basin of A", positive=True),
        Output("population_b", "", "fraction of time in the basin of B", positive=True),
        Output("mean_energy", "", "average of the potential energy"),
    )

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse too few steps for an error bar."""
        if self.steps - self._equilibration_steps < BLOCKS:
            fewest = math.ceil(BLOCKS / (1 - self.equilibration))
            raise InvalidInputError("steps", self.steps, "too few for an error bar", f"at least {fewest}")

    @property
    def _equilibration_steps(self) -> int:
        return int(self.equilibration * self.steps)

    def work(self, inputs: Mapping[str, float]) -> float:
        """Steps."""
        return float(self.steps)

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, sixteen replicas to a thread at a time."""
        from simulators.md.landscapes.surface import warm_up

        observations = self._begun(inputs, keep)

        def simulate(indices: list[int], report: Progress) -> None:
            with ExitStack() as files:
                keepers = {k: files.enter_context(open_keeper(keep, k, self.steps)) for k in indices}
                for step, members, replicas in self._groups(inputs, seeds, keepers):
                    replicas.run([keepers[k] for k in members], report, step)
                    self._write(observations, replicas, members)

        warm_up()  # compiling is no part of any replica's cost
        over_threads(observations, simulate, threads=threads, progress=progress, together=self.together)
        return observations

    def on_gpu(
        self, inputs: Array, seeds: Seeds, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch on a graphics card, a walker to a thread."""
        from simulators.md.cuda.device import find_card

        card = find_card()
        from simulators.md.cuda.batch import parts
        from simulators.md.cuda.walker_replicas import SURFACE_BYTES, SurfaceOnCard

        observations = self._begun(inputs, keep)
        for indices, report in parts(observations, SURFACE_BYTES, card, progress):
            with ExitStack() as files:
                keepers = {k: files.enter_context(open_keeper(keep, k, self.steps)) for k in indices}
                groups = list(self._groups(inputs, seeds, keepers))
                for step in sorted({at for at, _, _ in groups}):
                    alike = [(members, replicas) for at, members, replicas in groups if at == step]
                    of_groups = [[keepers[k] for k in members] for members, _ in alike]
                    SurfaceOnCard([replicas for _, replicas in alike], of_groups).run(report, step)
                    for members, replicas in alike:
                        self._write(observations, replicas, members)
        return observations

    def _begun(self, inputs: Array, keep: Keep | None) -> Observations:
        """Observations of a batch with nothing measured yet; refuses starts that do not fit."""
        from simulators.md.landscapes.surface import check_start

        for frame in keep.starts.values() if keep is not None else ():
            check_start(frame)
        return self.nothing_yet(inputs)

    def _groups(
        self, inputs: Array, seeds: Seeds, keepers: Mapping[int, Keeper]
    ) -> Iterator[tuple[int, list[int], Replicas]]:
        """Replicas sixteen at a time, with the step where their checkpoints left them; lanes share it."""
        from simulators.md.landscapes.surface import MINIMUM_A, MINIMUM_B, Plan, Replicas

        start = {"a": MINIMUM_A, "b": MINIMUM_B}[self.start]
        plan = Plan(self.timestep, self.steps, self._equilibration_steps, start)
        found = {k: keeper.resume() for k, keeper in keepers.items()}
        for step, members, saved in abreast(found, self.together):
            frames = [keepers[k].start for k in members]
            replicas = Replicas(plan, inputs[members, 0], seeds[members], frames)
            for lane, arrays in enumerate(saved):
                replicas.restore(lane, arrays)
            yield step, members, replicas

    @staticmethod
    def _write(observations: Observations, replicas: Replicas, members: list[int]) -> None:
        """What a group has found, for its replicas in the batch."""
        for lane, k in enumerate(members):
            if lane in replicas.failures:
                observations.failures[k] = replicas.failures[lane]
                continue
            for name, (mean, error) in replicas.estimates(lane).items():
                observations.mean[name][k], observations.stderr[name][k] = mean, error
