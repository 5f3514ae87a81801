"""What a worker process is: whose child, on which clock, and where it looks for the user's plug-ins.

It is imported by every worker at its start and by every command, and so imports nothing heavy.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from functools import lru_cache
from typing import Any

Request = dict[str, Any]
"""What a task is asked to do, as plain data: it travels to another process."""


def add_to_path(folder: str | None) -> None:
    """Make the user's own modules in a folder importable."""
    if folder and folder not in sys.path:
        sys.path.append(folder)  # last, so that a stray file of the user's shadows nothing


def in_process_of_its_own() -> bool:
    """Whether this process is a worker, rather than the controller with workers among its threads."""
    return "PARSL_WORKER_RANK" in os.environ


def cpu_seconds() -> float:
    """Processor time that this worker has used, s: its own, and that of programs that it has waited for.

    A worker among the controller's threads knows the time of its own thread alone: beside others, the clocks
    of the process would count their work too.
    """
    if not in_process_of_its_own():
        return time.thread_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@lru_cache(maxsize=1)
def settle() -> None:
    """Prepare a worker process, once: it dies with its parent, and Ctrl-C is the controller's to handle."""
    if not in_process_of_its_own():
        return
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _die_with_parent() -> None:
    """Let the system kill this process when its parent dies, on Linux; elsewhere heartbeats must do."""
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, int(signal.SIGKILL), 0, 0, 0)
