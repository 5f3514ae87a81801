"""One slit over several ranks: the forces are decomposed, each rank moves its own stretch of the ions.

The lanes are cut into as many blocks as there are ranks. Rank p computes the pairs within its block and
those with the next R / 2 blocks around the ring (half of the last ones, where R is even), which is the same
work for each; it sends its positions to the ranks before it and returns forces to those after it (a force
decomposition in the sense of Plimpton, J. Comput. Phys. 117, 1, 1995, with each pair once). Nothing waits for
more than it needs: positions travel while a rank computes its own block, forces while it computes the next.

Sums are taken in a fixed order, so that the numbers depend on how many ranks there are and on nothing else.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.slit.ions import Ions
from simulators.md.slit.langevin import advance_positions
from simulators.md.slit.pair import ROWS, tile_forces
from simulators.md.slit.replica import SMALL, Plan, Replica
from simulators.md.slit.run import FINE, Slit, forces_of_one, look, sum_moments
from simulators.md.slit.tally import Tally
from simulators.md.vector import LANES, aligned, as_int, compiled, load, splat, store

PARTS = 4
"""Parts of a tile, each with forces of its own: as many threads of a rank can be of use."""
_STRETCH = 2e9
"""Pairs of a rank between two returns to all that is known by all, about a second."""

_ZERO = np.float32(0)
_MOVING = ("x", "y", "z", "height", "vx", "vy", "vz", "fx", "fy", "fz")


@compiled
def begin_step(own, slit, constants, tally, step, every, first, outbox):
    """Look at a rank's own ions, move them, sum their moments, and pack their places.

    Args:
        own: an `Ions`, the rank's stretch.
        slit: a `Slit` with its numbers of ions.
        constants: a `Dynamics`.
        tally: a `Tally`.
        step: of the simulation.
        every: steps between two looks.
        first: lane of the first own ion.
        outbox: int32 array (3, own lanes): x, y and the bits of the height.

    Returns:
        how the look ended.
    """
    code = FINE
    if step % every == 0:
        code = look(tally, own, slit, constants, step)
    advance_positions(own, constants, step, first)
    sum_moments(own, slit)
    for j in range(0, own.x.size, LANES):
        store(outbox[0], j, load(own.x, j))
        store(outbox[1], j, load(own.y, j))
        store(outbox[2], j, as_int(load(own.height, j)))
    return code


@compiled
def add_tile(ions, table, first_anion, rows, columns, first_part, last_part, buffers):
    """Forces between the pairs of some rows and some columns, part by part of the rows.

    Args:
        ions: an `Ions`.
        table: a `PairTable`.
        first_anion: lane.
        rows: integer array (PARTS + 1,), edges of the parts.
        columns: integer array (2,).
        first_part: to be computed.
        last_part: the one after the last.
        buffers: float32 array (PARTS, 3, lanes), added to.
    """
    for k in range(first_part, last_part):
        fx, fy, fz = buffers[k, 0], buffers[k, 1], buffers[k, 2]
        first, last, start, end = rows[k], rows[k + 1], columns[0], columns[1]
        tile_forces(ions.x, ions.y, ions.height, fx, fy, fz, table, first_anion, first, last, start, end)


@compiled
def clear(buffers):
    """Set float32 array (PARTS, 3, lanes) to zero."""
    for k in range(buffers.shape[0]):
        for c in range(3):
            for j in range(0, buffers.shape[2], LANES):
                store(buffers[k, c], j, splat(_ZERO))


@compiled
def collect(buffers, first, out):
    """Sum the parts of the forces on the lanes from ``first`` on into float32 array (3, lanes)."""
    for c in range(3):
        for j in range(0, out.shape[1], LANES):
            total = load(buffers[0, c], first + j)
            for k in range(1, buffers.shape[0]):
                total = total + load(buffers[k, c], first + j)
            store(out[c], j, total)


@compiled
def end_step(own, slit, buffers, first, inboxes):
    """Forces on a rank's own ions: walls and far images, its own pairs, and what other ranks send.

    Args:
        own: an `Ions`.
        slit: a `Slit` with the moments of all ions.
        buffers: float32 array (PARTS, 3, lanes).
        first: lane of the first own ion.
        inboxes: float32 array (ranks, 3, own lanes).
    """
    forces_of_one(own, slit)
    for c, force in enumerate((own.fx, own.fy, own.fz)):
        for j in range(0, force.size, LANES):
            total = load(force, j)
            for k in range(buffers.shape[0]):
                total = total + load(buffers[k, c], first + j)
            for k in range(inboxes.shape[0]):
                total = total + load(inboxes[k, c], j)
            store(force, j, total)


class Tile(NamedTuple):
    """Pairs of ions: edges of the parts of its rows, array (PARTS + 1,), and its columns, array (2,)."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


class Neighbour(NamedTuple):
    """A block that this rank computes pairs with.

    Args:
        lanes: of the block.
        tile: the pairs.
        places: int32 array (3, lanes), as they arrive.
        arrival: of the places, a persistent request.
        forces: float32 array (3, lanes), to be returned.
        departure: of the forces, likewise.
    """

    lanes: slice
    tile: Tile
    places: NDArray[np.int32]
    arrival: Any
    forces: NDArray[np.float32]
    departure: Any


def tile_of(edges: NDArray[np.int64], ours: int, theirs: int, shared: bool) -> Tile:
    """The pairs that rank ``ours`` computes with the block of rank ``theirs``, itself or one after it.

    Args:
        edges: of the blocks, array (ranks + 1,).
        ours: rank.
        theirs: rank.
        shared: whether the other one computes half of them.
    """
    low, high = min(ours, theirs), max(ours, theirs)
    first, last = edges[low], edges[low + 1]
    fraction = np.arange(PARTS + 1) / PARTS
    if low == high:
        fraction = 1 - np.sqrt(1 - fraction)  # rows of a triangle, of equal area
    if shared:
        middle = first + (last - first) // 2 // ROWS * ROWS
        first, last = (first, middle) if ours == low else (middle, last)
    rows = first + np.rint(fraction * (last - first) / ROWS).astype(np.int64) * ROWS
    return Tile(rows, edges[high : high + 2].copy())


class TeamReplica(Replica):
    """A replica of which every rank of a team holds all ions, and moves its own.

    All ranks make it, and run it, alike; after each stretch of steps each of them knows everything.
    """

    def __init__(self, plan: Plan, seed: int, team: Any, threads: int) -> None:
        super().__init__(plan, seed)
        self._team = team
        lanes, ranks, rank = self.ions.x.size, team.size, team.rank
        self._edges = np.rint(np.linspace(0, lanes / LANES, ranks + 1)).astype(np.int64) * LANES
        self._first = int(self._edges[rank])
        own = slice(self._first, int(self._edges[rank + 1]))
        self._own = Ions._make(array[own] for array in self.ions)
        self._own_slit: Slit = self.slit._replace(
            first_anion=int(np.clip(self.slit.first_anion - own.start, 0, own.stop - own.start)),
            ions=int(self._own.present.sum()),
        )
        self._own_tally = _copy(self.tally)
        self._heats = np.zeros((ranks, self.tally.heat.size))
        self._buffers = _room((PARTS, 3, lanes), np.float32)
        self._outbox = _room((3, self._own.x.size), np.int32)
        self._diagonal = tile_of(self._edges, rank, rank, shared=False)
        reach = ranks // 2
        self._inboxes = _room((reach, 3, self._own.x.size), np.float32)
        self._neighbours = [self._neighbour(distance) for distance in range(1, reach + 1)]
        before = [(rank - distance) % ranks for distance in range(1, reach + 1)]
        self._sends = [team.Send_init(self._outbox, q, tag=0) for q in before]
        self._receives = [team.Recv_init(box, q, tag=1) for box, q in zip(self._inboxes, before, strict=True)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def _neighbour(self, distance: int) -> Neighbour:
        team, edges = self._team, self._edges
        theirs = (team.rank + distance) % team.size
        lanes = slice(int(edges[theirs]), int(edges[theirs + 1]))
        places = _room((3, lanes.stop - lanes.start), np.int32)
        forces = _room(places.shape, np.float32)
        return Neighbour(
            lanes,
            tile_of(edges, team.rank, theirs, shared=2 * distance == team.size),
            places,
            team.Recv_init(places, theirs, tag=0),
            forces,
            team.Send_init(forces, theirs, tag=1),
        )

    def close(self) -> None:
        """Give back what MPI and the system lent."""
        for neighbour in self._neighbours:
            neighbour.arrival.Free()
            neighbour.departure.Free()
        for request in (*self._sends, *self._receives):
            request.Free()
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def _stretch(self) -> int:
        pairs = self.slit.ions * (self.slit.ions - 1) / 2
        return int(_STRETCH * self._team.size / max(pairs, 1)) + 1

    def _advance(self, first: int, last: int) -> tuple[int, int]:
        ended = (last, FINE)
        for step in range(first, last):
            code = self._step(step)
            if code != FINE and ended[1] == FINE:
                ended = (step, code)
        self._tell_all()
        step, code = min(self._team.allgather(ended))
        return code, step

    def _step(self, step: int) -> int:
        from mpi4py import MPI

        own, slit = self._own, self._own_slit
        code: int = begin_step(
            own, slit, self.constants, self._own_tally, step, self.plan.every, self._first, self._outbox
        )
        MPI.Prequest.Startall([n.arrival for n in self._neighbours] + self._receives + self._sends)
        moments = self._team.Iallreduce(MPI.IN_PLACE, slit.moments)
        clear(self._buffers)
        self._add(self._diagonal)
        for neighbour in self._neighbours:
            neighbour.arrival.Wait()
            for array, words in zip((self.ions.x, self.ions.y), neighbour.places, strict=False):
                array[neighbour.lanes] = words
            self.ions.height[neighbour.lanes] = neighbour.places[2].view(np.float32)
            self._add(neighbour.tile)
            collect(self._buffers, neighbour.lanes.start, neighbour.forces)
            neighbour.departure.Start()
        moments.Wait()
        MPI.Prequest.Waitall(self._receives)
        end_step(own, slit, self._buffers, self._first, self._inboxes)
        MPI.Prequest.Waitall(self._sends + [n.departure for n in self._neighbours])
        return code

    def _add(self, tile: Tile) -> None:
        def parts(first: int, last: int) -> None:
            add_tile(self.ions, self.table, self.slit.first_anion, *tile, first, last, self._buffers)

        if self._pool is None:
            parts(0, PARTS)
        else:
            list(self._pool.map(parts, range(PARTS), range(1, PARTS + 1)))

    def _tell_all(self) -> None:
        """All ions, and the sums of what the ranks have counted."""
        own = np.stack([getattr(self._own, name).view(np.int32) for name in _MOVING])
        for rank, words in enumerate(self._team.allgather(own)):
            block = slice(self._edges[rank], self._edges[rank + 1])
            for name, values in zip(_MOVING, words, strict=True):
                getattr(self.ions, name).view(np.int32)[block] = values
        counted = self._team.allgather(
            [self._own_tally.profile, self._own_tally.fine, self._own_tally.middle]
        )
        for total, parts in zip(
            (self.tally.profile, self.tally.fine, self.tally.middle), zip(*counted, strict=True), strict=True
        ):
            total[:] = np.sum(parts, axis=0)
        self._heats[:] = self._team.allgather(self._own_tally.heat)
        self.tally.heat[:] = self._heats.sum(axis=0)
        self.tally.looks[:] = self._own_tally.looks

    def _state(self) -> dict[str, NDArray[Any]]:
        # Sums of heat are rounded, and each rank goes on with its own.
        return super()._state() | {"heat_of_ranks": self._heats}

    def _restore(self, step: int, arrays: dict[str, NDArray[Any]]) -> int:
        super()._restore(step, arrays)
        rank, ours = self._team.rank, self._own_tally
        for name in ("profile", "fine", "middle"):
            getattr(ours, name)[:] = getattr(self.tally, name) if rank == 0 else 0
        ours.heat[:], ours.looks[:] = self._heats[rank], self.tally.looks
        return step


def _room(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    return aligned(math.prod(shape), dtype).reshape(shape)


def _copy(tally: Tally) -> Tally:
    return Tally._make(v.copy() if isinstance(v, np.ndarray) else v for v in tally)


def warm_up() -> None:
    """Compile, or load from the cache, what the ranks of a team need."""
    from mpi4py import MPI

    with closing(TeamReplica(SMALL, 0, MPI.COMM_SELF, 1)) as replica:
        replica.run(lambda fraction: None)
