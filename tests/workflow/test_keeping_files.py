"""What a run keeps besides numbers: files asked for, results that may be absent, last good frames."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from workflow.cli import main
from workflow.run import open_run

MODULE = """
from typing import ClassVar
import numpy as np
from simulators import Failure, Frame, Observations, Output, Parameter, Simulator


class Walk(Simulator):
    kind: str
    keeps: ClassVar = frozenset({"frames", "checkpoint"})
    inputs: ClassVar = (Parameter("x", "nm", "position", 0, 10),)
    outputs: ClassVar = (
        Output("y", "nm", "position"), Output("hit", "s", "time of a hit, if any", optional=True),
        Output("first", "s", "time, drawn once", optional=True),
    )

    def work(self, inputs):
        return 1.0

    def run(self, inputs, seeds, *, threads=1, progress=None, keep=None):
        n, x = len(seeds), inputs[:, 0]
        y, hit = x.copy(), np.where(x > 5, x, np.nan)
        failures = {}
        for k in range(n):
            if keep is not None:
                keep.folder.mkdir(parents=True, exist_ok=True)
                (keep.folder / f"{keep.names[k]}.gsd").write_text(f"{keep.frames} {keep.series} {x[k]}")
            if x[k] > 9.3:
                failures[k] = Failure("lost", "lost at step 7", Frame(6, np.full((2, 3), x[k]), np.ones(3)))
                y[k] = np.nan
        zero = np.zeros(n)
        first = x + np.arange(n) ** 2
        mean, error = {"y": y, "hit": hit, "first": first}, {"y": zero, "hit": zero, "first": np.nan * zero}
        return Observations(mean, error, {}, zero, zero, failures)
"""
CAMPAIGN = """
name: walks
simulator: {kind: "walks_of_mine:Walk"}
space: {x: [0, 10]}
keep: {frames: 10, KEEP}
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
training: {first: 8}
stop: {simulations: 32}
resources: {kind: threads, workers: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "walks_of_mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*words])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_optional_results_frames_and_files(folder: Path) -> None:
    (folder / "walks.yaml").write_text(CAMPAIGN.replace("KEEP", "checkpoint: 5"))
    assert call("run", "walks.yaml", "--run", "r") == 0
    run = open_run("r")
    table = run.results()
    good = table[table["state"] == "done"]
    assert (table["state"] == np.where(table["x"] > 9.3, "failed", "done")).all()
    assert (good["hit"].notna() == (good["x"] > 5)).all()
    assert (good["hit"].dropna() == good["x"][good["x"] > 5]).all()
    # A model learns what every simulation has.
    model = json.loads((folder / "r/models/v0001/model.json").read_text())
    assert [t["name"] for t in model["signature"]["targets"]] == ["y"]
    for replica, x in zip(table["replica"], table["x"], strict=True):
        kept = (folder / f"r/trajectories/000/replica-{replica:06d}.gsd").read_text().split()
        assert kept[:2] == ["10", "None"]
        assert float(kept[2]) == x
    lost = table[table["state"] == "failed"].iloc[0]
    with h5py.File(folder / f"r/results/000/task-{lost['task']:06d}.h5") as file:
        index = list(file["replica"][()]).index(lost["replica"])
        frame = file[f"last_good_frame/{index}"]
        assert frame.attrs["step"] == 6
        assert (frame["position"][()] == lost["x"]).all()


def test_an_error_that_replicas_do_not_know_is_their_scatter(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = ["simulate", "walks_of_mine:Walk", "-p", "x=2"]
    for replicas, mean, error in ((1, 2, None), (3, 2 + 5 / 3, np.std([0, 1, 4], ddof=1) / np.sqrt(3))):
        assert call(*several, "--json", "--replicas", str(replicas)) == 0
        found = json.loads(capsys.readouterr().out)["outputs"]
        assert found["first"]["mean"] == pytest.approx(mean)
        assert found["first"]["stderr"] == (None if error is None else pytest.approx(error))
        assert found["y"]["stderr"] == 0
    assert call(*several) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["first", "2", "?", "s"] in rows


def test_adopted_results_may_lack_what_is_optional(folder: Path) -> None:
    (folder / "walks.yaml").write_text(CAMPAIGN.replace("KEEP", "checkpoint: 5"))
    assert call("run", "walks.yaml", "--run", "r") == 0
    before = open_run("r").results()
    events = folder / "r/events.jsonl"
    lines = [line for line in events.read_text().splitlines() if '"run_stopped"' not in line]
    last = max(k for k, line in enumerate(lines) if '"task_done"' in line)
    events.write_text("\n".join(lines[:last]) + "\n")  # as after a kill before the event was written
    assert call("resume", "r") == 0
    after = open_run("r").results()
    assert after.drop(columns="wall_seconds").equals(before.drop(columns="wall_seconds"))


def test_what_cannot_be_kept_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "walks.yaml").write_text(CAMPAIGN.replace("KEEP", "series: 5"))
    assert call("validate", "walks.yaml") != 0
    assert "cannot keep series; it keeps checkpoint, frames" in capsys.readouterr().err
    assert call("simulate", "walks_of_mine:Walk", "-p", "x=1", "--keep", "d", "--series", "3") != 0
    assert "--series: walks_of_mine:Walk takes --checkpoint, --frames" in capsys.readouterr().err
    assert call("simulate", "walks_of_mine:Walk", "-p", "x=1", "--frames", "3") != 0
    assert "--keep DIR is missing" in capsys.readouterr().err


def test_a_single_simulation_says_what_did_not_happen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("simulate", "walks_of_mine:Walk", "-p", "x=1", "--keep", "d", "--frames", "3", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["outputs"]["hit"]["mean"] is None
    assert (folder / "d/replica-000000.gsd").read_text() == "3 None 1.0"
    assert call("simulate", "walks_of_mine:Walk", "-p", "x=1") == 0
    assert "none" in capsys.readouterr().out
