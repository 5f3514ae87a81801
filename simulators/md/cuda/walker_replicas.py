"""Batches of walkers on the card: what goes there, what comes back, and all their steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numba import cuda

from simulators.batch.keeping import Keeper
from simulators.md.cuda.batch import Stretches
from simulators.md.cuda.device import launch
from simulators.md.cuda.walkers import (
    MOTION,
    THREADS,
    Escape,
    Surface,
    advance_escape,
    advance_surface,
)
from simulators.md.landscapes import escape, surface

SURFACE_BYTES = 64
"""Memory on the card for a walker on the surface."""


def _blocks(walkers: int) -> int:
    return -(-walkers // THREADS)


class SurfaceOnCard:
    """Walkers on the surface of Mueller and Brown; between looks they are on the card.

    Args:
        groups: up to sixteen replicas of one plan each, all at the same step.
        keepers: of their files, group by group.
    """

    def __init__(self, groups: Sequence[surface.Replicas], keepers: Sequence[Sequence[Keeper]]) -> None:
        self.groups, self.keepers = groups, keepers

        def of_all(name: str) -> Any:
            rows = [getattr(group.walkers, name)[..., : group.n] for group in groups]
            return cuda.to_device(np.ascontiguousarray(np.concatenate(rows, axis=-1)))

        self._n = sum(group.n for group in groups)
        self._card = Surface(
            **{name: of_all(name) for name in ("x", "y", "px", "py", "kick", "core", "keys")},
            counts=cuda.to_device(np.zeros((3, self._n), np.int32)),
            energy=cuda.to_device(np.zeros(self._n, np.int64)),
        )

    def launch(self, first: int, last: int) -> None:
        """Start steps first to last - 1; returns before they are done."""
        dt = np.float32(self.groups[0].plan.timestep)
        launch(advance_surface, _blocks(self._n), THREADS, self._card, dt, first, last)

    def run(self, report: Callable[[float], None], first: int) -> None:
        """From a step to the end, with looks at the steps of `landscapes.surface.Replicas.run`."""
        plan, stretches, step = self.groups[0].plan, Stretches(), first
        for group, keepers in zip(self.groups, self.keepers, strict=True):
            group._visit(keepers, step)
        while step < plan.steps:
            stops = [keeper.next_stop(step) for keepers in self.keepers for keeper in keepers]
            block, last = plan.next_look(step, stops)
            while step < last:
                step = stretches.run(step, plan.steps, last, partial(self.launch, step))
                report(step / plan.steps)
            self.fetch(block)
            for group, keepers in zip(self.groups, self.keepers, strict=True):
                group._look_for_failures(step)
                group._visit(keepers, step)

    def fetch(self, block: int) -> None:
        """Bring walkers back, and what was counted into a block; -1 for none."""
        moving = {name: getattr(self._card, name).copy_to_host() for name in ("x", "y", "px", "py", "core")}
        counts, energy = self._card.counts.copy_to_host(), self._card.energy.copy_to_host()
        self._card.counts.copy_to_device(np.zeros_like(counts))
        self._card.energy.copy_to_device(np.zeros_like(energy))
        first = 0
        for group in self.groups:
            here, lanes = slice(first, first + group.n), slice(0, group.n)
            for name, values in moving.items():
                getattr(group.walkers, name)[lanes] = values[here]
            if block >= 0:
                for name, values in zip(("in_a", "in_b", "transitions"), counts, strict=True):
                    getattr(group.tally, name)[block, lanes] += values[here]
                group.tally.energy[block, lanes] += energy[here]
            first += group.n


def escape_bytes(walkers: int) -> float:
    """Memory on the card for a replica of so many walkers."""
    return MOTION.itemsize + 16.0 * walkers + 8


class EscapeOnCard:
    """Walkers in the double well, all walkers of all replicas at once.

    Args:
        replicas: as they were made; each goes on where its checkpoint left it.
        keepers: of their files.
    """

    def __init__(self, replicas: Sequence[escape.Replica], keepers: Sequence[Keeper]) -> None:
        self.replicas, self.keepers = replicas, keepers
        self.step = np.array([r.begin(k) for r, k in zip(replicas, keepers, strict=True)], np.int64)
        self._steps = replicas[0].steps

        def of_all(name: str) -> Any:
            return cuda.to_device(np.stack([getattr(replica, name) for replica in replicas]))

        motions = np.array([tuple(replica.motion) for replica in replicas], MOTION)
        self._card = Escape(
            motion=cuda.to_device(motions),
            **{name: of_all(name) for name in ("x", "v", "passages")},
            step=cuda.to_device(self.step),
        )

    def launch(self, last: int) -> None:
        """Start steps up to ``last``; returns before they are done."""
        launch(advance_escape, _blocks(self._card.x.size), THREADS, self._card, last)

    def run(self, report: Callable[[float], None]) -> None:
        """All steps, or those that checkpoints leave."""
        stretches = Stretches()
        for replica, keeper, step in zip(self.replicas, self.keepers, self.step.tolist(), strict=True):
            replica._visit(keeper, step)
        while running := np.flatnonzero(self.step < self._steps).tolist():
            first = int(self.step[running].min())
            stop = min(self.keepers[k].next_stop(int(self.step[k])) for k in running)
            until = stretches.run(first, self._steps, stop, self.launch)
            moved = np.flatnonzero(self.step < until).tolist()
            self.step[moved] = until
            self._card.step.copy_to_device(self.step)
            due = any(self.keepers[k].wants(until) for k in moved)
            if due:
                self.fetch()
                for k in moved:
                    self.replicas[k]._visit(self.keepers[k], until)
            report(float(self.step.mean()) / self._steps)
        self.fetch()

    def fetch(self) -> None:
        """Bring all walkers back as they are now."""
        for name in ("x", "v", "passages"):
            rows = getattr(self._card, name).copy_to_host()
            for replica, row in zip(self.replicas, rows, strict=True):
                setattr(replica, name, row)
