"""Arguments that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workflow.cli.failures import NOT_FOUND, USAGE, Failure
from workflow.cli.typed import quoted
from workflow.folder import RUNS, RunFolder
from workflow.worker import add_to_path

if TYPE_CHECKING:
    from workflow.campaign import Campaign

MANY = ("-p", "--config", "--set")
SUCH_AS = {"-p": "name=value, such as -p gap=3.2", "--config": "key=value, such as --config steps=20000"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the campaign, dotted: --set stop.simulations=64.",
)
profile_option = click.option(
    "--profile",
    metavar="NAME",
    help="Take `resources` from this profile of ~/.config/mlaround/sites.yaml; --set comes on top.",
)
dashboard_option = click.option(
    "--dashboard", is_flag=True, help="Show the run in a browser while it goes on."
)
campaign_argument = click.argument("file", type=click.Path(path_type=Path))
run_argument = click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))


class ManyValues(click.Command):
    """A command whose ``-p``, ``--config`` and ``--set`` take several name=value at a time."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each further name=value."""
        spelled: list[str] = []
        option = ""
        for word in args:
            if word.startswith("-"):
                option = word if word in MANY else ""
            elif option and spelled[-1] != option:
                if "=" in word:
                    spelled.append(option)
                else:
                    option = ""
            spelled.append(word)
        return super().parse_args(ctx, spelled)


def read_pairs(given: Sequence[str], option: str, help_command: str) -> dict[str, str]:
    """``name=value`` texts as a dictionary."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise Failure(f"{option} {text}: expected {SUCH_AS[option]}", USAGE, help_command)
        if name.strip() in pairs:
            raise Failure(f"{option} {text}: `{name.strip()}` is given twice", USAGE, help_command)
        pairs[name.strip()] = value.strip()
    return pairs


def read_campaign(file: Path, overrides: Sequence[str], profile: str | None = None) -> Campaign:
    """The campaign of a file, with the user's own plug-ins importable from beside it."""
    add_to_path(str(file.absolute().parent))
    add_to_path(str(source_of(file).parent))
    from workflow.reading import load_campaign

    if profile is None:
        return load_campaign(file, overrides)
    from workflow.profiles import ProfileError, find_profile

    try:
        found = find_profile(profile)
    except ProfileError as error:
        words = f"mlaround validate {quoted(file)} --profile {shlex.quote(profile)}"
        raise Failure(str(error), USAGE, words) from None
    return load_campaign(file, overrides, found)


def source_of(file: Path) -> Path:
    """The file beside which the user's plug-ins lie: of one in a run folder, that which the run came from."""
    run = RunFolder(file.parent)
    source = run.read_provenance().get("source") if run.exists() else None
    return Path(source) if source else file.resolve()


def find_run(folder: Path | None) -> RunFolder:
    """The run folder that was named, or the newest under ``runs/``."""
    known = sorted((run for run in map(RunFolder, RUNS.glob("*")) if run.exists()), key=_last_sign)
    if folder is None:
        if not known:
            raise Failure("there is no run under runs/", NOT_FOUND, "mlaround run campaign.yaml")
        return known[-1]
    run = RunFolder(folder)
    if not run.exists():
        what = "does not exist"
        if folder.exists():
            what = "is no run folder " + ("(it holds no resolved.yaml)" if folder.is_dir() else "but a file")
        hint = f"mlaround status {quoted(RUNS / known[-1].name)}" if known else "mlaround run campaign.yaml"
        raise Failure(f"{folder} {what}", NOT_FOUND, hint)
    return run


def _last_sign(run: RunFolder) -> float:
    return run.events.stat().st_mtime if run.events.exists() else 0.0
