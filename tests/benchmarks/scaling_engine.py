"""A discrete-event model of the engine: who waits for whom, task by task.

Tasks are modelled, not replicas: a task has a number of replicas, on which its costs depend, and a length.
Every part that serves one thing at a time is a `Server` with a queue:

    controller's Python (its loop and Parsl's result thread share it) -> interchange -> manager of a node ->
    worker -> file system -> worker -> manager -> interchange -> controller

The loops of controller and interchange are those of the code: the controller handles all messages that are
there, proposes for all places that are free, commits once, then submits; the interchange takes one new task
and one manager's message a turn and looks at every manager on each.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field

from scaling_parts import Clock, Costs, FileSystem, Outcome, Place, Places, Server, Then, Work

TICK = 1.0
"""Seconds between two looks around of the controller."""

WARM = 0.4
"""Share of a run of given length after which it is looked at."""

PIECE = 100.0
"""Looks at files between which others get their turn."""


@dataclass(eq=False)
class Task:
    """A task on its way; times in s of the clock."""

    number: int
    seconds: float
    proposed: float
    node: Node | None = None
    attempt: int = 0
    started: float = math.nan
    ended: float = math.nan
    recorded: float = math.nan


@dataclass(eq=False)
class Node:
    """Workers under one manager."""

    server: Server
    workers: int
    capacity: int
    interchange: Interchange | None = None
    alive: bool = True
    draining: bool = False
    held: set[Task] = field(default_factory=set)
    waiting: deque[Task] = field(default_factory=deque)
    idle_since: list[float] = field(default_factory=list)
    beat: float = 0.0


class Interchange:
    """Parsl's: a turn takes one new task and one message, looks at all managers, and sends what it can."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine, self.server = engine, server
        self.nodes: list[Node] = []
        self.incoming: deque[Task] = deque()
        self.messages: deque[tuple[Node, Task | None]] = deque()
        self.pending: deque[Task] = deque()
        self.interesting: list[Node] = []
        self._listed: set[int] = set()
        self._turning = False
        self.silent = 0.0

    def join(self, node: Node) -> None:
        """A manager registers."""
        node.interchange = self
        node.beat = self.engine.clock.now
        self.nodes.append(node)
        self.interest(node)
        self.wake()

    def leave(self, node: Node) -> None:
        """A manager is gone."""
        self.nodes.remove(node)

    def interest(self, node: Node) -> None:
        """A manager may have room."""
        if id(node) not in self._listed:
            self._listed.add(id(node))
            self.interesting.append(node)

    def wake(self) -> None:
        """Take a turn if there is anything to do."""
        if not self._turning and (self.incoming or self.messages):
            self._turning = True
            self._turn()

    def _turn(self) -> None:
        costs = self.engine.costs
        seconds = costs.turn + costs.turn_manager * len(self.nodes)
        task = self.incoming.popleft() if self.incoming else None
        message = self.messages.popleft() if self.messages else None
        if task is not None:
            self.pending.append(task)
            seconds += costs.take
        if message is not None:
            seconds += costs.give if message[1] is not None else 0.0
            self.interest(message[0])
        sent = self._match()
        seconds += costs.send * len(sent)
        self.server.serve(seconds, lambda: self._end_turn(message, sent))

    def _match(self) -> list[tuple[Node, list[Task]]]:
        sent = []
        while self.pending and self.interesting:
            k = self.engine.random.randrange(len(self.interesting))
            node = self.interesting[k]
            room = node.capacity - len(node.held) if node.alive and not node.draining else 0
            tasks = [self.pending.popleft() for _ in range(min(room, len(self.pending)))]
            for task in tasks:
                node.held.add(task)
                task.node = node
            if tasks:
                sent.append((node, tasks))
            if len(tasks) == room:
                self.interesting[k] = self.interesting[-1]
                self.interesting.pop()
                self._listed.discard(id(node))
        return sent

    def _end_turn(
        self, message: tuple[Node, Task | None] | None, sent: list[tuple[Node, list[Task]]]
    ) -> None:
        engine = self.engine
        for node, tasks in sent:
            engine.clock.after(engine.place.latency, lambda n=node, t=tasks: engine.arrive(n, t))
        if message is not None:
            node, task = message
            if task is None:
                self.silent = max(self.silent, engine.clock.now - node.beat)
                node.beat = engine.clock.now
            elif task in node.held:
                node.held.discard(task)
                self.interest(node)
                engine.clock.after(engine.place.latency, lambda: engine.returned(task))
        if self.incoming or self.messages or (self.pending and self.interesting):
            self._turn()
        else:
            self._turning = False


class Engine:
    """A run of the model.

    Args:
        costs: of every step.
        files: the file system.
        place: where it runs.
        work: what is to be done.
        seed: of task lengths and of the interchange's choice among managers.
    """

    def __init__(self, costs: Costs, files: FileSystem, place: Place, work: Work, seed: int = 0) -> None:
        self.costs, self.files, self.place, self.work = costs, files, place, work
        self.random = random.Random(seed)
        self.clock = clock = Clock()
        cores = math.ceil(place.cores)
        self._cores = Server(clock, cores, slow=cores / place.cores) if cores else None
        self.python = Server(clock, on=self._cores)
        self.metadata = Server(clock)
        self.disk = Server(clock, files.fsyncs)
        self.writing = Server(clock)
        self.tasks: list[Task] = []
        self.backlog: deque[Task] = deque()
        self.messages: deque[Task] = deque()
        self.in_flight = 0
        self.depth = max(1, round(place.ahead * place.workers * place.nodes))
        self.done = self.again = self.commits = self.trainings = 0
        self._looping = False
        self._next_tick = self._tick_awaited = 0.0
        self._committed = 0
        self._looked, self._looks_since = 0.0, math.inf
        self._training_until = 0.0
        self._trained_at = 0
        self._area, self._area_at = 0.0, 0.0
        self._gaps: list[float] = []
        self._marks: list[tuple[float, ...]] = []
        self._share = place.nodes * place.workers
        self.interchanges = (
            []
            if place.threads
            else [Interchange(self, Server(clock, on=self._cores)) for _ in range(place.interchanges)]
        )
        if place.threads:
            self._compute, self._hands = Places(place.workers), Places(2 * place.workers)
        else:
            for k in range(place.nodes):
                self._begin_node(k)

    def run(self) -> Outcome:
        """From the first proposal to the last result recorded."""
        work = self.work
        self._loop()
        if work.until:
            self.clock.after(work.until * WARM, self._mark)
            self.clock.run(lambda: self.clock.now >= work.until)
            self._mark()
        else:
            self.clock.run(lambda: self.done == work.tasks)
        return self._outcome()

    # The controller.

    def _loop(self) -> None:
        """One round of the controller's loop; it ends by waiting for a message, or begins again."""
        self._looping = True
        if self.messages:
            batch = list(self.messages)
            self.messages.clear()
            seconds = self.costs.handle.of(self.work.replicas) * len(batch)
            self.python.serve(seconds, lambda: self._handled(batch))
        else:
            self._advance()

    def _handled(self, batch: list[Task]) -> None:
        now = self.clock.now
        for task in batch:
            self._fly(-1)
            if math.isnan(task.ended):  # its block ended under it
                self.again += 1
                self.backlog.append(task)
            else:
                task.recorded = now
                self.done += 1
                if not self.work.until and self.done in (self.work.tasks // 4, self.work.tasks * 3 // 4):
                    self._mark()
        self._loop()

    def _advance(self) -> None:
        """Propose, look around once a second, commit, submit: what a round of the loop does."""
        now, costs = self.clock.now, self.costs
        tasks = [
            self.backlog.popleft() if self.backlog else self._propose()
            for _ in range(min(self.depth - self.in_flight, self._left()))
        ]
        new = sum(task.attempt == 0 for task in tasks)
        self._fly(len(tasks))
        seconds, looks = new * costs.propose.of(self.work.replicas), 0.0
        if now >= self._next_tick:
            self._next_tick = now + TICK
            seconds += costs.tick + costs.tick_task * self.in_flight
            looks = costs.tick_operations * self.in_flight
        seconds += self._train_if_due()
        changed = self.done + self.again + len(self.tasks)
        dirty, self._committed = changed != self._committed, changed

        def commit() -> None:
            if not dirty:
                self._submit(tasks, 0)
                return
            self.commits += 1
            self.python.serve(
                costs.commit, lambda: self.clock.after(self.files.append, lambda: self._submit(tasks, 0))
            )

        self.python.serve(seconds, lambda: self._look(looks, commit))

    def _left(self) -> int:
        return len(self.backlog) + self.work.tasks - len(self.tasks)

    def _propose(self) -> Task:
        seconds, spread = self.work.seconds, self.work.spread
        if spread:
            seconds *= self.random.lognormvariate(-(spread**2) / 2, spread)
        if self.work.staggered and len(self.tasks) < self._share:
            seconds *= self.random.random()
        task = Task(len(self.tasks), seconds, self.clock.now)
        self.tasks.append(task)
        return task

    def _train_if_due(self) -> float:
        """Seconds of the controller's Python for the start of a training, if it is time for one."""
        work, now = self.work, self.clock.now
        due = work.training_every and self.done - self._trained_at >= work.training_every
        if not due or now < self._training_until:
            return 0.0
        self._trained_at = self.done
        self._training_until = now + work.training_start + work.training
        self.trainings += 1
        return work.training_start

    def _look(self, operations: float, then: Then) -> None:
        """Look at files one after the other, in pieces, so that others get their turn in between."""
        if operations <= 0.0:
            then()
            return
        piece, self._looks_since = min(operations, PIECE), self.clock.now

        def looked() -> None:
            self._looked += self.clock.now - self._looks_since
            self._looks_since = math.inf
            self._look(operations - piece, then)

        self._operations(piece, looked)

    def _submit(self, tasks: list[Task], k: int) -> None:
        """Hand over the tasks from number ``k`` on; then wait for a message, if there is none yet."""
        if k < len(tasks):

            def handed() -> None:
                self._hand_over(tasks[k])
                self._submit(tasks, k + 1)

            self.python.serve(self.costs.submit.of(self.work.replicas), handed)
        elif self.messages:
            self._loop()
        else:
            self._looping = False
            if self._tick_awaited < self._next_tick:
                self._tick_awaited = self._next_tick
                self.clock.after(max(0.0, self._next_tick - self.clock.now), self._tick)

    def _tick(self) -> None:
        if not self._looping and self.done < self.work.tasks:
            self._loop()

    def _hand_over(self, task: Task) -> None:
        task.attempt += 1
        if self.place.threads:
            self._hands.enter(lambda: self._compute.enter(lambda: self._start_on_thread(task)))
            return
        interchange = self.interchanges[task.number % len(self.interchanges)]

        def arrive() -> None:
            interchange.incoming.append(task)
            interchange.wake()

        self.clock.after(self.place.latency, arrive)

    def returned(self, task: Task) -> None:
        """A result arrives at the controller's process: Parsl's thread unpacks it first."""
        self.python.serve(self.costs.result.of(self.work.replicas), lambda: self._message(task))

    def _message(self, task: Task) -> None:
        self.messages.append(task)
        if not self._looping:
            self._loop()

    # Workers.

    def arrive(self, node: Node, tasks: list[Task]) -> None:
        """Tasks arrive at a node's manager."""
        for task in tasks:
            node.server.serve(self.costs.manager / 2, lambda t=task: self._queued(node, t))

    def _queued(self, node: Node, task: Task) -> None:
        if not node.alive:
            return
        if node.idle_since:
            self._start(node, task, node.idle_since.pop())
        else:
            node.waiting.append(task)

    def _start(self, node: Node, task: Task, idle_since: float) -> None:
        attempt, replicas = task.attempt, self.work.replicas

        def if_there(then: Then) -> Then:
            return lambda: then() if node.alive and task.attempt == attempt else None

        def compute() -> None:
            task.started = self.clock.now
            if idle_since > 0.0:
                self._gaps.append(self.clock.now - idle_since)
            self.clock.after(task.seconds, if_there(computed))

        def computed() -> None:
            self._on_cores(self.costs.task.of(replicas), if_there(lambda: self._write(if_there(ended))))

        def ended() -> None:
            self._ended(node, task)

        self._on_cores(
            self.costs.between.of(replicas), lambda: self._operations(self.costs.before, if_there(compute))
        )

    def _ended(self, node: Node, task: Task) -> None:
        task.ended = self.clock.now
        if node.waiting:
            # The worker takes the next task from its manager's queue by itself.
            self._start(node, node.waiting.popleft(), self.clock.now)
        else:
            node.idle_since.append(self.clock.now)
        interchange = node.interchange
        assert interchange is not None

        def arrive() -> None:
            interchange.messages.append((node, task))
            interchange.wake()

        node.server.serve(self.costs.manager / 2, lambda: self.clock.after(self.place.latency, arrive))

    def _start_on_thread(self, task: Task) -> None:
        """A thread has a place among the workers, computes there, leaves it, and writes its file."""
        replicas = self.work.replicas

        def begun() -> None:
            task.started = self.clock.now
            self.clock.after(task.seconds, computed)

        def computed() -> None:
            task.ended = self.clock.now
            self._compute.leave()
            self.python.serve(self.costs.task.of(replicas), lambda: self._write(written))

        def written() -> None:
            self._hands.leave()
            self._message(task)

        self.python.serve(self.costs.between.of(replicas), lambda: self._operations(self.costs.before, begun))

    def _on_cores(self, seconds: float, then: Then) -> None:
        if self._cores is not None:
            self._cores.serve(seconds, then)
        else:
            self.clock.after(seconds, then)

    def _operations(self, count: float, then: Then) -> None:
        """Metadata operations of a worker, one after the other."""
        if not count:
            then()
            return
        seconds = count * self.files.operation
        self.metadata.serve(count / self.files.operations, lambda: self.clock.after(seconds, then))

    def _write(self, then: Then) -> None:
        """A result file: its bytes, its fsync, its metadata."""
        size = self.costs.file.of(self.work.replicas)
        synced = lambda: self._operations(self.costs.after, then)  # noqa: E731  # short
        self.writing.serve(size / self.files.bandwidth, lambda: self.disk.serve(self.files.fsync, synced))

    # Nodes and blocks.

    def _begin_node(self, k: int, again: bool = False) -> None:
        place = self.place
        node = Node(
            Server(self.clock, on=self._cores),
            place.workers,
            round(place.workers * (1 + place.prefetch)),
            idle_since=[self.clock.now if again else 0.0] * place.workers,
        )
        interchange = self.interchanges[k % len(self.interchanges)]
        interchange.join(node)
        self._beat(node)
        if place.walltime:
            life = place.walltime
            if not again:  # blocks have started at different times
                blocks = -(-place.nodes // place.block)
                life *= 0.25 + 0.75 * (k // place.block + 1) / blocks

            def drain() -> None:
                node.draining = True

            self.clock.after(max(0.0, life - place.drain), drain)
            self.clock.after(life, lambda: self._end_node(node, k))

    def _end_node(self, node: Node, k: int) -> None:
        node.alive = False
        assert node.interchange is not None
        node.interchange.leave(node)
        for task in node.held:  # those whose result was on its way have their file in place and are adopted
            task.attempt += math.isnan(task.ended)
            self.clock.after(self.place.notice, lambda t=task: self.returned(t))
        node.held.clear()
        self.clock.after(self.place.wait, lambda: self._begin_node(k, again=True))

    def _beat(self, node: Node) -> None:
        def beat() -> None:
            if node.alive and self.done < self.work.tasks:
                assert node.interchange is not None
                node.interchange.messages.append((node, None))
                node.interchange.wake()
                self.clock.after(self.costs.heartbeat, beat)

        self.clock.after(self.random.random() * self.costs.heartbeat, beat)

    # Counting.

    def _fly(self, change: int) -> None:
        self._area += self.in_flight * (self.clock.now - self._area_at)
        self._area_at = self.clock.now
        self.in_flight += change

    def _mark(self) -> None:
        """Remember what was done by now."""
        interchange = max((i.server.served for i in self.interchanges), default=0.0)
        looked = self._looked + max(0.0, self.clock.now - self._looks_since)
        served = (self.python.served, looked, interchange, self.metadata.served)
        self._marks.append((self.clock.now, self.done, *served))

    def _outcome(self) -> Outcome:
        now = self.clock.now
        self._fly(0)
        begun = [t for t in self.tasks if not math.isnan(t.started)]
        starts = [t.started for t in begun]
        ends = [now + 1e-9 if math.isnan(t.ended) else t.ended for t in begun]
        recorded = [t for t in self.tasks if not math.isnan(t.recorded)]
        out = Outcome(wall=now, done=self.done, again=self.again)
        out.busy = (sum(ends) - sum(starts)) / (self._share * (max(ends) - min(starts)))
        (t0, done0, *before), (t1, done1, *after) = self._marks[0], self._marks[-1]
        if t1 > t0:
            inside = sum(max(0.0, min(e, t1) - max(s, t0)) for s, e in zip(starts, ends, strict=True))
            out.steady = inside / (self._share * (t1 - t0))
            shares = [(b - a) / (t1 - t0) for a, b in zip(before, after, strict=True)]
            out.controller, out.looking, out.interchange, out.metadata = shares
            # Where time bounds the run, results are recorded in long rounds: tasks end more evenly.
            ended = sum(t0 < e <= t1 for e in ends) if self.work.until else done1 - done0
            out.rate = ended / (t1 - t0)
        out.cpu = self.python.served / max(1, self.done)
        if self._cores is not None:
            out.all_cpu = self._cores.served / max(1, self.done)
        gaps = sorted(self._gaps)
        out.gap = gaps[len(gaps) // 2] if gaps else math.nan
        waits = sorted(t.recorded - t.ended for t in recorded if t.recorded >= t0) or [math.nan]
        out.steering, out.steering_late = waits[len(waits) // 2], waits[len(waits) * 95 // 100]
        out.sojourn = sum(t.recorded - t.proposed for t in recorded) / max(1, len(recorded))
        out.flying = self._area / now
        out.commits, out.trainings = self.commits, self.trainings
        out.silent = max((i.silent for i in self.interchanges), default=0.0)
        return out


def simulate(costs: Costs, files: FileSystem, place: Place, work: Work, seed: int = 0) -> Outcome:
    """What the model says of a piece of work."""
    return Engine(costs, files, place, work, seed).run()
