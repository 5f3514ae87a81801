"""A worker's guard: whatever a worker has started is gone within a second of its death, however it dies.

The guard is a shell in a session of its own that waits for the end of a pipe, which the system closes when
the worker is gone: killed, out of memory, crashed, out of time, or at its own end. It then ends all that the
worker has started, politely first, since mpiexec and srun then take along their ranks on other machines. A
program is known by a variable in its environment, wherever it has put itself, and a fork that runs no other
program by a page of memory that it shares. What runs without the worker's environment is not found.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress

_GUARD = """\
cd /
trap '' HUP INT TERM
exec 3<&0 </dev/null
{
  read -r never <&3
  signal=TERM pause=0.4
  while
    found=$(grep -lsF -e "$1" /proc/[0-9]*/environ /proc/[0-9]*/maps)
    [ -n "$found" ]
  do
    for path in $found; do
      path=${path#/proc/}
      kill -$signal "${path%%/*}"
    done
    sleep $pause
    # What ignores SIGTERM, what was started in the meantime; and what the system does not let go of.
    [ $signal = TERM ] && pause=0.05 || pause=1
    signal=KILL
  done
} &
"""
"""Its own shell ends at once, so that nobody who waits for his children waits for the guard."""

_line: int | None = None
"""The end of the pipe that the guard listens to."""
_page: mmap.mmap | None = None
"""The page that tells this process's forks."""


def start_guard() -> None:
    """Start the guard of this process, on Linux; what is started from now on ends with it.

    Elsewhere there is none. Called once in a process.
    """
    global _line
    if sys.platform != "linux":
        return
    token = f"MLAROUND_WORKER_{uuid.uuid4().hex}"
    listens, _line = os.pipe()
    try:
        subprocess.run(
            ["/bin/sh", "-c", _GUARD, "sh", token],
            stdin=listens,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in ("PATH",) if name in os.environ},
            start_new_session=True,
            check=False,
        )
    finally:
        os.close(listens)
    # A fork that lives on must not hold the line open.
    os.register_at_fork(after_in_child=_let_go)
    os.environ[token] = "1"
    _share_page(token)


def _let_go() -> None:
    global _line
    if _line is not None:
        os.close(_line)
        _line = None


def _share_page(token: str) -> None:
    """Map a page of a file with this name: forks have it too, other programs do not."""
    global _page
    # The disk may be full: nearly all that simulators start are programs.
    with suppress(OSError), tempfile.NamedTemporaryFile(prefix=token) as file:
        file.truncate(mmap.PAGESIZE)
        _page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
