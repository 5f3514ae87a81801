"""A batch of clusters on the card: what goes there, what comes back, and all its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numba import cuda

from simulators.batch.keeping import Keeper
from simulators.md.cluster.replicas import Replicas
from simulators.md.cuda.batch import Stretches
from simulators.md.cuda.cluster import CONSTANTS, THREADS, Batch, advance
from simulators.md.cuda.device import WARP, launch
from simulators.md.vector import LANES


def bytes_each(particles: int) -> float:
    """Memory on the card for each replica of a batch."""
    return CONSTANTS.itemsize + 60.0 * particles


class ClustersOnCard:
    """Replicas whose steps are done on the card; at recorded points their energies are computed on the CPU.

    Args:
        groups: up to sixteen replicas of one plan each, all at the same step.
        keepers: of each group: lane -> what keeps its replica's files.
    """

    def __init__(self, groups: Sequence[Replicas], keepers: Sequence[Mapping[int, Keeper]]) -> None:
        self.groups, self.keepers = groups, keepers
        state, particles = groups[0].state, groups[0].plan.particles
        self._n = sum(len(group.systems) for group in groups)
        self._threads = min(THREADS, -(-self._n * particles // WARP) * WARP)
        if self._threads < particles:
            self._threads = -(-particles // WARP) * WARP
        self._blocks = -(-self._n // (self._threads // particles))

        def of_all(name: str) -> Any:
            rows = [
                getattr(g.state, name).reshape(particles, 3, LANES)[:, :, : len(g.systems)] for g in groups
            ]
            return cuda.to_device(np.ascontiguousarray(np.concatenate(rows, axis=2).transpose(2, 1, 0)))

        constants = [_constants(g, lane) for g in groups for lane in range(len(g.systems))]
        self._card = Batch(
            constants=cuda.to_device(np.array(constants, CONSTANTS)),
            position=of_all("position"),
            velocity=of_all("velocity"),
            force=of_all("force"),
            cutoff_square=cuda.to_device(np.array([state.cutoff_square], np.float32)),
            slope=cuda.to_device(np.array([state.slope], np.float32)),
        )

    def launch(self, steps: int) -> None:
        """Start so many steps; returns before they are done."""
        launch(advance, self._blocks, self._threads, self._card, steps)

    def _launch_from(self, first: int, last: int) -> None:
        self.launch(last - first)

    def run(self, report: Callable[[float], None], step: int = 0) -> None:
        """All steps from this one on, with looks as of `simulators.md.cluster.replicas.Replicas.run`."""
        plan, stretches = self.groups[0].plan, Stretches()
        steps = plan.interval * plan.points
        while True:
            for group, keepers in zip(self.groups, self.keepers, strict=True):
                group._visit(keepers, step)
            if step == steps or all(len(g.failures) == len(g.systems) for g in self.groups):
                return
            point = step // plan.interval + 1
            stops = [keeper.next_stop(step) for keepers in self.keepers for keeper in keepers.values()]
            last = min([point * plan.interval, *stops])
            while step < last:
                step = stretches.run(step, steps, last, partial(self._launch_from, step))
                report(step / steps)
            self.fetch()
            if step == point * plan.interval:
                for group in self.groups:
                    group._record(point)

    def fetch(self) -> None:
        """Bring all replicas back as they are now; lanes left over repeat them."""
        first = 0
        for name in ("position", "velocity", "force"):
            rows, first = getattr(self._card, name).copy_to_host(), 0
            for group in self.groups:
                count = len(group.systems)
                lanes = first + np.arange(LANES) % count
                getattr(group.state, name).reshape(-1, 3, LANES)[:] = rows[lanes].transpose(2, 1, 0)
                first += count
        for group in self.groups:
            group.state.word[:] = group.state.position >> 32


def _constants(group: Replicas, lane: int) -> tuple[Any, ...]:
    """A replica's row of `CONSTANTS`; a radius of zero stands for none."""
    state, reflecting = group.state, np.isfinite(group.state.radius[lane])
    kappa = state.kappa[lane]
    radius, reach = (state.radius[lane], state.reach[lane]) if reflecting else (0.0, 0.0)
    values = {"radius": radius, "kappa_square": kappa * kappa, "kick": state.kick[lane], "reach": reach}
    return tuple(values[name] for name in CONSTANTS.names or ())
