"""`mlaround models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from workflow.cli.arguments import find_run, json_option, run_argument
from workflow.cli.console import print_json, table
from workflow.cli.screen import example
from workflow.cli.typed import quoted, typed
from workflow.events import Event, read_events
from workflow.folder import RunFolder


@click.command("models")
@run_argument
@json_option
def command(folder: Path | None, as_json: bool) -> None:
    """List a run's models with their held-out scores; the promoted one answers `predict`."""
    run = find_run(folder)
    version = run.promoted.read_text(encoding="utf-8").strip() if run.promoted.is_file() else None
    trained = (event for event in read_events(run.events) if event["event"] == "model_trained")
    models = [_entry(run, event, version) for event in trained]
    if as_json:
        print_json(
            {"schema": "mlaround.models/1", "run": str(run.path), "promoted": version, "models": models}
        )
        return
    if not models:
        click.echo("no model yet")
        click.echo(typed(f"next: mlaround status {quoted(run.path)}"), err=True)
        return
    scores = list(dict.fromkeys(name for m in models for name in _overall(m)))
    header = ["version", "simulations", "held out", *scores, "promoted"]
    rows = [
        [m["version"], m["simulations"], m["held_out"]]
        + [f"{_overall(m)[s]:.3g}" if _overall(m).get(s) is not None else "" for s in scores]
        + ["yes" if m["promoted"] else ""]
        for m in models
    ]
    click.echo(table([header, *rows]))
    click.echo(typed(f"next: mlaround predict {quoted(run.path)} {example(run)}"), err=True)


def _entry(run: RunFolder, event: Event, promoted: str | None) -> dict[str, Any]:
    version = run.model(event["model"]).name
    keys = ("simulations", "held_out", "scores", "lookup_seconds")
    return {"version": version, **{k: event[k] for k in keys}, "promoted": version == promoted}


def _overall(model: dict[str, Any]) -> dict[str, float | None]:
    return (model["scores"] or {}).get("overall") or {}
