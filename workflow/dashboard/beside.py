"""A dashboard beside a run: a process of its own that ends when the run does, however it ends.

`start` is called by whoever starts the run and imports nothing heavy; the rest of this module is the
process that it starts.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workflow.dashboard.place import address, new_token, on_port

GRACE = 3.0
"""Seconds that it gets to end."""

CHECK = 1.0
"""Seconds between two looks for the parent, if nothing is heard of its end."""


@contextmanager
def start(folder: Path, failed: Callable[[str], None]) -> Iterator[str]:
    """Have a dashboard on a run until the block is left.

    Args:
        folder: of the run; it need not exist yet.
        failed: called with words, in another thread, if the dashboard ends before that.

    Yields:
        the address to open.

    Raises:
        PlaceError: there is no port for it.
        OSError: no process can be started.
    """
    token = new_token()
    with on_port(None) as listener:
        process = subprocess.Popen(
            [sys.executable, "-m", "workflow.dashboard.beside", str(folder), str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # Ctrl-C is meant for the run, which may take a while to end
        )
        found = address(listener, token)
    assert process.stdin is not None
    with suppress(OSError):  # it ended already, which the thread will say
        # Not as an argument, which all users of this machine could read.
        process.stdin.write((json.dumps({"token": token}) + "\n").encode())
        process.stdin.flush()
    left = threading.Event()
    thread = threading.Thread(target=_wait, args=(process, left, failed), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        left.set()
        with suppress(OSError):
            process.stdin.close()
        thread.join(GRACE)
        if process.poll() is None:
            process.kill()


def _wait(process: subprocess.Popen[bytes], left: threading.Event, failed: Callable[[str], None]) -> None:
    assert process.stderr is not None
    with process.stderr as said:
        last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    if process.wait() and not left.is_set():
        failed(last[0] if last else f"it ended with code {process.returncode}")


def main(folder: str, listener: int) -> None:
    """Serve a run until the parent is gone.

    Args:
        folder: of the run.
        listener: number of a listening socket that was inherited.
    """
    parent = os.getppid()
    token = json.loads(sys.stdin.readline())["token"]
    over = threading.Event()
    threading.Thread(target=_watch, args=(parent, over), daemon=True).start()

    from workflow.dashboard.context import Runs
    from workflow.dashboard.server import leave, serve

    path = Path(folder)
    runs = Runs(path.parent, only=path.name)
    serve(runs, socket.socket(fileno=listener), token=token, read_only=False, hosts=(), until=over)
    leave()


def _watch(parent: int, over: threading.Event) -> None:
    """Set the event once the parent closes our input or is gone.

    Its workers may hold the other end of the input for longer than it lives, hence both.
    """
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], CHECK)
        if ready and not os.read(0, 1024):
            break
    over.set()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
