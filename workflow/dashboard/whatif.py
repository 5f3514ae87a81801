"""Predictions for the what-if page: a model's answer at a point, beside the nearest simulation."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from surrogates import InvalidQueryError, Model, ModelFileError, Prediction, Propagated, load, propagate
from surrogates.contract.propagation import Shape
from workflow.dashboard.context import Context, OpenRun, Refusal
from workflow.folder import RunFolder, version_name
from workflow.record import State
from workflow.results import read_arrays
from workflow.words import plain_data
from workflow.worker import add_to_path

SPREAD = "spread."
"""What precedes an input's name where its uncertainty is given."""
INPUT = "input."
"""What may precede an input's name, and does where it is that of an option."""
OPTIONS = ("version", "shape", "simulated")
SHAPES: tuple[str, ...] = get_args(Shape)
MODELS, SIMULATIONS = 8, 512
"""How many models and simulations are kept in memory."""
PATIENCE = 0.03
"""Seconds that an answer waits for the nearest simulation to be read."""
SAME = 1e-9
"""Points that differ by less than this share of the range are the same."""


def routes(context: Context) -> APIRouter:
    """`GET api/runs/{run}/predict`."""
    router = APIRouter()
    models, simulations = Models(), Simulations()

    @router.get("/api/runs/{run}/predict")
    def predict(run: str, request: Request) -> JSONResponse:
        opened = context.run(run)
        question = read_question(request.query_params.multi_items())
        return JSONResponse(plain_data(answer(opened, question, models, simulations)))

    return router


@dataclass(frozen=True)
class Question:
    """What the address asks for, as text.

    Args:
        point: input -> value, perhaps with a unit.
        spread: input -> its uncertainty.
        shape: of the uncertainty.
        version: of the model; ``None`` for the one in use.
        simulated: whether a simulation at this very point is looked for too.
    """

    point: dict[str, str]
    spread: dict[str, str]
    shape: Shape = "gaussian"
    version: str | None = None
    simulated: bool = False


def read_question(items: list[tuple[str, str]]) -> Question:
    """The question in the parameters of an address.

    Raises:
        Refusal: something is given twice, or an option has a value that it cannot have.
    """
    options: dict[str, str] = {}
    spread: dict[str, str] = {}
    point: dict[str, str] = {}
    for name, value in items:
        part = options if name in OPTIONS else spread if name.startswith(SPREAD) else point
        name = name.removeprefix(INPUT if part is point else SPREAD)
        if name in part:
            raise Refusal(400, f"{name} is given twice", "give every input once")
        part[name] = value
    shape = options.get("shape", "gaussian")
    if shape not in SHAPES:
        raise Refusal(400, f"shape = {shape!r} is not known", f"known: {', '.join(SHAPES)}")
    simulated = options.get("simulated", "no")
    if simulated not in ("yes", "no"):
        raise Refusal(400, f"simulated = {simulated!r} is not known", "known: yes, no")
    return Question(point, spread, cast("Shape", shape), options.get("version"), simulated == "yes")


class Models:
    """Models that were asked for, loaded once each: predictions need no lock and no record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[Path, int], tuple[int, Model]] = OrderedDict()

    def get(self, folder: RunFolder, version: str | None) -> tuple[int, Model]:
        """The number of a version and its model; the one in use if none is named.

        Raises:
            Refusal: there is no such model, or it cannot be read.
        """
        number = _number(folder, version)
        path = folder.model(number)
        try:
            stamp = (path / "model.json").stat().st_mtime_ns
        except OSError:
            raise _unknown(folder, version_name(number)) from None
        with self._lock:
            kept = self._loaded.get((path, number))
            if kept is None or kept[0] != stamp:
                add_to_path(folder.plugin_folder())  # a surrogate of the user's own lies there
                try:
                    kept = stamp, load(path)
                except ModelFileError as error:
                    raise Refusal(409, str(error), "choose another version of the model") from error
                self._loaded[path, number] = kept
            self._loaded.move_to_end((path, number))
            while len(self._loaded) > MODELS:
                self._loaded.popitem(last=False)
            return number, kept[1]


def _number(folder: RunFolder, version: str | None) -> int:
    name = version
    if name is None:
        if not folder.promoted.is_file():
            raise Refusal(
                404,
                f"{folder.name} has no model in use yet: none was trained, or none could be",
                "the first training follows when enough simulations are done",
            )
        name = folder.promoted.read_text(encoding="utf-8", errors="replace").strip()
    digits = name.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise _unknown(folder, name)
    return int(digits)


def _unknown(folder: RunFolder, name: str) -> Refusal:
    known = ", ".join(sorted(path.parent.name for path in folder.models.glob("v*/model.json")))
    return Refusal(404, f"{folder.name} has no model {name}", f"it has {known or 'none yet'}")


@dataclass
class Simulations:
    """What simulations gave, each read once.

    A reading waits for its turn at the run, which a figure in the making may hold for seconds. Nobody
    who asks for a prediction waits as long: they are told that it is being read, and ask again.
    """

    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "nearest"))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read: OrderedDict[tuple[OpenRun, int], Future[list[dict[str, Any]]]] = field(default_factory=OrderedDict)

    def get(self, run: OpenRun, replica: int) -> list[dict[str, Any]] | None:
        """Targets of a simulation, each with name, grid, mean and stderr; ``None`` while it is being read.

        Raises:
            Refusal: its result cannot be read.
        """
        key = run, replica
        with self._lock:
            future = self._read.get(key)
            if future is None or (future.done() and future.exception() is not None):
                future = self._read[key] = self._reader.submit(_observed, run, replica)
            self._read.move_to_end(key)
            while len(self._read) > SIMULATIONS:
                self._read.popitem(last=False)[1].cancel()
        try:
            return future.result(PATIENCE)
        except NotYet:
            return None


def _observed(run: OpenRun, replica: int) -> list[dict[str, Any]]:
    with run.reading() as opened:
        targets = opened.signature.targets
        names = [target.name for target in targets]
        arrays = read_arrays(opened.folder, opened.record, names, np.array([replica]))
    found = []
    for target in targets:
        edges = None if target.axis is None else arrays.edges[target.axis][0]
        found.append(
            {
                "name": target.name,
                "grid": None if edges is None else 0.5 * (edges[1:] + edges[:-1]),
                "mean": arrays.mean[target.name][0],
                "stderr": arrays.stderr[target.name][0],
            }
        )
    return found


def answer(run: OpenRun, question: Question, models: Models, simulations: Simulations) -> dict[str, Any]:
    """The answer to a question, as the page takes it.

    Raises:
        Refusal: a question that the model cannot read.
    """
    version, model = models.get(run.folder, question.version)
    uncertain = None
    try:
        # Whoever asks far outside gets what the model says there; that it overflows is no news.
        with np.errstate(all="ignore"):
            prediction = model.evaluate(**question.point)
            if question.spread:
                uncertain = propagate(model, prediction.inputs, question.spread, question.shape)
    except InvalidQueryError as error:
        raise Refusal(400, str(error), "give numbers in the declared unit, or with one: 3.2 nm") from error
    nearest: dict[str, Any] = {
        "simulation": prediction.nearest.id,
        "inputs": prediction.nearest.inputs,
        "distance": prediction.nearest.distance,
    }
    simulated = _simulated(run, prediction.inputs) if question.simulated else None
    if simulated is not None and simulated["state"] == "done":
        nearest = {"simulation": simulated["simulation"], "inputs": prediction.inputs, "distance": 0.0}
    trouble, beside = "", None
    try:
        beside = simulations.get(run, nearest["simulation"])
    except Refusal as refusal:
        trouble = refusal.words
    return {
        "model": version,
        "inputs": prediction.inputs,
        "in_domain": prediction.in_domain,
        "near_edge": prediction.near_edge,
        "score": prediction.score,
        "reason": prediction.reason,
        "distance": prediction.nearest.distance,
        "distance_limit": model.domain.distance_limit,
        "trained": {
            name: [column.min(), column.max()]
            for name, column in zip(model.feature_names, model.domain.x.T, strict=True)
        },
        "targets": _targets(model, prediction, uncertain),
        "outside": None if uncertain is None else uncertain.outside,
        "samples": None if uncertain is None else uncertain.samples,
        "nearest": nearest,
        "nearest_targets": beside,
        "nearest_trouble": trouble,
        "simulated": simulated,
        "failed": _failed(run, model, prediction),
        "seconds": prediction.seconds,
    }


def _targets(model: Model, prediction: Prediction, uncertain: Propagated | None) -> list[dict[str, Any]]:
    found = []
    for target in model.signature.targets:
        predicted = prediction.outputs[target.name]
        found.append(
            {
                "name": target.name,
                "unit": target.unit,
                "description": target.description,
                "axis": target.axis,
                "grid": predicted.grid,
                "mean": predicted.mean,
                "std": predicted.std,
                "input_std": None if uncertain is None else uncertain.std[target.name],
            }
        )
    return found


def _failed(run: OpenRun, model: Model, prediction: Prediction) -> dict[str, Any] | None:
    """How many failed simulations are nearer than any that taught the model, and the nearest one's distance.

    No model learns where simulations fail: its domain may well reach there all the same.
    """
    inputs = run.followed.failed_inputs()
    if not len(inputs) or inputs.shape[1] != len(model.feature_names):
        return None
    point = np.array([[prediction.inputs[name] for name in model.feature_names]])
    apart = model.domain.coordinates(inputs) - model.domain.coordinates(point)
    with np.errstate(over="ignore"):  # a point may be anywhere
        distances = np.sqrt((apart**2).sum(axis=1))
    nearer = distances < prediction.nearest.distance
    return {"nearer": int(nearer.sum()), "distance": distances.min()} if nearer.any() else None


def _simulated(run: OpenRun, inputs: Mapping[str, float]) -> dict[str, Any] | None:
    """The last simulation at this very point, with its state; ``None`` if there is none."""
    with run.reading() as opened:
        record, space = opened.record, opened.space
        if not record.replicas:
            return None
        width = np.array([d.high - d.low or max(abs(d.low), 1.0) for d in space.dimensions])
        point = np.array([inputs[name] for name in space.names])
        same = np.flatnonzero((np.abs(record.inputs - point) <= SAME * width).all(axis=1))
        if not len(same):
            return None
        replica = int(same[-1])
        state = State(int(record.state[replica])).name.lower()
        reason = record.failures[replica][1] if replica in record.failures else ""
        return {"simulation": replica, "state": state, "reason": reason}
