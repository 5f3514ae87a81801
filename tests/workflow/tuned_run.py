"""A small run whose campaign varies a time step, some of it too large."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from small_run import build

CAMPAIGN = """
name: tuned
simulator:
  kind: python
  function: oscillate
  code: |
    def oscillate(stiffness, timestep, mode):
        x = stiffness * timestep
        if x > 1:
            raise ValueError("it exploded")
        return {"drift": (x**2, 0.01 * x**2), "good": float(x < 0.5), "energy": (mode * stiffness, 0.1)}
  parameters:
    stiffness: {low: 0.5, high: 10, unit: N/m}
    timestep: {low: 0.001, high: 2, unit: fs, default: 0.1, setting: time step}
    mode: {low: 1, high: 3, integer: true}
  results:
    drift: {positive: true}
    good: {verdict: true}
    energy: {unit: kT}
space:
  stiffness: [1, 3]
  timestep: {values: [0.1, 0.2, 0.4]}
  mode: {choices: [1, 2]}
surrogate: {kind: mlp_ensemble, members: 8, folds: 4, hidden: [8], steps: 60}
steering: {kind: sobol}
training: {first: 24, every: 24, held_out: 0.25}
stop: {simulations: 48}
resources: {kind: threads, workers: 2}
seed: 5
"""


@functools.cache
def tuned_run() -> Path:
    """The run of `CAMPAIGN`, built once a session; nobody may change it."""
    place = Path(tempfile.mkdtemp(prefix="mlaround-test-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return build(place / "tuned-1", CAMPAIGN)
