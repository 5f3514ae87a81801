"""A controller at work in a thread of the tests, so that they can act on it as users do."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from engine_runs import campaign
from record_facts import facts

import workflow.controller
import workflow.engine
from workflow.controller import Controller
from workflow.engine import resume, run_campaign
from workflow.folder import RunFolder
from workflow.record import Record
from workflow.run import Run

SOURCE = Path(__file__).with_name("engine_runs.yaml")


def wait_for(condition, seconds=180.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


class Live:
    """A run that goes on in a thread."""

    def __init__(self, folder):
        self.folder, self.outcome, self.error = RunFolder(folder), None, None
        self.controller = None

    @property
    def run(self):
        return Run(self.folder)

    def work(self, start):
        try:
            self.outcome = start()
        except BaseException as error:  # shown by the test that waits for it
            self.error = error

    def start(self, start):
        self.outcome = None
        self.thread = threading.Thread(target=self.work, args=(start,), daemon=True)
        self.thread.start()
        wait_for(lambda: self.error or (self.folder.exists() and self.controller))
        wait_for(lambda: self.error or self.outcome or self.run.record.run_started)

    def end(self, seconds=60.0):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "it did not end"
        if self.error is not None:
            raise self.error
        assert facts(self.controller.record) == facts(Record.read(self.folder.events))
        return self.outcome


@contextmanager
def live(monkeypatch, folder, text, *overrides):
    """Start a run, or go on with it where there is one."""
    here = Live(folder)

    class Known(Controller):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            here.controller = self

    monkeypatch.setattr(workflow.engine, "Controller", Known)
    monkeypatch.setattr(workflow.controller, "TICK", 0.05)
    if RunFolder(folder).exists():
        here.start(lambda: resume(folder))
    else:
        here.start(lambda: run_campaign(campaign(text, *overrides), folder, source=SOURCE))
    try:
        yield here
    finally:
        if here.thread.is_alive() and here.folder.controller_alive():
            here.run.stop(now=True)
        here.thread.join(60)


def policy_points(record):
    """What the policy asked, users' points left out: inputs, and which were held out."""
    own = ~record.asked
    return np.array(record.inputs[own]).tolist(), record.held_out[own].tolist()
