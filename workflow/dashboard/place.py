"""Where a dashboard listens, and what to type to get there. Nothing heavy is imported here."""

from __future__ import annotations

import getpass
import os
import secrets
import shlex
import socket
from contextlib import suppress
from pathlib import Path

PORT = 8765
NEXT = 100
"""Ports tried after the first one, if none was asked for."""


class PlaceError(Exception):
    """A place where no dashboard can listen."""


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def on_port(port: int | None) -> socket.socket:
    """A socket that listens on this machine alone.

    Args:
        port: the one to take; by default the first free one from `PORT` on.

    Raises:
        PlaceError: it is taken.
    """
    for candidate in [port] if port is not None else range(PORT, PORT + NEXT):
        # With its protocol named: asyncio sends small answers at once (TCP_NODELAY) on no other socket.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # A port that a dashboard used a moment ago is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port is not None:
                raise PlaceError(f"port {port} cannot be used: {error.strerror}") from None
            continue
        return listener
    raise PlaceError(f"no port from {PORT} to {PORT + NEXT - 1} is free")


def on_path(path: Path) -> socket.socket:
    """A Unix socket that only its owner may use.

    Raises:
        PlaceError: something is there already, or nothing can be.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            if _answers(path):
                raise PlaceError(f"another server listens at {path}")
            path.unlink()  # left by one that was killed
        before = os.umask(0o177)  # from the start: nobody may come in before a chmod
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PlaceError(f"no socket at {path}: {error.strerror or error}") from None
    except PlaceError:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one, suppress(OSError):
        one.settimeout(1.0)
        one.connect(str(path))
        return True
    return False


def address(listener: socket.socket, token: str) -> str:
    """What to open in a browser."""
    return f"http://127.0.0.1:{_port(listener)}/?token={token}"


def tunnel(listener: socket.socket) -> str:
    """What to type on another machine first."""
    place = listener.getsockname()
    there = place if listener.family == socket.AF_UNIX else f"127.0.0.1:{place[1]}"
    return f"ssh -N -L {shlex.quote(f'{_port(listener)}:{there}')} {_user()}@{socket.gethostname()}"


def _port(listener: socket.socket) -> int:
    if listener.family == socket.AF_UNIX:
        return PORT  # of the machine at the other end of the tunnel
    return int(listener.getsockname()[1])


def _user() -> str:
    with suppress(Exception):  # a user without a name, in a container say
        return getpass.getuser()
    return "user"
