"""How a run stands, told from its files. Nothing heavy is imported: `mlaround status` has to be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workflow.events import last_event
from workflow.folder import RunFolder

if TYPE_CHECKING:
    from workflow.record import Record

HELD = ("starting", "running", "paused")
"""States of a run that a controller holds."""


def state_of(record: Record, *, held: bool) -> str:
    """``starting``, ``running``, ``paused``, ``finished``, ``stopped``, ``interrupted`` or ``failed``.

    Args:
        record: of the run.
        held: whether a live controller holds it.
    """
    if held:
        return "paused" if record.paused else "running"
    if record.run_stopped is not None:
        return str(record.run_stopped["state"])
    return "interrupted" if record.run_started else "starting"


def last_status(folder: RunFolder) -> dict[str, Any]:
    """The last status that a controller wrote, its state put right if that one died since.

    Without a status there are at least ``state`` and ``reason``.
    """
    status = {"state": "starting", "reason": None, **(folder.read_status() or {})}
    if status["state"] in HELD and folder.controller_alive() is None:
        # The log has the last word: a controller may have ended since, or after its last status.
        last = last_event(folder.events) or {}
        if last.get("event") == "run_stopped":
            status |= {"state": last["state"], "reason": last["reason"]}
        elif folder.events.stat().st_size:
            status |= {"state": "interrupted", "reason": "its controller is gone without a word"}
    return status
