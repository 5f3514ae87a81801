"""Where the run came from, how to repeat it, and its files."""

from __future__ import annotations

import inspect
import json
import shlex
import time
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from workflow.dashboard.page import Block, CodeBlock, FilesBlock, Page, TableBlock, TextBlock, YamlBlock
from workflow.diagnostics import CampaignError
from workflow.reading import dump, parse_campaign
from workflow.run import Run

Path = tuple[str | int, ...]

OFFERED = {
    "campaign.yaml": "the campaign as it was given",
    "resolved.yaml": "the same with everything filled in: runs again as it is",
    "provenance.json": "versions, host and command of the start",
    "environment.txt": "every installed package",
    "events.jsonl": "all that happened, an object a line",
    "results.csv": "a row per simulation, written when the run stops",
    "report.html": "the report, one page that needs no network",
}


def blocks(run: Run) -> list[Block]:
    """The campaign, where it ran, how to repeat and to cite it, and its files."""
    found: list[Block] = [
        YamlBlock("The campaign with everything filled in", campaign_lines(run)),
        _where(run),
        _controllers(run),
        CodeBlock("To repeat it, or to go on with it", _commands(run)),
        TextBlock("How to cite it", _citation(run)),
    ]
    provenance = run.folder.read_provenance()
    if provenance.get("versions"):
        rows = [(name, version or "not installed") for name, version in provenance["versions"].items()]
        found.insert(3, TableBlock("Versions", ("package", "version"), rows))
    found.append(FilesBlock("Files", _files(run)))
    return found


def campaign_lines(run: Run) -> list[dict[str, Any]]:
    """The lines of ``resolved.yaml``, each with whether the user gave its value.

    Given is what stands in the campaign's file, and what differs from what that file alone would give: a
    value set on the command line.
    """
    text = run.folder.read_resolved()
    resolved = _leaves(_read(text))
    try:
        source = run.folder.campaign.read_text(encoding="utf-8")
    except OSError:
        source = ""
    stated = set(_paths(_read(source)))
    try:
        alone = _leaves(_read(dump(parse_campaign(source))))
    except CampaignError:  # it needed what was set on the command line
        alone = {}
    given = {
        path
        for path, value in resolved.items()
        if any(path[:n] in stated for n in range(len(path), 1, -1))
        or path in stated
        or (bool(alone) and alone.get(path) != value)
    }
    lines = []
    for line, paths in _places(text):
        lines.append({"text": line, "given": any(path in given for path in paths)})
    return lines


def _read(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _paths(data: Any, above: Path = ()) -> Iterator[Path]:
    """Every leaf that a document states; a section is stated by what is in it."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _paths(value, (*above, key))
    else:
        yield above


def _leaves(data: Any, above: Path = ()) -> dict[Path, Any]:
    if isinstance(data, dict) and data:
        return {p: v for key, value in data.items() for p, v in _leaves(value, (*above, key)).items()}
    if isinstance(data, list) and data:
        return {p: v for k, value in enumerate(data) for p, v in _leaves(value, (*above, k)).items()}
    return {above: data}


def _places(text: str) -> list[tuple[str, list[Path]]]:
    """Each line of a document in block style, with the leaves at or below it."""
    lines = text.rstrip("\n").split("\n")
    own: list[Path] = []
    stack: list[tuple[int, Path, int]] = []  # indentation, path, next item of a list
    for line in lines:
        bare = line.lstrip(" ")
        depth = len(line) - len(bare)
        item = bare.startswith("- ") or bare == "-"
        while stack and (stack[-1][0] > depth or (stack[-1][0] == depth and not item)):
            stack.pop()
        if item:
            indent, path, k = stack.pop()
            stack.append((indent, path, k + 1))
            own.append((*path, k))
        elif ":" in bare:
            path = (*(stack[-1][1] if stack else ()), bare.partition(":")[0].strip("'\""))
            stack.append((depth, path, 0))
            own.append(path)
        else:  # the rest of a long text
            own.append(own[-1] if own else ())
    leaves = list(_leaves(_read(text)))
    return [(line, [p for p in leaves if p[: len(at)] == at]) for line, at in zip(lines, own, strict=True)]


def _where(run: Run) -> TableBlock:
    about = run.folder.read_provenance()
    commit = about.get("git_commit")
    code = "not a checkout" if commit is None else commit
    if commit is not None and about.get("git_changed"):
        code += ", with changes that were not committed"
    rows = [
        ("campaign", run.campaign.name),
        ("seed", str(run.campaign.seed)),
        ("source", about.get("source") or "from Python"),
        ("started", about.get("started", "not recorded")),
        ("command", about.get("command", "not recorded")),
        ("in", about.get("folder", "not recorded")),
        ("host", about.get("host", "not recorded")),
        ("system", about.get("system", "not recorded")),
        ("processor", f"{about.get('processor', 'not recorded')}, {about.get('cores', '?')} cores"),
        ("python", about.get("python", "not recorded")),
        ("code", code),
        ("run folder", str(run.folder.path)),
    ]
    if about.get("scheduler"):
        rows.append(("scheduler", json.dumps(about["scheduler"])))
    return TableBlock("Where and with what it began", ("", ""), rows)


def _controllers(run: Run) -> TableBlock:
    rows = [
        (
            k + 1,
            e.get("host", ""),
            e.get("workers", ""),
            "went on" if e.get("resumed") else "began",
            time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(e["t"])),
        )
        for k, e in enumerate(run.record.run_started)
    ]
    return TableBlock("Controllers that held it", ("", "host", "workers", "what it did", "when"), rows, (2,))


def _commands(run: Run) -> str:
    path = shlex.quote(str(run.folder.path))
    return "\n".join(
        (
            "# the same campaign again, from the beginning",
            f"mlaround run {shlex.quote(str(run.folder.resolved))}",
            "# go on with this run: always safe, also after a crash",
            f"mlaround resume {path}",
            "# one page with everything, for those who were not there",
            f"mlaround report {path}",
            "# one row per simulation",
            f"mlaround results {path} --csv results.csv",
        )
    )


def _citation(run: Run) -> str:
    about = run.folder.read_provenance()
    version = (about.get("versions") or {}).get("mlaround") or "of unknown version"
    commit = f", commit {about['git_commit'][:12]}" if about.get("git_commit") else ""
    simulator = (
        inspect.cleandoc(type(run.campaign.simulator).__doc__ or "").replace("\n", " ").replace("  ", "\n\n")
    )
    return (
        f"mlaround {version}{commit}; campaign {run.campaign.name}, seed {run.campaign.seed}; run "
        f"{run.folder.name}, begun {about.get('started', 'at a time that was not recorded')}.\n\n"
        "Effective speedup: Fox, Jha and coworkers, Learning Everywhere, arXiv:1902.10810.\n\n"
        f"Simulator {run.campaign.simulator.kind}: {simulator}"
    )


def _files(run: Run) -> list[dict[str, Any]]:
    found = [
        {"path": name, "words": words, "bytes": (run.folder.path / name).stat().st_size}
        for name, words in OFFERED.items()
        if (run.folder.path / name).is_file()
    ]
    for model in run.record.models[::-1]:
        folder = run.folder.model(model["model"])
        use = ", in use" if model["model"] == run.record.promoted else ""
        for path, words in (
            ("model.json", "what it maps, how, and its scores"),
            ("weights.safetensors", "its numbers"),
        ):
            if (folder / path).is_file():
                name = str((folder / path).relative_to(run.folder.path))
                size = (folder / path).stat().st_size
                found.append({"path": name, "words": f"{folder.name}{use}: {words}", "bytes": size})
    return found


PAGE = Page(
    "Provenance",
    90,
    intro="Where this run came from, and what it takes to have it again.",
    blocks=blocks,
)
