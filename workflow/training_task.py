"""What runs in a worker to train: fit, judge on held-out simulations, save."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surrogates import Model
from workflow.example_store import ExampleStore
from workflow.folder import RunFolder
from workflow.judging import calibrated_error, compare
from workflow.record import Record
from workflow.words import plain_data
from workflow.worker import Request, add_to_path, cpu_seconds, settle

Array = NDArray[np.float64]

LOOKUPS = 20
"""Single predictions timed; the fastest half are averaged, since other work only ever slows one down."""


def train(request: Request) -> dict[str, Any]:
    """Fit a model to finished simulations, judge it on the held-out ones and save it.

    Args:
        request: ``run`` (folder), ``search``, ``model`` (its version), ``train`` and ``held_out``
            (arrays of replicas), ``seed`` and ``incumbent`` (version in use, or null).

    Returns:
        the fields of the event `model_trained`.
    """
    settle()
    add_to_path(request["search"])
    started, cpu = time.time(), cpu_seconds()
    # One thread: the other cores are simulating, and small networks lose by threads anyway.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

    import surrogates
    from workflow.binding import bind
    from workflow.reading import parse_campaign

    folder = RunFolder(request["run"])
    campaign = parse_campaign(folder.read_resolved(), str(folder.resolved))
    _, signature = bind(campaign)
    record = Record.read(folder.events)
    store = _store(str(folder.path), record.run_started[-1]["t"])
    data, held = (store.read(folder, record, signature, request[key]) for key in ("train", "held_out"))
    model = campaign.surrogate.fit(
        data.x, data.y, data.y_err, signature=signature, seed=request["seed"], ids=request["train"]
    )
    model = surrogates.calibrated(model, held.x, held.y, held.y_err)
    scores = surrogates.held_out_scores(model, held.x, held.y, held.y_err) if len(held) else {}
    comparison, standing = None, None
    if scores and request["incumbent"] is not None:
        incumbent = surrogates.load(folder.model(request["incumbent"]))
        standing = surrogates.held_out_scores(incumbent, held.x, held.y, held.y_err)
        comparison = compare(model, incumbent, held)
        standing = plain_data({**standing, "calibrated_error": calibrated_error(incumbent, held)})
    calibrated = calibrated_error(model, held if len(held) else data)
    lookup = _lookup_seconds(model, held.x if len(held) else data.x)
    model = model.recorded(
        scores=scores,
        provenance={
            "campaign": campaign.name,
            "run": folder.name,
            "version": request["model"],
            "lookup_seconds": lookup,
        },
    )
    path = folder.model(request["model"])
    shutil.rmtree(path, ignore_errors=True)  # left by a training whose event was never written
    model.save(path)
    return {
        "model": request["model"],
        "started": started,
        "ended": time.time(),
        "cpu": round(cpu_seconds() - cpu, 6),
        "simulations": len(data.x),
        "held_out": len(held),
        "scores": plain_data({**scores, "calibrated_error": calibrated}),
        "standing": standing,
        "comparison": None if comparison is None else plain_data(asdict(comparison)),
        "lookup_seconds": lookup,
        "promoted": comparison is None or comparison.promotes,
    }


@lru_cache(maxsize=1)
def _store(path: str, begun: float) -> ExampleStore:
    """What this worker has read of a run in its earlier trainings: only what is new is read again.

    Args:
        path: of the run folder.
        begun: when its controller did: another run may have lain there before, or more of this one, whose log
            was cut since.
    """
    return ExampleStore()


def _lookup_seconds(model: Model, x: Array) -> float:
    """Seconds of a single prediction with its std, domain check included."""
    times = []
    for k in range(LOOKUPS):
        row = x[k % len(x)][None, :]
        start = time.perf_counter()
        model.predict(row, return_std=True, on_ood="nan")
        times.append(time.perf_counter() - start)
    return float(np.mean(sorted(times)[: LOOKUPS // 2]))
