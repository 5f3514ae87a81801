"""Campaigns for the engine's tests, and what two runs of them must have in common."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from workflow.campaign import Campaign
from workflow.engine import Outcome, run_campaign
from workflow.folder import RunFolder
from workflow.reading import parse_campaign
from workflow.record import Record

SOURCE = Path(__file__).with_name("engine_runs.yaml")  # never read: the plug-ins lie beside it

WELLS = """
name: wells
simulator: {kind: harmonic, samples: 64}
space: {stiffness: [1, 10], temperature: [0.5, 2]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: sobol}
training: {first: 12, every: 8, held_out: 0.25}
stop: {simulations: 40}
resources: {kind: threads, workers: 2, task_time: 0.01}
seed: 11
"""

MOODY = """
name: moody
simulator: {kind: "engine_plugins:Moody"}
space: {x: [0, 1]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: random}
training: {first: 10, every: 10}
stop: {simulations: 20}
resources: {kind: threads, workers: 2, task_time: 0.02}
seed: 5
"""


def campaign(text: str = WELLS, *overrides: str) -> Campaign:
    return parse_campaign(text, "campaign.yaml", overrides)


def run(folder: Path, text: str = WELLS, *overrides: str, **options) -> Outcome:
    return run_campaign(campaign(text, *overrides), folder, source=SOURCE, **options)


def record(folder: Path) -> Record:
    return Record.read(RunFolder(folder).events)


def whole(folder: Path, total: int) -> Record:
    """The record of a run in which every simulation happened, and none was lost or counted twice."""
    state = record(folder)
    assert (state.replicas, state.done + state.failed) == (total, total)
    assert (state.lost, state.duplicated, state.pending) == (0, 0, 0)
    # A task that was split has no simulation of its own any more.
    given_up = set(np.flatnonzero(state.task_given_up).tolist())
    assert set(state.task.tolist()) | given_up == set(range(state.tasks))
    for task in np.flatnonzero(np.isfinite(state.task_ended) & ~state.task_given_up).tolist():
        assert RunFolder(folder).result(task).is_file()
    return state


def numbers(folder: Path) -> str:
    """A hash of all that was simulated: inputs, what was held out, states and results."""
    state = record(folder)
    digest = hashlib.sha256()
    for array in (state.inputs, state.held_out, state.state):
        digest.update(np.ascontiguousarray(array).tobytes())
    for name in sorted(state.scalar_names):
        digest.update(state.mean(name).tobytes() + state.stderr(name).tobytes())
    return digest.hexdigest()


def weights(folder: Path) -> list[bytes]:
    """The weights of all models, in order."""
    paths = sorted(RunFolder(folder).models.glob("v*/weights.safetensors"))
    return [path.read_bytes() for path in paths]
