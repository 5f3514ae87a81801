"""Writes docs/campaign.schema.json and docs/reference from the code: ``python -m workflow.reference``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from simulators import Simulator
from surrogates import Surrogate
from workflow.campaign import Campaign, Range, Stop, Training
from workflow.cli import COMMANDS, cli
from workflow.cli.describe import (
    DECLARED_BY_CONFIGURATION,
    input_row,
    named_parts,
    setting_rows,
    summary,
    with_defaults,
)
from workflow.cli.failures import MEANINGS
from workflow.plugins import find
from workflow.reading.messages import kinds, model_at
from workflow.schema import schema_text
from workflow.steering.contract import Policy

GENERATED = "<!-- Written by `make docs` from the code. -->"
EXAMPLE = """\
```yaml
# yaml-language-server: $schema=../docs/campaign.schema.json
name: wells
simulator: {kind: harmonic}
space:
  temperature: [0.5, 2.0]              # a continuous range
  stiffness: {values: [1, 2, 4]}       # values; a model may interpolate between them
  centre: 0                            # a constant
surrogate: {kind: mlp_ensemble}
steering: {kind: sobol}
stop: {simulations: 96}
```
"""


def pages() -> dict[str, str]:
    """Path below ``docs/`` -> text, of everything that is generated."""
    return {
        "campaign.schema.json": schema_text(),
        "reference/cli.md": command_page(),
        "reference/campaign.md": campaign_page(),
    }


def command_page() -> str:
    """The commands with their options, and the exit codes."""
    parts = [
        f"# The command line\n\n{GENERATED}\n",
        "Results go to stdout, progress and messages to stderr; every failure ends with the next command "
        "to type. `--json` prints one object. Off a terminal there are no colours and no bars, on one "
        "`NO_COLOR` turns them off. Where DIR may be left out, the newest run under `runs/` is meant.\n",
    ]
    top = click.Context(cli, info_name="mlaround", terminal_width=96, **cli.context_settings)
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        context = click.Context(command, parent=top, info_name=name, **command.context_settings)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    codes = [(str(code), meaning) for code, meaning in MEANINGS.items()]
    parts.append("## Exit codes\n\n" + _table(("code", "meaning"), codes))
    return "\n".join(parts)


def campaign_page() -> str:
    """Every key of the YAML, and every plug-in with its inputs, outputs and settings."""
    parts = [
        f"# The campaign file\n\n{GENERATED}\n",
        "One YAML 1.2 file. Numbers are in the units that the simulator declares, or texts with a unit "
        "that converts, such as `3.2 nm`. Durations are seconds, or texts such as `30 min`, `1.5 h`, "
        "`11:45:00`, `2-00:00:00`. Any key can be overridden: `--set stop.simulations=64`.\n",
        EXAMPLE,
        "## Keys\n\n" + _settings(Campaign),
        "## space\n\nEach input takes one of `[low, high]`, a single number, or these keys:\n\n"
        + _settings(Range),
        "## training\n\n" + _settings(Training),
        "## stop\n\n" + _settings(Stop),
        "## resources\n",
    ]
    for kind in kinds("resources"):
        model = model_at(("resources",), {"resources": {"kind": kind}})
        assert model is not None
        parts.append(_plugin(kind, model))
    for title, package, base in (
        ("Simulators", "simulators", Simulator),
        ("Surrogates", "surrogates", Surrogate),
        ("Steering policies", "workflow.steering", Policy),
    ):
        parts.append(
            f"## {title}\n\nA class of your own is named by import path: `kind: my_module:MyClass`.\n"
        )
        parts += [_plugin(kind, plugin) for kind, plugin in sorted(find(package, base).items())]
    return "\n".join(parts)


def _plugin(kind: str, model: type[BaseModel]) -> str:
    parts = [f"### {kind}\n", summary(model) + "\n"]
    if issubclass(model, Simulator):
        declared = with_defaults(model)
        if declared is None:
            parts.append(DECLARED_BY_CONFIGURATION + "\n")
        else:
            rows = map(input_row, declared.inputs)
            parts.append(_table(("input", "unit", "range", "default", "description"), rows))
            outputs = [(o.name, o.unit, o.coordinate or "", o.description) for o in declared.outputs]
            parts.append(_table(("output", "unit", "over", "description"), outputs))
    parts.append(_settings(model))
    for name, part in named_parts(model).items():
        parts.append(f"Each of `{name}`:\n\n{_settings(part)}")
    return "\n".join(parts)


def _settings(model: type[BaseModel]) -> str:
    rows = setting_rows(model)
    return _table(("key", "type", "default", "description"), rows) if rows else "It has no settings.\n"


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines) + "\n"


def main() -> None:
    """Write the pages that differ."""
    docs = Path(__file__).parents[1] / "docs"
    for name, text in pages().items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
