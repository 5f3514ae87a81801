"""The dashboard's server: where it listens, what it prints, and how it ends."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from types import FrameType

import uvicorn

from workflow.dashboard.app import Dashboard, build
from workflow.dashboard.context import Runs

GRACE = 1
"""Seconds for answers that are under way when the server is to end; streams end by themselves."""


STUCK = 1.0
"""Seconds that threads get to end after the server did: one may be reading a log of many megabytes."""


class _Server(uvicorn.Server):
    """Ends with its streams, and by a signal as by its own will."""

    def __init__(self, config: uvicorn.Config, dashboard: Dashboard) -> None:
        super().__init__(config)
        self._dashboard = dashboard

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a signal does. The signal is not raised anew at the end, as uvicorn would."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._dashboard.close()

    def end_with(self, event: threading.Event) -> None:
        """Wait for the event, then end."""
        event.wait()
        self.handle_exit(0, None)


def serve(
    runs: Runs,
    listener: socket.socket,
    *,
    token: str,
    read_only: bool,
    hosts: Sequence[str],
    until: threading.Event | None = None,
) -> None:
    """Serve until a signal comes.

    Args:
        runs: that are shown.
        listener: a bound socket.
        token: that whoever looks has to bring.
        read_only: whether nothing may be asked of any run.
        hosts: names by which it may be called besides those of this machine.
        until: ends the server as well, once it is set.
    """
    dashboard = build(runs, token=token, read_only=read_only, hosts=hosts)
    config = uvicorn.Config(
        dashboard,
        access_log=False,
        log_level="critical",
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=60,
    )
    server = _Server(config, dashboard)
    if until is not None:
        threading.Thread(target=server.end_with, args=(until,), daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        dashboard.end()


def leave() -> None:
    """End this process soon, whatever its threads are doing: nothing is written that could be left half."""
    timer = threading.Timer(STUCK, os._exit, [0])
    timer.daemon = True
    timer.start()
