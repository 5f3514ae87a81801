"""What a worker process is: whose child, on which card, how long it may take, where it looks for plug-ins.

It is imported by every worker at its start and by every command, and so imports nothing heavy.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import takewhile
from typing import Any

from workflow.guard import start_guard

Request = dict[str, Any]
"""What a task is asked to do, as plain data: it travels to another process."""

WARNING, WARNING_PART = 30.0, 0.05
"""How long before the end of its block a simulation is told to stop: seconds, and at most this part of the
time that the block had left when the worker began."""

_BEGAN = time.time()


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


def cores() -> int:
    """Cores that a task of this worker may use: replicas of a batch run on as many threads."""
    return int(os.environ.get("MLAROUND_CORES", "1"))


@lru_cache(maxsize=1)
def settle() -> None:
    """Prepare a worker process, once, before it imports anything that may look for a graphics card.

    It dies with its parent and what it starts dies with it, Ctrl-C is the controller's to handle, and it sees
    the card that is its own.
    """
    if not in_process_of_its_own():
        return
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_guard()
    _see_own_card()


def _die_with_parent() -> None:
    """Let the system kill this process when its parent dies, on Linux; elsewhere heartbeats must do."""
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, int(signal.SIGKILL), 0, 0, 0)


# Graphics cards.


def _see_own_card() -> None:
    """Let this process see one of its block's cards, where the block says how many workers share one."""
    per_card = int(os.environ.get("MLAROUND_WORKERS_PER_GPU", "0"))
    if per_card and (cards := visible_cards(os.environ, _listed)):
        os.environ["CUDA_VISIBLE_DEVICES"] = own_card(cards, int(os.environ["PARSL_WORKER_RANK"]), per_card)


def own_card(cards: Sequence[str], rank: int, per_card: int) -> str:
    """The card of the worker of this rank on its node, where so many workers share one."""
    return cards[rank // per_card % len(cards)]


def visible_cards(environment: Mapping[str, str], listed: Callable[[], str]) -> list[str]:
    """The names of the cards, or of their parts (MIG), that this process may use.

    Args:
        environment: CUDA_VISIBLE_DEVICES in it has the last word.
        listed: gives what ``nvidia-smi -L`` says.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        # By UUID: nvidia-smi's numbers are not CUDA's where cards differ.
        whole = ""
        cards: list[str] = []
        for line in listed().splitlines():
            found = re.search(r"UUID: ((?:MIG|GPU)-[^)\s]+)\)", line)
            if found is None:
                continue
            if found[1].startswith("GPU-"):
                whole = found[1]
            elif cards[-1:] == [whole]:  # a card in parts can be used in parts only
                cards.pop()
            cards.append(found[1])
        return cards
    # As CUDA reads it: from a name of nothing on nothing is visible.
    names = (name.strip() for name in given.split(","))
    return list(takewhile(re.compile(r"\d+$|GPU-|MIG-").match, names))


def _listed() -> str:
    try:
        asked = subprocess.run(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout


# Time.


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Let the system end this process when so many seconds have passed, whatever it executes.

    The process ends by SIGALRM, in the midst of compiled code too, and its guard ends what it has started.
    Nothing happens among the controller's threads, which cannot be ended.

    Args:
        seconds: ``None`` for any time.
    """
    if seconds is None or not in_process_of_its_own():
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))  # 0 would be never
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def timed_out(marker: Mapping[str, Any], now: float) -> bool:
    """Whether a task that lost its worker had come to the end of its time, rather than crashed.

    Args:
        marker: what the worker left when it began (`RunFolder.running_tasks`).
        now: seconds since the epoch. Clocks of hosts may be a little apart.
    """
    limit: float | None = marker.get("limit")
    if limit is None:
        return False
    return bool(now >= marker["started"] + limit - min(1.0, limit / 10))


def block_ends() -> float | None:
    """When the batch system ends this worker's block, if there is one, in seconds since the epoch."""
    ends = os.environ.get("MLAROUND_BLOCK_ENDS")
    return float(ends) if ends else None


def block_is_ending() -> Callable[[], bool] | None:
    """What tells whether it is time to stop before the block ends; ``None`` where there is no such end.

    It can be sent to other processes.
    """
    ends = block_ends()
    if ends is None:
        return None
    return partial(_past, ends - min(WARNING, WARNING_PART * max(0.0, ends - _BEGAN)))


def _past(moment: float) -> bool:
    return time.time() >= moment
