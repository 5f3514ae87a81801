"""A batch of fluids on the card: its steps, what is counted on the way, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.contract import Failure
from simulators.md.cuda.batch import Stretches
from simulators.md.cuda.device import launch
from simulators.md.cuda.fluid import CONSTANTS, MOST
from simulators.md.cuda.fluid_looks import (
    LAG,
    ORIGIN,
    STRUCTURE,
    Looks,
    count_displacements,
    count_waves,
    follow_particles,
)
from simulators.md.cuda.fluid_motion import InBlocks, InCells, Motion, entries
from simulators.md.fluid.correlations import Tally
from simulators.md.fluid.replica import Plan, Replica
from simulators.md.fluid.run import FINE
from simulators.md.statistics import BLOCKS


def bytes_each(plans: Sequence[Plan]) -> float:
    """Memory on the card for each replica of a batch."""
    plan = plans[0]
    way = InBlocks if plan.particles <= MOST else InCells
    number, state = (2, 184) if way is InBlocks else (4, 260)  # bytes of an entry, and of a particle besides
    longest = max(entries(plan, way.skin) for plan in plans)
    counts = BLOCKS * (8 * (plan.bins + len(plan.waves) + plan.lags) + 60)
    return CONSTANTS.itemsize + plan.particles * (number * longest + state) + counts


class FluidReplicas:
    """Replicas whose state is on the card; the `Replica` objects are where it comes from and returns to.

    Args:
        replicas: of one configuration; those that fail are left at their last good frame.
        keepers: of their files.
    """

    def __init__(self, replicas: Sequence[Replica], keepers: Sequence[Keeper]) -> None:
        self.replicas, self.keepers = replicas, keepers
        self.step = np.array([r.begin(k) for r, k in zip(replicas, keepers, strict=True)], np.int64)
        melted = [r.melted(k) for r, k in zip(replicas, keepers, strict=True)]
        self._plan_steps = replicas[0].plan.steps
        way: type[Motion] = InBlocks if replicas[0].plan.particles <= MOST else InCells
        self.motion = way(replicas, self.step, melted)
        self._looks = self._uploaded()

    def run(self, report: Callable[[float], None]) -> dict[int, Failure]:
        """All steps; index -> why a replica went wrong."""
        failures: dict[int, Failure] = {}
        stretches, code = Stretches(), np.full(len(self.replicas), FINE, np.int32)
        self._visit(np.arange(len(self.replicas)))
        new = np.arange(len(self.replicas))
        while (running := np.flatnonzero((code == FINE) & (self.step < self._plan_steps))).size:
            self._rest(new)
            self._count(new)
            self.motion.remember()
            before = self.step.copy()
            stop = min(self._next_stop(k, step) for step, k in self._one_each(running).items())
            stretches.run(int(before[running].min()), self._plan_steps, stop, self._advance)
            code, self.step = self._ended
            for k in running[code[running] != FINE].tolist():
                failures[k] = self._failure(k, int(code[k]), int(before[k]))
            new = running[(code[running] == FINE) & (self.step[running] > before[running])]
            self._visit(new)
            report(float(np.where(code == FINE, self.step / self._plan_steps, 1.0).mean()))
        for k in set(range(len(self.replicas))) - failures.keys():
            self.fetch(k)
        return failures

    def _advance(self, last: int) -> None:
        self._ended = self.motion.run(last)

    def _one_each(self, indices: NDArray[np.int64]) -> dict[int, int]:
        """The steps that these replicas are at, and one that is there. The files of all are due alike."""
        return dict(zip(self.step[indices].tolist(), indices.tolist(), strict=True))

    def _next_stop(self, k: int, step: int) -> int:
        """The next step at which Python has something to do with a replica."""
        plan = self.replicas[0].plan
        stop = min(self.keepers[k].next_stop(step), next_look(self.replicas[0].tally, step))
        return min(stop, plan.equilibration) if step < plan.equilibration else stop

    def _failure(self, k: int, code: int, good: int) -> Failure:
        self.motion.fetch(k, remembered=True)
        replica, value = self.replicas[k], float(self.motion.values()[k])
        return replica.failure(code, int(self.step[k]), value, replica.frame(good))

    def _visit(self, indices: NDArray[np.int64]) -> None:
        """Keep whatever is due of these replicas."""
        due = {step for step, k in self._one_each(indices).items() if self.keepers[k].wants(step)}
        for k in indices.tolist() if due else ():
            keeper, step = self.keepers[k], int(self.step[k])
            if step not in due:
                continue
            checkpoint = keeper.wants_checkpoint(step)
            if checkpoint or keeper.wants_frame(step) or keeper.wants_row(step):
                self.fetch(k) if checkpoint else self.motion.fetch(k)
                self.replicas[k].visit(keeper, step)

    def _rest(self, indices: NDArray[np.int64]) -> None:
        """Bring the centres of mass to rest where the heat bath goes."""
        plan = self.replicas[0].plan
        for k in indices.tolist() if plan.conserve else ():
            if self.step[k] == plan.equilibration:
                self.motion.fetch(k)
                self.replicas[k].rest()
                self.motion.put_velocities(k)

    # Looks -----------------------------------------------------------------------------------------

    def _count(self, indices: NDArray[np.int64]) -> None:
        """Count what is due of these replicas at the steps where they are."""
        due = np.tile(np.array([-1, 0, -1], np.int32), (len(self.replicas), 1))
        at = {step: due_looks(self.replicas[0].tally, step) for step in set(self.step[indices].tolist())}
        for step, row in at.items():
            due[indices[self.step[indices] == step]] = row
        structure = np.flatnonzero(due[:, STRUCTURE] >= 0)
        displacements = ((due[:, ORIGIN] > 0) | (due[:, LAG] >= 0)).any()
        if not (structure.size or displacements):
            return
        self._looks.due.copy_to_device(due)
        n, threads = len(self.replicas), self.motion.threads
        if structure.size:
            for k in structure.tolist():
                self.replicas[k].tally.structure_looks[due[k, STRUCTURE]] += 1
            self.motion.count_distances(self._looks)
            launch(count_waves, n * self._looks.waves.shape[0], threads, self._looks)
        if displacements:
            self._follow()
            launch(count_displacements, n, threads, self._looks)

    def _follow(self) -> None:
        blocks = -(-self.motion.particles // self.motion.threads)
        launch(follow_particles, len(self.replicas) * blocks, self.motion.threads, self._looks)

    def _uploaded(self) -> Looks:
        replicas, motion = self.replicas, self.motion

        def stacked(name: str) -> Any:
            return cuda.to_device(np.stack([getattr(r.tally, name).ravel() for r in replicas]))

        return Looks(
            place=motion.place,
            side=motion.side,
            path=motion.path,
            origin=cuda.to_device(np.stack([np.ascontiguousarray(r.tally.origin.T) for r in replicas])),
            due=cuda.to_device(np.zeros((len(replicas), 3), np.int32)),
            displacements=stacked("displacements"),
            waves=cuda.to_device(replicas[0].plan.waves),
            power=stacked("power"),
            distances=stacked("distances"),
            scale=cuda.to_device(np.array([(r.tally.reach, r.tally.to_bin) for r in replicas], np.float32)),
        )

    def fetch(self, k: int) -> Replica:
        """A replica as it is on the card now, with all that was counted."""
        self.motion.fetch(k)
        tally = self.replicas[k].tally
        tally.origin[:] = self._looks.origin[k].copy_to_host().T
        for name in ("displacements", "power", "distances"):
            array = getattr(tally, name)
            array[:] = getattr(self._looks, name)[k].copy_to_host().reshape(array.shape)
        return self.replicas[k]


def due_looks(tally: Tally, step: int) -> tuple[int, int, int]:
    """What `simulators.md.fluid.correlations` would count at a step: a row of `Looks.due`."""
    passed, lags = step - tally.start, tally.displacements.shape[1]
    if not 0 <= passed < tally.steps:
        return -1, 0, -1
    structure = passed * BLOCKS // tally.steps if passed % tally.structure_every == 0 else -1
    block, passed = divmod(passed, tally.steps // BLOCKS)
    lag, rest = divmod(passed, tally.lag)
    due = block < BLOCKS and rest == 0 and lag % 2 == 1 and lag < 2 * lags
    return structure, int(block < BLOCKS and passed == 0), block * lags + lag // 2 if due else -1


def next_look(tally: Tally, step: int) -> int:
    """The next step after this one at which `due_looks` finds something, or one before it."""
    passed, lags = step - tally.start, tally.displacements.shape[1]
    if passed < 0:
        return tally.start
    window = tally.steps // BLOCKS
    lag = (passed % window // tally.lag + 1) | 1
    first = passed - passed % window
    looks: Iterable[int] = (
        passed - passed % tally.structure_every + tally.structure_every,
        first + window,
        first + lag * tally.lag if lag < 2 * lags else first + window,
    )
    return tally.start + min(looks)
