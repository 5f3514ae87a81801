"""`mlaround doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workflow.cli.arguments import json_option
from workflow.cli.console import paint, print_json, table
from workflow.cli.failures import MISSING, NOT_FOUND, USAGE, Failure

if TYPE_CHECKING:
    from workflow.doctor.check import Check


@click.command("doctor")
@click.option("--profile", metavar="NAME", help="Also check this profile of ~/.config/mlaround/sites.yaml.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    help="Where runs are to be: its file system is tried; by default here.",
)
@click.option("--nodes", is_flag=True, help="Submit one small job, wait for it, and check the nodes it got.")
@json_option
def command(profile: str | None, folder: Path, nodes: bool, as_json: bool) -> None:
    """Say what this installation, machine and site have; paste it where you ask for help."""
    from workflow.doctor.packages import packages

    versions, missing = packages()
    if missing:  # the rest may need just these
        checks = []
        if profile or nodes:
            click.echo("the site is not checked before all packages are here", err=True)
    else:
        checks = _checks(profile, folder, nodes)
    if as_json:
        found = [check.as_dict() for check in checks]
        report: dict[str, Any] = {"schema": "mlaround.doctor/2", "ok": not missing, "missing": missing}
        print_json(report | {"checks": found, "packages": versions})
    else:
        _print(checks, versions)
    if missing:
        raise Failure(f"missing: {', '.join(missing)}", MISSING, f"pip install {' '.join(missing)}")


def _checks(profile: str | None, folder: Path, nodes: bool) -> list[Check]:
    from workflow.doctor.batch import against, batch
    from workflow.doctor.machine import machine
    from workflow.doctor.mpi import mpi
    from workflow.doctor.shared import shared

    resources = _resources(profile) if profile else None
    system, site = batch()
    job = _job(resources, system) if nodes else None
    many = system is not None or (resources is not None and resources.kind not in ("local", "threads"))
    checks = [*machine(), *mpi(), *shared(folder, many_machines=many), *site]
    if profile and resources is not None:
        checks += against(profile, resources, folder)
    if job is not None:
        from workflow.doctor.nodes import nodes as look

        checks += look(job, folder, lambda words: click.echo(words, err=True))
    return checks


def _job(resources: Any, system: str | None) -> Any:
    """What a job of the doctor's asks for."""
    from workflow.resources import Slurm

    if resources is None and system == "slurm":
        return Slurm()
    if isinstance(resources, Slurm) and system == "slurm":
        return resources
    words = "no Slurm answers here" if system != "slurm" else f"the profile is of kind {resources.kind}"
    raise Failure(f"--nodes knows Slurm alone, and {words}", USAGE, "mlaround doctor")


def _resources(profile: str) -> Any:
    """The resources of a profile, checked as those of a campaign are."""
    from pydantic import TypeAdapter, ValidationError

    from workflow.profiles import ProfileError, find_profile
    from workflow.resources import Resources

    try:
        document, name = find_profile(profile)
        return TypeAdapter(Resources).validate_python(document.data[name])
    except ProfileError as error:
        raise Failure(str(error), NOT_FOUND, "mlaround doctor, without a profile") from None
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"][1:])
        words = f"profile {profile}: {where or 'kind'}: {wrong['msg']}"
        raise Failure(words, USAGE, "mlaround schema, for the keys of resources") from None


def _print(checks: list[Check], versions: dict[str, str | None]) -> None:
    subject = None
    for check in checks:
        if check.subject != subject:
            click.echo(("\n" if subject else "") + check.subject)
            subject = check.subject
            width = max(len(c.name) for c in checks if c.subject == subject)
        mark = paint("warning", "yellow") if check.do else "ok     "
        click.echo(f"  {mark}  {check.name.ljust(width)}  {check.found}")
        if check.do:
            click.echo(f"           {' ' * width}  to do: {check.do}")
    click.echo("\npackages\n" + table([(n, v or "MISSING") for n, v in versions.items()], indent="  "))
