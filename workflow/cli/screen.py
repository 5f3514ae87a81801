"""A run's state on one screen, and what to type next. Nothing heavy is imported here."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow import words
from workflow.cli.console import paint
from workflow.cli.typed import quoted, shown, typed
from workflow.folder import RunFolder
from workflow.speedup import LEAVES_OUT, times
from workflow.words import duration

COLOURS = {
    "finished": "green",
    "running": "blue",
    "paused": "yellow",
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
    if blocks := status.get("blocks"):
        lines.append("blocks       " + ", ".join(f"{count} {what}" for what, count in blocks.items()))
    model = status.get("model") or {}
    if model.get("version"):
        lines.append(f"model        v{model['version']:04d}: {scores(model.get('held_out') or {})}")
    speedup = status.get("effective_speedup") or {}
    if speedup.get("value") is not None:
        factor, lookups = times(speedup["value"]), speedup["n_lookup"]
        lines.append(f"speedup      {factor} over {lookups:,.0f} answers, training paid for")
    if waiting := status.get("controller_job"):
        how = f"is {waiting['state']}, and goes on with the run" if waiting["state"] else "is gone"
        lines.append(f"controller   job {waiting['job']} {how}")
    if kept := status.get("requests"):
        what = "1 request is" if kept == 1 else f"{kept} requests are"
        lines.append(f"asked        {what} kept until `{typed('mlaround resume')}`")
    return "\n".join(lines)


def summary(status: Mapping[str, Any], folder: Path) -> str:
    """What a run came to: counts, scores, the speedup with its ingredients, what to type next."""
    lines = [screen(status), f"run folder   {shown(folder)}"]
    speedup = status.get("effective_speedup") or {}
    if speedup.get("value") is not None:
        even = speedup.get("break_even")
        paid = "Never paid for: a lookup takes as long as a simulation."
        if even is not None:
            paid = f"Paid for after {even:,.0f} lookups."
        seconds = {name: duration(speedup[f"t_{name}"]) for name in ("seq", "train", "learn", "lookup")}
        text = (
            f"Measured: T_seq {seconds['seq']} (one simulation on one core), T_train {seconds['train']} and "
            f"T_learn {seconds['learn']} (all tasks, all trainings, for each simulation learned from), "
            f"T_lookup {seconds['lookup']} (one answer), N_train {speedup['n_train']:,}, "
            f"N_lookup {speedup['n_lookup']:,.0f}. {paid} {LEAVES_OUT}"
        )
        lines.append(textwrap.fill(text, 100, initial_indent=" " * 13, subsequent_indent=" " * 13))
    return "\n".join([*lines, *(typed(f"next: {text}") for text in next_commands(status["state"], folder))])


def next_commands(state: str, folder: Path) -> list[str]:
    """What to type next, the likeliest first."""
    name = quoted(folder)
    if state in ("running", "starting"):
        return [f"mlaround status {name} --watch 2", f"mlaround stop {name}"]
    if state == "paused":
        return [f"mlaround resume {name}", f"mlaround stop {name}"]
    report, results = f"mlaround report {name}", f"mlaround results {name} --csv results.csv"
    if state == "finished":
        point = example(RunFolder(folder))
        return [report, *([f"mlaround predict {name} {point}"] if point else []), results]
    resume = f"mlaround resume {name}"
    if state != "failed":
        return [resume, report]
    # Where simulations or trainings failed, to resume is of no use before the reason is known; what failed
    # runs again when that is asked for.
    counts = (RunFolder(folder).read_status() or {}).get("simulations") or {}
    return [report, results, *([f"mlaround retry {name} --all"] if counts.get("failed") else []), resume]


def example(run: RunFolder) -> str:
    """The middle of the space of the model in use as `predict` takes it; empty if there is no model."""
    try:
        version = run.promoted.read_text(encoding="utf-8").strip()
        model = json.loads((run.models / version / "model.json").read_text(encoding="utf-8"))
        features = [f for f in model["signature"]["features"] if f["low"] < f["high"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    points = []
    for f in features:
        middle = (f["low"] + f["high"]) / 2
        value = min(f["choices"], key=lambda choice: abs(choice - middle)) if f["choices"] else middle
        points.append("-p " + shlex.quote(f"{f['name']}={value:.6g} {f['unit']}".strip()))
    return " ".join(points)


def waiting(status: Mapping[str, Any]) -> str | None:
    """What a run waits for that has asked a batch system for blocks and has none yet; ``None`` if it has."""
    blocks = status.get("blocks") or {}
    if not blocks.get("waiting") or blocks.get("running"):
        return None
    return f"waiting for the batch system to start {words.counted(blocks['waiting'], 'block')}"


def counted(counts: Mapping[str, Any]) -> str:
    """``93 of 180 done, 3 failed, 12 running``."""
    parts = [f"{counts.get('done', 0)} of {counts.get('total', '?')} done"]
    parts += [f"{counts[k]} {k}" for k in ("failed", "lost", "running") if counts.get(k)]
    return ", ".join(parts)


def scores(found: Mapping[str, Any]) -> str:
    """The held-out scores that say whether a model may be believed."""
    parts = []
    if found.get("median_relative_error") is not None:
        parts.append(f"median relative error {100 * found['median_relative_error']:.2g} %")
    if found.get("coverage") is not None:
        parts.append(f"95 % intervals hold {found['coverage']:.0%} of the values")
    if found.get("success") is not None:
        parts.append(f"{found['success']:.0%} within two standard errors")
    on = f" on {found['n']} held-out simulations" if found.get("n") else ""
    return ", ".join(parts) + on if parts else "no held-out scores"


def _bar(counts: Mapping[str, Any]) -> str:
    filled = min(BAR, int(BAR * counts.get("done", 0) / (counts.get("total") or 1)))
    return "#" * filled + "." * (BAR - filled)
