"""Effective speedup: how much faster a campaign answers than simulating everything one after another.

    S = T_seq (N_lookup + N_train) / [T_lookup N_lookup + (T_train + T_learn) N_train]

Fox, Jha and coworkers, "Learning Everywhere", arXiv:1902.10810. Every time is measured on the run that
claims the speedup:

- ``t_seq``: mean processor seconds of one simulation of our own simulator on one core, those that failed
  left out, since one that failed at once has answered nothing;
- ``n_train``: simulations that taught the model in use. Held-out, failed and later simulations do
  not count as answers, but their time is charged to those that do:
- ``t_train``: seconds that workers were busy with simulation tasks, of any outcome and with all
  overhead, divided by ``n_train``;
- ``t_learn``: seconds of all trainings, of rejected models too, divided by ``n_train``;
- ``t_lookup``: a single prediction of the model in use, measured.

Seconds are those of a core: a task or a training that kept several cores busy counts each of them,
and more workers do not raise S. This module imports nothing heavy, since the status line needs it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow.record import Record

LEAVES_OUT = (
    "It leaves out idle workers, the attempts of workers that were lost, the work of writing the simulator "
    "and the campaign, and the difference between a prediction and a simulation: it holds at the held-out "
    "accuracy beside it, inside the model's domain, and for lookups whose answers somebody needs."
)


@dataclass(frozen=True)
class Speedup:
    """The ingredients of the effective speedup, and what follows from them.

    Args:
        t_seq, t_train, t_learn, t_lookup: seconds, as the module defines them.
        n_train, n_lookup: simulations that taught the model; answers taken from it.
    """

    t_seq: float
    t_train: float
    t_learn: float
    t_lookup: float
    n_train: int
    n_lookup: float

    def at(self, n_lookup: float) -> float:
        """The effective speedup after that many lookups."""
        cost = self.t_lookup * n_lookup + (self.t_train + self.t_learn) * self.n_train
        return self.t_seq * (n_lookup + self.n_train) / cost if cost > 0 else math.inf

    @property
    def value(self) -> float:
        """The effective speedup after `n_lookup` lookups."""
        return self.at(self.n_lookup)

    @property
    def no_lookups(self) -> float:
        """Limit before the model has answered anything: below 1, since training is paid for."""
        cost = self.t_train + self.t_learn
        return self.t_seq / cost if cost > 0 else math.inf

    @property
    def many_lookups(self) -> float:
        """Limit of many lookups."""
        return self.t_seq / self.t_lookup if self.t_lookup > 0 else math.inf

    @property
    def break_even(self) -> float:
        """Lookups whose saved simulations pay for the campaign; infinite if a lookup saves nothing.

        N_train (T_train + T_learn) / (T_seq - T_lookup). The training simulations are answers too,
        so that S itself passes 1 about `n_train` lookups earlier.
        """
        saved = self.t_seq - self.t_lookup
        return self.n_train * (self.t_train + self.t_learn) / saved if saved > 0 else math.inf

    def sentence(self) -> str:
        """What the number says, in words."""
        if self.t_lookup >= self.t_seq:
            return "A lookup takes no less time than a simulation: this model saves nothing."
        return (
            f"With {self.n_lookup:,.0f} lookups, answers come {times(self.value)} as fast as simulating each "
            f"of them on one core, with the {self.n_train:,} training simulations and the learning paid for. "
            f"The campaign has paid for itself after {math.ceil(self.break_even):,} lookups."
        )


def times(value: float) -> str:
    """A factor to three digits, without exponents: ``38``, ``0.82``, ``12,300``."""
    if not math.isfinite(value) or value <= 0:
        return f"{value} times"
    digits = max(0, 2 - math.floor(math.log10(value)))
    rounded = round(value, 2 - math.floor(math.log10(value)))
    return f"{rounded:,.{digits}f} times"


def measure(record: Record, n_lookup: float = 1_000_000) -> Speedup | None:
    """The ingredients as the run has measured them so far; ``None`` before the first model."""
    model = record.promoted_model
    if model is None or not model["simulations"] or not record.done:
        return None
    n_train = int(model["simulations"])
    learning = sum(max(m["ended"] - m["started"], m["cpu"]) for m in record.models)
    return Speedup(
        t_seq=float(record.cpu_seconds[record.finished()].mean()),
        t_train=busy_seconds(record) / n_train,
        t_learn=learning / n_train,
        t_lookup=float(model["lookup_seconds"]),
        n_train=n_train,
        n_lookup=n_lookup,
    )


def busy_seconds(record: Record) -> float:
    """Core seconds that workers spent in the run's tasks."""
    wall, cpu = record.task_ended - record.task_started, record.task_cpu.copy()
    cpu[cpu != cpu] = 0.0  # NaN: of a killed task nobody knows it
    known = wall == wall
    return float(wall[known].clip(cpu[known]).sum())


def effective_speedup(record: Record, n_lookup: float = 1_000_000) -> dict[str, Any]:
    """The effective speedup of a run with everything it rests on, ready for JSON.

    Args:
        record: of the run, at any time.
        n_lookup: answers taken from the model, by now or by assumption.

    Returns:
        ``value``; ``t_seq``, ``t_train``, ``t_learn``, ``t_lookup`` (s); ``n_train``, ``n_lookup``;
        ``break_even`` (lookups); ``limits`` with ``no_lookups`` and ``many_lookups``; ``accuracy``, the
        scores on held-out simulations at which it holds; ``sentence`` and ``leaves_out`` in words.
        Before the first model, and where a limit is infinite, the values are ``None``.
    """
    measured = measure(record, n_lookup)
    if measured is None:
        names = ("value", "t_seq", "t_train", "t_learn", "t_lookup", "n_train", "break_even")
        return {
            **dict.fromkeys(names),
            "n_lookup": n_lookup,
            "limits": {"no_lookups": None, "many_lookups": None},
            "accuracy": None,
            "sentence": "No model yet: nothing has been sped up.",
            "leaves_out": LEAVES_OUT,
        }
    scores = (record.promoted_model or {}).get("scores") or {}
    accuracy = {"n": scores["n"], **scores["overall"]} if "overall" in scores else None
    return {
        "value": _finite(measured.value),
        **asdict(measured),
        "break_even": _finite(measured.break_even),
        "limits": {
            "no_lookups": _finite(measured.no_lookups),
            "many_lookups": _finite(measured.many_lookups),
        },
        "accuracy": accuracy,
        "sentence": measured.sentence(),
        "leaves_out": LEAVES_OUT,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
