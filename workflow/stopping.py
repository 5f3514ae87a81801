"""When a run ends, and what that is called."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from workflow.campaign import Campaign
from workflow.judging import least_success
from workflow.planner import Planner
from workflow.record import Record

TOLERANCE = 0.1
"""Share of the simulations that may fail in a run that ended well."""

RESUMABLE = 75
INTERRUPTED = 130


@dataclass(frozen=True)
class Ending:
    """Why a controller will let the run go.

    Args:
        state: ``finished``, ``stopped``, ``interrupted`` or ``failed``.
        reason: in words.
        exit_code: of the command.
        until: when running tasks are no longer waited for (monotonic clock, s); ``None``: all are.
    """

    state: str
    reason: str
    exit_code: int
    until: float | None = None


def natural_end(record: Record, planner: Planner) -> Ending:
    """The ending of a run that has nothing more to ask."""
    if record.done == 0 and record.failed:
        reason, _ = record.failure_counts.most_common(1)[0]
        return Ending("failed", f"all {record.failed} simulations failed ({reason})", 1)
    what = "the policy has nothing more to ask" if planner.exhausted else "all simulations are done"
    return _finished(record, what)


def goal_reached(campaign: Campaign, record: Record) -> Ending | None:
    """The ending of a run whose model is good enough, or ``None``."""
    model, stop = record.promoted_model, campaign.stop
    if model is None:
        return None
    rate, error = least_success(model["scores"]), model["scores"].get("calibrated_error")
    if stop.success is not None and rate is not None and rate >= stop.success:
        return _finished(record, f"held-out success {rate:.3g} reached {stop.success:g}")
    if stop.error is not None and error is not None and error <= stop.error:
        return _finished(record, f"calibrated error {error:.3g} reached {stop.error:g}")
    return None


def _finished(record: Record, reason: str) -> Ending:
    too_many = record.failed > TOLERANCE * max(1, record.replicas)
    return Ending("finished", reason, int(too_many))


def on_request(ending: Ending | None, until: float) -> Ending:
    """The ending that somebody asked for, who may do so again to wait less."""
    if ending is None or ending.state == "finished":
        return Ending("stopped", "stop was requested", RESUMABLE, until)
    return replace(ending, until=until if ending.until is None else min(until, ending.until))


def out_of_time(campaign: Campaign, seconds: float, until: float) -> Ending | None:
    """The ending of a controller that has used up its wall time, or ``None``."""
    limit = campaign.stop.wall_time
    if limit is None or seconds < limit:
        return None
    return Ending("stopped", f"the wall time of {limit:g} s is used up", RESUMABLE, until)


def on_signal(number: int, ending: Ending | None, until: float) -> Ending:
    """The ending after a signal: the first lets running tasks end, a second one does not wait."""
    name = signal.Signals(number).name
    again = ending is not None and ending.state in ("interrupted", "stopped")
    if number == signal.SIGINT:
        code = INTERRUPTED if again else RESUMABLE
        return Ending("interrupted", f"{name}{' twice' if again else ''}", code, 0.0 if again else until)
    if ending is not None and again:
        return replace(ending, until=0.0)
    return Ending("stopped", name, RESUMABLE, until)


@contextmanager
def signals(messages: queue.SimpleQueue[tuple[str, Any, Any]]) -> Iterator[None]:
    """Turn signals into messages, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # SimpleQueue.put may be called from a signal handler; nothing else is done there.
    wanted = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    before = {
        number: signal.signal(number, lambda n, _: messages.put(("signal", n, None))) for number in wanted
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
