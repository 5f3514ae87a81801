"""A batch of Go chains on the card: what goes there, what comes back, and all its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.contract import InvalidInputError
from simulators.md.chain.folding import Chains
from simulators.md.chain.forces import BEAD
from simulators.md.chain.protein import Native
from simulators.md.cuda.batch import Stretches
from simulators.md.cuda.chain import ADVANCE, CONSTANTS, MOST, ROOMS, Batch, Chain
from simulators.md.cuda.device import launch, threads_per_block
from simulators.md.statistics import BLOCKS
from simulators.md.vector import LANES

_BY_REPLICA = ("unfolded", "broken", "good_at")


def check_beads(beads: int) -> None:
    """Refuse a chain that does not fit into shared memory.

    Raises:
        InvalidInputError: too many residues.
    """
    if beads > MOST:
        raise InvalidInputError(
            "structure",
            f"{beads} residues",
            "too many for a card's shared memory",
            f"at most {MOST}, or backend: cpu",
        )


def bytes_each(native: Native) -> float:
    """Memory on the card for each replica of a batch."""
    beads, contacts = len(native.position), len(native.contact_distances)
    return CONSTANTS.itemsize + 52 * beads + 2 * beads**2 + BLOCKS * (8 * contacts + 48) + 40


class ChainsOnCard:
    """Replicas whose state is on the card; the `Chains` objects are where it comes from and returns to.

    Args:
        groups: up to sixteen replicas of one plan each, perhaps at different steps.
        keepers: of their files, group by group.
    """

    def __init__(self, groups: Sequence[Chains], keepers: Sequence[Sequence[Keeper]]) -> None:
        self.groups, self.keepers = groups, keepers
        native, plan = groups[0].plan.native, groups[0].plan
        self._beads, self._plan_steps = len(native.position), plan.steps
        bounds = np.cumsum([0, *(group.replicas for group in groups)]).tolist()
        self._places = [range(a, b) for a, b in pairwise(bounds)]
        room = min(beads for beads in ROOMS if beads >= self._beads)
        self._kernel = ADVANCE[room]
        self._threads = threads_per_block([self._beads], ROOMS[room][0])
        self._chain = _structure(groups[0])
        self._card = self._uploaded()

    def run(self, report: Callable[[float], None]) -> None:
        """All steps that are left, files kept on the way; what was found is in the groups then."""
        stretches = Stretches()
        for number in range(len(self.groups)):
            self._visit(number)
        while running := [k for k, group in enumerate(self.groups) if group.step < self._plan_steps]:
            first = min(self.groups[k].step for k in running)
            stops = [keeper.next_stop(self.groups[k].step) for k in running for keeper in self.keepers[k]]
            stop = min([self._plan_steps, *stops])
            until = stretches.run(first, self._plan_steps, stop, self.launch)
            for number in running:
                if self.groups[number].step < until:
                    self.groups[number].step = until
                    self._visit(number)
            report(float(np.mean([group.step for group in self.groups])) / self._plan_steps)
        self.fetch()

    def launch(self, last: int) -> None:
        """Start steps up to ``last``; returns before they are done."""
        launch(self._kernel, len(self._card.step), self._threads, self._chain, self._card, last)

    def _visit(self, number: int) -> None:
        """Keep whatever is due of a group."""
        group, keepers = self.groups[number], self.keepers[number]
        step = group.step
        if any(k.wants_frame(step) or k.wants_row(step) or k.wants_checkpoint(step) for k in keepers):
            self._fetch([number])
            group._visit(keepers)

    def fetch(self) -> None:
        """Bring all replicas back as they are now."""
        self._fetch(range(len(self.groups)))

    def _fetch(self, numbers: Sequence[int]) -> None:
        whole = len(numbers) == len(self.groups)
        names = ("position", "velocity", "good", "looks", "sums", "formed", "counts", *_BY_REPLICA)
        arrays = {name: getattr(self._card, name) for name in names}
        if whole:  # in one transfer each
            arrays = {name: array.copy_to_host() for name, array in arrays.items()}
        for number in numbers:
            group, places = self.groups[number], self._places[number]
            for lane, k in enumerate(places):
                here = {name: a[k] if whole else _to_host(a, k) for name, a in arrays.items()}
                for name, values in (
                    ("position", group.state.position),
                    ("velocity", group.state.velocity),
                    ("good", group.tally.good),
                ):
                    _by_lane(values, self._beads)[:, :, lane] = here[name].T
                tally = group.tally
                if here["broken"] < 0:
                    tally.looks[:] = here["looks"]  # the same for all that are whole
                tally.sums[:, :, lane] = here["sums"]
                tally.formed.reshape(-1, LANES)[:, lane] = here["formed"].ravel()
                tally.counts[:, :, lane] = here["counts"]
                for name in _BY_REPLICA:
                    getattr(tally, name)[lane] = here[name]

    def _uploaded(self) -> Batch:
        """The batch on the card, as the groups are now."""
        beads, contacts = self._beads, self.groups[0].contacts
        replicas = [(group, lane) for group in self.groups for lane in range(group.replicas)]
        n = len(replicas)

        def vectors(values: Callable[[Chains], NDArray[np.float32]]) -> Any:
            rows = [_by_lane(values(group), beads)[:, :, lane].T for group, lane in replicas]
            return cuda.to_device(np.ascontiguousarray(np.stack(rows)))

        def by_replica(values: Callable[[Chains, int], Any], dtype: type[np.generic]) -> Any:
            return cuda.to_device(np.array([values(group, lane) for group, lane in replicas], dtype))

        def counted(group: Chains, lane: int) -> NDArray[np.int32]:
            return group.tally.formed.reshape(BLOCKS, contacts, LANES)[:, :, lane]

        return Batch(
            constants=cuda.to_device(np.array([constants(g, lane) for g, lane in replicas], CONSTANTS)),
            position=vectors(lambda group: group.state.position),
            velocity=vectors(lambda group: group.state.velocity),
            good=vectors(lambda group: group.tally.good),
            listed=cuda.device_array((n, 3, beads), np.float32),
            near=cuda.device_array((n, beads * beads), np.uint16),
            count=cuda.device_array((n, beads), np.int32),
            step=by_replica(lambda group, lane: group.step, np.int64),
            broken=by_replica(lambda group, lane: group.tally.broken[lane], np.int64),
            unfolded=by_replica(lambda group, lane: group.tally.unfolded[lane], np.int64),
            good_at=by_replica(lambda group, lane: group.tally.good_at[lane], np.int64),
            looks=by_replica(lambda group, lane: group.tally.looks, np.int32),
            sums=by_replica(lambda group, lane: group.tally.sums[:, :, lane], np.float64),
            formed=by_replica(counted, np.int32),
            counts=by_replica(lambda group, lane: group.tally.counts[:, :, lane], np.int32),
        )


def _to_host(array: Any, k: int) -> Any:
    """Row k of an array on the card; a number where it has no other axis."""
    row = array[k : k + 1].copy_to_host()
    return row[0]


def _by_lane(components: NDArray[np.float32], beads: int) -> NDArray[np.float32]:
    """A view, array (beads, 3, 16)."""
    return components[: beads * BEAD].reshape(beads, 3, LANES)


def _structure(group: Chains) -> Chain:
    native, model = group.plan.native, group.model
    beads = len(native.position)
    contacts = native.contacts.T
    squares = np.zeros((beads, beads), np.float32)
    for (i, j), square in zip(contacts, model.contact_squares, strict=True):
        squares[i, j] = squares[j, i] = square
    degree = np.count_nonzero(squares, axis=1)
    partners = np.zeros((degree.max(), beads), np.uint16)
    of_partners = np.zeros((degree.max(), beads), np.float32)
    for bead in range(beads):
        others = np.flatnonzero(squares[bead])
        partners[: len(others), bead], of_partners[: len(others), bead] = others, squares[bead, others]
    repels = np.zeros((beads, beads), np.uint8)
    first, second = native.others
    repels[first, second] = repels[second, first] = 1
    arrays = Chain(
        *(model.bonds, model.angles, model.torsions),
        *(partners.ravel(), of_partners.ravel(), degree.astype(np.int32)),
        *(contacts.astype(np.int32), model.contact_squares, repels, model.position),
    )
    return Chain(*(cuda.to_device(np.ascontiguousarray(array)) for array in arrays))


def constants(group: Chains, lane: int) -> tuple[Any, ...]:
    """A replica's row of `CONSTANTS`."""
    motion, tally = group.motion, group.tally
    values = {
        "start": tally.start,
        "steps": tally.steps,
        "every": group.plan.every,
        "half_step": motion.half_step,
        "keep": motion.keep,
        "noise": motion.noise[lane],
        "threshold": tally.threshold,
        "key0": motion.keys[lane],
        "key1": motion.keys[LANES + lane],
        "beads": group.beads,
    }
    return tuple(values[name] for name in CONSTANTS.names or ())
