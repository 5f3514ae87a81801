"""One fluid over several ranks: each has a box of the cube, and copies of the particles around it.

A spatial decomposition (Plimpton, J. Comput. Phys. 117, 1, 1995). Whenever the outer lists are made,
particles that have left a rank's box move to the rank whose box they are in, and each rank learns which of
its particles others need copies of: those within the lists' radius of their boxes. In between, the places of
the copies travel at every step while the forces on the particles that need none of them are computed.

Sums over pairs are sums of whole numbers (`simulators.md.fluid.state`), so that trajectories and averages are
the same to the bit over any number of ranks, and threads of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.fluid.boxes import Boxes
from simulators.md.fluid.correlations import (
    block_of,
    count_displacements,
    count_distances,
    count_waves,
    follow,
)
from simulators.md.fluid.dynamics import Dynamics, advance_rows, farthest, twice_kinetic_energy
from simulators.md.fluid.neighbours import (
    Cells,
    Lists,
    list_neighbours,
    make_cells,
    make_lists,
    order_by_cell,
    pick_neighbours,
)
from simulators.md.fluid.pairs import pair_energies, pair_forces
from simulators.md.fluid.replica import OUTER_SKIN, SMALL, Plan, Replica
from simulators.md.fluid.run import DRIFT, FINE, HOT, OVERLAP, UNLISTED, add_energies
from simulators.md.fluid.state import ENERGY, Rows
from simulators.md.statistics import BLOCKS
from simulators.md.vector import LANES, aligned, compiled

Integers = NDArray[np.int32]

_STRETCH = 1e7
"""Particles of a rank times steps between two returns to all that is known by all, about a second."""


# Kernels -------------------------------------------------------------------------------------------


@compiled
def order_rows(cells, place, rows):
    """Order the first so many rows by cell; a `Cells` and int32 array (4 rows,)."""
    order_by_cell(cells, place, rows)


@compiled
def list_rows(cells, place, outer, own, rows, reach):
    """Make the outer lists of the first ``own`` of ``rows`` rows; false where they are too short."""
    order_by_cell(cells, place, rows)
    return list_neighbours(cells, outer, own, reach)


@compiled
def pick_rows(place, outer, inner, own, reach, picked):
    """Pick the inner lists, and remember where all rows were."""
    pick_neighbours(place, outer, inner, own, reach)
    picked[:] = place


@compiled
def forces_on(place, force, inner, first, last, pair):
    """Forces on the rows from ``first`` to ``last``."""
    pair_forces(place, force, inner, last, pair, first)


@compiled
def energies_of(own_rows, place, inner, own, pair, d):
    """Energy, virial, sum of v^2 and pairs of a rank's own rows, with all partners of its pairs."""
    potential, virial, pairs = pair_energies(place, inner, own, pair)
    return potential, virial, twice_kinetic_energy(own_rows, d), pairs


@compiled
def heat_of(own_rows, d):
    """The sum of v^2 of a rank's own rows."""
    return twice_kinetic_energy(own_rows, d)


@compiled
def step_rows(own_rows, d, step, picked):
    """A step of a rank's own rows; `advance_rows`."""
    return advance_rows(own_rows, d, step, picked)


@compiled
def distance_moved(place, before):
    """The square of the greatest distance between two arrays of places; `farthest`."""
    return farthest(place, before)


@compiled
def pack(place, chosen, out):
    """Copy the chosen rows; copies have no number, and are moved by nobody."""
    for k in range(chosen.size):
        for c in range(3):
            out[4 * k + c] = place[4 * chosen[k] + c]
        out[4 * k + 3] = -1


@compiled
def count_look(tally, limits, particles, step, potential, virial, heat, pairs):
    """Add a look at energies; the drift."""
    return add_energies(tally, limits, particles, step, potential, virial, heat, pairs)


@compiled
def follow_all(tally, place):
    """Bring all paths up to now."""
    follow(tally, place)


@compiled
def count_motion(tally, place, step):
    """Displacements that are due at a step."""
    count_displacements(tally, place, step)


@compiled
def count_structure(tally, place, step, share, shares):
    """A rank's share of the distances and waves."""
    block = block_of(tally, step)
    count_distances(tally, place, block, share, shares)
    count_waves(tally, place, block, share, shares)


# Replicas ------------------------------------------------------------------------------------------


class Partner(NamedTuple):
    """A rank that copies are exchanged with.

    Args:
        rank: its number.
        chosen: own rows that it has copies of, int32.
        outbox: int32 array (4 rows,) of those.
        inbox: int32 array (4 rows,), ours of its rows, within the places.
    """

    rank: int
    chosen: Integers
    outbox: Integers
    inbox: Integers


class _Local(NamedTuple):
    """A rank's rows: its own, then copies. All arrays but the lists have room for more."""

    place: Integers
    velocity: Integers
    force: Integers
    listed: Integers
    picked: Integers
    cells: Cells
    outer: Lists
    inner: Lists


class TeamReplica(Replica):
    """A replica of which each rank of a team moves the particles in its box.

    All ranks make it, and run it, alike; after each stretch of steps each of them knows everything.
    """

    def __init__(self, plan: Plan, seed: int, team: Any, threads: int) -> None:
        from mpi4py import MPI

        super().__init__(plan, seed)
        self._mpi, self._team = MPI, team
        self._boxes = Boxes(MPI.Compute_dims(team.size, 3))
        self._share = self.tally._replace(
            distances=np.zeros_like(self.tally.distances), power=np.zeros_like(self.tally.power)
        )
        self._local = self._room(plan.particles // team.size + LANES, LANES)
        self._own = self._inside = self._rows = 0
        self._counts = np.zeros(team.size, np.int64)
        self._partners: list[Partner] = []
        self._travelling: list[Any] = []
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def close(self) -> None:
        """Give back what the system lent."""
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def _stretch(self) -> int:
        return int(_STRETCH * self._team.size / self.plan.particles) + 1

    # Rows ------------------------------------------------------------------------------------------

    def _room(self, rows: int, entries: int) -> _Local:
        rows = -(-int(1.2 * rows) // LANES) * LANES
        place, velocity, force, listed, picked = (aligned(4 * rows, np.int32) for _ in range(5))
        cells = make_cells(rows, self.plan.cutoff + OUTER_SKIN, self.plan.side)
        outer, inner = make_lists(rows, entries), make_lists(rows, entries)
        return _Local(place, velocity, force, listed, picked, cells, outer, inner)

    def _take(self) -> None:
        """Each rank takes the particles in its box from all of them."""
        end = 4 * self.plan.particles
        place, velocity = self.rows.place[:end], self.rows.velocity[:end]
        ours = np.flatnonzero(self._boxes.of(place) == self._team.rank)
        self._list(place.reshape(-1, 4)[ours], velocity.reshape(-1, 4)[ours])

    def _relist(self) -> None:
        """Particles move to the rank whose box they are in; all lists are made anew."""
        place, velocity = (a[: 4 * self._own] for a in (self._local.place, self._local.velocity))
        box = self._boxes.of(place)
        order = np.argsort(box, kind="stable")
        leaving = np.bincount(box, minlength=self._team.size)
        arriving = np.empty_like(leaving)
        self._team.Alltoall(leaving, arriving)
        arrived = [np.empty((int(arriving.sum()), 4), np.int32) for _ in range(2)]
        for rows, into in zip((place, velocity), arrived, strict=True):
            leavers = rows.reshape(-1, 4)[order]
            self._team.Alltoallv([leavers, 4 * leaving], [into, 4 * arriving])
        self._list(*arrived)

    def _list(self, place: Integers, velocity: Integers) -> None:
        """Order these rows, arrays (rows, 4), find copies, and make the outer lists."""
        team, words = self._team, place.reshape(-1)
        self._own = len(place)
        self._counts[:] = team.allgather(self._own)
        if self._own > self._local.place.size // 4:
            self._local = self._room(self._own, self._local.outer.near.size)
        order_rows(self._local.cells, words, self._own)
        order = self._local.cells.row[: self._own]
        # A little farther than the lists reach, for the rounding of distances.
        reach = 1.0001 * (self.plan.cutoff + OUTER_SKIN) / self.plan.side
        border = self._boxes.at_border(words, team.rank, reach)[order]
        order = np.concatenate([order[~border], order[border]])
        self._inside = self._own - int(border.sum())
        place, velocity = place[order], velocity[order]
        words = place.reshape(-1)
        chosen = [
            self._boxes.near(words, rank, reach) if rank != team.rank else np.empty(0, np.int32)
            for rank in range(team.size)
        ]
        copies = team.alltoall([len(rows) for rows in chosen])
        self._rows = self._own + sum(copies)
        if self._rows > self._local.place.size // 4:
            self._local = self._room(self._rows, self._local.outer.near.size)
        self._fill(place, velocity)
        ends = 4 * (self._own + np.cumsum([0, *copies]))
        self._partners = [
            Partner(
                rank,
                chosen[rank],
                np.empty(4 * len(chosen[rank]), np.int32),
                self._local.place[ends[rank] : ends[rank + 1]],
            )
            for rank in range(team.size)
            if copies[rank] or len(chosen[rank])
        ]
        self._send_copies()
        self._receive_copies()
        while not list_rows(
            self._local.cells,
            self._local.place,
            self._local.outer,
            self._own,
            self._rows,
            self.around.outer_reach,
        ):
            rows, entries = self._local.place.size // 4, 2 * self._local.outer.near.size
            self._local = self._local._replace(
                outer=make_lists(rows, entries), inner=make_lists(rows, entries)
            )
        self._local.listed[:] = self._local.place

    def _fill(self, place: Integers, velocity: Integers) -> None:
        """Own rows first; what follows them has no number, and does not move."""
        local, own = self._local, len(place)
        local.place.reshape(-1, 4)[:own], local.velocity.reshape(-1, 4)[:own] = place, velocity
        local.place[4 * own + 3 :: 4] = -1
        local.velocity[4 * own :] = 0
        local.force[4 * own :] = 0

    @property
    def _own_rows(self) -> Rows:
        """The rank's own rows, and as many of what follows as fill the last sixteen."""
        end, local = 4 * (-(-self._own // LANES) * LANES), self._local
        return Rows(local.place[:end], local.velocity[:end], local.force[:end], local.listed[:end])

    def _send_copies(self) -> None:
        self._travelling = [self._team.Irecv(p.inbox, p.rank) for p in self._partners]
        for partner in self._partners:
            pack(self._local.place, partner.chosen, partner.outbox)
            self._travelling.append(self._team.Isend(partner.outbox, partner.rank))

    def _receive_copies(self) -> None:
        self._mpi.Request.Waitall(self._travelling)
        self._travelling = []

    # Steps -----------------------------------------------------------------------------------------

    def _steps(self, first: int, last: int, bath: Dynamics) -> tuple[int, int, float]:
        self._take()
        ended = self._all_steps(first, last, bath)
        self._receive_copies()
        self._tell_all()
        return ended

    def _all_steps(self, first: int, last: int, bath: Dynamics) -> tuple[int, int, float]:
        picked, around = False, self.around
        own_rows = self._own_rows
        for step in range(first, last):
            local = self._local
            if picked:
                self._forces(0, self._inside)
                self._receive_copies()
                self._forces(self._inside, self._own)
            else:
                self._receive_copies()
                if self._greatest(distance_moved(own_rows.place, own_rows.listed)) > around.outer_slack:
                    self._relist()
                    own_rows, local = self._own_rows, self._local
                pick_rows(local.place, local.outer, local.inner, self._own, around.inner_reach, local.picked)
                self._forces(0, self._own)
            code, value = self._look(own_rows, bath, step)
            if code != FINE:
                return code, step, value
            strongest, moved = step_rows(own_rows, bath, step, local.picked[: own_rows.place.size])
            greatest = np.array([strongest, moved], np.float32)
            agreed = self._team.Iallreduce(self._mpi.IN_PLACE, greatest, self._mpi.MAX)
            self._send_copies()
            agreed.Wait()
            if greatest[0] > bath.strongest:
                return OVERLAP, step, float(np.sqrt(np.float64(greatest[0])))
            picked = not greatest[1] > around.inner_slack
        return FINE, last, 0.0

    def _greatest(self, value: float) -> float:
        return float(self._team.allreduce(value, self._mpi.MAX))

    def _forces(self, first: int, last: int) -> None:
        local = self._local

        def part(begin: int, end: int) -> None:
            forces_on(local.place, local.force, local.inner, begin, end, self.pair)

        if self._pool is None:
            part(first, last)
        else:
            edges = np.linspace(first, last, self._threads + 1).astype(int).tolist()
            list(self._pool.map(part, edges[:-1], edges[1:]))

    def _look(self, own_rows: Rows, bath: Dynamics, step: int) -> tuple[int, float]:
        """Whatever is to be counted at a step, as `simulators.md.fluid.run.advance` does."""
        tally, particles, gathered = self.tally, self.plan.particles, False
        if (step - tally.start) % tally.every == 0:
            if step >= tally.start:
                local = self._local
                sums = energies_of(own_rows, local.place, local.inner, self._own, self.pair, bath)
            else:
                sums = 0, 0, heat_of(own_rows, bath), 0
            total = np.array(sums, np.int64)
            self._team.Allreduce(self._mpi.IN_PLACE, total)
            potential, virial, heat, pairs = total.tolist()
            if heat > self.limits.heat:
                return HOT, heat / ENERGY / (3 * particles)
            gathered = self._gather_places()
            follow_all(tally, self.rows.place)
            if step >= tally.start:
                drift = count_look(tally, self.limits, particles, step, potential, virial, heat, pairs)
                if abs(drift) > self.limits.drift:
                    return DRIFT, drift
        if step < tally.start:
            return FINE, 0.0
        structure, motion = (step - tally.start) % tally.structure_every == 0, self._motion_due(step)
        if not gathered and (structure or motion):
            self._gather_places()
        if motion:
            count_motion(tally, self.rows.place, step)
        if structure:
            tally.structure_looks[(step - tally.start) * BLOCKS // tally.steps] += 1
            count_structure(self._share, self.rows.place, step, self._team.rank, self._team.size)
        return FINE, 0.0

    def _motion_due(self, step: int) -> bool:
        """Whether `count_displacements` looks at places at a step."""
        passed = (step - self.tally.start) % (self.tally.steps // BLOCKS)
        lags = passed // self.tally.lag
        at_lag = passed % self.tally.lag == 0 and lags % 2 == 1 and lags < 2 * self.plan.lags
        return passed == 0 or at_lag

    def _gather_places(self) -> bool:
        self._gather(self._local.place, self.rows.place)
        return True

    def _gather(self, own: Integers, everyone: Integers) -> None:
        """Own rows of all ranks, one rank after another."""
        room = everyone[: 4 * self.plan.particles]
        self._team.Allgatherv(own[: 4 * self._own], [room, 4 * self._counts])

    def _tell_all(self) -> None:
        """All particles, and the sums of what the ranks have counted."""
        self._gather_places()
        self._gather(self._local.velocity, self.rows.velocity)
        self.around.state[0] = UNLISTED
        # Each number of the waves is of one rank alone, so that their sum is exact.
        self._team.Allreduce(self._share.distances, self.tally.distances)
        self._team.Allreduce(self._share.power, self.tally.power)

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        rank, ranks = self._team.rank, self._team.size
        self._share.distances[:] = self.tally.distances if rank == 0 else 0
        self._share.power[:] = 0
        self._share.power[:, rank::ranks] = self.tally.power[:, rank::ranks]


def warm_up() -> None:
    """Compile, or load from the cache, what the ranks of a team need."""
    from mpi4py import MPI

    with closing(TeamReplica(SMALL, 0, MPI.COMM_SELF, 1)) as replica:
        replica.run(lambda fraction: None)
        replica.frame(1)
        replica.thermodynamics()
