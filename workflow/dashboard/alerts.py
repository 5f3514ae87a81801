"""What somebody who looks after a run should know, in plain words; each only while it is true."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.dashboard.surroundings import Surroundings
from workflow.folder import RunFolder, version_name
from workflow.record import Record
from workflow.standing import HELD
from workflow.verdict import FEW
from workflow.words import duration

MANY = 0.1
"""Share of failed simulations above which something is wrong."""
MOST = 0.6
"""Share of the failures above which one reason makes up most of them."""
ENOUGH = 10
"""Simulations that ended, before their share of failures means anything."""
COVERAGE = 0.9
"""Share of the values that 95 % intervals hold, below which they are not to be believed."""
QUIET, TIMES_QUIET = 60.0, 5
"""Seconds without an event, and how many times as long as the longest of the latest tasks."""
LITTLE, LEAST = 0.03, 2e9
"""Share of the disk, and bytes, below which it is nearly full if both are undercut."""

Alert = dict[str, Any]


@dataclass(frozen=True)
class Poor:
    """An output that a model predicts no better than the mean of the simulations would.

    Args:
        name: of the output.
        error: rms error on held-out simulations.
        spread: standard deviation of what was simulated.
    """

    name: str
    error: float
    spread: float


def poor(record: Record, model: Mapping[str, Any]) -> list[Poor]:
    """The scalar outputs that a model, as its event tells, does not predict; none if few have judged it."""
    scores = model.get("scores") or {}
    if scores.get("n", 0) < FEW:
        return []
    done, found = record.finished(), []
    for name, score in scores["targets"].items():
        if name in record.scalar_names:
            spread = float(np.nanstd(record.mean(name)[done]))
            if score["rmse"] is not None and 0 < spread <= score["rmse"]:
                found.append(Poor(name, score["rmse"], spread))
    return found


def alerts(
    folder: RunFolder,
    record: Record,
    around: Surroundings,
    state: str,
    troubles: Sequence[str],
    *,
    newest: float,
    longest: Sequence[float],
    poor: Sequence[Poor],
) -> list[Alert]:
    """All that is to be said by now, errors first.

    Args:
        folder: of the run.
        record: of the run.
        around: what was seen beside the log.
        state: of the run.
        troubles: what is wrong with the log, in words.
        newest: time of the newest event, seconds since 1970.
        longest: seconds that the latest tasks took.
        poor: what the model in use does not predict.
    """
    found = [_alert("error", text, "provenance") for text in troubles]
    found += _ended(folder, record, state)
    found += _kept(folder, state)
    found += _failures(record)
    found += _quiet(record, around, state, newest, longest)
    found += _disk(around)
    found += _model(record)
    found += _poor(record, poor)
    return sorted(found, key=lambda alert: alert["level"] != "error")


def _alert(level: str, text: str, page: str, **query: str) -> Alert:
    return {"level": level, "text": text, "page": page, "query": query}


def _ended(folder: RunFolder, record: Record, state: str) -> list[Alert]:
    resume = f"mlaround resume {shlex.quote(str(folder.path))}"
    if state == "interrupted":
        why = (record.run_stopped or {}).get("reason")
        how = (
            f"The run was interrupted ({why})."
            if why
            else "The controller of this run is gone without a word."
        )
        text = f"{how} What is done is kept; to go on, type: {resume}"
        return [_alert("error", text, "overview")]
    if state == "failed":
        why = (record.run_stopped or {}).get("reason")
        again = f"mlaround retry {shlex.quote(str(folder.path))} --all; " if record.failed else ""
        text = f"The run failed: {why}. Once that is mended, go on with: {again}{resume}"
        return [_alert("error", text, "tasks", state="failed")]
    return []


def _kept(folder: RunFolder, state: str) -> list[Alert]:
    """What was asked of a run that nobody works on."""
    kept = 0 if state in HELD else len(folder.requests())
    if not kept:
        return []
    what = "1 request is" if kept == 1 else f"{kept} requests are"
    text = f"{what} kept until somebody types: mlaround resume {shlex.quote(str(folder.path))}"
    return [_alert("warning", text, "overview")]


def _failures(record: Record) -> list[Alert]:
    ended = record.done + record.failed
    if ended < ENOUGH or record.failed <= MANY * ended:
        return []
    reason, count = record.failure_counts.most_common(1)[0]
    level = "error" if record.failed > ended / 2 else "warning"
    text = f"{record.failed:,} of {ended:,} simulations failed ({100 * record.failed / ended:.0f} %)"
    if count >= MOST * record.failed:
        share = "all" if count == record.failed else f"{count:,}"
        return [
            _alert(level, f"{text}, {share} of them with: {reason}.", "tasks", state="failed", reason=reason)
        ]
    return [_alert(level, f"{text}, most often with: {reason} ({count:,}).", "tasks", state="failed")]


def _quiet(
    record: Record, around: Surroundings, state: str, newest: float, longest: Sequence[float]
) -> list[Alert]:
    silence = around.now - newest
    if state != "running" or not longest or record.training is not None:
        return []
    typical = max(longest)
    if silence < max(QUIET, TIMES_QUIET * typical):
        return []
    text = (
        f"Nothing has happened for {duration(silence)}, while the longest of the latest {len(longest)} tasks "
        f"took {duration(typical)}: a worker may hang."
    )
    return [_alert("warning", text, "timeline")]


def _disk(around: Surroundings) -> list[Alert]:
    if around.disk is None:
        return []
    free, total = around.disk
    if free >= LEAST or free >= LITTLE * total:
        return []
    text = (
        f"The disk is nearly full: {free / 1e9:.2g} GB of {total / 1e9:.3g} GB are free. "
        "A run that cannot write stops; what is done is kept."
    )
    return [_alert("error", text, "overview")]


def _model(record: Record) -> list[Alert]:
    found = []
    failed = record.trainings_failed[-1] if record.trainings_failed else None
    if failed is not None and all(model["t"] < failed["t"] for model in record.models):
        text = f"The latest training, of {version_name(failed['model'])}, failed: {failed['message']}"
        found.append(_alert("warning", text, "surrogate"))
    model = record.promoted_model
    scores = (model or {}).get("scores") or {}
    overall = scores.get("overall")
    if model is None or not overall or scores["n"] < FEW:
        return found
    name, n = version_name(model["model"]), scores["n"]
    coverage = overall.get("coverage")
    if coverage is not None and coverage < COVERAGE:
        text = (
            f"The error bars of model {name} are too narrow: its 95 % intervals hold {100 * coverage:.0f} % "
            f"of the values of {n} held-out simulations."
        )
        found.append(_alert("warning", text, "surrogate"))
    return found


def _poor(record: Record, poor: Sequence[Poor]) -> list[Alert]:
    if not poor or record.promoted is None:
        return []
    outputs = "; ".join(
        f"{p.name.replace('_', ' ')}: rms error {p.error:.3g}, while simulations differ by {p.spread:.3g}"
        for p in poor
    )
    text = f"Model {version_name(record.promoted)} predicts no better than a mean would ({outputs})."
    return [_alert("warning", text, "surrogate")]
