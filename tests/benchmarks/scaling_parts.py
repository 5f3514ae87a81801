"""What the model of the engine is made of: costs, places, work, and servers with queues."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Then = Callable[[], None]


@dataclass(frozen=True)
class Linear:
    """A cost of a task: ``fixed`` and as much again for each replica."""

    fixed: float
    each: float = 0.0

    def of(self, replicas: int) -> float:
        """The cost of a task of that many replicas."""
        return self.fixed + self.each * replicas


@dataclass(frozen=True)
class FileSystem:
    """What a task or a controller meets when it touches a file, beyond the processor time of the call.

    Args:
        operation: s that one metadata operation (open, create, stat, rename, unlink) makes its caller wait.
        operations: metadata operations a second that all callers together get.
        fsync: s that the fsync of a new file makes its caller wait; ``append``: that of the event log.
        fsyncs: how many of them go on at a time.
        bandwidth: bytes/s of all writers together.
        read: bytes/s of one reader.
    """

    operation: float
    operations: float
    fsync: float
    append: float
    fsyncs: int
    bandwidth: float
    read: float


@dataclass(frozen=True)
class Costs:
    """Processor seconds of each step, and what it leaves on disk.

    Args:
        propose, submit, handle: of the controller, per task.
        commit: of the controller, per commit; the waiting for the disk is the file system's.
        tick: of the controller, once a second; ``tick_task`` more for each task in flight, with
            ``tick_operations`` looks at the file system.
        result: of Parsl's result thread in the controller, per task.
        turn, turn_manager: of the interchange, per turn, and more for each manager that it knows.
        take, give: of the interchange, per task taken in, per result passed on; ``send`` per message to a
            manager.
        manager: of a node's manager, per task.
        between: of a worker, per task, before it starts and after it ended: unpacking, marker, reporting.
        task: of a worker, per task, while it counts as busy and beyond the simulation: the result file.
        before, after: metadata operations of a worker before it computes, and after.
        file: bytes of a result file.
        heartbeat: s between a manager's heartbeats.
    """

    propose: Linear
    submit: Linear
    handle: Linear
    commit: float
    tick: float
    tick_task: float
    tick_operations: float
    result: Linear
    turn: float
    turn_manager: float
    take: float
    give: float
    send: float
    manager: float
    between: Linear
    task: Linear
    before: float
    after: float
    file: Linear
    heartbeat: float = 2.0


@dataclass(frozen=True)
class Place:
    """Where a campaign runs.

    Args:
        nodes, workers: of nodes, and of workers on each.
        ahead: tasks that the controller hands over for each worker.
        prefetch: tasks that a manager takes beyond its workers, for each.
        threads: workers are threads of the controller: no interchange, and all Python takes turns.
        cores: that everything shares, if it is one machine; 0: nobody shares.
        latency: s of a message between processes.
        interchanges: how many, each with its share of the nodes.
        walltime: s that a block lives; 0: for ever. ``drain`` s before its end it gets nothing more.
        wait: s until the block that replaces one runs; ``notice``: until its loss is noticed.
        block: nodes of a block.
    """

    nodes: int
    workers: int
    ahead: float = 2.0
    prefetch: float = 1.0
    threads: bool = False
    cores: float = 0.0
    latency: float = 1e-4
    interchanges: int = 1
    walltime: float = 0.0
    drain: float = 0.0
    wait: float = 0.0
    notice: float = 6.0
    block: int = 1


@dataclass(frozen=True)
class Work:
    """What is to be done.

    Args:
        tasks: how many.
        replicas: of each.
        seconds: mean length of a task on its worker, s.
        spread: standard deviation of its logarithm.
        until: s after which the model stops, whatever is left; 0: when all tasks are done.
        staggered: the first task of each worker is cut short by chance, as if the run had been going on.
        training_every: tasks done between two trainings; 0: none.
        training_start: s of the controller's Python that starting one takes.
        training: s that one lasts, elsewhere.
    """

    tasks: int
    replicas: int
    seconds: float
    spread: float = 0.0
    until: float = 0.0
    staggered: bool = False
    training_every: int = 0
    training_start: float = 0.0
    training: float = 0.0


@dataclass
class Outcome:
    """What became of it.

    Args:
        wall: s from the first proposal to the last result recorded.
        done: tasks recorded as done, each once; ``again``: tasks that a block's end cost another attempt.
        rate: tasks/s in the middle of the run: between a quarter and three quarters of them.
        busy: share of the workers' time spent in tasks, from the first start to the last end, as the record
            counts it; ``steady``: the same in the middle of the run.
        controller, interchange, metadata: share of the time that each was at work in the middle.
        looking: share of the time that the controller waited for its looks at files.
        cpu: processor seconds of the controller per task; ``all_cpu``: of everything that shares the cores.
        gap: median s from a task's end to the next start on its worker.
        steering: median s from a task's end to its place in the record; ``steering_late``: 95 %.
        flying: mean number of tasks between proposal and record; ``sojourn``: mean s of a task between them.
        commits, trainings: how many.
        silent: longest s between two heartbeats of a manager that the interchange took in.
    """

    wall: float = 0.0
    done: int = 0
    again: int = 0
    rate: float = 0.0
    busy: float = 0.0
    steady: float = 0.0
    controller: float = 0.0
    looking: float = 0.0
    interchange: float = 0.0
    metadata: float = 0.0
    cpu: float = 0.0
    all_cpu: float = 0.0
    gap: float = 0.0
    steering: float = 0.0
    steering_late: float = 0.0
    flying: float = 0.0
    sojourn: float = 0.0
    commits: int = 0
    trainings: int = 0
    silent: float = 0.0


class Clock:
    """The events to come."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Then]] = []
        self._count = 0

    def after(self, seconds: float, then: Then) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + seconds, self._count, then))

    def run(self, over: Callable[[], bool]) -> None:
        """Let everything happen until it is over."""
        heap = self._heap
        while heap and not over():
            self.now, _, then = heapq.heappop(heap)
            then()


class Server:
    """Serves ``places`` at a time, in the order of asking.

    Args:
        clock: of all.
        places: how many.
        on: what it runs on, the cores of the machine: each service is in turn one of that server's.
        slow: by how much every service is longer.
    """

    def __init__(self, clock: Clock, places: int = 1, on: Server | None = None, slow: float = 1.0) -> None:
        self.clock, self.on, self._slow = clock, on, slow
        self.free = places
        self.served = 0.0
        self._queue: deque[tuple[float, Then]] = deque()

    def serve(self, seconds: float, then: Then) -> None:
        """Do something when that much service was had."""
        if self.free:
            self.free -= 1
            self._begin(seconds, then)
        else:
            self._queue.append((seconds, then))

    def _begin(self, seconds: float, then: Then) -> None:
        self.served += seconds

        def end() -> None:
            if self._queue:
                self._begin(*self._queue.popleft())
            else:
                self.free += 1
            then()

        if self.on is not None:
            self.on.serve(seconds, end)
        else:
            self.clock.after(seconds * self._slow, end)


class Places:
    """Seats that are taken and left."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._queue: deque[Then] = deque()

    def enter(self, then: Then) -> None:
        """Do something when a seat is free, and hold that seat."""
        if self._free:
            self._free -= 1
            then()
        else:
            self._queue.append(then)

    def leave(self) -> None:
        """Let the next one have the seat."""
        if self._queue:
            self._queue.popleft()()
        else:
            self._free += 1


def scaled(thing: Any, **factors: float) -> Any:
    """The same costs or file system with some of them multiplied."""
    changed: dict[str, Any] = {}
    for name, factor in factors.items():
        value = getattr(thing, name)
        linear = isinstance(value, Linear)
        changed[name] = Linear(value.fixed * factor, value.each * factor) if linear else value * factor
    return replace(thing, **changed)
