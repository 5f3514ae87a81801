"""The run of one replica of a fluid: the functions that Python calls, compiled once and cached.

A step begins with places and velocities half a kick ago, and with nothing else: lists are made anew where
particles have moved too far for them, and forces are computed from the places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.fluid.correlations import (
    block_of,
    count_displacements,
    count_distances,
    count_waves,
    follow,
)
from simulators.md.fluid.dynamics import (
    advance_rows,
    farthest,
    kick,
    thermalise,
    twice_kinetic_energy,
)
from simulators.md.fluid.neighbours import (
    Cells,
    Lists,
    in_order,
    list_neighbours,
    order_by_cell,
    pick_neighbours,
    sort_rows,
)
from simulators.md.fluid.pairs import pair_energies, pair_forces
from simulators.md.fluid.state import ENERGY
from simulators.md.vector import compiled, inline

FINE, FULL, OVERLAP, HOT, DRIFT = 0, 1, 2, 3, 4
"""How a stretch of a run ended."""

UNLISTED, UNPICKED, READY = 0, 1, 2
"""State of the lists."""


class Surroundings(NamedTuple):
    """Neighbours, and how far particles may move before they are looked for again.

    Args:
        particles: in the first so many rows.
        cells: a `Cells` for the outer lists.
        outer, inner: `Lists`.
        picked: int32 array (4 rows,): where particles were when the inner lists were picked.
        state: int64 array (1,): `UNLISTED`, `UNPICKED` or `READY`.
        outer_reach, inner_reach: squares of the lists' radii, in units of position.
        outer_slack, inner_slack: squares of the distances that particles may have moved since.
    """

    particles: int
    cells: Cells
    outer: Lists
    inner: Lists
    picked: NDArray[np.int32]
    state: NDArray[np.int64]
    outer_reach: np.float32
    inner_reach: np.float32
    outer_slack: np.float32
    inner_slack: np.float32


class Limits(NamedTuple):
    """Where a run is stopped.

    Args:
        heat: sum of v^2 over particles, in units of energy.
        drift: of the energy per particle since the first look; infinity where energy is not conserved.
        jump: of the energy of a pair at the cutoff.
    """

    heat: float
    drift: float
    jump: float


@inline
def _surround(rows, around):
    """Make the inner lists hold all pairs within the cutoff; false where the lists are too short."""
    particles = around.particles
    if around.state[0] == UNPICKED and farthest(rows.place, rows.listed) > around.outer_slack:
        around.state[0] = UNLISTED
    if around.state[0] == UNLISTED:
        order_by_cell(around.cells, rows.place, particles)
        sort_rows(around.cells, rows.place, around.picked, particles)
        sort_rows(around.cells, rows.velocity, around.picked, particles)
        in_order(around.cells, particles)
        rows.listed[:] = rows.place
        if not list_neighbours(around.cells, around.outer, particles, around.outer_reach):
            return False
        around.state[0] = UNPICKED
    if around.state[0] == UNPICKED:
        pick_neighbours(rows.place, around.outer, around.inner, particles, around.inner_reach)
        around.picked[:] = rows.place
        around.state[0] = READY
    return True


@compiled
def draw_velocities(rows, d):
    """Draw all velocities from Maxwell's distribution."""
    thermalise(rows, d)


@compiled
def kick_rows(rows, d, halves):
    """Velocities so many halves of a kick later than they are; earlier, if negative."""
    kick(rows, d, halves)


@compiled
def forces(rows, around, pair):
    """Forces at the places of the rows; false where the lists are too short."""
    if not _surround(rows, around):
        return False
    pair_forces(rows.place, rows.force, around.inner, around.particles, pair)
    return True


@compiled
def measure(rows, around, pair, d):
    """Energy, virial and pairs, twice, and the sum of v^2, after `forces`."""
    potential, virial, pairs = pair_energies(rows.place, around.inner, around.particles, pair)
    return potential, virial, twice_kinetic_energy(rows, d), pairs


@compiled
def follow_particles(rows, tally):
    """Bring the paths of the particles up to now."""
    follow(tally, rows.place)


@inline
def add_energies(tally, limits, particles, step, potential, virial, heat, pairs):
    """Add a look at energies, all sums twice; by how much the energy per particle has drifted."""
    energy = ((potential + heat) / ENERGY - limits.jump * pairs) / 2 / particles
    if np.isnan(tally.first_energy[0]):
        tally.first_energy[0] = energy
    block = block_of(tally, step)
    tally.looks[block] += 1
    tally.sums[block, 0] += potential
    tally.sums[block, 1] += virial
    tally.sums[block, 2] += heat
    tally.sums[block, 3] += pairs
    return energy - tally.first_energy[0]


@compiled
def advance(rows, around, pair, d, tally, limits, first, last):
    """Steps first to last - 1.

    Args:
        rows: a `Rows`, advanced in place.
        around: a `Surroundings`.
        pair: a `Pair`.
        d: a `Dynamics`.
        tally: a `Tally`, added to from its first step on.
        limits: a `Limits`.
        first: step.
        last: step.

    Returns:
        how it ended, at which step, and the number that was too great.
    """
    particles = around.particles
    for step in range(first, last):
        if not _surround(rows, around):
            return FULL, step, 0.0
        pair_forces(rows.place, rows.force, around.inner, particles, pair)
        if (step - tally.start) % tally.every == 0:
            heat = twice_kinetic_energy(rows, d)
            if heat > limits.heat:
                return HOT, step, heat / ENERGY / (3 * particles)
            follow(tally, rows.place)
            if step >= tally.start:
                potential, virial, pairs = pair_energies(rows.place, around.inner, particles, pair)
                drift = add_energies(tally, limits, particles, step, potential, virial, heat, pairs)
                if abs(drift) > limits.drift:
                    return DRIFT, step, drift
        if step >= tally.start:
            count_displacements(tally, rows.place, step)
            if (step - tally.start) % tally.structure_every == 0:
                block = block_of(tally, step)
                tally.structure_looks[block] += 1
                count_distances(tally, rows.place, block)
                count_waves(tally, rows.place, block)
        strongest, moved = advance_rows(rows, d, step, around.picked)
        if strongest > d.strongest:
            return OVERLAP, step, np.sqrt(np.float64(strongest))
        if moved > around.inner_slack:
            around.state[0] = UNPICKED
    return FINE, last, 0.0
