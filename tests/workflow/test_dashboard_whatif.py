"""What the what-if page is answered: as from Python, with the verdict, and refusals in words."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h5py
import numpy as np
import pytest
from served_here import Client, served
from small_run import small_run

from surrogates import Model
from workflow.dashboard import whatif
from workflow.dashboard.context import Context, Refusal, Runs
from workflow.events import EventWriter, read_events
from workflow.folder import RunFolder
from workflow.run import open_run

Ask = Callable[..., dict[str, Any]]
POINT = {"stiffness": 4.0, "temperature": 1.2}


def asking(client: Client, run: str) -> Ask:
    def ask(status: int = 200, **query: Any) -> dict[str, Any]:
        given = urlencode({name.replace("__", "."): value for name, value in query.items()}, doseq=True)
        for _ in range(200):
            answer = client.ask(f"/api/runs/{run}/predict?{given}")
            assert answer.status == status, answer.body
            found: dict[str, Any] = answer.json
            if status != 200 or found["nearest_targets"] is not None or found["nearest_trouble"]:
                return found
            time.sleep(0.01)  # its simulation is being read
        raise AssertionError("the nearest simulation was never read")

    return ask


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with served(small_run().parent) as client:
        yield asking(client, small_run().name)


@pytest.fixture(scope="module")
def model() -> Model:
    return open_run(small_run()).surrogate()


def test_equal_to_the_model_from_python(ask: Ask, model: Model) -> None:
    found = ask(stiffness="4.0", temperature="1.2")
    p = model.evaluate(**POINT)
    assert found["model"] == open_run(small_run()).record.promoted
    assert found["inputs"] == POINT
    assert (found["in_domain"], found["near_edge"], found["reason"]) == (True, False, "")
    assert (found["score"], found["distance"]) == (p.score, p.nearest.distance)
    assert [target["name"] for target in found["targets"]] == [t.name for t in model.signature.targets]
    for target in found["targets"]:
        expected = p.outputs[target["name"]]
        assert target["mean"] == np.asarray(expected.mean).tolist()
        assert target["std"] == np.asarray(expected.std).tolist()
        assert target["grid"] == (None if expected.grid is None else expected.grid.tolist())
        assert (target["unit"], target["axis"]) == (expected.unit, expected.axis)
        assert target["input_std"] is None
    low, high = found["trained"]["stiffness"]
    assert 1 <= low < model.domain.x[:, 0].mean() < high <= 10


def test_the_nearest_simulation_with_what_it_gave(ask: Ask, model: Model) -> None:
    found = ask(stiffness=4, temperature=1.2)
    run = open_run(small_run())
    ids = run.record.finished(held_out=False)
    away = np.hypot(*((run.record.inputs[ids] - [4, 1.2]) / [9, 1.5]).T)
    nearest = int(ids[np.argmin(away)])
    assert found["nearest"]["simulation"] == nearest
    assert found["nearest"]["inputs"] == pytest.approx(
        dict(zip(["stiffness", "temperature"], run.record.inputs[nearest], strict=True))
    )
    assert found["distance"] == pytest.approx(away.min(), rel=1e-6)
    task = int(run.record.task[nearest])
    with h5py.File(run.folder.result(task)) as file:
        row = nearest - int(run.record.task_first[task])
        for target in found["nearest_targets"]:
            assert target["mean"] == file[f"mean/{target['name']}"][row].tolist()
            assert target["stderr"] == file[f"stderr/{target['name']}"][row].tolist()


def test_units_are_read_and_a_version_is_chosen(ask: Ask) -> None:
    run = open_run(small_run())
    text = f"4 {run.signature.features[0].unit}".strip()
    means = {}
    for number, names in ((1, ("1", "v1", "v0001")), (2, ("2", "v2", "v0002"))):
        expected = run.surrogate(number).evaluate(**POINT).outputs
        means[number] = {name: np.asarray(p.mean).tolist() for name, p in expected.items()}
        for name in names:
            found = ask(stiffness=text, temperature="1.2", version=name)
            assert found["model"] == number
            assert {t["name"]: t["mean"] for t in found["targets"]} == means[number]
    assert means[1] != means[2]


def test_the_verdict_flips_at_the_edge(ask: Ask) -> None:
    def verdict(stiffness: float) -> tuple[bool, bool]:
        found = ask(stiffness=stiffness, temperature=1.2)
        return found["in_domain"], found["near_edge"]

    assert verdict(5.5) == (True, False)
    assert verdict(10.0) == (True, True)
    assert verdict(10.001) == (False, False)
    assert verdict(0.999) == (False, False)
    far = ask(stiffness=14.5, temperature=1.2)
    assert "stiffness = 14.5" in far["reason"]
    assert "accepted: 1 to 10" in far["reason"]
    assert "4.5" in far["reason"].split("(")[1]


def test_any_number_is_answered(ask: Ask) -> None:
    found = ask(stiffness="1e300", temperature="-1e300")
    assert not found["in_domain"]
    assert "temperature = -1e+300" in found["reason"]


def test_uncertain_inputs_against_plain_monte_carlo(ask: Ask, model: Model) -> None:
    rng = np.random.default_rng(4)
    n = 20_000
    for shape, noise in (("gaussian", rng.standard_normal((n, 2))), ("uniform", rng.uniform(-1, 1, (n, 2)))):
        found = ask(**POINT, spread__stiffness=0.3, spread__temperature="0.05", shape=shape)
        mean = model.predict(np.array([4.0, 1.2]) + noise * [0.3, 0.05], on_ood="ignore")
        columns = model.signature.columns()
        for target in found["targets"]:
            expected = mean[:, columns[target["name"]]].std(axis=0)
            assert target["input_std"] == pytest.approx(expected, rel=0.08)
        assert found["outside"] == 0
    edge = ask(stiffness=10, temperature=1.2, spread__stiffness=0.1)
    assert edge["outside"] == pytest.approx(0.5, abs=0.02)
    again = ask(stiffness=10, temperature=1.2, spread__stiffness=0.1)
    assert edge["targets"] == again["targets"]


@pytest.mark.parametrize(
    ("status", "query", "words"),
    [
        (400, {**POINT, "stifness": 1}, "no input 'stifness'; did you mean 'stiffness'?"),
        (400, {"stiffness": 4}, "temperature is missing; accepted: 0.5 to 2"),
        (400, {**POINT, "stiffness": "four"}, "stiffness = 'four': expected a"),
        (400, {**POINT, "stiffness": ""}, "stiffness = '': expected a"),
        (400, {**POINT, "stiffness": "nan"}, "stiffness = 'nan': expected a"),
        (400, {**POINT, "stiffness": "1e999"}, "stiffness = '1e999': expected a"),
        (400, {**POINT, "stiffness": "4 kg"}, "stiffness = '4 kg': expected a"),
        (400, {**POINT, "stiffness": ["4", "5"]}, "stiffness is given twice"),
        (400, {**POINT, "spread__stiffness": -1}, "spread of stiffness = -1: it cannot be negative"),
        (400, {**POINT, "spread__speed": 1}, "no input 'speed' that could be uncertain"),
        (400, {**POINT, "shape": "square"}, "shape = 'square' is not known"),
        (400, {**POINT, "simulated": "1"}, "simulated = '1' is not known"),
        (404, {**POINT, "version": "9"}, "wells-1 has no model v0009"),
        (404, {**POINT, "version": "newest"}, "wells-1 has no model newest"),
        (404, {**POINT, "version": "../../x"}, "wells-1 has no model ../../x"),
        (404, {**POINT, "version": ""}, "wells-1 has no model"),
    ],
)
def test_refusals_in_words(ask: Ask, status: int, query: dict[str, Any], words: str) -> None:
    found = ask(status, **query)
    assert words in found["error"]
    assert found["do"]


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[tuple[RunFolder, Ask]]:
    """A run that a test may change, and its page."""
    path = tmp_path / "wells-2"
    shutil.copytree(small_run(), path)
    with served(tmp_path) as client:
        yield RunFolder(path), asking(client, "wells-2")


def test_simulations_that_failed_nearby_are_told(copied: tuple[RunFolder, Ask]) -> None:
    folder, ask = copied
    assert ask(**POINT)["failed"] is None
    record = open_run(folder.path).record
    near = [POINT["stiffness"] * 1.001, POINT["temperature"]]
    task, first = record.tasks, record.replicas
    proposed = {"inputs": [near, [1e9, 1e9]], "held_out": [0, 0], "model": None}
    with EventWriter(folder.events, record.events) as log:
        log.append("task_proposed", task=task, first=first, **proposed)
        log.append("task_failed", task=task, reason="diverged", message="at step 3")
    for _ in range(400):  # the log is followed while somebody asks
        found = ask(**POINT)
        if found["failed"] is not None:
            break
        time.sleep(0.01)
    assert found["failed"]["nearer"] == 1
    assert 0 < found["failed"]["distance"] < 0.01 < found["distance"]
    elsewhere = {name: float(value) for name, value in zip(POINT, record.inputs[0], strict=True)}
    assert ask(**elsewhere)["failed"] is None


def test_inputs_may_have_the_names_of_options() -> None:
    items = [("input.version", "2.5"), ("version", "3"), ("input.shape", "7"), ("gap", "1")]
    question = whatif.read_question([*items, ("spread.version", "0.1")])
    assert question.point == {"version": "2.5", "shape": "7", "gap": "1"}
    assert (question.version, question.spread, question.shape) == ("3", {"version": "0.1"}, "gaussian")
    with pytest.raises(Refusal, match="gap is given twice"):
        whatif.read_question([("gap", "1"), ("input.gap", "2")])


def test_a_run_without_a_model_says_so(copied: tuple[RunFolder, Ask]) -> None:
    folder, ask = copied
    shutil.rmtree(folder.models)
    folder.models.mkdir()
    assert "wells-2 has no model in use yet" in ask(404, **POINT)["error"]


def test_a_damaged_model_is_refused_and_others_answer(copied: tuple[RunFolder, Ask]) -> None:
    folder, ask = copied
    assert ask(**POINT, version="2")["model"] == 2
    (folder.model(2) / "model.json").write_text('{"format": 1')
    assert "v0002 holds no readable model" in ask(409, **POINT, version="2")["error"]
    assert ask(**POINT, version="1")["model"] == 1


def test_a_damaged_result_takes_nothing_but_the_comparison(copied: tuple[RunFolder, Ask]) -> None:
    folder, ask = copied
    nearest = ask(**POINT)["nearest"]["simulation"]
    path = folder.result(int(open_run(folder.path).record.task[nearest]))
    path.write_bytes(b"nothing")
    assert ask(**POINT)["nearest_targets"] is not None  # as read before
    with served(folder.path.parent) as client:
        found = asking(client, "wells-2")(**POINT)
    assert found["targets"][0]["mean"] is not None
    assert found["nearest_targets"] is None
    assert path.name in found["nearest_trouble"]


def test_a_figure_in_the_making_holds_no_prediction_up(copied: tuple[RunFolder, Ask]) -> None:
    folder, _ = copied
    runs = Runs(folder.path.parent)
    models, simulations = whatif.Models(), whatif.Simulations()
    question = whatif.Question({name: str(value) for name, value in POINT.items()}, {})
    run = Context(runs).run("wells-2")
    held, free = threading.Event(), threading.Event()

    def figure() -> None:
        with run.reading():
            held.set()
            free.wait(20)

    thread = threading.Thread(target=figure)
    thread.start()
    held.wait()
    try:
        found = whatif.answer(run, question, models, simulations)
        assert found["in_domain"]
        assert found["nearest_targets"] is None
        assert not free.is_set()
    finally:
        free.set()
        thread.join()
    while whatif.answer(run, question, models, simulations)["nearest_targets"] is None:
        time.sleep(0.01)
    runs.close()


def test_a_point_that_was_simulated_takes_the_place_of_the_nearest(
    copied: tuple[RunFolder, Ask],
) -> None:
    folder, ask = copied
    record = open_run(folder.path).record
    held_out = int(record.finished(held_out=True)[0])
    point = dict(zip(["stiffness", "temperature"], record.inputs[held_out].tolist(), strict=True))
    assert ask(**point)["nearest"]["simulation"] != held_out
    found = ask(**point, simulated="yes")
    assert found["simulated"] == {"simulation": held_out, "state": "done", "reason": ""}
    assert (found["nearest"]["simulation"], found["nearest"]["distance"]) == (held_out, 0)
    assert found["distance"] > 0
    assert ask(**POINT, simulated="yes")["simulated"] is None
    task, first = record.tasks, record.replicas
    with EventWriter(folder.events, sum(1 for _ in read_events(folder.events))) as log:
        log.append(
            "task_proposed", task=task, first=first, inputs=[list(POINT.values())], held_out=[0], model=2
        )
        log.commit()
    waiting = ask(**POINT, simulated="yes")
    assert waiting["simulated"] == {"simulation": first, "state": "pending", "reason": ""}
    assert waiting["nearest"]["simulation"] != first
