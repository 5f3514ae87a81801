"""`mlaround dashboard`."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from workflow.cli.failures import NOT_FOUND, USAGE, Failure
from workflow.cli.typed import shown
from workflow.folder import RUNS


@click.command("dashboard")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65535), help="By default 8765, or the next free one.")
@click.option(
    "--uds",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Listen at a Unix socket that only you may use, instead of a port.",
)
@click.option("--read-only", is_flag=True, help="Ask nothing of any run.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which a proxy calls the dashboard, besides localhost.",
)
@click.pass_context
def command(
    context: click.Context,
    folder: Path | None,
    port: int | None,
    uds: Path | None,
    read_only: bool,
    hosts: tuple[str, ...],
) -> None:
    """Show runs in a browser, live: a run folder, or all those in a folder (by default runs/).

    It listens on this machine alone and asks for the token of the address that it prints. From another
    machine, type the ssh line first. Ctrl-C ends it; runs go on.
    """
    place = RUNS if folder is None else folder
    if not place.is_dir():
        what = "is no folder" if place.exists() else "does not exist"
        raise Failure(f"{shown(place)} {what}", NOT_FOUND, "mlaround run campaign.yaml")
    if uds is not None and port is not None:
        raise Failure("give --port or --uds, not both", USAGE, "mlaround dashboard --help")
    listener = _listener(port, uds)
    try:
        _serve(place, listener, read_only, hosts, verbose=bool(context.find_root().params.get("verbose")))
    finally:
        listener.close()
        if uds is not None:
            uds.unlink(missing_ok=True)


def _listener(port: int | None, uds: Path | None) -> socket.socket:
    from workflow.dashboard.place import PORT, PlaceError, on_path, on_port

    try:
        listener = on_port(port) if uds is None else on_path(uds.absolute())
    except PlaceError as error:
        raise Failure(str(error), USAGE, "mlaround dashboard, which finds a free port") from None
    if uds is None and port is None and listener.getsockname()[1] != PORT:
        click.echo(f"port {PORT} is taken; this is {listener.getsockname()[1]}", err=True)
    return listener


def _serve(
    place: Path, listener: socket.socket, read_only: bool, hosts: tuple[str, ...], *, verbose: bool
) -> None:
    from workflow.dashboard.place import address, new_token, tunnel

    token = new_token()
    click.echo(f"open {address(listener, token)}")
    click.echo(f"from another machine, first: {tunnel(listener)}")
    if verbose:
        import logging

        logging.basicConfig(level=logging.INFO)
        logging.getLogger("workflow.dashboard").setLevel(logging.DEBUG)
    from workflow.dashboard.context import Runs
    from workflow.dashboard.server import leave, serve

    serve(Runs.at(place), listener, token=token, read_only=read_only, hosts=hosts)
    leave()
