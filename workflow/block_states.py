"""What became of the blocks of a run: the jobs on a batch system in which its workers live."""

from __future__ import annotations

from collections import Counter
from typing import Any

from workflow.events import Event

WAITING, RUNNING = "waiting", "running"


class BlockStates:
    """The blocks that are open, and how many ended for which reason."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {"open": [], "ended": []}
        self._open: dict[tuple[Any, ...], Event] = {_key(event): event for event in state["open"]}
        self._ended: Counter[str] = Counter(dict(state["ended"]))

    def apply(self, event: Event) -> None:
        """Take in a block's event."""
        if event["event"] == "block_ended":
            self._open.pop(_key(event), None)
            self._ended[event["reason"]] += 1
        else:
            self._open[_key(event)] = event

    def state(self) -> dict[str, Any]:
        """All that is known as plain data, from which it can be made again."""
        return {"open": self.open, "ended": list(self._ended.items())}

    @property
    def open(self) -> list[Event]:
        """The last event of each block that has not ended, in the order in which they were submitted.

        It is `block_submitted` while the job waits and `block_started` once it runs.
        """
        return list(self._open.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many blocks are ``waiting``, are ``running``, or ended, for each reason."""
        counts = Counter(
            RUNNING if event["event"] == "block_started" else WAITING for event in self._open.values()
        )
        return dict(counts + self._ended)


def _key(event: Event) -> tuple[Any, ...]:
    # Each controller numbers its blocks anew; the batch system does not.
    return event["pool"], event["block"], event["job"]
