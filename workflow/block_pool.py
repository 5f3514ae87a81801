"""Blocks of a batch system: asked for, watched, and replaced when they end, for as long as there is work."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow import preflight
from workflow.executor_pool import ExecutorPool, Life
from workflow.pool import PoolFailedError, Tell
from workflow.resources import Batch, ParslConfiguration

HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD = 3, 12
"""Seconds; a manager that says nothing for as long as the second is gone, with its node or by itself."""

LOOK_PERIOD = 1.0
"""Seconds between questions to the interchange which managers are connected."""

POLL_PERIOD, POLL_SOON, POLL_SILENT = 30.0, 10.0, 2.0
"""Seconds between questions to the batch system how the jobs are; sooner in the first minutes of a job that
has no worker yet, and when managers went away."""

YOUNG = 120.0
"""Seconds after its submission for which a block is asked about more often."""

STILLBORN = 3
"""Blocks in a row that ended before any worker of theirs came, after which no other is asked for."""

TAIL = 1500
"""Characters of what a block printed last that are shown."""


@dataclass
class _Block:
    """A job, from its submission to its end."""

    job: str
    submitted: float
    nodes: int = 0
    seen: float | None = None
    """When a manager of its was connected last; ``None`` before the first."""
    since: float | None = None
    """When the first was."""
    ended: bool = False


class BlockPool(ExecutorPool):
    """Workers on blocks of a batch system.

    Args:
        resources: of the pool.
        folder: for Parsl's files; all nodes must see it.
        name: of the pool.
        tell: told of blocks that come and go.
    """

    remote = True

    def __init__(self, resources: Batch | ParslConfiguration, folder: Path, name: str, tell: Tell) -> None:
        self.workers, self._resources, self._tell = resources.workers, resources, tell
        super().__init__(folder, name)

    @property
    def connected(self) -> int:
        """Workers that take tasks now."""
        workers: int = self._life.connected
        return workers

    @property
    def depth(self) -> int:
        """Two tasks for each worker that is there; before any is, as many as will be."""
        return 2 * self.connected or self.workers

    def _new_life(self, folder: Path) -> Life:
        return _Life(self._resources, folder, self._name, self._tell)


class _Life(Life):
    def __init__(self, resources: Batch | ParslConfiguration, folder: Path, name: str, tell: Tell) -> None:
        super().__init__(folder, name)
        self._resources, self._tell = resources, tell
        self._blocks: dict[str, _Block] = {}
        self._stillborn = 0
        self._looked = self._polled = 0.0
        self._ask_after = 0.0
        self.connected = 0

    def _make(self) -> Any:
        from workflow.parsl_executor import batch_executor, configured_executor, placed

        if isinstance(self._resources, ParslConfiguration):
            return placed(configured_executor(self._resources, self._name), self._folder, self._name)
        heartbeat = (HEARTBEAT_PERIOD, HEARTBEAT_THRESHOLD)
        return batch_executor(self._resources, self._folder, self._name, heartbeat)

    def _breakdown(self) -> str | None:
        if not self._interchange_lives():
            return "the interchange died"
        if self._executor.bad_state_is_set:
            raise PoolFailedError(f"no worker can be used: {self._executor.executor_exception}")
        now = time.monotonic()
        if now - self._looked >= LOOK_PERIOD:
            self._looked = now
            managers = self._managers()
            if managers is None:
                return "the interchange does not answer"
            self._look(managers, now)
            self._replace(now)
        return None

    # Looking.

    def _look(self, managers: list[dict[str, Any]], now: float) -> None:
        """See whether blocks have come or gone."""
        managers = [manager for manager in managers if manager["block_id"] in self._blocks]
        workers = sum(m["worker_count"] for m in managers if m["active"] and not m.get("draining"))
        for name, block in self._blocks.items():
            own = [m for m in managers if m["block_id"] == name]
            if not own or block.ended:
                continue
            if block.since is None:
                self._stillborn, block.since = 0, now
            block.seen = now
            if len(own) > block.nodes:
                block.nodes = len(own)
                told = {"nodes": len(own), "workers": sum(m["worker_count"] for m in own)}
                self._tell("block_started", {**self._named(name), **told})
        if workers != self.connected:
            self.connected = workers
            self._tell("workers", {})
        if now - self._polled >= self._poll_period(now):
            self._polled = now
            self._poll(now)

    def _poll_period(self, now: float) -> float:
        alive = [block for block in self._blocks.values() if not block.ended]
        if any(block.seen is not None and block.seen < now for block in alive):
            return POLL_SILENT
        young = any(block.seen is None and now - block.submitted < YOUNG for block in alive)
        return POLL_SOON if young else POLL_PERIOD

    def _poll(self, now: float) -> None:
        """Ask the batch system for the jobs, and end those that have no worker any more."""
        alive = {name: block for name, block in self._blocks.items() if not block.ended}
        if not alive:
            return
        try:
            answers = self._executor.provider.status([block.job for block in alive.values()])
        except Exception:  # a batch system that does not answer is asked again
            answers = [None] * len(alive)
        for (name, block), answer in zip(alive.items(), answers, strict=True):
            over = answer is not None and answer.terminal
            # The interchange itself waited for HEARTBEAT_THRESHOLD before it said so.
            gone = block.seen is not None and now - block.seen > HEARTBEAT_PERIOD
            connected = block.seen == self._looked
            if connected or not (over or gone):
                continue
            block.ended = True
            if not over:  # its node is dead, or its workers are: the batch system need not know yet
                self._cancel([block.job])
            if block.seen is None:
                self._stillborn += 1
                self._ask_after = now + 5.0 * 2 ** (self._stillborn - 1)
                reason = "never came up"
            elif over and answer is not None:
                reason = answer.state.name.lower()
            else:
                reason = "workers lost"
            self._tell("block_ended", {**self._named(name), "reason": reason})
            if block.seen is None and (self._stillborn >= STILLBORN or self._known(name)):
                count = "a block" if self._stillborn == 1 else f"{self._stillborn} blocks in a row"
                raise PoolFailedError(
                    f"pool {self._name}: {count} ended before any worker was there; job {block.job}: "
                    f"{self._said(name)}"
                )

    def _printed(self, name: str) -> list[str]:
        """What a block printed: to its standard error, and to its output."""
        resource = getattr(self._executor.provider, "resources", {}).get(self._blocks[name].job, {})
        texts = []
        for stream in ("job_stderr_path", "job_stdout_path"):
            with suppress(OSError, TypeError):
                texts.append(Path(resource.get(stream)).read_text(errors="replace").strip())
        return texts

    def _known(self, name: str) -> list[str]:
        """Why a block ended, as far as what it printed tells: the next one would end as well."""
        return preflight.reasons("\n".join(self._printed(name)))

    def _said(self, name: str) -> str:
        """Why a block ended if that is known; else the end of what it printed."""
        if known := self._known(name):
            return "; ".join(known)
        return next((text[-TAIL:] for text in self._printed(name) if text), "it said nothing")

    def _named(self, name: str) -> dict[str, Any]:
        return {"pool": self._name, "block": f"{self._folder.name}.{name}", "job": self._blocks[name].job}

    # Asking.

    def _replace(self, now: float) -> None:
        """Ask for as many blocks as there may be at a time; one that drains has its successor asked for."""
        if now < self._ask_after or not (self._outstanding or not self._blocks):
            return
        taking = sum(
            1 for block in self._blocks.values() if not block.ended and not self._draining(block, now)
        )
        for _ in range(self._most() - taking):
            self._ask()

    def _most(self) -> int:
        if isinstance(self._resources, ParslConfiguration):
            return max(1, int(self._executor.provider.max_blocks))
        return self._resources.blocks

    def _draining(self, block: _Block, now: float) -> bool:
        if block.since is None or isinstance(self._resources, ParslConfiguration):
            return False
        return now - block.since > self._resources.time - self._resources.drain

    def _ask(self) -> None:
        (name, *_) = self._executor.scale_out_facade(1) or (None,)
        if name is None:
            status = list(self._executor.status_facade.values())[-1]
            raise PoolFailedError(f"pool {self._name}: no block could be asked for: {status.message}")
        self._blocks[name] = _Block(self._executor.blocks_to_job_id[name], time.monotonic())
        self._tell("block_submitted", self._named(name))

    def _cancel(self, jobs: list[str]) -> None:
        with suppress(Exception):
            self._executor.provider.cancel(jobs)

    def _note_lost_worker(self) -> None:
        """Its manager starts another by itself."""

    def _end_workers(self) -> None:
        alive = [(name, block) for name, block in self._blocks.items() if not block.ended]
        if alive:
            self._cancel([block.job for _, block in alive])
        for name, block in alive:
            block.ended = True
            self._tell("block_ended", {**self._named(name), "reason": "given back"})
