"""Workers elsewhere: looked at before they are trusted, their jobs recorded and none left behind."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workflow import preflight
from workflow.pool import LostError, Pool
from workflow.resources import AnyResources, Batch

if TYPE_CHECKING:
    from workflow.controller import Controller

BREAKDOWNS = 30
"""How often the whole pool may break down before the run is stopped."""


class Places:
    """What a controller has to do with batch systems and other machines.

    Attributes:
        trusted: whether simulations may start.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.trusted = True

    def look(self, pool: Pool, resources: AnyResources) -> None:
        """Have a worker of a pool say what it is and sees; that of simulations is not trusted before."""
        controller = self._controller
        self.trusted = self.trusted and pool is not controller.pool
        token = preflight.leave_token(controller.folder)
        request: dict[str, Any] = {"folder": str(controller.folder.path), "token": token}
        if isinstance(resources, Batch):
            request["gpus_per_node"] = resources.gpus
        future = pool.submit(preflight.look, request, urgent=True)
        future.add_done_callback(lambda done: controller.messages.put(("looked", (pool, resources), done)))

    def looked(self, place: tuple[Pool, AnyResources], future: Future[Any]) -> str | None:
        """Take in what a worker said; why the run cannot go on, or ``None`` if it can."""
        pool, resources = place
        error = InterruptedError("cancelled") if future.cancelled() else future.exception()
        if isinstance(error, LostError):
            if pool.broken:
                pool.restart()
            if pool.breakdowns <= BREAKDOWNS:
                self.look(pool, resources)
                return None
        if error is not None:
            return str(error)
        problems = preflight.problems(preflight.mine(), future.result())
        if problems:
            return "before any simulation: " + "; ".join(problems)
        self.trusted = self.trusted or pool is self._controller.pool
        return None

    # Blocks.

    def tell(self, event: str, fields: dict[str, Any]) -> None:
        """Take word of a pool's blocks, from any thread."""
        self._controller.messages.put(("block", event, fields))

    def note(self, event: str, fields: dict[str, Any]) -> None:
        """Record what became of a block."""
        if event != "workers":  # which only says that there is a worker to use
            self._controller.note(event, **fields)

    def note_last(self) -> None:
        """Record what became of blocks while the pools were closed."""
        with suppress(queue.Empty):
            while True:
                kind, event, fields = self._controller.messages.get_nowait()
                if kind == "block":
                    self.note(event, fields)

    def cancel_left(self) -> None:
        """Cancel the jobs that an earlier controller left in the queue: their workers would find nobody."""
        controller = self._controller
        resources, left = controller.campaign.resources, controller.record.open_blocks
        if left and isinstance(resources, Batch):
            from workflow.parsl_executor import cancel  # imported here: it takes a second

            with suppress(Exception):  # those that come up later end by themselves
                cancel(resources, [block["job"] for block in left], controller.folder.parsl)
        for block in left:
            fields = {key: block[key] for key in ("pool", "block", "job")}
            controller.note("block_ended", **fields, reason="left behind")
