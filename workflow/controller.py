"""The controller: an event-driven loop that keeps workers fed, records it all, and can be killed."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from workflow.batching import Array, BatchSizer
from workflow.binding import bind
from workflow.campaign import Campaign
from workflow.events import EventWriter, cut_torn_tail
from workflow.folder import RunFolder, write_atomically
from workflow.losses import Losses
from workflow.places import BREAKDOWNS, Places
from workflow.planner import Planner
from workflow.pool import LostError, PoolFailedError, WithdrawnError, WorkerLostError
from workflow.pools import start_pool
from workflow.provenance import code_state, installed_packages, package_version
from workflow.reading import dump
from workflow.record import Record
from workflow.recovery import adopted, mend
from workflow.requests.acting import Actions
from workflow.snapshots import Snapshots
from workflow.splitting import split
from workflow.status import status
from workflow.stopping import Ending, goal_reached, natural_end, on_request, on_signal, out_of_time, signals
from workflow.table import write_table
from workflow.tasks import simulate
from workflow.trainer import Trainer
from workflow.worker import timed_out

TICK = 1.0
"""Seconds between status files and looks for requests; nothing else waits for the clock."""

WAKE = ("wake", None, None)
"""A message that says nothing but that there is something to decide."""

SILENCE, SILENCE_REMOTE = 10.0, 60.0
"""Seconds after which a task whose result file is in place should have been reported as done."""

STALLED = 30.0
"""Seconds without a task that runs or ends, although workers of this machine have some, before they are
replaced. Workers that die in quick succession may leave the others a locked queue that no report tells of."""

COMPILING = 180.0
"""Seconds that the first tasks get besides their own time where kernels are compiled."""

GRACE = 10.0
"""Seconds that running tasks get to end after a request to stop."""

Status = dict[str, Any]
OnUpdate = Callable[[Status], None]
Message = tuple[str, Any, Any]


@dataclass(frozen=True)
class Outcome:
    """How a controller's work ended.

    Args:
        state: ``finished``, ``stopped``, ``interrupted`` or ``failed``.
        reason: in words.
        exit_code: 0 finished, 1 finished with too many failures or failed, 75 stopped and resumable,
            130 interrupted twice.
    """

    state: str
    reason: str
    exit_code: int


class Controller:
    """One process's work on a run.

    Args:
        campaign: what to do.
        folder: of the run, which exists.
        on_update: called about once a second with the status.
        changed: whether the campaign is not the one that the folder has.
    """

    def __init__(
        self, campaign: Campaign, folder: RunFolder, on_update: OnUpdate | None, *, changed: bool = False
    ) -> None:
        self.campaign, self.folder, self.on_update = campaign, folder, on_update
        self.changed = changed
        self.space, _ = bind(campaign)
        self.workers = campaign.resources.workers
        self.search = folder.plugin_folder()
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.in_flight: dict[int, Future[Any]] = {}
        self.lent: set[int] = set()
        """Tasks in flight on the pool of trainings, which has nothing else to do."""
        self.backlog: deque[int] = deque()
        self.losses = Losses()
        self.places = Places(self)
        self.silent: dict[int, float] = {}
        self.ending: Ending | None = None
        self.moved: tuple[object, float] = (None, 0.0)
        """What was done when something moved last, and when that was."""
        self.held = False
        """Whether tasks that were handed over and did not begin are held back."""
        self.documenting: threading.Thread | None = None

    def run(self) -> Outcome:
        """Hold the run, work, let it go."""
        left = self.folder.requests()
        with self.folder.lock(), signals(self.messages):
            self.actions = Actions(self, left)
            # The workers start while this thread reads the record and asks for the first points.
            self.pool = start_pool(
                self.campaign.resources, self.folder.parsl, name="simulate", tell=self.places.tell
            )
            try:
                return self._run()
            except BaseException as error:
                with suppress(Exception):
                    self._publish("failed", f"{type(error).__name__}: {error}")
                raise
            finally:
                self.pool.close(kill=True)

    def _run(self) -> Outcome:
        cut_torn_tail(self.folder.events)
        self.record = Record.read(self.folder.events)
        resumed = self.record.events > 0
        if self.changed:
            write_atomically(self.folder.resolved, dump(self.campaign), durable=True)
        self.folder.running.mkdir(exist_ok=True)  # an older version made no such folder
        with EventWriter(self.folder.events, self.record.events) as self.log:
            self.note(
                "run_started",
                run=self.folder.name,
                version=package_version("mlaround"),
                host=socket.gethostname(),
                pid=os.getpid(),
                workers=self.workers,
                resumed=resumed,
            )
            if resumed:
                self.places.cancel_left()
                mend(self.folder, self.record, self.log)
            self.snapshots = Snapshots(self.folder, self.record)
            self.planner = Planner(self.campaign, self.space, self.record)
            # One for each pool: what the other's devices take says nothing of these.
            self.sizer, self.lent_sizer = (
                BatchSizer(
                    self.campaign.simulator, self.space.names, self.campaign.resources.task_time, self.workers
                )
                for _ in range(2)
            )
            self.trainer = Trainer(self)
            self.backlog.extend(self.record.unfinished_tasks().tolist())
            if self.pool.remote:
                self.places.look(self.pool, self.campaign.resources)
            self.actions.take()
            self.started = time.monotonic()
            try:
                ending = self._loop()
            finally:
                self.trainer.close()
            # Before the table is written: whoever waits for the last result need not wait for it.
            self.pool.close(kill=True)
            self.places.note_last()
            self.note("run_stopped", state=ending.state, reason=ending.reason)
            self.commit()
            self.folder.tidy_running()
            self.snapshots.keep(self.log)
        if self.documenting is not None:
            self.documenting.join()
        self._document()
        write_table(self.folder, self.record, self.campaign.simulator, self.space, self.campaign.seed)
        self._publish(ending.state, ending.reason)
        return Outcome(ending.state, ending.reason, ending.exit_code)

    def _loop(self) -> Ending:
        next_tick = 0.0
        while True:
            self._advance()
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + TICK
                if self._tick(now):
                    continue  # what was asked for may have changed everything
            if self._at_rest(now):
                break
            try:
                self._handle(self.messages.get(timeout=max(0.0, next_tick - time.monotonic())))
                while True:  # all that is there: one decision and one flush for them together
                    self._handle(self.messages.get_nowait())
            except queue.Empty:
                pass
        assert self.ending is not None
        return self.ending

    def _at_rest(self, now: float) -> bool:
        """Whether nothing is left to do or to wait for."""
        if self.ending is not None and self.ending.until is not None and now >= self.ending.until:
            return True
        if self.in_flight or self.trainer.busy:
            return False
        if self.record.paused and (self.ending is None or self.ending.state == "finished"):
            return False
        if self.ending is None and not self.backlog and not self.planner.remaining:
            if self.actions.take():  # while the last task ran: a larger budget, say
                self.messages.put(WAKE)
                return False
            self.ending = natural_end(self.record, self.planner)
            if self.trainer.last(self.messages):
                return False
        elif self.ending is not None and self.ending.state == "finished" and self.trainer.last(self.messages):
            return False
        return self.ending is not None

    # Deciding.

    def _advance(self) -> None:
        """Start whatever can be started: tasks up to one ahead on each worker, and a training."""
        over = self.ending is not None and self.ending.state != "finished"
        if self.held != (over or self.record.paused):
            self._hold(not self.held)
        if self.held or not self.places.trusted:
            self.commit()
            return
        if self.ending is None:
            goal = goal_reached(self.campaign, self.record)
            if goal is not None and not (self.campaign.deterministic and self.record.pending):
                self.ending = goal
        room = self.pool.depth - (len(self.in_flight) - len(self.lent))
        lender = self.trainer.lender()
        lendable = 0 if lender is None else lender.connected - len(self.lent)
        count = len(self.backlog) if self.ending is not None else room + max(0, lendable)
        tasks: list[tuple[int, bool]] = []
        while len(tasks) < count and self._more():
            lent = lender is not None and len(tasks) >= room >= 0
            tasks.append((self._retry_or_propose(self.lent_sizer if lent else self.sizer), lent))
        self.commit()
        for task, lent in tasks:
            self._submit(task, lent=lent)
        if self.ending is None and not self.backlog:
            self.trainer.start_if_due(self.messages)

    def _more(self) -> bool:
        """Whether there is a task to start now."""
        if self.backlog:
            return True
        # The next round is decided by all results of this one and by the model they teach.
        between = self.campaign.deterministic and self.record.replicas and self.planner.at_round_end
        if between and (self.record.pending or self.trainer.busy or self.trainer.due):
            return False
        return self.planner.remaining > 0

    def _retry_or_propose(self, sizer: BatchSizer) -> int:
        """The next task: one that is to run again, else a new one, recorded as proposed."""
        if self.backlog:
            return self.backlog.popleft()
        wish = sizer.wish(self.planner.remaining)
        if not self.campaign.steering.independent:
            # A policy that looks at models should not have decided on most of the next round already.
            wish = min(wish, max(1, -(-self.trainer.until_due // self.workers)))
        batch = self.planner.take(sizer.cut(self.planner.upcoming(wish), wish))
        task = self.record.tasks
        self.note(
            "task_proposed",
            task=task,
            first=batch.first,
            inputs=batch.inputs.tolist(),
            held_out=batch.held_out.astype(int).tolist(),
            model=batch.model,
        )
        return task

    def _submit(self, task: int, *, lent: bool) -> None:
        first = int(self.record.task_first[task])
        rows = self.record.inputs[first : first + int(self.record.task_count[task])]
        request = {
            "run": str(self.folder.path),
            "search": self.search,
            "task": task,
            "first": first,
            "inputs": rows.tolist(),
            "seed": self.campaign.seed,
        }
        pool = self.trainer.lender() if lent else None
        if pool is not None:
            self.lent.add(task)
        if self.campaign.resources.timeout is not None:
            request["limit"] = self._limit(task, rows, self.campaign.resources.timeout)
        future = (pool or self.pool).submit(simulate, request)
        self.in_flight[task] = future
        future.add_done_callback(lambda done: self.messages.put(("simulated", task, done)))

    def _sizer_of(self, task: int) -> BatchSizer:
        """What knows how long a task in flight takes where it is."""
        return self.lent_sizer if task in self.lent else self.sizer

    def _limit(self, task: int, rows: Array, timeout: float) -> float:
        """Seconds that a task gets: one simulation of it may hang, the others take what they take."""
        expected = self._sizer_of(task).seconds(rows)
        if expected is not None:
            return timeout + 2 * expected
        compiling = COMPILING if self.campaign.simulator.compiles else 0.0
        return timeout * self.sizer.groups(len(rows)) + compiling

    def _hold(self, hold: bool) -> None:
        """Hold back the tasks that were handed over and did not begin, or let them go again."""
        self.held = hold
        for task in self.in_flight:
            if self.record.task_finished[task]:
                continue  # a killed one stays withdrawn
            with suppress(OSError):
                if not hold:
                    self.folder.withdrawn(task).unlink(missing_ok=True)
                elif not self.folder.marker(task).exists():
                    self.folder.withdrawn(task).touch()

    # What users ask for.

    def stop(self, *, now: bool) -> None:
        """Let the run go, after a moment or now."""
        self.ending = on_request(self.ending, 0.0 if now else time.monotonic() + GRACE)

    def reconsider(self) -> None:
        """Something is left to do, or counts otherwise: a run that was about to finish finds out anew."""
        if self.ending is not None and self.ending.state == "finished":
            self.ending = None

    # What happens.

    def _handle(self, message: Message) -> None:
        kind, subject, future = message
        if kind == "signal":
            self.ending = on_signal(subject, self.ending, time.monotonic() + GRACE)
            for waiting in self.in_flight.values():
                waiting.cancel()
        elif kind == "wake":
            pass
        elif kind == "block":
            self.places.note(subject, future)
        elif kind == "looked":
            problem = self.places.looked(subject, future)
            if problem is not None:
                self._fail(problem)
        elif kind == "trained":
            problem = self.trainer.finish(future)
            if problem is not None:
                self._fail(problem)
        else:
            self._simulated(subject, self.in_flight.pop(subject))
            self.lent.discard(subject)

    def _simulated(self, task: int, future: Future[Any]) -> None:
        if self.record.task_finished[task]:
            self._killed(task)
            return
        if future.cancelled():
            self.backlog.append(task)
            return
        error = future.exception()
        if error is None:
            fields = future.result()
            self.note("task_done", **fields)
            first, count = int(self.record.task_first[task]), int(self.record.task_count[task])
            if not fields["failed"]:  # a replica that failed may have cost next to nothing
                rows = self.record.inputs[first : first + count]
                self._sizer_of(task).learn(rows, fields["ended"] - fields["started"])
        elif isinstance(error, WithdrawnError):
            self.folder.withdrawn(task).unlink(missing_ok=True)
            self.backlog.append(task)
        elif isinstance(error, LostError):
            self._lost(task, error)
        elif isinstance(error, PoolFailedError):
            self.backlog.append(task)
            self._fail(str(error))
        else:
            # Not the simulator's doing, which is recorded with its replicas: this place is not fit to run it.
            self.backlog.append(task)
            self._fail(f"task {task} could not be run: {type(error).__name__}: {error}")

    def _killed(self, task: int) -> None:
        """The pool has let go of a task that was killed: whatever it says, the record has the last word."""
        for path in (self.folder.withdrawn(task), self.folder.marker(task), self.folder.result(task)):
            path.unlink(missing_ok=True)
        if self.pool.broken:
            self.pool.restart()

    def _lost(self, task: int, error: LostError) -> None:
        overran = self._overran(task) if isinstance(error, WorkerLostError) else None
        with suppress(OSError):
            self.folder.marker(task).unlink()
        if self.ending is not None and self.ending.state != "finished":
            return
        for pool in (self.pool, self.trainer.lender()):
            if pool is not None and pool.broken:
                pool.restart()
        if self.pool.breakdowns > BREAKDOWNS:
            self._fail(f"the workers broke down {self.pool.breakdowns} times; last: {error}")
        fields = adopted(self.folder, self.record, task)
        if fields is not None:
            self.note("task_done", **fields)
            return
        verdict = self.losses.judge(task, int(self.record.task_count[task]), error, overran)
        if verdict.what == "split":
            self.backlog.extend(split(self.record, task, verdict.message, self.note))
        elif verdict.what == "give up":
            self.note("task_failed", task=task, reason=verdict.reason, message=verdict.message)
        else:
            attempt = int(self.record.task_attempts[task]) + 1
            self.note("task_retried", task=task, attempt=attempt, reason=verdict.reason)
            self.backlog.append(task)

    def _overran(self, task: int) -> float | None:
        """Seconds after which a task was ended because its time was over; ``None`` if it was not."""
        marker = self.folder.read_marker(task)
        return marker["limit"] if marker is not None and timed_out(marker, time.time()) else None

    def _fail(self, reason: str) -> None:
        if self.ending is None or self.ending.state == "finished":
            self.ending = Ending("failed", reason, 1, time.monotonic() + GRACE)

    # Recording.

    def note(self, event: str, **fields: Any) -> None:
        """Record an event; nothing may rely on it before `commit`."""
        self.record.apply(self.log.append(event, **fields))

    def commit(self) -> None:
        """Put what was recorded on disk."""
        self.log.commit()

    def _tick(self, now: float) -> bool:
        """What happens once a second; whether a user asked for something."""
        self.commit()
        self.folder.touch_controller()
        acted = self.actions.take()
        if self.ending is None:
            self.ending = out_of_time(self.campaign, now - self.started, now + GRACE)
        self._unblock(now)
        self.snapshots.keep_if_due(self.log)
        self._publish("paused" if self.record.paused else "running", None)
        if self.record.done and self.documenting is None:
            # Beside the loop, which would wait a tenth of a second for it, or for a slow disk's `git status`.
            self.documenting = threading.Thread(target=self._document, daemon=True)
            self.documenting.start()
        return acted

    def _unblock(self, now: float) -> None:
        """Restart a pool that does not deliver: a result lies there, but nobody says that it is done.

        A worker that is killed just while it reports holds the lock of the queue of results for ever.
        """
        silent = self.folder.with_result(self.in_flight)
        self.silent = {task: self.silent.get(task, now) for task in silent}
        patience = SILENCE_REMOTE if self.pool.remote else SILENCE
        stalled = not self.pool.remote and self._stands_still(now) > STALLED
        if stalled or any(now - since > patience for since in self.silent.values()):
            self.moved = (None, now)
            self.pool.restart()

    def _stands_still(self, now: float) -> float:
        """Seconds without a task that runs or ends although workers have some; 0 before the first result."""
        record = self.record
        idle = bool(self.in_flight) and record.done > 0 and not self.folder.running_tasks()
        state = (record.done, record.failed, record.tasks) if idle else None
        if state is None or state != self.moved[0]:
            self.moved = (state, now)
        return now - self.moved[1]

    def _publish(self, state: str, reason: str | None) -> None:
        record = self.record
        running = 0
        if state in ("running", "paused"):
            running = sum(
                int(record.task_count[task]) for task in self.folder.marked() & self.in_flight.keys()
            )
        latest = status(
            record,
            name=self.campaign.name,
            run=self.folder.name,
            total=self.planner.total + record.replicas - record.planned,
            running=running,
            state=state,
            reason=reason,
        )
        self.folder.write_status(latest)
        if self.on_update is not None:
            self.on_update(latest)

    def _document(self) -> None:
        """Write what takes a moment to find out; after the first result, which should not wait for it."""
        if not self.folder.environment.exists():
            with suppress(OSError):  # a full disk is for the record to complain about
                self.folder.write_provenance(self.folder.read_provenance() | code_state())
                write_atomically(self.folder.environment, installed_packages())
