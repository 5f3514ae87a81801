"""A whole small run in a folder, made in this process by the functions that workers run."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np

from workflow.binding import bind
from workflow.events import EventWriter
from workflow.folder import RunFolder, write_atomically
from workflow.reading import dump, parse_campaign
from workflow.record import Record
from workflow.tasks import simulate
from workflow.training_task import train

CAMPAIGN = """
name: wells
simulator: {kind: harmonic, samples: 400, breaks_above: 9.5}
space:
  stiffness: [1, 10]
  temperature: [0.5, 2]
surrogate: {kind: mlp_ensemble, members: 8, folds: 4, hidden: [16], steps: 150}
steering: {kind: sobol}
training: {first: 20, every: 16, held_out: 0.25}
stop: {simulations: 48}
resources: {kind: threads, workers: 2}
seed: 3
"""


def build(
    path: Path, text: str = CAMPAIGN, *, batch: int = 4, first: int = 24, search: str | None = None
) -> Path:
    """Write the run of a campaign: two halves of simulations, a training after each."""
    campaign = parse_campaign(text)
    space, _ = bind(campaign)
    folder = RunFolder(path)
    folder.create(
        campaign=text, resolved=dump(campaign), provenance={"campaign": campaign.name, "seed": campaign.seed}
    )
    total = campaign.stop.simulations
    points = space.from_unit(np.random.default_rng(campaign.seed).random((total, len(space.names))))
    held_out = np.arange(total) % 4 == 3
    common = {"run": str(folder.path), "search": search}
    with EventWriter(folder.events, 0) as log:
        log.append("run_started", run=folder.name, version="0", host="here", pid=1, workers=1, resumed=False)
        for task, start in enumerate(range(0, total, batch)):
            rows = slice(start, start + batch)
            inputs = points[rows].tolist()
            log.append(
                "task_proposed",
                task=task,
                first=start,
                inputs=inputs,
                held_out=held_out[rows].astype(int).tolist(),
                model=None,
            )
            log.append(
                "task_done",
                **simulate({**common, "task": task, "first": start, "inputs": inputs, "seed": campaign.seed}),
            )
            log.commit()
            if start + batch in (first, total):
                record = Record.read(folder.events)
                version = len(record.models) + 1
                taught = record.finished(held_out=False)
                log.append("training_started", model=version, simulations=len(taught))
                event = train(
                    {
                        **common,
                        "model": version,
                        "train": taught,
                        "held_out": record.finished(held_out=True),
                        "seed": version,
                        "incumbent": record.promoted,
                    }
                )
                if event["promoted"]:
                    write_atomically(folder.promoted, f"v{version:04d}")
                log.append("model_trained", **event)
                log.commit()
        log.append("run_stopped", state="finished", reason="budget")
    return folder.path


@functools.cache
def small_run() -> Path:
    """The run of `CAMPAIGN`, built once a session; nobody may change it."""
    place = Path(tempfile.mkdtemp(prefix="mlaround-test-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return build(place / "wells-1")
