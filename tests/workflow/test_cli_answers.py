"""What simulate, predict, plan, models and results answer: the forms that scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_run import small_run

from workflow.cli import main
from workflow.cli.console import measured


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Answer(end.value.code, captured.out, captured.err)

    return run


SIMULATE = ("simulate", "harmonic", "-p", "stiffness=2.5", "temperature=2", "--config", "samples=2000")


def test_simulate_gives_the_fixed_form(ask) -> None:
    found = ask(*SIMULATE, "--json").json
    assert found["schema"] == "mlaround.simulate/1"
    assert found["kind"] == "harmonic"
    assert found["inputs"] == {"stiffness": 2.5, "temperature": 2.0}
    assert found["config"]["samples"] == 2000
    assert found["failures"] == []
    assert found["wall_seconds"] > 0
    exact = 2 / 2.5
    scalar = found["outputs"]["mean_square"]
    assert abs(scalar["mean"] - exact) < 5 * scalar["stderr"]
    profile = found["outputs"]["density"]
    assert len(profile["axis"]["edges"]) == len(profile["axis"]["values"]) + 1 == len(profile["mean"]) + 1
    assert profile["axis"]["name"] == "x"


def test_simulate_shows_digits_that_mean_something_and_why_replicas_failed(ask) -> None:
    row = next(line for line in ask(*SIMULATE).out.splitlines() if line.startswith("mean_square"))
    mean, error = row.split()[1:]
    assert len(mean.partition(".")[2]) == len(error.partition(".")[2])
    assert len(error.strip("0.")) <= 2
    failed = ask("simulate", "harmonic", "-p", "stiffness=5", "--config", "breaks_above=1")
    assert failed.code == 1
    assert "replica 0 failed: " in failed.err


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (0.317463, 0.0771, ("0.317", "0.077")),
        (12345.6, 210.4, ("1.235e+04", "2.1e+02")),
        (1.234e-9, 1.2e-10, ("1.23e-09", "1.2e-10")),
        (0.0, 0.02, ("0.000", "0.020")),
        (3.25, 0.0, ("3.25", "0")),
        (math.nan, 1.0, ("nan", "1")),
    ],
)
def test_a_number_has_the_digits_that_its_error_allows(mean: float, error: float, expected: tuple) -> None:
    assert measured(mean, error) == expected


def test_simulate_without_a_kind_lists_the_kinds(ask) -> None:
    assert "sleeping, slit_electrolyte, your own as module:Class" in ask("simulate", "--help").out


def test_points_may_be_the_table_that_results_wrote(ask, tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    ask("results", small_run(), "--csv", table)
    assert ask("predict", small_run(), "-i", table, "-o", tmp_path / "a.csv").code == 0
    points = tmp_path / "points.csv"
    points.write_text("stiffness [dimensionless],temperature\n3,1\n")
    assert ask("predict", small_run(), "-i", points).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"stiffness,temperature\n3,1,5\n", "points.csv:2: 3 fields under a header of 2"),
        (b"stiffness,temperature\n3\n", "points.csv:2: 1 fields under a header of 2"),
        (b"stiffness;temperature\n3;1\n", "separated by commas"),
        (b"stiffness,temperature\n3,1\xff\n", "is not UTF-8 text"),
        (b"stiffness [nm],temperature\n3,1\n", "points.csv:2: stiffness = '3 nm'"),
    ],
)
def test_a_mistake_in_the_points_is_named(ask, tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "points.csv").write_bytes(text)
    found = ask("predict", small_run(), "-i", tmp_path / "points.csv")
    assert (found.code, words in found.err) == (2, True), found.err


def test_a_model_of_another_version_is_refused_in_words(ask, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sorted((small_run() / "models").glob("v*"))[-1], folder)
    description = json.loads((folder / "model.json").read_text())
    del description["domain"]
    (folder / "model.json").write_text(json.dumps(description))
    found = ask("predict", folder, "-p", "stiffness=3")
    assert (found.code, "another version wrote it" in found.err) == (5, True), found.err


def test_a_run_without_a_model_says_so(ask, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run(), run)
    (run / "models/promoted").unlink()
    found = ask("predict", run, "-p", "stiffness=3")
    assert (found.code, "has no model in use yet" in found.err) == (5, True)
    assert "next: " in found.err
    assert f" status {run}\n" in found.err


def test_replicas_are_averaged_with_the_error_of_the_mean(ask) -> None:
    scalar = ask(*SIMULATE, "--json", "--replicas", 8).json["outputs"]["mean_square"]
    single, errors = np.array(scalar["replicas"]["mean"]), np.array(scalar["replicas"]["stderr"])
    assert len(set(single.tolist())) == 8
    assert scalar["mean"] == pytest.approx(single.mean())
    assert scalar["stderr"] == pytest.approx(math.sqrt((errors**2).sum()) / 8)
    assert single.std(ddof=1) == pytest.approx(errors.mean(), rel=0.8), "blocks and replicas tell one error"


def test_a_simulator_of_ones_own_is_named_by_import_path(ask, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my_own_wells.py").write_text(
        "from typing import Any\nfrom simulators.harmonic import Harmonic\n"
        "class Wells(Harmonic):\n    kind: Any\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = ask("simulate", "my_own_wells:Wells", "-p", "stiffness=2", "--json").json
    assert found["kind"] == found["config"]["kind"] == "my_own_wells:Wells"
    assert ask("simulate", "my_own_wells:Walls", "-p", "stiffness=2").code == 2


def test_a_seed_fixes_the_numbers(ask) -> None:
    values = [ask(*SIMULATE, "--json", "--seed", s).json["outputs"]["mean_square"]["mean"] for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_a_replica_that_fails_is_left_out_and_said(ask) -> None:
    failing = ("simulate", "harmonic", "-p", "stiffness=3", "--config", "breaks_above=2")
    answer = ask(*failing, "--json", "--replicas", 2)
    assert answer.code == 1
    assert [f["replica"] for f in answer.json["failures"]] == [0, 1]
    assert answer.json["outputs"]["mean_square"]["mean"] is None
    assert "too stiff" in answer.err


def test_simulate_help_lists_inputs_and_settings(ask) -> None:
    text = ask("simulate", "slit_electrolyte", "--help").out
    words = [line.split() for line in text.splitlines()]
    assert ["gap", "nm", "0.5", "to", "20", "required"] in [line[:6] for line in words]
    assert ["steps", "whole", "number", ">=", "100"] in [line[:5] for line in words]


def test_simulate_writes_a_result_file_once(ask, tmp_path: Path) -> None:
    import h5py

    assert ask(*SIMULATE, "--replicas", 3, "--out", tmp_path / "x.h5").code == 0
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["mean/mean_square"].shape == (3,)
        assert list(file["inputs"].attrs["names"]) == ["stiffness", "temperature"]
    assert ask(*SIMULATE, "--out", tmp_path / "x.h5").code == 2


def test_units_are_read_on_the_command_line(ask) -> None:
    point = ("gap=32 angstrom", "cation_valency=1", "concentration=500 mmol/L", "diameter=0.7")
    quick = ("--config", "ions=60", "steps=400", "--json")
    found = ask("simulate", "slit_electrolyte", "-p", *point, *quick).json
    assert found["inputs"]["gap"] == pytest.approx(3.2)
    assert found["inputs"]["concentration"] == pytest.approx(0.5)
    assert found["outputs"]["mid_density"]["unit"] == "mol/L"


def test_predict_gives_the_fixed_form_and_warns_outside(ask) -> None:
    inside = ask("predict", small_run(), "-p", "stiffness=3", "temperature=1", "--json")
    assert inside.code == 0
    assert set(inside.json) >= {"outputs", "in_domain", "nearest", "source", "seconds"}
    assert set(inside.json["outputs"]["mean_square"]) == {"mean", "std", "unit"}
    assert inside.json["outputs"]["density"]["axis"]["name"] == "x"
    outside = ask("predict", small_run(), "-p", "stiffness=90", "temperature=1", "--json")
    assert (outside.code, outside.json["in_domain"]) == (0, False)
    assert outside.err.startswith("warning: outside the model's domain")


def test_a_model_folder_answers_too(ask) -> None:
    answer = ask("predict", small_run() / "models" / "v0001", "-p", "stiffness=3", "temperature=1")
    assert answer.code == 0
    assert "mean_square" in answer.out


def test_many_points_are_answered_as_one_would_be(ask, tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("temperature,stiffness\n1,3\n1.5,90\n")
    answer = ask("predict", small_run(), "-i", tmp_path / "points.csv", "-o", tmp_path / "answers.csv")
    assert answer.code == 0
    assert "1 of 2 rows lie outside" in answer.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text())))
    assert list(rows[0]) == ["stiffness", "temperature", "mean_square", "mean_square_std", "in_domain"]
    one = ask("predict", small_run(), "-p", "stiffness=3", "temperature=1", "--json").json
    assert float(rows[0]["mean_square"]) == pytest.approx(one["outputs"]["mean_square"]["mean"])
    assert int(rows[0]["in_domain"]) == one["in_domain"]
    profiles = ask("predict", small_run(), "-i", tmp_path / "points.csv", "--profiles").out
    assert "density[15]_std" in profiles.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stifness,temperature\n1,2\n", "no column stiffness; `stiffness`: did you mean `stifness`"),
        ("stiffness,temperature\n1,2\n3,hot\n", "points.csv:3: temperature = 'hot'"),
        ("", "no column stiffness, temperature"),
    ],
)
def test_points_that_cannot_be_read_have_an_address(ask, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "points.csv").write_text(text)
    answer = ask("predict", small_run(), "-i", tmp_path / "points.csv")
    assert (answer.code, words in answer.err) == (2, True), answer.err


def test_models_are_listed_with_scores_and_the_one_in_use(ask) -> None:
    found = ask("models", small_run(), "--json").json
    assert [m["version"] for m in found["models"]] == ["v0001", "v0002"]
    assert found["promoted"] in ("v0001", "v0002")
    assert sum(m["promoted"] for m in found["models"]) == 1
    assert "median_relative_error" in ask("models", small_run()).out


def test_results_are_a_row_per_simulation(ask) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("results", small_run()).out)))
    assert [int(row["replica"]) for row in rows] == list(range(48))
    assert list(rows[0]) == [
        *("replica", "task", "held_out", "stiffness", "temperature"),
        *("mean_square", "mean_square_stderr", "state", "wall_seconds [s]", "seed", "asked", "failure"),
    ]
    failed = [row for row in rows if row["state"] == "failed"]
    assert failed
    assert all(row["mean_square"] == "" and "too stiff" in row["failure"] for row in failed)
    assert len({row["seed"] for row in rows}) == 48


def test_plan_counts_what_a_run_will_do_and_writes_nothing(ask, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(
        "name: x\nsimulator: {kind: harmonic, samples: 200000}\nspace: {stiffness: {values: [1, 2, 3]}}\n"
        "surrogate: {kind: mlp_ensemble}\nsteering: {kind: grid}\n"
        "training: {first: 2, every: 1, held_out: 0}\nstop: {simulations: 90}\nresources: {workers: 2}\n"
    )
    found = ask("plan", "x.yaml", "--json").json
    assert found["simulations"] == 3, "a grid ends before the budget does"
    assert found["trainings"] == 2
    cost = found["seconds_per_simulation"]
    assert 0 < cost["low"] <= cost["mean"] <= cost["high"] < 1
    assert found["core_hours"]["mean"] == pytest.approx(3 * cost["mean"] / 3600)
    assert all(0 < p["fraction"] <= 1 for p in found["probes"])
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]
    assert "core-h" in ask("plan", "x.yaml").out
