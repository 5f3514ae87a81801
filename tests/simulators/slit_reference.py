"""The slit in float64 and plain loops of numpy: slow, and what the kernels are compared with."""

from __future__ import annotations

import numpy as np

from simulators.md.slit.replica import Replica
from simulators.md.slit.sheet import sheet_energy, sheet_force
from simulators.md.units import BJERRUM
from simulators.slit_electrolyte import SlitElectrolyte

BULK = {"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}


def values(simulator: SlitElectrolyte, **inputs: float) -> dict[str, float]:
    names = [parameter.name for parameter in simulator.inputs]
    return dict(zip(names, simulator.complete(inputs).tolist(), strict=True))


def replica(seed: int = 1, configuration: dict[str, object] | None = None, **inputs: float) -> Replica:
    simulator = SlitElectrolyte.model_validate(configuration or {})
    return Replica(simulator._plan(values(simulator, **(inputs or BULK))), seed)


def run(seeds, configuration=None, threads=1, **inputs):
    simulator = SlitElectrolyte.model_validate(configuration or {})
    row = simulator.complete(inputs or BULK)
    batch = np.tile(row, (len(seeds), 1))
    return simulator.run(batch, np.array(seeds, dtype=np.uint64), threads=threads)


class Reference:
    """Energy (kT) and forces of a replica's ions; lengths in units of the smaller diameter."""

    def __init__(self, replica: Replica) -> None:
        plan, ions = replica.plan, replica.ions
        unit = min(plan.cation_diameter, plan.anion_diameter)
        self.side, self.gap = plan.composition.side / unit, plan.gap / unit
        self.bjerrum = BJERRUM / unit
        self.lanes = np.flatnonzero(ions.present)
        self.charge = ions.charge[self.lanes].astype(float)
        self.diameter = np.where(self.charge > 0, plan.cation_diameter, plan.anion_diameter) / unit
        self.dummy = plan.wall == "dummy"
        kappa = self.side / 2**32
        words = (ions.x, ions.y)
        planar = [word[self.lanes].view(np.uint32) * kappa for word in words]
        self.positions = np.stack([*planar, ions.z[self.lanes] * kappa], axis=1)

    def _pairs(self, positions):
        i, j = np.triu_indices(len(positions), 1)
        d = positions[i] - positions[j]
        # The images are those of the reference positions, so that the energy is smooth around them.
        d[:, :2] -= self.side * np.round((self.positions[i] - self.positions[j])[:, :2] / self.side)
        sigma = (self.diameter[i] + self.diameter[j]) / 2
        return i, j, d, np.linalg.norm(d, axis=1), sigma, self.charge[i] * self.charge[j]

    def _walls(self, positions):
        depth = self.diameter / 2 if self.dummy else 0.0
        size = self.diameter if self.dummy else self.diameter / 2
        z = positions[:, 2]
        return self.gap / 2 + z + depth, self.gap / 2 - z + depth, size

    def energy(self, positions):
        _, _, d, r, sigma, qq = self._pairs(positions)
        total = (self.bjerrum * qq / r + qq * sheet_energy(d[:, 2], self.side, self.bjerrum)).sum()
        below, above, size = self._walls(positions)
        for distance, s in ((r, sigma), (below, size), (above, size)):
            sixth = (s / distance) ** 6
            total += np.where(distance < 2 ** (1 / 6) * s, 4 * (sixth**2 - sixth) + 1, 0.0).sum()
        return total

    def forces(self, positions):
        i, j, d, r, sigma, qq = self._pairs(positions)

        def core(distance, s):
            sixth = (s / distance) ** 6
            inside = distance < 2 ** (1 / 6) * s
            return np.where(inside, 24 * (2 * sixth**2 - sixth) / distance, 0.0)

        on_i = ((self.bjerrum * qq / r**2 + core(r, sigma)) / r)[:, None] * d
        on_i[:, 2] += qq * sheet_force(d[:, 2], self.side, self.bjerrum)
        forces = np.zeros_like(positions)
        np.add.at(forces, i, on_i)
        np.add.at(forces, j, -on_i)
        below, above, size = self._walls(positions)
        forces[:, 2] += core(below, size) - core(above, size)
        return forces
