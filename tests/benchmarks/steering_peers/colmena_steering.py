"""Colmena, deciding after every result: the peer's half of `bench_steering.py`, run by its environment.

Colmena writes no record; its thinker decides in the processor of results, which is its shortest way.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import time

import numpy as np
from colmena.queue.python import PipeQueues
from colmena.task_server.local import LocalTaskServer
from colmena.task_server.parsl import ParslTaskServer
from colmena.thinker import BaseThinker, agent, result_processor
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider


def simulate(seconds: float) -> tuple[float, float, int]:
    """The simulation: it sleeps. It is sent to its worker as it stands, hence the import inside."""
    import os
    import time

    started = time.time()
    if seconds:
        time.sleep(seconds)
    return started, time.time(), os.getpid()


class Thinker(BaseThinker):
    """Decides on one more point whenever a result is there."""

    def __init__(self, queues, wanted):
        super().__init__(queues, daemon=True)
        self.wanted, self.rows, self.sent = wanted, [], 0
        self.until = math.inf

    def send(self):
        """Decide on a point, by what came so far, and hand it over."""
        last = self.rows[-1][1] if self.rows else 0.0
        shift = random.Random(last + self.sent).uniform(-1e-6, 1e-6)
        self.queues.send_inputs(max(0.0, self.wanted.seconds + shift), method="simulate")
        self.sent += 1

    @agent(startup=True)
    def begin(self):
        """The first points: one for every worker, and those that wait."""
        for _ in range(min(self.wanted.in_flight, self.wanted.tasks)):
            self.send()

    @result_processor
    def decide(self, result):
        """Take in a result and go on."""
        assert result.success, result.failure_info
        now = time.time()
        if not self.rows:
            self.until = now + self.wanted.limit
        self.rows.append((*result.value, now))
        if self.sent < self.wanted.tasks and now < self.until:
            self.send()
        elif len(self.rows) == self.sent:
            self.done.set()


def server(wanted, queues):
    """The workers, at the settings that were fastest here."""
    if wanted.workers_by == "processes":
        return LocalTaskServer(queues, [simulate], threads=False, num_workers=wanted.workers)
    executor = HighThroughputExecutor(
        label="htex",
        address="127.0.0.1",
        max_workers_per_node=wanted.workers,
        cores_per_worker=1e-6,
        prefetch_capacity=max(0, wanted.in_flight - wanted.workers),
        cpu_affinity="none",
        encrypted=False,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    config = Config(
        executors=[executor],
        strategy="none",
        strategy_period=0.1,  # at the default of 5 s the workers start twelve seconds later
        initialize_logging=False,  # else it writes 4 kB of log a task
        usage_tracking=0,
        run_dir="parsl",
    )
    return ParslTaskServer([simulate], queues, config)


def main() -> None:
    """Run, and say what there is to know."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers-by", choices=("htex", "processes"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--in-flight", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--tasks", type=int)
    parser.add_argument("--limit", type=float, help="seconds of deciding")
    parser.add_argument("--out")
    wanted = parser.parse_args()
    queues = PipeQueues(serialization_method="pickle", keep_inputs=False)
    tasks = server(wanted, queues)
    tasks.start()
    thinker = Thinker(queues, wanted)
    thinker.run()
    queues.send_kill_signal()
    tasks.join()
    assert len(thinker.rows) == thinker.sent, "the thinker gave up"
    np.save(wanted.out, np.array(thinker.rows, dtype=np.float64))
    print(json.dumps({"drivers": [os.getpid(), tasks.pid]}))


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
