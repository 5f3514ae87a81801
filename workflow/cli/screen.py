"""A run's state on one screen, and what to type next. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow.cli.arguments import shown
from workflow.cli.console import duration, paint

COLOURS = {
    "finished": "green",
    "running": "blue",
    "failed": "red",
    "interrupted": "yellow",
    "stopped": "yellow",
}
BAR = 30


def screen(status: Mapping[str, Any]) -> str:
    """A dozen lines at most: state, counts, failures, the model and its scores, the speedup."""
    state = status["state"]
    first = [paint(state.upper(), COLOURS.get(state, "")), status["run"]]
    if status.get("seconds"):
        first.append(duration(status["seconds"]))
    if status.get("reason"):
        first.append(f"({status['reason']})")
    lines = ["  ".join(first)]
    counts = status.get("simulations") or {}
    if counts:
        lines.append(f"simulations  {_bar(counts)}  {counted(counts)}{_eta(status)}")
    for reason, count in (status.get("failures") or {}).items():
        lines.append(f"failures     {count} x {reason}")
    if status.get("model"):
        lines.append(f"model        {status['model']}: {scores(status.get('scores') or {})}")
    speedup = status.get("effective_speedup") or {}
    if speedup.get("value") is not None:
        lines.append(f"speedup      {speedup['value']:.3g} with {speedup['n_lookup']:,.0f} lookups")
    return "\n".join(lines)


def summary(status: Mapping[str, Any], folder: Path) -> str:
    """What a run came to: counts, scores, the speedup with its ingredients, what to type next."""
    lines = [screen(status), f"run folder   {shown(folder)}"]
    speedup = status.get("effective_speedup") or {}
    if speedup.get("value") is not None:
        parts = [f"T_{name} {duration(speedup[f't_{name}'])}" for name in ("seq", "train", "learn", "lookup")]
        parts += [f"N_train {speedup['n_train']:,}", f"N_lookup {speedup['n_lookup']:,.0f}"]
        lines += [f"             {', '.join(parts)}", f"             {speedup['sentence']}"]
        lines.append(f"             {speedup['leaves_out']}")
    return "\n".join([*lines, *(f"next: {text}" for text in next_commands(status["state"], folder))])


def next_commands(state: str, folder: Path) -> list[str]:
    """What to type next, the likeliest first."""
    name = shown(folder)
    if state in ("running", "starting"):
        return [f"mlaround status {name} --watch 2", f"mlaround stop {name}"]
    look = [
        f"mlaround report {name}",
        f"mlaround predict {name} -p name=value ...",
        f"mlaround results {name}",
    ]
    return look if state == "finished" else [f"mlaround resume {name}", *look[:1]]


def counted(counts: Mapping[str, Any]) -> str:
    """``93 of 180 done, 3 failed, 12 pending``."""
    parts = [f"{counts.get('done', 0)} of {counts.get('planned', '?')} done"]
    parts += [f"{counts[k]} {k}" for k in ("failed", "lost", "running", "pending") if counts.get(k)]
    return ", ".join(parts)


def scores(found: Mapping[str, Any]) -> str:
    """The held-out scores that say whether a model may be believed."""
    overall = found.get("overall") or {}
    parts = []
    if overall.get("median_relative_error") is not None:
        parts.append(f"median relative error {overall['median_relative_error']:.2%}")
    if overall.get("coverage") is not None:
        parts.append(f"95 % interval covers {overall['coverage']:.1%}")
    if overall.get("success") is not None:
        parts.append(f"success {overall['success']:.1%}")
    on = f" on {found['n']} held-out simulations" if found.get("n") else ""
    return ", ".join(parts) + on if parts else "no held-out scores"


def _bar(counts: Mapping[str, Any]) -> str:
    done, planned = counts.get("done", 0), counts.get("planned") or 1
    filled = min(BAR, int(BAR * done / planned))
    return "#" * filled + "." * (BAR - filled)


def _eta(status: Mapping[str, Any]) -> str:
    left = status.get("eta_seconds")
    return f"; about {duration(left)} left" if left and status["state"] == "running" else ""
