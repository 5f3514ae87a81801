"""The report of a run: one HTML file that needs no network."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from workflow.failures import failure_groups
from workflow.figures import Figure, NothingToShowError
from workflow.figures.figure import asset, embed
from workflow.folder import RunError, version_name, write_atomically
from workflow.plots import settings
from workflow.run import Run, open_run
from workflow.speedup import times
from workflow.verdict import verdict
from workflow.words import counted, duration

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""The page may load nothing at all: a browser refuses it even if something asked."""

MEANING = {
    "success": "within 2 standard errors of the simulation",
    "coverage": "inside the 95 % interval",
    "rms_z": "rms z (1 is calibrated)",
    "median_relative_error": "median relative error",
    "rmse": "rms error, in the output's unit",
}


def write_report(folder: str | Path) -> Path:
    """Write ``report.html`` into a run folder; the run may still be going on.

    Returns:
        the path of the report.

    Raises:
        RunFolderError: there is no run.
    """
    run = open_run(folder)
    write_atomically(run.folder.report, render(run))
    return run.folder.report


def render(run: Run) -> str:
    """The report of a run as HTML."""
    sections = {
        "What was asked": _question(run),
        "Is the model right?": _accuracy(run),
        "What was observed": _observed(run),
        **({"Which settings do their work?": _settings(run)} if settings(run) else {}),
        "What it cost, and what it saves": _cost(run),
        "What went wrong": _failures(run),
        "Use it, repeat it": _commands(run),
        "Model card": _card(run),
        "Provenance": _provenance(run),
    }
    links = " ".join(f'<a href="#{_anchor(title)}">{_text(title)}</a>' for title in sections)
    body = "".join(
        f'<section aria-labelledby="{anchor}"><h2 id="{anchor}">{_text(title)}</h2>{part}</section>'
        for anchor, title, part in ((_anchor(title), title, part) for title, part in sections.items())
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(run.folder.name)}</title><style>{asset('report.css')}</style></head>\n"
        f'<body><main>{_headline(run)}<nav aria-label="Sections">{links}</nav>{body}</main>\n'
        f"<script>{asset('plotly-cartesian.min.js')}</script>\n"
        f"<script>{asset('draw.js')}{asset('report.js')}</script></body></html>\n"
    )


def _headline(run: Run) -> str:
    record, scores, speedup = run.record, run.judge(), run.effective_speedup()
    overall = scores.get("overall") or {}
    tiles = [
        ("state", run.state, (record.run_stopped or {}).get("reason", "")),
        ("simulations", f"{record.done:,}", f"{record.failed:,} failed, {record.pending:,} pending"),
        ("wall time", duration(record.elapsed), counted(record.workers, "worker")),
        ("model in use", _in_use(run), ""),
    ]
    if overall.get("median_relative_error") is not None:
        error = f"{100 * overall['median_relative_error']:.2g} %"
        tiles.append(("median relative error", error, f"on {scores['n']:,} held-out simulations"))
    if speedup["value"] is not None:
        factor = times(speedup["value"]).removesuffix(" times") + "×"
        tiles.append(("effective speedup", factor, f"at {speedup['n_lookup']:,.0f} lookups"))
    cells = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_text(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    judged = verdict(scores)
    words = "".join(f"<p>{_text(' '.join(part))}</p>" for part in (judged.sentences, (speedup["sentence"],)))
    return (
        f"<header><h1>{_text(run.folder.name)}</h1><p class=soft>{_text(run.question)}</p></header>"
        f"<dl class=tiles>{cells}</dl>"
        f'<div class="verdict{"" if judged.good else " bad"}" role="note">{words}'
        f"<p class=soft>{_text(speedup['leaves_out'])}</p></div>"
    )


def _question(run: Run) -> str:
    rows = []
    for d, feature in zip(run.space.dimensions, run.signature.features, strict=True):
        given = ", ".join(f"{v:g}" for v in d.values) or (
            f"{d.low:g}" if d.low == d.high else f"{d.low:g} to {d.high:g}"
        )
        rows.append((d.name, given, d.unit, feature.description))
    outputs = [
        (
            t.name,
            f"{run.signature.size(t)} bins over {t.axis}" if t.axis else "a number",
            t.unit,
            t.description,
        )
        for t in run.signature.targets
    ]
    return (
        table(("input", "values", "unit", "meaning"), rows, "The space")
        + table(("output", "shape", "unit", "meaning"), outputs, "What each simulation gives")
        + "<details><summary>The campaign with everything filled in</summary>"
        + f"<pre>{_text(run.folder.read_resolved())}</pre></details>"
    )


def _accuracy(run: Run) -> str:
    parts: list[Callable[[], Figure]] = [run.plot.profiles] if run.signature.axes else []
    parts += [run.plot.parity, run.plot.errors, run.plot.residuals, run.plot.calibration]
    parts += [run.plot.learning_curve, run.plot.timing]
    scores = run.judge()
    rows = [
        (name, *(_number(values[score]) if score in values else "" for score in MEANING))
        for name, values in {**scores.get("targets", {}), "overall": scores.get("overall", {})}.items()
        if values
    ]
    heads = ("output", *MEANING.values())
    scored = table(heads, rows, "Scores on held-out simulations", numbers=range(1, 6)) if rows else ""
    return _figures(parts) + scored


def _observed(run: Run) -> str:
    """What came out, and where it was looked; a plane needs two inputs that vary."""
    plane = sum(d.low != d.high for d in run.space.dimensions) > 1
    parts: list[Callable[[], Figure]] = []
    if any(t.axis is None for t in run.signature.targets):
        parts.append(run.plot.scalars)
    if run.signature.axes or len(run.signature.targets) > 1:
        parts.append(run.plot.latent)
    if plane:
        parts += [run.plot.coverage, run.plot.uncertainty]
    return _figures(parts)


def _settings(run: Run) -> str:
    parts: list[Callable[[], Figure]] = [run.plot.quality]
    if sum(d.low != d.high for d in run.space.dimensions) > 1:
        parts.insert(0, run.plot.trials)
    if "time step" in (p.setting for p in settings(run)):
        parts.append(run.plot.gain)
    return _figures(parts)


def _cost(run: Run) -> str:
    measured = run.effective_speedup()
    limits = measured["limits"]
    rows = [
        ("T_seq", _seconds(measured["t_seq"]), "one simulation of our own simulator on one core"),
        ("T_train", _seconds(measured["t_train"]), "core time of all tasks per training simulation"),
        ("T_learn", _seconds(measured["t_learn"]), "time of all trainings per training simulation"),
        ("T_lookup", _seconds(measured["t_lookup"]), "one prediction with its error bar and domain check"),
        ("N_train", _number(measured["n_train"]), "simulations that taught the model in use"),
        ("no lookups", _number(limits["no_lookups"]), "limit of S: T_seq / (T_train + T_learn)"),
        ("many lookups", _number(limits["many_lookups"]), "limit of S: T_seq / T_lookup"),
        (
            "break-even",
            _number(measured["break_even"]),
            "lookups after which the campaign has paid for itself",
        ),
    ]
    formula = "S = T_seq (N_lookup + N_train) / [T_lookup N_lookup + (T_train + T_learn) N_train]"
    parts: list[Callable[[], Figure]] = [run.plot.speedup, run.plot.cost, run.plot.timeline]
    return (
        f"<p><code>{_text(formula)}</code> (Fox, Jha and coworkers, arXiv:1902.10810), each time measured on "
        f"this run. {_text(measured['leaves_out'])}</p>"
        + table(("ingredient", "value", "meaning"), rows, "Ingredients as measured", numbers=(1,))
        + _figures(parts)
    )


def _failures(run: Run) -> str:
    record = run.record
    if not record.failures:
        return "<p>Nothing: no simulation failed.</p>"
    rows = []
    for group in failure_groups(record, run.space):
        numbers = group.simulations.tolist()
        shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
        rows.append((len(numbers), group.reason, group.words, group.message, shown))
    heads = ("failed", "reason", "what they have in common", "first message", "simulations")
    return table(
        heads, rows, f"{record.failed:,} simulations failed; no model learned from them", numbers=(0,)
    )


def _commands(run: Run) -> str:
    path = shlex.quote(str(run.folder.path))
    point = {d.name: _middle(d.low, d.high, d.values) for d in run.space.dimensions if d.low != d.high}
    units = {d.name: d.unit for d in run.space.dimensions}
    asked = " ".join(f"-p {shlex.quote(f'{k}={v} {units[k]}'.strip())}" for k, v in point.items())
    target = run.signature.targets[0].name
    shell = [
        "# ask the surrogate",
        f"mlaround predict {path} {asked}",
        "# go on with the run: always safe, also after a crash",
        f"mlaround resume {path}",
        "# the same campaign again, from the beginning",
        f"mlaround run {shlex.quote(str(run.folder.resolved))}",
        "# one row per simulation",
        f"mlaround results {path} --csv results.csv",
    ]
    python = [
        "from workflow import open_run",
        "",
        f"run = open_run({str(run.folder.path)!r})",
        f"answer = run.surrogate().evaluate({', '.join(f'{k}={v}' for k, v in point.items())})",
        f"answer.{target}.mean, answer.{target}.std, answer.in_domain",
    ]
    return "".join(f"<pre>{_text(chr(10).join(lines))}</pre>" for lines in (shell, python))


def _card(run: Run) -> str:
    try:
        card = run.surrogate().card()
    except RunError as error:
        return f"<p>{_text(str(error))}.</p>"
    return f"<details><summary>The card of {_in_use(run)}</summary><pre>{_text(card)}</pre></details>"


def _provenance(run: Run) -> str:
    rows = [(key, _flat(value)) for key, value in run.folder.read_provenance().items()]
    sessions = [f"{e['host']}, {e['workers']} workers" for e in run.record.run_started]
    rows += [("controllers", "; ".join(sessions)), ("folder", str(run.folder.path))]
    return table(("", ""), rows, "Where and with what it ran")


def _figures(parts: Iterable[Callable[[], Figure]]) -> str:
    """Those figures that have something to show, and why the others have not."""
    shown, missing = "", []
    for part in parts:
        try:
            shown += _figure(part())
        except (NothingToShowError, RunError) as error:
            missing.append(str(error))
    return shown + "".join(f"<p class=soft>{_text(why)}.</p>" for why in dict.fromkeys(missing))


def _figure(figure: Figure) -> str:
    name, title, summary = _text(figure.name), _text(figure.title), _text(figure.summary)
    height = int(figure.layout["height"])
    width = int(figure.layout.get("meta", {}).get("min_width", 320))
    data = embed({"name": figure.name, **figure.to_dict(), "csv": figure.to_csv()})
    return (
        f'<div class="figure" id="{name}"><h3>{title}</h3><p>{summary}</p><div class="scroll" tabindex="0">'
        f'<div class="plot" role="img" aria-label="{title}. {summary}" '
        f'style="height:{height}px;min-width:{width}px"></div></div>'
        f'<button type="button" aria-label="Download the data of: {title}">Download CSV</button>'
        '<details><summary>View as table</summary><div class="scroll" tabindex="0"></div></details>'
        f'<script type="application/json">{data}</script></div>'
    )


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, *, numbers: Iterable[int] = ()
) -> str:
    """An HTML table; `numbers` are the columns to align right."""
    right = set(numbers)

    def cells(row: Sequence[Any], tag: str) -> str:
        scope = " scope=col" if tag == "th" else ""
        classes = [" class=n" if k in right else "" for k in range(len(row))]
        return "".join(f"<{tag}{c}{scope}>{_text(v)}</{tag}>" for c, v in zip(classes, row, strict=True))

    top = f"<thead><tr>{cells(heads, 'th')}</tr></thead>" if any(heads) else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table><caption>{_text(caption)}</caption>{top}'
        f"<tbody>{body}</tbody></table></div>"
    )


def _seconds(value: float | None) -> str:
    return "not yet known" if value is None else duration(value)


def _number(value: float | None) -> str:
    if value is None:
        return "not yet known"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _middle(low: float, high: float, values: Sequence[float]) -> str:
    return f"{values[len(values) // 2] if values else 0.5 * (low + high):g}"


def _in_use(run: Run) -> str:
    promoted = run.record.promoted
    return "none yet" if promoted is None else version_name(promoted)


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")


def _text(value: Any) -> str:
    return html.escape(str(value))
