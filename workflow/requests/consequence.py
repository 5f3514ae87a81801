"""What would happen: the sentence that is shown before something is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.folder import version_name
from workflow.record import Record, State
from workflow.requests.arguments import (
    Arguments,
    Budget,
    Kill,
    Pause,
    Promote,
    RequestError,
    Resume,
    Retry,
    Simulate,
    Stop,
    parse,
    point,
)
from workflow.requests.checks import (
    SHOWN,
    failed_simulations,
    model_of,
    new_budget,
    not_to_be_killed,
    simulations,
)
from workflow.words import counted, duration, listed

if TYPE_CHECKING:
    from workflow.run import Run

RECENT = 20
"""Tasks whose lengths say how long a simulation takes at present."""

LATER = "kept until `mlaround resume`"


@dataclass(frozen=True)
class Consequence:
    """What would happen.

    Args:
        words: in one sentence.
        possible: whether it makes sense now.
        why_not: else why, and what would.
        loses: whether work is thrown away or a choice undone, so that one should ask twice.
    """

    words: str
    possible: bool = True
    why_not: str = ""
    loses: bool = False


def consequence(run: Run, verb: str, arguments: Mapping[str, Any]) -> Consequence:
    """What it would mean to ask for this now.

    Raises:
        RequestError: no such verb, or arguments that it does not take.
    """
    asked = parse(verb, arguments)
    try:
        return _SENTENCES[type(asked)](run, asked)
    except RequestError as error:
        return Consequence("", False, str(error))


def _pause(run: Run, asked: Pause) -> Consequence:
    _need_controller(run, "pause")
    if run.record.paused:
        raise RequestError("it is paused already; resume goes on")
    return Consequence(f"{_running(run)}, and nothing new starts until it is resumed")


def _resume(run: Run, asked: Resume) -> Consequence:
    if run.folder.controller_alive() is None:
        raise RequestError("no controller holds the run; `mlaround resume` starts one")
    if not run.record.paused:
        raise RequestError("it is not paused")
    left = max(0, run.total - run.record.done - run.record.failed)
    return Consequence(f"goes on with the {simulations(left)} that are left{_about(run, left)}")


def _stop(run: Run, asked: Stop) -> Consequence:
    _need_controller(run, "stop")
    record = run.record
    done = f"{record.done:,} of {simulations(run.total)} are done"
    running = run.folder.running_tasks()
    if asked.now and running:
        oldest = max(time.time() - marker["started"] for marker in running)
        return Consequence(
            f"ends {_tasks([m['task'] for m in running])} at once: up to {duration(oldest)} of work is lost, "
            f"and done again when the run is resumed; {done}",
            loses=True,
        )
    ends = "" if not running else f"gives {_tasks([m['task'] for m in running])} 10 s to end, then "
    return Consequence(f"{ends}stops the run; {done}, and `mlaround resume` goes on")


def _budget(run: Run, asked: Budget) -> Consequence:
    size = run.campaign.steering.size(run.space)
    now = run.campaign.total(run.space)
    wanted = new_budget(run.record, asked, now, size)
    more = wanted - now
    if not more:
        raise RequestError(f"the budget is {simulations(now)} already")
    change = f"{more:,} more{_about(run, more)}" if more > 0 else f"{-more:,} fewer"
    limit = f" (the policy has {size:,} points in all)" if wanted < asked.simulations else ""
    words = f"the budget goes from {now:,} to {simulations(wanted)}: {change}{limit}"
    return Consequence(_sooner_or_later(run, words), loses=more < 0)


def _kill(run: Run, asked: Kill) -> Consequence:
    _need_controller(run, "kill")
    record, now = run.record, time.time()
    markers = {marker["task"]: marker for marker in run.folder.running_tasks()}
    count, parts = 0, []
    for task in dict.fromkeys(asked.tasks):
        if problem := not_to_be_killed(record, task, markers.get(task)):
            raise RequestError(problem)
        n = int(record.task_count[task])
        count += n
        marker = markers.get(task)
        how = "not started"
        if marker is not None:
            how = f"running for {duration(max(0.0, now - marker['started']))}"
        where = f" on {marker['worker']}" if marker is not None else ""
        parts.append(f"task {task}{where} ({simulations(n)}, {how})")
    they = "it counts as failed" if count == 1 else "they count as failed"
    return Consequence(f"stops {'; '.join(parts)}; {they} and can be retried; the run goes on", loses=True)


def _retry(run: Run, asked: Retry) -> Consequence:
    record = run.record
    chosen = failed_simulations(record, asked)
    n = len(chosen)
    which = f" ({listed(chosen.tolist(), SHOWN)})"
    again = "again, with the same numbers and seed" if n == 1 else "again, with the same numbers and seeds"
    words = f"simulates {simulations(n)}{which} {again}{_about(run, n)}"
    return Consequence(_sooner_or_later(run, words))


def _promote(run: Run, asked: Promote) -> Consequence:
    record = run.record
    name = model_of(record, run.folder, asked.model)
    instead = ""
    if record.promoted is not None:
        instead = f" instead of {version_name(record.promoted)}"
        scores = [_error(record, version) for version in (asked.model, record.promoted)]
        if None not in scores:
            instead += f" (median relative error {scores[0]} instead of {scores[1]})"
    words = f"{name} is used from now on{instead}; a later model replaces it unless it is worse"
    return Consequence(words, loses=True)


def _simulate(run: Run, asked: Simulate) -> Consequence:
    row = point(run.campaign.simulator, run.space, asked.inputs)
    record = run.record
    at = ", ".join(
        f"{d.name} = {value:.6g} {d.unit}".rstrip()
        for d, value in zip(run.space.dimensions, row.tolist(), strict=True)
        if d.low < d.high or value != d.low
    )
    words = f"simulates {at} before what the policy wants{_about(run, 1)}; it is extra to the budget"
    outside = [
        d.name
        for d, value in zip(run.space.dimensions, row.tolist(), strict=True)
        if not d.low <= value <= d.high
    ]
    if outside:
        are = "is" if len(outside) == 1 else "are"
        words += f"; {listed(outside)} {are} outside the campaign's range, where its models give no answer"
    same = np.flatnonzero((record.inputs == row).all(axis=1)) if record.replicas else np.empty(0, np.int64)
    if len(same):
        state = State(int(record.state[same[0]])).name.lower()
        words += f"; simulation {same[0]} is at the same point ({state}), this one has other random numbers"
    return Consequence(_sooner_or_later(run, words))


def _need_controller(run: Run, verb: str) -> None:
    if run.folder.controller_alive() is None:
        raise RequestError(f"no controller holds the run: there is nothing to {verb}")


def _sooner_or_later(run: Run, words: str) -> str:
    if run.folder.controller_alive() is not None:
        return words
    return f"{words}; no controller holds the run, so it is {LATER}"


def _tasks(tasks: list[int]) -> str:
    return f"task{'' if len(tasks) == 1 else 's'} {listed(tasks, SHOWN)}"


def _running(run: Run) -> str:
    """What happens to what runs now."""
    tasks = [marker["task"] for marker in run.folder.running_tasks()]
    if not tasks:
        return "nothing runs at this moment"
    count = int(sum(run.record.task_count[task] for task in tasks if task < run.record.tasks))
    return f"{_tasks(tasks)} ({simulations(count)}) run to their end"


def _about(run: Run, count: int) -> str:
    """``, about 4 min on 2 workers at the present rate``; nothing where there is no rate yet."""
    record = run.record
    done = np.flatnonzero(record.task_finished & ~record.task_given_up)
    if not len(done) or count <= 0:
        return ""
    last = done[np.argsort(record.task_ended[done])][-RECENT:]
    seconds = float((record.task_ended[last] - record.task_started[last]).sum())
    each = seconds / int(record.task_count[last].sum())
    workers = max(1, record.workers)
    rounds = count * each / min(workers, count)
    return f", about {duration(rounds)} on {counted(workers, 'worker')} at the present rate"


def _error(record: Record, version: int) -> str | None:
    """Median relative error of a model on held-out simulations, as last judged."""
    model = next((m for m in record.models if m["model"] == version), None)
    if version == record.promoted:
        model = record.promoted_model
    overall = ((model or {}).get("scores") or {}).get("overall") or {}
    value = overall.get("median_relative_error")
    return None if value is None else f"{100 * value:.2g} %"


_SENTENCES: dict[type[Arguments], Callable[[Any, Any], Consequence]] = {
    Pause: _pause,
    Resume: _resume,
    Stop: _stop,
    Budget: _budget,
    Kill: _kill,
    Retry: _retry,
    Promote: _promote,
    Simulate: _simulate,
}
