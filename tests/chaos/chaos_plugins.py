"""Plug-ins of the chaos runs: a simulator that sleeps, also on MPI ranks; a recipe that says who trains."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
from engine_plugins import Polynomial, Quadratic

from simulators import Output, Parameter
from simulators.batch.simulator import BatchSimulator

MARK = "MLAROUND_CHAOS"
"""Variable by which all processes of one run are found; its value is the run folder."""


class Patient(BatchSimulator):
    """Sleeps, and returns numbers that tell one replica from every other."""

    backend: Literal["cpu", "mpi"] = "cpu"
    seconds: float = 0.0

    inputs: ClassVar = (Parameter("x", "", "position", 0.0, 1.0),)
    outputs: ClassVar = (Output("y", "", "x and a number made from the seed"),)

    def work(self, inputs):
        return 1.0

    def on_cpu(self, inputs, seeds, threads, progress, keep):
        found = self.nothing_yet(inputs)
        for k, seed in enumerate(seeds):
            time.sleep(self.seconds)
            found.mean["y"][k] = inputs[k, 0] + float(seed % np.uint64(1000)) / 1e5
            found.stderr["y"][k] = 0.003
        found.wall_seconds[:] = found.cpu_seconds[:] = self.seconds
        return found


class Teacher(Quadratic):
    """A recipe that leaves its process's number beside the run while it trains."""

    predictor: ClassVar = Polynomial
    seconds: float = 0.5

    def fit(self, x, y, y_err=None, *, signature, seed, ids=None):
        with _announced():
            return super().fit(x, y, y_err, signature=signature, seed=seed, ids=ids)


@contextmanager
def _announced():
    run = os.environ.get(MARK)
    if run is None:
        yield
        return
    path = training_file(Path(run))
    path.write_text(str(os.getpid()))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def training_file(run: Path) -> Path:
    return run.with_name(run.name + ".training")
