"""Rows of the table in which something is killed with -9, or started twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from chaos_plugins import MARK
from chaos_processes import Victim, kill
from chaos_runs import (
    PATIENT,
    STEERED,
    Controller,
    Digests,
    Tally,
    Watch,
    is_done,
    wait_for,
)

from workflow.events import Event
from workflow.folder import RunFolder
from workflow.record import State
from workflow.requests import RequestError
from workflow.run import Run

LOCAL = ("resources={kind: local, workers: 2, task_time: 0.3}", "simulator.seconds=0.1")
MPI = (*LOCAL, "simulator.backend=mpi", "simulator.ranks=2", "resources.task_time=0.5")
TRAINING = ("training.first=6", "training.every=4")
THREADS = ("simulator.seconds=0.02",)

AT_ONCE = 20
"""Kills that one run suffers: a run that breaks down again and again ends itself, as it should."""


def killed_in_a_pool(
    tally: Tally,
    victim: Victim,
    kills: int,
    chance: random.Random,
    place: Path,
    expected: Digests,
    *overrides: str,
) -> None:
    """Kill one process after another of a run's workers, each once the run has recovered from the last."""
    mixed_kills({tally.name: tally}, [(tally.name, victim)] * kills, chance, place, expected, *overrides)


def mixed_kills(
    tallies: Mapping[str, Tally],
    plan: list[tuple[str, Victim]],
    chance: random.Random,
    place: Path,
    expected: Digests,
    *overrides: str,
) -> None:
    """Kill, in the order of a plan, processes of as many runs as it takes."""
    for number, start in enumerate(range(0, len(plan), AT_ONCE)):
        part = plan[start : start + AT_ONCE]
        if time.monotonic() > min(tally.until for tally in tallies.values()):
            return
        run = place / f"{part[0][0].replace(' ', '-')}-{number}"
        controller = Controller(run, PATIENT, *overrides)
        watch = Watch(run)
        try:
            wait_for(lambda watch=watch: watch.find(0, is_done))
            for name, victim in part:
                if time.monotonic() > tallies[name].until:
                    break
                if not _kill_one(tallies[name], victim, chance, controller, watch):
                    break
        finally:
            mine = [tallies[name] for name in dict.fromkeys(name for name, _ in part)]
            end(mine, controller, watch, expected)


def end(tallies: list[Tally], controller: Controller, watch: Watch, expected: Digests) -> None:
    """Let a run end soon: with what it has proposed, or a little more."""
    wait_for(lambda: controller.poll() is not None or _is_limited(controller.run, watch))
    tallies[0].finish(controller, expected)
    for tally in tallies[1:]:  # they were the same run's
        tally.judge(controller.run, expected)


def _is_limited(run: Path, watch: Watch) -> bool:
    """Ask for what is decided upon in three seconds: within one the controller gets to know."""
    watch.look()
    try:
        Run(RunFolder(run)).set_budget(watch.record.replicas + 150)
    except RequestError:
        return False
    return True


def _kill_one(
    tally: Tally, victim: Victim, chance: random.Random, controller: Controller, watch: Watch
) -> bool:
    """Kill one process and see the run recover; whether it did.

    No simulation is hit twice: one under which a worker or ranks die again is taken for the culprit.
    """
    run = controller.run
    if not wait_for(lambda: _all_whole(watch)):
        tally.troubles.append("what was hit is not done")
        return False
    time.sleep(chance.uniform(0.05, 0.6))
    found: list[int] = []

    def there() -> bool:
        found[:] = victim(run, controller.family.look())
        return bool(found) or controller.poll() is not None

    if not wait_for(there) or not found:
        tally.troubles.append("there was nothing to kill")
        return False
    time.sleep(chance.uniform(0, 0.1))
    before, after = set(controller.family.look()), watch.look()
    watch.hit |= {marker["task"] for marker in RunFolder(run).running_tasks()}
    start = time.monotonic()
    if not kill(chance.choice(found)):
        return True  # it ended by itself just then
    tally.instants += 1
    noticed = _noticed(before, after, watch, controller)
    if noticed is None:
        tally.troubles.append(f"not noticed: {tally.name}, instant {tally.instants}")
        return False
    tally.detect.append(noticed[0] - start)
    healed = _healed(noticed[1], after, len(watch.seen), tally, watch)
    if healed is None:
        tally.troubles.append(f"not recovered from: {tally.name}, instant {tally.instants}")
        return False
    tally.recover.append(healed - start)
    return True


def _all_whole(watch: Watch) -> bool:
    """Whether all that was hit so far is done."""
    watch.look()
    record = watch.record
    watch.hit |= {event["task"] for _, event in watch.seen if _is_loss(event)}
    for task in watch.hit:
        first = int(record.task_first[task])
        if (record.state[first : first + int(record.task_count[task])] == State.PENDING).any():
            return False
    return True


def _noticed(
    before: set[int], after: int, watch: Watch, controller: Controller
) -> tuple[float, Event | None] | None:
    """When the run first showed that it knew, and the event by which it did, if it was one."""
    found: list[tuple[float, Event | None]] = []

    def look() -> bool:
        if event := watch.find(after, _is_loss):
            found.append(event)
        elif controller.family.look().keys() - before:  # something was started in its place
            found.append((time.monotonic(), None))
        return bool(found) or controller.poll() is not None

    wait_for(look)
    return found[0] if found else None


def _is_loss(event: Event) -> bool:
    return event["event"] == "task_retried" or (
        event["event"] == "task_failed" and event["reason"] == "split"
    )


def _healed(loss: Event | None, after: int, noticed: int, tally: Tally, watch: Watch) -> float | None:
    """When a task was done that the loss had hit; where no task was hit, the first one after it was noticed.

    After the loss of a training, it is the training that counts.
    """
    if tally.name == TRAINING_TASK:
        wanted: Callable[[Event], bool] = lambda event: event["event"] == "model_trained"  # noqa: E731
    elif loss is None:
        wanted, after = is_done, noticed
    else:
        first = int(watch.record.task_first[loss["task"]])
        hit = range(first, first + int(watch.record.task_count[loss["task"]]))

        def wanted(event: Event) -> bool:
            return is_done(event) and int(watch.record.task_first[event["task"]]) in hit

    wait_for(lambda: watch.find(after, wanted))
    pair = watch.find(after, wanted)
    return pair[0] if pair else None


TRAINING_TASK = "training task"


def awaited(
    watch: Watch, after: int, wanted: Callable[[Event], bool], controller: Controller
) -> tuple[float, Event] | None:
    """The first event of a kind from a place on, and when it was seen; ``None`` if none comes."""
    wait_for(lambda: watch.find(after, wanted) or controller.poll() is not None)
    return watch.find(after, wanted)


# The controller itself.


def controller_of_threads(
    tally: Tally, kills: int, chance: random.Random, place: Path, expected: Digests
) -> None:
    """Kill the controllers of one short run after another, decided by models all along."""
    number = 0
    while tally.wants(kills):
        run, longest = place / f"steered-{number}", 0.25
        number += 1
        while True:
            controller = Controller(run, STEERED)
            # Longer each time, so that the end is reached.
            if controller.wait(chance.uniform(0, longest)) is not None:
                break
            controller.kill()
            tally.instants += 1
            tally.detect.append(tally.gone(controller))
            tally.recover.extend(_next_done(run, STEERED))
            longest *= 1.3
        tally.finish(controller, expected)


def _next_done(run: Path, text: str, *overrides: str) -> list[float]:
    """Seconds from the start of the next controller to its first result; it is killed then."""
    if not RunFolder(run).exists():
        return []
    watch = Watch(run)
    before = watch.look()
    controller = Controller(run, text, *overrides)
    pair = awaited(watch, before, is_done, controller)
    controller.kill()
    return [pair[0] - controller.started] if pair else []


def controller_of_processes(
    tally: Tally, kills: int, chance: random.Random, place: Path, expected: Digests
) -> None:
    """Kill the controllers of one long run, which leave workers behind that have to end by themselves."""
    run = place / "local"
    watch = Watch(run)
    while tally.wants(kills):
        before = watch.look()
        controller = Controller(run, PATIENT, *LOCAL)
        early = chance.random() < 0.3  # while its workers start
        if not early:
            if not wait_for(lambda before=before: watch.find(before, is_done)):
                tally.troubles.append("a controller that went on got nothing done")
                break
            tally.recover.append(watch.find(before, is_done)[0] - controller.started)
        time.sleep(chance.uniform(0.0, 0.8))
        controller.kill()
        tally.instants += 1
        tally.detect.append(tally.gone(controller))
    last = Controller(run)
    wait_for(lambda: watch.find(watch.look(), is_done))
    end([tally], last, watch, expected)


# Two at once.


def two_controllers(tally: Tally, tries: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Start a second controller on a run that has one; and now and then two at once on one that has none."""
    run = place / "two"
    first = Controller(run, PATIENT, *THREADS)
    watch = Watch(run)
    wait_for(lambda: watch.find(0, is_done))
    while tally.wants(tries):
        k = tally.instants
        time.sleep(chance.uniform(0, 0.1))
        if k % 10 == 9:
            first.kill()
            pair = [Controller(run), Controller(run)]
            wait_for(lambda pair=pair: any(one.poll() is not None for one in pair))
            refused = [one for one in pair if one.poll() is not None]
            first = next((one for one in pair if one.poll() is None), first)
            seconds = time.monotonic() - pair[0].started
        else:
            second = Controller(run)
            second.wait()
            refused, seconds = [second], time.monotonic() - second.started
        tally.instants += 1
        tally.detect.append(seconds)
        # Of two that start at once, the one refused may still read who held the run before.
        words = "is held by another controller: process " + (f"{first.pid} on " if k % 10 < 9 else "")
        last = first.said.read_text().rpartition("RunLockedError: ")[2]
        if len(refused) != 1 or refused[0].code != 99 or words not in last:
            tally.troubles.append(f"not refused as it should be: {last[-300:]}")
            break
    end([tally], first, watch, expected)


# Who only looks.


def dashboard(tally: Tally, kills: int, chance: random.Random, place: Path, expected: Digests) -> None:
    """Kill the dashboard of a run that goes on, and start another."""
    run = place / "shown"
    controller = Controller(run, PATIENT, *THREADS)
    watch = Watch(run)
    wait_for(lambda: watch.find(0, is_done))
    events = watch.look()
    while tally.wants(kills):
        start = time.monotonic()
        pid, port = _served(run)
        controller.family.roots.add(pid)
        if not wait_for(lambda port=port: _answers(port), 30.0):
            tally.troubles.append("the dashboard does not answer")
        tally.recover.append(time.monotonic() - start)
        time.sleep(chance.uniform(0, 0.2))
        kill(pid)
        os.waitpid(pid, 0)
        tally.instants += 1
    if watch.look() == events or controller.poll() is not None:
        tally.troubles.append("the run did not go on")
    end([tally], controller, watch, expected)


TOKEN = "token-of-a-dashboard-that-is-killed-soon"


def _served(run: Path) -> tuple[int, int]:
    """A dashboard in a forked process, and its port."""
    from workflow.dashboard.context import Runs
    from workflow.dashboard.place import on_port
    from workflow.dashboard.server import serve

    listener = on_port(None)
    pid = os.fork()
    if pid == 0:
        try:
            os.environ[MARK] = str(run)
            serve(Runs.at(run), listener, token=TOKEN, read_only=False, hosts=())
        finally:
            os._exit(0)
    port = int(listener.getsockname()[1])
    listener.close()
    return pid, port


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/?token={TOKEN}")
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
