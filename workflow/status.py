"""The status of a run: the fixed form that ``status.json`` and ``mlaround status --json`` show."""

from __future__ import annotations

import time
from typing import Any

from workflow.judging import least_success
from workflow.record import Record
from workflow.speedup import effective_speedup

SCHEMA = "mlaround.status/1"

SPEEDUP = ("value", "t_seq", "t_train", "t_learn", "t_lookup", "n_train", "n_lookup", "break_even")

FAILURES_SHOWN = 10
"""Kinds of failure listed, so that the file stays small."""


def status(
    record: Record, *, name: str, run: str, total: int, running: int, state: str, reason: str | None
) -> dict[str, Any]:
    """The status as plain data.

    Args:
        record: of the run.
        name: of the campaign.
        run: name of the run folder.
        total: simulations that the run will have in all.
        running: simulations in the hands of workers.
        state: ``running``, ``finished``, ``stopped``, ``interrupted`` or ``failed``.
        reason: why it is no longer running.
    """
    model = record.promoted_model
    speedup = effective_speedup(record)
    return {
        "schema": SCHEMA,
        "name": name,
        "run": run,
        "state": state,
        "reason": reason,
        "updated": time.time(),
        "elapsed": record.elapsed,
        "simulations": {
            "done": record.done,
            "failed": record.failed,
            "running": running,
            "lost": record.lost,
            "duplicated": record.duplicated,
            "proposed": record.replicas,
            "total": total,
        },
        "workers": {"count": record.workers, "busy_fraction": record.busy_fraction},
        "blocks": record.blocks,
        "model": {
            "version": None if model is None else model["model"],
            "held_out": None if model is None else held_out(model["scores"]),
        },
        "effective_speedup": {key: speedup[key] for key in SPEEDUP},
        "failures": [
            {"reason": reason, "count": count}
            for reason, count in record.failure_counts.most_common(FAILURES_SHOWN)
            if count > 0
        ],
    }


def held_out(scores: dict[str, Any]) -> dict[str, Any] | None:
    """A model's held-out scores on one line: overall, and the success rate of its worst target."""
    if "overall" not in scores:
        return None
    return {
        "n": scores["n"],
        **scores["overall"],
        "least_success": least_success(scores),
        "calibrated_error": scores.get("calibrated_error"),
    }
