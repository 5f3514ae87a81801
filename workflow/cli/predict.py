"""`mlaround predict`."""

from __future__ import annotations

import csv
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from workflow.cli.arguments import ManyValues, json_option, read_pairs
from workflow.cli.console import measured, print_json, table
from workflow.cli.failures import NOT_FOUND, USAGE, Failure
from workflow.cli.typed import quoted
from workflow.folder import RunFolder
from workflow.words import duration

if TYPE_CHECKING:
    from surrogates import Model, Prediction

HEAD = re.compile(r"\s*([^\[]*?)\s*(?:\[(.*)\])?\s*")
"""A column's name, perhaps with its unit."""
NUMBER = re.compile(r"[-+.\deE\s]+")
SHOWN = 10
HELP = "mlaround predict --help; card.md beside the model lists its inputs"


@click.command("predict", cls=ManyValues)
@click.argument("folder", metavar="DIR|MODEL", type=click.Path(path_type=Path))
@click.option(
    "-p", "inputs", multiple=True, metavar="NAME=VALUE ...", help='One point, units allowed: -p gap="3.2 nm".'
)
@click.option(
    "-i",
    "points",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Many points: a CSV with a column per input.",
)
@click.option("-o", "answers", default="-", show_default="stdout", help="Where the answers to -i go, as CSV.")
@click.option("--profiles", is_flag=True, help="With -i, also write arrays, as columns name[0], name[1], ...")
@json_option
def command(
    folder: Path, inputs: tuple[str, ...], points: Path | None, answers: str, profiles: bool, as_json: bool
) -> None:
    """Ask a trained surrogate, and learn whether it may be believed there.

    DIR is a run folder, whose promoted model answers, or the folder of one model. A point outside the
    model's domain is answered with a warning.
    """
    if not folder.is_dir():
        raise Failure(
            f"{folder} {'is a file' if folder.exists() else 'does not exist'}; expected a run folder or the "
            "folder of a model",
            NOT_FOUND,
            "mlaround models, for the models of the newest run",
        )
    if bool(inputs) == (points is not None):
        raise Failure("give one point with -p name=value ..., or many with -i points.csv", USAGE, HELP)
    import surrogates

    run = RunFolder(folder)
    if run.exists() and not run.promoted.is_file():
        text = f"{folder} has no model in use yet: none was trained, or none could be"
        raise Failure(text, NOT_FOUND, f"mlaround status {quoted(run.path)}")
    model = surrogates.load(folder)
    if points is not None:
        if as_json:
            raise Failure("the answers to -i are CSV; --json goes with -p", USAGE, HELP)
        _answer_many(model, points, answers, profiles)
        return
    given: dict[str, str | float] = dict(read_pairs(inputs, "-p", HELP))
    prediction = model.evaluate(**given)
    if as_json:
        print_json({"schema": "mlaround.predict/1", **prediction.to_json()})
    else:
        _print(prediction)
    if not prediction.in_domain:
        warning = "outside the model's domain; simulate this point before you rely on the answer"
        click.echo(f"warning: {warning}: {prediction.reason}", err=True)


def _print(prediction: Prediction) -> None:
    rows: list[tuple[object, ...]] = [("output", "mean", "std", "unit")]
    for name, answer in prediction.to_json()["outputs"].items():
        if "axis" in answer:
            axis = answer["axis"]
            rows.append((name, f"{len(answer['mean'])} bins over {axis['name']}: --json", "", answer["unit"]))
        else:
            rows.append((name, *measured(answer["mean"], answer["std"]), answer["unit"]))
    click.echo(table(rows))
    verdict = "yes" if prediction.in_domain else "NO"
    if prediction.near_edge:
        verdict = f"yes, near its edge ({prediction.reason})"
    click.echo(f"in domain: {verdict}, answered in {duration(prediction.seconds)}", err=True)
    nearest = prediction.nearest
    at = ", ".join(f"{name} = {value:g}" for name, value in nearest.inputs.items())
    click.echo(
        f"nearest training simulation: {nearest.id}, {nearest.distance:.3g} box widths away, at {at}",
        err=True,
    )


def _answer_many(model: Model, points: Path, answers: str, profiles: bool) -> None:
    """Read points from a CSV and write them with answers beside them."""
    from surrogates import OutOfDomainWarning

    rows = _read_points(model, points)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OutOfDomainWarning)
        mean, std = model.predict(rows, return_std=True)
    inside = model.in_domain(rows)
    header = list(model.feature_names)
    columns: list[Any] = list(rows.T)
    for target in model.signature.targets:
        part = model.signature.columns()[target.name]
        if target.axis is not None and not profiles:
            continue
        for k in range(part.start, part.stop):
            name = target.name if target.axis is None else f"{target.name}[{k - part.start}]"
            header += [name, f"{name}_std"]
            columns += [mean[:, k], std[:, k]]
    columns.append(inside.astype(int))
    if answers == "-":
        _write(sys.stdout, [*header, "in_domain"], columns)
    else:
        with open(answers, "w", newline="", encoding="utf-8") as file:
            _write(file, [*header, "in_domain"], columns)
        click.echo(f"{len(rows)} answers written to {answers}", err=True)
    for warning in caught:
        click.echo(f"warning: {warning.message}", err=True)


def _read_points(model: Model, points: Path) -> Any:
    """The rows of a CSV: columns `gap`, in the declared unit, or `gap [nm]`, as `mlaround results` writes."""
    import numpy as np

    from surrogates.contract import parse_quantity

    if not points.is_file():
        raise Failure(f"{points} does not exist", NOT_FOUND, HELP)
    try:
        with points.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            lines = [(reader.line_num, line) for line in reader if line]
    except UnicodeDecodeError as error:
        raise Failure(f"{points}: byte {error.start} is not UTF-8 text", USAGE, "save it as UTF-8") from None
    except csv.Error as error:
        raise Failure(f"{points}: not CSV: {error}", USAGE, HELP) from None
    heads = [(k, match) for k, match in enumerate(map(HEAD.fullmatch, names)) if match]
    column = {match[1]: k for k, match in heads}
    unit = {match[1]: match[2] or "" for _, match in heads}
    features = model.signature.features
    missing = [f.name for f in features if f.low < f.high and f.name not in column]
    if missing:
        from workflow.words import suggestion

        near = f"; `{missing[0]}`: {suggestion(missing[0], names)}" if names else ""
        if len(names) == 1 and ";" in names[0]:
            near = "; columns are separated by commas, not semicolons"
        raise Failure(f"{points}:1: no column {', '.join(missing)}{near}", USAGE, HELP)
    rows, mistakes = [], []
    for number, line in lines:
        if len(line) != len(names):
            mistakes.append(f"{points}:{number}: {len(line)} fields under a header of {len(names)}")
            continue
        row = []
        for f in features:
            given = line[column[f.name]] if f.name in column else f"{f.low!r} {f.unit}"
            bare = unit.get(f.name) and NUMBER.fullmatch(given)
            try:
                row.append(parse_quantity(f"{given} {unit[f.name]}" if bare else given, f.unit, f.name))
            except ValueError as error:
                mistakes.append(f"{points}:{number}: {error}")
        rows.append(row)
    if mistakes:
        more = [f"{len(mistakes)} mistakes, the first {SHOWN} shown"] if len(mistakes) > SHOWN else []
        raise Failure("\n".join([*mistakes[:SHOWN], *more]), USAGE, HELP)
    return np.array(rows, dtype=float).reshape(len(rows), len(features))


def _write(file: TextIO, header: list[str], columns: list[Any]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
