"""The controller's side: requests are taken in order, carried out or refused, and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

import surrogates
from surrogates import ModelFileError
from workflow.folder import write_atomically
from workflow.reading import dump
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
from workflow.requests.asking import LIVE, Request, read
from workflow.requests.checks import failed_simulations, model_of, new_budget, not_to_be_killed, simulations
from workflow.requests.ending import end_task
from workflow.words import duration

if TYPE_CHECKING:
    from workflow.controller import Controller


class Actions:
    """Carries out on a live run what users ask for.

    Args:
        controller: whose run it is.
        left: names of the requests that came before it held the run.
    """

    def __init__(self, controller: Controller, left: Iterable[str]) -> None:
        self._controller, self._left = controller, set(left)
        self._request: Request

    def take(self) -> bool:
        """Answer all requests that wait; whether there were any."""
        names = self._controller.folder.requests()
        for name in names:
            self._answer(name)
        return bool(names)

    def _answer(self, name: str) -> None:
        controller = self._controller
        request = read(controller.folder, name)
        # One that was answered already was left by a controller that died just then.
        if request is not None and name not in controller.record.answered:
            self._request = request
            try:
                asked = parse(request.verb, request.arguments)
                if name in self._left and request.verb in LIVE:
                    raise RequestError("no controller held the run when this was asked")
                outcome, words = "done", _DEEDS[type(asked)](self, asked)
            except RequestError as error:
                outcome, words = "refused", str(error)
            except OSError as error:
                outcome, words = "refused", f"it could not be done: {error.strerror or error}"
            controller.note("action", **request.event(outcome, words))
            if outcome == "done" and request.verb == "promote":  # only now does the record know
                # Before the event is on disk: whoever reads that finds the model in use.
                controller.folder.point_to_promoted(controller.record.promoted)
                controller.trainer.steer()
            controller.commit()
        controller.folder.answer(name)

    def _pause(self, asked: Pause) -> str:
        if self._controller.record.paused:
            raise RequestError("it is paused already")
        return "nothing new starts until it is resumed"

    def _resume(self, asked: Resume) -> str:
        if not self._controller.record.paused:
            raise RequestError("it is not paused")
        return "it goes on"

    def _stop(self, asked: Stop) -> str:
        self._controller.stop(now=asked.now)
        return "running tasks are ended" if asked.now else "running tasks get a moment to end"

    def _budget(self, asked: Budget) -> str:
        controller = self._controller
        campaign, before = controller.campaign, controller.planner.total
        wanted = new_budget(controller.record, asked, before, campaign.steering.size(controller.space))
        stop = campaign.stop.model_copy(update={"simulations": wanted})
        campaign = campaign.model_copy(update={"stop": stop})
        write_atomically(controller.folder.resolved, dump(campaign), durable=True)
        controller.campaign = campaign
        controller.planner.resize(campaign)
        controller.reconsider()
        if wanted == before:
            return f"the budget is {simulations(wanted)}"
        return f"the budget goes from {before:,} to {simulations(wanted)}"

    def _kill(self, asked: Kill) -> str:
        controller = self._controller
        tasks = list(dict.fromkeys(asked.tasks))
        markers = {marker["task"]: marker for marker in controller.folder.running_tasks()}
        for task in tasks:
            if problem := not_to_be_killed(controller.record, task, markers.get(task)):
                raise RequestError(problem)
        ended = [self._kill_one(task) for task in tasks]
        words = "; ".join(words for words, _ in ended)
        if not any(killed for _, killed in ended):
            raise RequestError(words)
        return words

    def _kill_one(self, task: int) -> tuple[str, bool]:
        """What became of it in words, and whether it was killed."""
        controller = self._controller
        folder = controller.folder
        # First the mark, then a look: either the worker sees that one or we see that it has begun.
        folder.withdrawn(task).touch()
        marker = next((m for m in folder.running_tasks() if m["task"] == task), None)
        if problem := not_to_be_killed(controller.record, task, marker):
            folder.withdrawn(task).unlink(missing_ok=True)
            return problem, False
        over = folder.result(task).exists() if marker is None else not end_task(folder, marker)
        if over:
            folder.withdrawn(task).unlink(missing_ok=True)
            return f"task {task} had just ended", False
        n = simulations(int(controller.record.task_count[task]))
        how = "before it began"
        ran: dict[str, Any] = {}
        if marker is not None:
            ran = {"worker": marker["worker"], "started": marker["started"], "ended": round(time.time(), 6)}
            how = f"on {ran['worker']} after {duration(max(0.0, ran['ended'] - ran['started']))}"
        message = f"killed by {self._request.user} {how}"
        controller.note("task_failed", task=task, reason="killed", message=message, **ran)
        if task in controller.backlog:
            controller.backlog.remove(task)
        controller.reconsider()
        return f"task {task} ({n}) was killed {how}", True

    def _retry(self, asked: Retry) -> str:
        controller = self._controller
        record = controller.record
        chosen = failed_simulations(record, asked)
        models = record.task_model[record.task[chosen]]
        cuts = np.flatnonzero((np.diff(chosen) != 1) | (np.diff(models) != 0)) + 1
        for run in np.split(chosen, cuts):
            first, end = int(run[0]), int(run[-1]) + 1
            model = int(record.task_model[record.task[first]]) or None
            while first < end:
                wish = controller.sizer.wish(end - first)
                count = controller.sizer.cut(record.inputs[first : first + wish], wish)
                task = record.tasks
                controller.note(
                    "task_proposed",
                    task=task,
                    first=first,
                    inputs=record.inputs[first : first + count].tolist(),
                    held_out=record.held_out[first : first + count].astype(int).tolist(),
                    model=model,
                    again=True,
                )
                controller.backlog.append(task)
                first += count
        controller.reconsider()
        return f"{simulations(len(chosen))} run again"

    def _promote(self, asked: Promote) -> str:
        controller = self._controller
        name = model_of(controller.record, controller.folder, asked.model)
        try:
            surrogates.load(controller.folder.model(asked.model))
        except ModelFileError as error:
            raise RequestError(f"{name} cannot be used: {error}") from None
        return f"{name} is used from now on"

    def _simulate(self, asked: Simulate) -> str:
        controller = self._controller
        row = point(controller.campaign.simulator, controller.space, asked.inputs)
        record, replica, task = controller.record, controller.record.replicas, controller.record.tasks
        # Those that were asked for before come before it, and what the policy wants after it.
        before = sum(1 for t in controller.backlog if record.asked[record.task_first[t]])
        controller.note(
            "task_proposed",
            task=task,
            first=replica,
            inputs=[row.tolist()],
            held_out=[0],
            model=None,
            asked=self._request.user,
            request=self._request.name,
        )
        controller.backlog.insert(before, task)
        controller.reconsider()
        return f"it is simulation {replica}"


_DEEDS: dict[type[Arguments], Callable[[Actions, Any], str]] = {
    Pause: Actions._pause,
    Resume: Actions._resume,
    Stop: Actions._stop,
    Budget: Actions._budget,
    Kill: Actions._kill,
    Retry: Actions._retry,
    Promote: Actions._promote,
    Simulate: Actions._simulate,
}
