"""A batch of slits on the card: what goes there, what comes back, and all its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from simulators.batch.keeping import Keeper
from simulators.contract import Failure
from simulators.md.cuda.batch import Stretches
from simulators.md.cuda.device import launch, threads_per_block
from simulators.md.cuda.slit import CONSTANTS, PARTS, RANK, SOFTENING, THREADS, Batch, advance, forces
from simulators.md.laws.ions import pair_coefficients
from simulators.md.slit.pair import ROWS
from simulators.md.slit.replica import Plan, Replica, fine_bins
from simulators.md.slit.run import FINE
from simulators.md.slit.run import forces as forces_on_cpu
from simulators.md.statistics import BLOCKS
from simulators.md.units import BJERRUM


def bytes_each(plans: Sequence[Plan]) -> float:
    """Memory on the card for each replica of a batch."""
    ions = max(plan.composition.cations + plan.composition.anions for plan in plans) + ROWS + 16
    fine = max(fine_bins(plan) for plan in plans)
    bins = max(4 * (1 + plan.narrow_bins + plan.wide_bins) for plan in plans)
    # Places and speeds twice, since those before a launch are kept.
    return CONSTANTS.itemsize + 4 * ((12 + 3 * PARTS) * ions + RANK**2 + RANK + BLOCKS * (fine + bins + 4))


class SlitReplicas:
    """Replicas whose state is on the card; the `Replica` objects are where it comes from and returns to.

    Args:
        replicas: of one configuration; those that fail are left at their last good frame.
        keepers: of their files.
    """

    def __init__(self, replicas: Sequence[Replica], keepers: Sequence[Keeper]) -> None:
        self.replicas, self.keepers = replicas, keepers
        self.step = np.array([r.begin(k) for r, k in zip(replicas, keepers, strict=True)], np.int64)
        self._plan_steps = replicas[0].plan.steps
        self._lanes = max(r.ions.x.size for r in replicas)
        self._threads = threads_per_block([r.ions.x.size // ROWS * PARTS for r in replicas], THREADS)
        self._card = self._uploaded()
        self._before = (cuda.device_array_like(self._card.place), cuda.device_array_like(self._card.speed))
        launch(forces, len(replicas), self._threads, self._card)

    def run(self, report: Callable[[float], None]) -> dict[int, Failure]:
        """All steps; index -> why a replica went wrong."""
        failures: dict[int, Failure] = {}
        stretches, code = Stretches(), np.full(len(self.replicas), FINE, np.int32)
        self._visit(range(len(self.replicas)))
        while (running := np.flatnonzero((code == FINE) & (self.step < self._plan_steps))).size:
            for array, copy in zip((self._card.place, self._card.speed), self._before, strict=True):
                copy.copy_to_device(array)
            before = self.step
            stop = min(self.keepers[k].next_stop(int(before[k])) for k in running.tolist())
            stretches.run(int(before[running].min()), self._plan_steps, stop, self.launch)
            self.step, code = self._card.step.copy_to_host(), self._card.code.copy_to_host()
            for k in running[code[running] != FINE].tolist():
                self._fetch(k, *self._before)
                replica = self.replicas[k]
                failures[k] = replica.failure(int(code[k]), int(self.step[k]), replica.frame(int(before[k])))
            self._visit(running[(code[running] == FINE) & (self.step[running] > before[running])].tolist())
            report(float(np.where(code == FINE, self.step / self._plan_steps, 1.0).mean()))
        for k in set(range(len(self.replicas))) - failures.keys():
            self.fetch(k)
        return failures

    def launch(self, last: int) -> None:
        """Start steps up to ``last``; returns before they are done."""
        launch(advance, len(self.replicas), self._threads, self._card, last)

    def _visit(self, indices: Sequence[int]) -> None:
        """Keep whatever is due of these replicas."""
        for k in indices:
            keeper, step = self.keepers[k], int(self.step[k])
            checkpoint = keeper.wants_checkpoint(step)
            if checkpoint:
                self._fetch_counts(k)
            if checkpoint or keeper.wants_frame(step) or keeper.wants_row(step):
                self._fetch(k, self._card.place, self._card.speed)
                self.replicas[k].visit(keeper, step)

    def fetch(self, k: int) -> Replica:
        """A replica as it is on the card now."""
        self._fetch(k, self._card.place, self._card.speed)
        self._fetch_counts(k)
        return self.replicas[k]

    def _fetch(self, k: int, place: Any, speed: Any) -> None:
        """Positions and velocities of a replica, with the forces of the CPU."""
        replica = self.replicas[k]
        ions, lanes = replica.ions, replica.ions.x.size
        for arrays, values in (
            ((ions.x, ions.y, ions.z), place[k].copy_to_host()),
            ((ions.vx, ions.vy, ions.vz), speed[k].copy_to_host()),
        ):
            for array, row in zip(arrays, values, strict=True):
                array[:] = row[:lanes]
        forces_on_cpu(ions, replica.table, replica.slit)

    def _fetch_counts(self, k: int) -> None:
        tally = self.replicas[k].tally
        for name in ("profile", "fine", "middle", "looks", "heat"):
            array = getattr(tally, name)
            array[:] = getattr(self._card, name)[k].copy_to_host()[: array.size].reshape(array.shape)

    def _uploaded(self) -> Batch:
        """The batch on the card, as the replicas are now."""
        n, replicas = len(self.replicas), self.replicas

        def stacked(rows: Sequence[NDArray[Any]], dtype: type[np.generic]) -> Any:
            """Arrays of several lengths side by side, with zeros behind the shorter ones."""
            array = np.zeros((n, max(row.size for row in rows)), dtype)
            for k, row in enumerate(rows):
                array[k, : row.size] = row.ravel()
            return array

        def motion(names: str, dtype: type[np.generic]) -> Any:
            axes = [stacked([getattr(r.ions, name) for r in replicas], dtype) for name in names.split()]
            return cuda.to_device(np.ascontiguousarray(np.stack(axes, axis=1)))

        def counts(name: str, dtype: type[np.generic]) -> Any:
            return cuda.to_device(stacked([getattr(r.tally, name) for r in replicas], dtype))

        return Batch(
            constants=cuda.to_device(np.array([constants(r) for r in replicas], CONSTANTS)),
            rows=cuda.to_device(stacked([r.slit.rows for r in replicas], np.float32)),
            place=motion("x y z", np.int32),
            speed=motion("vx vy vz", np.float32),
            force=cuda.to_device(np.zeros((n, PARTS, 3, self._lanes), np.float32)),
            field=cuda.to_device(np.zeros((n, RANK), np.float32)),
            step=cuda.to_device(self.step),
            code=cuda.to_device(np.full(n, FINE, np.int32)),
            profile=counts("profile", np.int32),
            fine=counts("fine", np.int32),
            middle=counts("middle", np.int32),
            looks=counts("looks", np.int32),
            heat=counts("heat", np.float64),
        )


def constants(replica: Replica) -> tuple[Any, ...]:
    """A replica's row of `CONSTANTS`."""
    plan, slit, dynamics, tally = replica.plan, replica.slit, replica.constants, replica.tally
    unit, dummy = replica.unit, plan.wall == "dummy"
    kappa = plan.composition.side / unit / 2**32
    valency = {"cation": plan.cation_valency, "anion": plan.anion_valency}
    diameter = {"cation": plan.cation_diameter / unit, "anion": plan.anion_diameter / unit}

    def pair(one: str, other: str) -> tuple[float, float, float]:
        coulomb = BJERRUM / unit * valency[one] * valency[other]
        # In the kernel distances have the unit of position, which `inverse_kappa` makes good at the end.
        return pair_coefficients(coulomb, (diameter[one] + diameter[other]) / 2, kappa, kappa**2)

    pairs = {
        "cation": pair("cation", "cation"),
        "unlike": pair("cation", "anion"),
        "anion": pair("anion", "anion"),
    }
    values: dict[str, Any] = {
        **{name: getattr(tally, name) for name in CONSTANTS.names or () if hasattr(tally, name)},
        **{name: getattr(dynamics, name) for name in CONSTANTS.names or () if hasattr(dynamics, name)},
        "every": plan.every,
        "kappa": slit.kappa,
        "inverse_kappa": 1 / kappa,
        "half_gap": slit.half_gap,
        "to_t": slit.kappa / slit.half_gap,
        "threshold": pairs["unlike"][2],
        "cations": plan.composition.cations,
        "first_anion": slit.first_anion,
        "end": slit.first_anion + plan.composition.anions,
        "bins": tally.profile.shape[3],
        "fine_bins": tally.fine.shape[1],
    }
    for name, (coulomb, core, _) in pairs.items():
        values |= {f"coulomb_{name}": coulomb, f"core_{name}": core}
    for name, size in diameter.items():
        values |= {
            f"charge_{name}": valency[name],
            f"soft_{name}": SOFTENING * (size / kappa) ** 2,
            f"size_{name}": size * (1.0 if dummy else 0.5),
            f"depth_{name}": size / 2 if dummy else 0.0,
        }
    return tuple(values[name] for name in CONSTANTS.names or ())
