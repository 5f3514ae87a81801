"""`mlaround simulate`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from workflow.cli.arguments import ManyValues, json_option, read_campaign, read_pairs
from workflow.cli.console import Progress, measured, print_json, table
from workflow.cli.failures import FAILED, MISSING, USAGE, Failure
from workflow.words import duration
from workflow.worker import add_to_path

if TYPE_CHECKING:
    from simulators import Observations, Simulator
    from simulators.contract.observations import Array


KINDS = "mlaround simulate --help"
SHOWN = 10
"""Of more failed replicas than this only the first are named."""


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """With a kind on the command line, its inputs and configuration come with the help."""
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(ctx.get_help())
    if not ctx.params.get("kind"):
        click.echo(f"\nKinds: {', '.join(_kinds())}, your own as module:Class, or a campaign's file.")
    else:
        from workflow.cli.describe import describe_simulator

        kind = ctx.params["kind"]
        if _is_campaign(kind):
            simulator = _of_campaign(kind, {}, None)
            click.echo("\n" + describe_simulator(type(simulator), simulator))
        else:
            click.echo("\n" + describe_simulator(_find(kind)))
    ctx.exit()


@click.command("simulate", cls=ManyValues, add_help_option=False)
@click.argument("kind", metavar="KIND", is_eager=True, required=False)
@click.option(
    "-p", "inputs", multiple=True, metavar="NAME=VALUE ...", help='Inputs, units allowed: -p gap="3.2 nm".'
)
@click.option("--config", multiple=True, metavar="KEY=VALUE ...", help="Configuration of the simulator.")
@click.option("--replicas", default=1, show_default=True, type=click.IntRange(1), help="Independent repeats.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Every random number follows from it.",
)
@click.option(
    "--first",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Number of the first replica. With a campaign's seed, that of one of its simulations repeats it.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Replicas that run at a time; by default one per core."
)
@click.option(
    "--backend",
    type=click.Choice(["cpu", "cuda", "mpi"]),
    help="Where to compute, where there is a choice.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what the next three ask for.",
)
@click.option("--frames", type=click.IntRange(1), help="Steps between frames of replica-N.gsd.")
@click.option("--series", type=click.IntRange(1), help="Steps between rows of replica-N.csv.")
@click.option(
    "--checkpoint",
    type=click.IntRange(1),
    help="Steps between checkpoints; one found there is gone on from.",
)
@click.option(
    "--start",
    metavar="FILE.gsd[:FRAME]",
    help="State to start from: a frame, by default the last.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write an HDF5 result file.")
@json_option
@click.option(
    "-h",
    "--help",
    is_flag=True,
    expose_value=False,
    callback=_show_help,
    help="Show this, and with KIND its inputs.",
)
def command(
    kind: str | None,
    inputs: tuple[str, ...],
    config: tuple[str, ...],
    replicas: int,
    seed: int,
    first: int,
    threads: int | None,
    backend: str | None,
    keep: Path | None,
    frames: int | None,
    series: int | None,
    checkpoint: int | None,
    start: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run a simulator at one point, without a campaign.

    KIND is a kind of simulator, or the file of a campaign: its simulator then, as it is configured there.

    Several replicas are averaged with equal weights (they are equally long), and the standard error
    of that mean is the root of the summed squares of their own standard errors, which come from
    blocks, over their number. Where these are not known, it is the replicas' scatter over the root
    of their number; a single replica has none then.
    """
    if kind is None:
        raise Failure(f"no KIND of simulator given; known: {', '.join(_kinds())}", USAGE, KINDS)
    advice = f"mlaround simulate {kind} --help"
    for option, value in (("--seed", seed), ("--first", first)):
        if value >= 2**63:
            raise Failure(f"{option} {value}: must be below 2^63", USAGE, advice)
    settings = read_pairs(config, "--config", advice)
    if _is_campaign(kind):
        simulator = _of_campaign(kind, settings, backend)
        kind = simulator.kind
    else:
        simulator = _configured(kind, _find(kind), settings, backend)
    given = _values(simulator, read_pairs(inputs, "-p", advice), advice)
    if out is not None and out.exists():
        raise Failure(f"{out} exists and is left as it is", USAGE, "name another file with --out")
    asked = {"frames": frames, "series": series, "checkpoint": checkpoint, "start": start}
    wanted = _kept(simulator, keep, asked, replicas, advice)
    import os

    import numpy as np

    from simulators import InvalidInputError, SimulatorError
    from workflow.seeds import replica_seeds

    try:
        row = simulator.complete(given)
    except InvalidInputError as error:
        raise Failure(str(error), USAGE, advice) from None
    numbers = first + np.arange(replicas)
    seeds = replica_seeds(seed, numbers)
    wall, cpu = time.perf_counter(), time.process_time()
    with Progress(f"simulate {kind}") as progress:
        progress(0.0, "(its kernels are compiled on first use)" if simulator.compiles else "")
        rows = np.tile(row, (replicas, 1))
        config_used = simulator.model_dump()
        processes = config_used["ranks"] if config_used.get("backend") == "mpi" else 1
        try:
            cores = threads or max(1, (os.cpu_count() or 1) // processes)
            found = simulator.run(rows, seeds, threads=cores, progress=progress, **wanted)
        except SimulatorError as error:
            raise Failure(str(error), FAILED, advice) from None
    wall = time.perf_counter() - wall
    # What replicas say they used leaves out compiling, and counts other processes that they started.
    cpu = float(found.cpu_seconds.sum()) or time.process_time() - cpu
    if out is not None:
        from workflow.results import write_result

        write_result(
            out,
            simulator,
            replicas=numbers,
            names=[p.name for p in simulator.inputs],
            inputs=rows,
            seeds=seeds,
            observations=found,
            attributes={"kind": kind, "config": simulator.model_dump_json(), "seed": seed, "first": first},
        )
    result = {
        "schema": "mlaround.simulate/1",
        "kind": kind,
        "inputs": {p.name: value for p, value in zip(simulator.inputs, row.tolist(), strict=True)},
        "config": simulator.model_dump(mode="json"),
        "replicas": replicas,
        "seed": seed,
        "first": first,
        "outputs": _outputs(simulator, found, replicas),
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "failures": [
            {"replica": first + k, "reason": f.reason, "message": f.message}
            for k, f in found.failures.items()
        ],
    }
    if as_json:
        print_json(result)
    else:
        _print(result, simulator)
    if len(found.failures) == replicas:
        raise Failure(next(iter(found.failures.values())).message, FAILED, advice)


def _kinds() -> list[str]:
    from simulators import Simulator
    from workflow.plugins import find

    return sorted(find("simulators", Simulator))


def _is_campaign(kind: str) -> bool:
    return kind.endswith((".yaml", ".yml"))


def _of_campaign(file: str, config: dict[str, str], backend: str | None) -> Simulator:
    """The simulator of a campaign, with these settings in place of its own."""
    settings = config | ({"backend": backend} if backend is not None else {})
    overrides = [f"simulator.{key}={text}" for key, text in settings.items()]
    return read_campaign(Path(file), overrides).simulator


def _find(kind: str) -> type[Simulator]:
    add_to_path(str(Path.cwd()))
    from simulators import Simulator
    from workflow.plugins import named

    return cast("type[Simulator]", named(kind, "simulators", Simulator))


def _configured(kind: str, found: type[Simulator], config: dict[str, str], backend: str | None) -> Simulator:
    """The simulator with its settings, read as YAML."""
    from pydantic import ValidationError

    from workflow.reading.document import parse_document

    field = found.model_fields.get("backend")
    backends = get_args(field.annotation) if field is not None else ("cpu",)
    if backend is not None and backend not in backends:
        has = f"{kind} has no {backend} backend; it has {', '.join(backends)}"
        raise Failure(has, MISSING, f"the same command without --backend {backend}")
    if backend is not None and field is not None:
        config["backend"] = backend
    values = {key: parse_document(text, f"--config {key}").data for key, text in config.items()}
    try:
        return found(**{"kind": kind, **values})
    except ValidationError as error:
        from workflow.words import suggestion

        lines = []
        for e in error.errors(include_url=False):
            key = str(e["loc"][0]) if e["loc"] else ""
            unknown = e["type"] == "extra_forbidden"
            msg = e["msg"].removeprefix("Value error, ")
            hint = msg[0].lower() + msg[1:]
            if unknown:
                settings = [name for name in found.model_fields if name != "kind"]
                hint = f"no such setting; {suggestion(key, settings) if settings else 'it has none'}"
            lines.append(f"--config {key}={config.get(key, '')}: {hint}" if key else f"--config: {hint}")
        raise Failure("\n".join(lines), USAGE, f"mlaround simulate {kind} --help") from None


def _kept(
    simulator: Simulator, folder: Path | None, asked: dict[str, Any], replicas: int, advice: str
) -> dict[str, Any]:
    """The argument ``keep`` of `Simulator.run`, if anything is to be kept or started from."""
    given = {what: value for what, value in asked.items() if value is not None}
    for what in given:
        if what not in simulator.keeps:
            can = ", ".join(f"--{w}" for w in sorted(simulator.keeps)) or "none of these options"
            raise Failure(f"--{what}: {simulator.kind} takes {can}", USAGE, advice)
    files = given.keys() - {"start"}
    if bool(files) != (folder is not None):
        missing = "--keep DIR is missing" if files else "--keep: nothing to keep"
        raise Failure(f"{missing}; --frames, --series and --checkpoint go with --keep", USAGE, advice)
    if not given:
        return {}
    from simulators import Keep, SimulatorError

    names = tuple(f"replica-{k:06d}" for k in range(replicas))
    start = given.pop("start", None)
    keep = Keep(folder or Path(), names, **given)
    if start is not None:
        from simulators.batch.trajectories import read_frame

        path, colon, index = start.rpartition(":")
        whole = not colon or not index.lstrip("-").isdigit()
        try:
            frame = read_frame(Path(start if whole else path), -1 if whole else int(index))
        except (OSError, ValueError, IndexError, SimulatorError) as error:
            raise Failure(f"--start: {error}", USAGE, "--start kept/replica-000000.gsd:3") from None
        keep = replace(keep, starts=dict.fromkeys(range(replicas), frame))
    return {"keep": keep}


def _values(simulator: Simulator, given: dict[str, str], advice: str) -> dict[str, float]:
    """Numbers in the declared units; every mistake at once."""
    from surrogates.contract import parse_quantity
    from workflow.words import suggestion

    declared = {p.name: p for p in simulator.inputs}
    values, mistakes = {}, []
    for name, text in given.items():
        if name not in declared:
            mistakes.append(f"-p {name}: no such input; {suggestion(name, declared)}")
            continue
        try:
            values[name] = parse_quantity(text, declared[name].unit, name)
        except ValueError as error:
            mistakes.append(f"-p {error}")
    mistakes += [
        f"-p {p.name} is missing; accepted: {p.low:g} to {p.high:g} {p.unit}".rstrip()
        for p in simulator.inputs
        if p.default is None and p.name not in given
    ]
    if mistakes:
        raise Failure("\n".join(mistakes), USAGE, advice)
    return values


def _outputs(simulator: Simulator, found: Observations, replicas: int) -> dict[str, Any]:
    """Means over the replicas that did not fail, with standard errors from their blocks."""
    import numpy as np

    good = [k for k in range(replicas) if k not in found.failures]
    units = {c.name: c.unit for c in simulator.coordinates}
    outputs: dict[str, Any] = {}
    for output in simulator.outputs:
        having = [k for k in good if np.isfinite(found.mean[output.name][k]).all()]
        mean, stderr = found.mean[output.name][having], found.stderr[output.name][having]
        entry: dict[str, Any] = {
            "mean": mean.mean(axis=0) if having else None,
            "stderr": _error_of_mean(mean, stderr) if having else None,
            "unit": output.unit,
        }
        if output.optional:
            entry["replicas_having_it"] = len(having)
        if output.coordinate and good:
            edges = found.edges[output.coordinate][good[0]]
            values = (edges[1:] + edges[:-1]) / 2
            name = output.coordinate
            entry["axis"] = {"name": name, "unit": units[name], "values": values, "edges": edges}
        if replicas > 1:
            entry["replicas"] = {"mean": found.mean[output.name], "stderr": found.stderr[output.name]}
        outputs[output.name] = entry
    return outputs


def _error_of_mean(mean: Array, stderr: Array) -> Array:
    """From the errors of replicas, arrays (replicas, ...); where one is not known, from their scatter."""
    import numpy as np

    n = len(mean)
    scatter = mean.std(axis=0, ddof=1) if n > 1 else np.full(mean.shape[1:], np.nan)
    known = np.sqrt((stderr**2).sum(axis=0)) / n
    error: Array = np.where(np.isnan(known), scatter / np.sqrt(n), known)
    return error


def _print(result: dict[str, Any], simulator: Simulator) -> None:
    given = {p.name: f"{result['inputs'][p.name]:g} {p.unit}".rstrip() for p in simulator.inputs}
    click.echo(f"{result['kind']}: " + ", ".join(f"{name} = {text}" for name, text in given.items()))
    rows: list[tuple[object, ...]] = [("output", "mean", "standard error", "unit")]
    for name, entry in result["outputs"].items():
        if "axis" in entry:
            axis = entry["axis"]
            unit = f" ({axis['unit']})" if axis["unit"] else ""
            where = f"{len(axis['values'])} bins over {axis['name']}{unit}: --json or --out"
            rows.append((name, where, "", entry["unit"]))
        elif entry["mean"] is not None:
            mean, error = measured(entry["mean"], entry["stderr"])
            rows.append((name, mean, "?" if error == "nan" else error, entry["unit"]))
        elif entry.get("replicas_having_it") == 0 and len(result["failures"]) < result["replicas"]:
            rows.append((name, "none", "", entry["unit"]))
        else:
            rows.append((name, "every replica failed", "", entry["unit"]))
    click.echo(table(rows))
    for failure in result["failures"][:SHOWN]:
        click.echo(f"replica {failure['replica']} failed: {failure['message']}", err=True)
    cost = f"{duration(result['wall_seconds'])}, {duration(result['cpu_seconds'])} of CPU"
    failed = f"; {len(result['failures'])} failed" if result["failures"] else ""
    count = f"{result['replicas']} replica" + ("s" if result["replicas"] > 1 else "")
    click.echo(f"{count}, seed {result['seed']}: {cost}{failed}", err=True)
