"""A run's state on one screen, and what to type next. Nothing heavy is imported here."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow.cli.arguments import shown
from workflow.cli.console import duration, paint
from workflow.speedup import LEAVES_OUT

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
    if status.get("elapsed"):
        first.append(duration(status["elapsed"]))
    if status.get("reason"):
        first.append(f"({status['reason']})")
    lines = ["  ".join(first)]
    counts = status.get("simulations") or {}
    if counts:
        lines.append(f"simulations  {_bar(counts)}  {counted(counts)}")
    lines += [f"failures     {f['count']} x {f['reason']}" for f in status.get("failures") or ()]
    workers = status.get("workers") or {}
    if workers.get("count"):
        busy = workers.get("busy_fraction")
        lines.append(f"workers      {workers['count']}" + (f", busy {busy:.0%} of the time" if busy else ""))
    model = status.get("model") or {}
    if model.get("version"):
        lines.append(f"model        v{model['version']:04d}: {scores(model.get('held_out') or {})}")
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
        lines += [f"             {', '.join(parts)}"]
        if speedup.get("break_even") is not None:
            lines.append(f"             paid for after {speedup['break_even']:,.0f} lookups")
        lines.append(textwrap.fill(LEAVES_OUT, 100, initial_indent=" " * 13, subsequent_indent=" " * 13))
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
    """``93 of 180 done, 3 failed, 12 running``."""
    parts = [f"{counts.get('done', 0)} of {counts.get('total', '?')} done"]
    parts += [f"{counts[k]} {k}" for k in ("failed", "lost", "running") if counts.get(k)]
    return ", ".join(parts)


def scores(found: Mapping[str, Any]) -> str:
    """The held-out scores that say whether a model may be believed."""
    parts = []
    if found.get("median_relative_error") is not None:
        parts.append(f"median relative error {found['median_relative_error']:.2%}")
    if found.get("coverage") is not None:
        parts.append(f"95 % interval covers {found['coverage']:.1%}")
    if found.get("success") is not None:
        parts.append(f"success {found['success']:.1%}")
    on = f" on {found['n']} held-out simulations" if found.get("n") else ""
    return ", ".join(parts) + on if parts else "no held-out scores"


def _bar(counts: Mapping[str, Any]) -> str:
    filled = min(BAR, int(BAR * counts.get("done", 0) / (counts.get("total") or 1)))
    return "#" * filled + "." * (BAR - filled)
