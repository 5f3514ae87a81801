"""`mlaround init`."""

from __future__ import annotations

from pathlib import Path

import click

from workflow.cli.console import table
from workflow.cli.failures import USAGE, Failure
from workflow.cli.typed import quoted, typed
from workflow.words import suggestion

SCHEMA = "campaign.schema.json"


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--template", default="slit_density", show_default=True, help="The campaign to begin with.")
@click.option("--list-templates", is_flag=True, help="List the templates and what they ask.")
def command(folder: Path, template: str, list_templates: bool) -> None:
    """Write a commented campaign to begin with: DIR/TEMPLATE.yaml, and the schema for editors."""
    templates = {path.stem: path for path in sorted(_templates().glob("*.yaml"))}
    if list_templates:
        click.echo(table([(name, _question(path)) for name, path in templates.items()]))
        return
    if template not in templates:
        message = f"there is no template `{template}`; {suggestion(template, templates)}"
        raise Failure(message, USAGE, "mlaround init --list-templates")
    file = folder / f"{template}.yaml"
    if file.exists():
        raise Failure(f"{file} exists and is left as it is", USAGE, f"mlaround validate {quoted(file)}")
    from workflow.schema import schema_text

    folder.mkdir(parents=True, exist_ok=True)
    text = templates[template].read_text(encoding="utf-8")
    file.write_text(text.replace(f"../docs/{SCHEMA}", SCHEMA), encoding="utf-8")
    (folder / SCHEMA).write_text(schema_text(), encoding="utf-8")
    click.echo(f"wrote {file}")
    click.echo(typed(f"next: mlaround run {quoted(file)}"), err=True)


def _templates() -> Path:
    """The folder ``campaigns/``: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "templates"
    return shipped if shipped.is_dir() else package.parent / "campaigns"


def _question(path: Path) -> str:
    """The first sentences of a campaign's first comment."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or (words and not text):
            break
        if not text.startswith("yaml-language-server"):
            words.append(text)
    return " ".join(words).partition("? ")[0].strip() + "?"
