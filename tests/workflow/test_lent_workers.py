"""Simulations on idle workers of trainings, which may be on other devices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from engine_runs import MOODY, run, whole

from workflow.trainer import Trainer

FASTER = 20


class FastWorker:
    """A pool of one worker that tells of tasks as a device would that is so many times as fast."""

    connected, broken = 1, False

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def submit(self, function, request):
        def called():
            done = function(request)
            seconds = (done["ended"] - done["started"]) / FASTER
            return done | {"worker": "fast-0", "ended": done["started"] + seconds}

        return self._thread.submit(called)


def test_batches_are_as_large_as_suits_the_device_they_go_to(monkeypatch, tmp_path):
    fast = FastWorker()
    monkeypatch.setattr(Trainer, "lender", lambda self: fast)
    options = ("simulator.seconds=0.002", "resources.task_time=0.02", "resources.workers=1")
    run(tmp_path / "r", MOODY, *options, "stop.simulations=2000", "training.first=10_000")
    state = whole(tmp_path / "r", 2000)
    early = np.arange(state.tasks) < state.tasks // 2  # later tasks shrink as little remains
    lent = np.array([state.worker_names[k] == "fast-0" for k in state.task_worker])
    assert state.task_count[lent][0] == state.task_count[~lent][0] == 1  # a probe of each
    typical = [np.median(state.task_count[early & part][2:]) for part in (lent, ~lent)]
    assert typical[0] > FASTER / 4 * typical[1]
