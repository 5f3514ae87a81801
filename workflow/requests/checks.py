"""What can be asked of a run as it stands; the same for the sentence before and the deed after."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.folder import RunFolder, version_name
from workflow.record import Record, State
from workflow.requests.arguments import Budget, RequestError, Retry
from workflow.words import counted, listed

SHOWN = 6
"""Numbers written out in a sentence; of more the rest is counted."""


def simulations(count: int) -> str:
    """``1 simulation``, ``4 simulations``."""
    return counted(count, "simulation")


def new_budget(record: Record, asked: Budget, now: int, size: int | None) -> int:
    """The budget that follows.

    Args:
        record: of the run.
        asked: what for.
        now: simulations that the run has in all, users' points left out.
        size: points that the policy has in all, if it has so many and no more.

    Raises:
        RequestError: it cannot be that.
    """
    wanted = asked.simulations if size is None else min(asked.simulations, size)
    if wanted == now and asked.simulations > wanted:
        raise RequestError(f"the policy has {size:,} points in all, and all of them are in the budget")
    if wanted < record.planned:
        raise RequestError(
            f"{simulations(record.planned)} are decided upon already; "
            f"the least budget is {record.planned:,}, and to end now is to stop"
        )
    return wanted


def failed_simulations(record: Record, asked: Retry) -> NDArray[np.int64]:
    """The simulations that a request to retry means, ascending.

    Raises:
        RequestError: there are none, or some did not fail.
    """
    failed = np.flatnonzero((record.state == State.FAILED) | (record.state == State.LOST))
    if asked.simulations is not None:
        wanted = np.unique(np.array(asked.simulations, dtype=np.int64))
        others = np.setdiff1d(wanted, failed)
        if len(others):
            known = others[others < record.replicas]
            if not len(known):
                raise RequestError(f"there is no simulation {listed(others.tolist(), SHOWN)}")
            state = State(int(record.state[known[0]])).name.lower()
            raise RequestError(f"simulation {known[0]} did not fail: it is {state}")
        return wanted
    if asked.reason is not None:
        failed = np.array(
            [k for k in failed.tolist() if record.failures.get(k, ("",))[0] == asked.reason], dtype=np.int64
        )
        if not len(failed):
            known_reasons = [reason for reason, count in record.failure_counts.items() if count > 0]
            hint = f"; reasons: {', '.join(known_reasons)}" if known_reasons else ""
            raise RequestError(f"no simulation failed for the reason {asked.reason!r}{hint}")
    if not len(failed):
        raise RequestError("no simulation failed")
    return failed


def model_of(record: Record, folder: RunFolder, version: int) -> str:
    """The name of a version that can be promoted.

    Raises:
        RequestError: there is none, or it is in use already.
    """
    name = version_name(version)
    known = [version_name(model["model"]) for model in record.models]
    if name not in known or not folder.model(version).is_dir():
        raise RequestError(f"there is no model {name}; the run has {', '.join(known) or 'none yet'}")
    if version == record.promoted:
        raise RequestError(f"{name} is in use already")
    return name


def not_to_be_killed(record: Record, task: int, marker: Mapping[str, Any] | None) -> str | None:
    """Why a task cannot be killed; ``None`` if it can."""
    if task >= record.tasks:
        return f"there is no task {task}"
    if record.task_finished[task]:
        failed = record.failures.get(int(record.task_first[task]), ("", ""))[0] == "killed"
        return f"task {task} {'was killed' if failed else 'is over'}"
    if marker is None:
        return None
    if marker.get("killable") is False:
        return f"task {task} runs on a thread of the controller, which cannot be killed; stop the run instead"
    if marker["host"] != socket.gethostname():
        return f"task {task} runs on {marker['host']}: only its controller's own host can kill it"
    return None
