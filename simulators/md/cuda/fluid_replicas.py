"""A batch of fluids on the card: what goes there, and what comes back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda

from simulators.contract import InvalidInputError
from simulators.md.cuda.device import launch, threads_per_block
from simulators.md.cuda.fluid import CONSTANTS, MOST, SKIN, THREADS, Batch, advance
from simulators.md.fluid.dynamics import Dynamics
from simulators.md.fluid.replica import Replica
from simulators.md.fluid.run import FINE, FULL
from simulators.md.fluid.state import ENERGY, FORCE, by_number, set_column
from simulators.md.statistics import BLOCKS

_ROOM = 1.5
"""Room in a list over the mean length; a liquid's fluctuate by a tenth. It doubles where it is short."""


class FluidReplicas:
    """Replicas whose state is on the card; the `Replica` objects are where it comes from and returns to.

    Args:
        replicas: of as many particles each, at most `MOST`.
        baths: the integrator's constants of each, until `set_baths`.

    Raises:
        InvalidInputError: too many particles.
    """

    def __init__(self, replicas: Sequence[Replica], baths: Sequence[Dynamics]) -> None:
        self.replicas = replicas
        self._particles = replicas[0].plan.particles
        if self._particles > MOST:
            raise InvalidInputError(
                "particles", self._particles, "too many for a card's shared memory", f"at most {MOST}"
            )
        self._threads = threads_per_block([self._particles] * len(replicas), THREADS)
        self._entries = max(_entries(replica) for replica in replicas)
        self._constants = np.array(
            [constants(r, bath) for r, bath in zip(replicas, baths, strict=True)], CONSTANTS
        )
        self._card = self._uploaded()

    def set_baths(self, baths: Sequence[Dynamics]) -> None:
        """Other constants of the integrator from the next step on."""
        self._constants = np.array(
            [constants(r, bath) for r, bath in zip(self.replicas, baths, strict=True)], CONSTANTS
        )
        self._card.constants.copy_to_device(self._constants)

    def launch(self, last: int) -> None:
        """Start steps up to ``last``; returns before they are done."""
        launch(advance, len(self.replicas), self._threads, self._card, last)

    def run(self, last: int) -> tuple[Any, Any]:
        """Steps up to ``last``.

        Returns:
            int32 and int64 arrays (replicas,): how each went, and the step at which it is.
        """
        while True:
            self.launch(last)
            code = self._card.code.copy_to_host()
            if not (code == FULL).any():
                return code, self._card.step.copy_to_host()
            self._entries *= 2
            code[code == FULL] = FINE
            self._card.code.copy_to_device(code)
            # Lists are made anew wherever they are short, and everywhere else since these are new arrays.
            self._card = self._card._replace(near=self._lists(), count=self._no_counts())

    @property
    def listed(self) -> Any:
        """How often neighbours were listed, and how many entries there are, of each replica."""
        return self._card.lists.copy_to_host(), self._card.count.copy_to_host().sum(axis=1)

    def fetch(self, k: int) -> Replica:
        """A replica as it is on the card now; its energies with it."""
        replica = self.replicas[k]
        numbers = replica.rows.place[3::4]
        set_column(replica.rows.place, self._card.place[k].copy_to_host().T, numbers)
        set_column(replica.rows.velocity, self._card.velocity[k].copy_to_host().T, numbers)
        replica.around.state[0] = 0
        replica.tally.looks[:] = self._card.looks[k].copy_to_host()
        replica.tally.sums[:] = self._card.sums[k].copy_to_host()
        return replica

    def _lists(self) -> Any:
        return cuda.device_array((len(self.replicas), self._entries * self._particles), np.uint16)

    def _no_counts(self) -> Any:
        return cuda.to_device(np.full((len(self.replicas), self._particles), -1, np.int32))

    def _uploaded(self) -> Batch:
        n, particles = len(self.replicas), self._particles

        def columns(name: str) -> Any:
            rows = [by_number(getattr(r.rows, name), r.rows.place[3::4]).T for r in self.replicas]
            return cuda.to_device(np.ascontiguousarray(np.stack(rows)))

        return Batch(
            constants=cuda.to_device(self._constants),
            place=columns("place"),
            velocity=columns("velocity"),
            force=cuda.to_device(np.zeros((n, 3, particles), np.float32)),
            listed=cuda.to_device(np.zeros((n, 3, particles), np.int32)),
            near=self._lists(),
            count=self._no_counts(),
            step=cuda.to_device(np.zeros(n, np.int64)),
            code=cuda.to_device(np.full(n, FINE, np.int32)),
            looks=cuda.to_device(np.zeros((n, BLOCKS), np.int32)),
            sums=cuda.to_device(np.zeros((n, BLOCKS, 4), np.int64)),
            lists=cuda.to_device(np.zeros(n, np.int32)),
        )


def _entries(replica: Replica) -> int:
    """Room for the neighbours of one particle."""
    plan = replica.plan
    sphere = 4 / 3 * math.pi * (plan.cutoff + SKIN) ** 3
    return min(plan.particles, int(_ROOM * max(plan.density, 0.1) * sphere) + 16)


def constants(replica: Replica, bath: Dynamics) -> tuple[Any, ...]:
    """A replica's row of `CONSTANTS`."""
    plan, tally, end = replica.plan, replica.tally, replica.end
    shared = {name: getattr(bath, name) for name in ("kick", "drift", "keep", "noise", "key0", "key1")}
    values: dict[str, Any] = shared | {
        "start": tally.start,
        "steps": tally.steps,
        "every": tally.every,
        "hottest": replica.limits.heat / ENERGY,
        "square": replica.unit**2,
        "cutoff_square": plan.cutoff**2,
        "reach_square": (plan.cutoff + SKIN) ** 2,
        # A little less than half the skin, for the rounding of distances.
        "slack_square": (0.4999 * SKIN) ** 2,
        "shift": end.shift,
        "slope": end.slope,
        "to_force": replica.unit * FORCE,
        "strongest": bath.strongest,
        "particles": plan.particles,
    }
    return tuple(values[name] for name in CONSTANTS.names or ())
