"""What a user's own simulator may do wrong, and what becomes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.cli import main
from workflow.run import open_run

MODULE = """
import sys
from typing import ClassVar
import numpy as np
from simulators import Observations, Output, Parameter, Simulator


class Spring(Simulator):
    kind: str = "{name}:Spring"
    fault: str = ""
    inputs: ClassVar = (Parameter("k", "N/m", "stiffness", 1, 10),)
    outputs: ClassVar = (Output("energy", "J", "elastic energy"),)

    def work(self, inputs):
        return 1.0

    def run(self, inputs, seeds, *, threads=1, progress=None):
        n = len(seeds)
        energy, name = inputs[:, 0].copy(), "energy"
        if self.fault == "raises":
            raise RuntimeError("a bug of mine")
        if self.fault == "exits":
            sys.exit(3)
        if self.fault == "half nan":
            energy[energy < 5] = np.nan
        if self.fault == "name":
            name = "energie"
        if self.fault == "shape":
            energy = np.zeros(n + 1)
        return Observations({{name: energy}}, {{name: np.full(n, 0.1)}}, {{}}, np.zeros(n), np.zeros(n))
"""
CAMPAIGN = """
name: own
simulator: {{kind: "{name}:Spring", fault: "{fault}"}}
space: {{k: [1, 9]}}
surrogate: {{kind: gaussian_process}}
steering: {{kind: sobol}}
training: {{first: 100}}
stop: {{simulations: 8}}
resources: {{kind: threads, workers: 1}}
"""


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("", 0, ""),
        ("raises", 1, "RuntimeError: a bug of mine"),
        ("exits", 1, "SystemExit: 3"),
        ("half nan", None, "a number that is not finite"),
        ("name", 1, "gave nothing as mean of output `energy`"),
        ("shape", 1, "as mean of output `energy`, where"),
    ],
)
def test_a_fault_of_the_user_s_simulator_is_recorded_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, code: int | None, message: str
) -> None:
    name = f"own_simulator_{abs(hash(fault))}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(name=name))
    (tmp_path / "own.yaml").write_text(CAMPAIGN.format(name=name, fault=fault))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as end:
        main(["run", "own.yaml", "--run", "r"])
    if code is not None:
        assert end.value.code == code
    status = json.loads((tmp_path / "r/status.json").read_text())["simulations"]
    table = open_run("r").results()
    failed = table[table["state"] == "failed"]
    assert status["lost"] == 0
    assert status["done"] + status["failed"] == len(table) == 8
    assert len(failed) == {0: 0, 1: 8, None: int((table["k"] < 5).sum())}[code]
    assert failed["failure"].str.contains(message, regex=False).all()


def test_a_class_that_is_not_finished_is_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "unfinished.py").write_text(
        "from simulators import Simulator\n\n\nclass Half(Simulator):\n    kind: str = 'unfinished:Half'\n"
    )
    (tmp_path / "own.yaml").write_text(
        CAMPAIGN.format(name="own", fault="").replace("own:Spring", "unfinished:Half")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for words in (["simulate", "unfinished:Half"], ["validate", "own.yaml"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code in (2, 3)
        assert "`unfinished:Half` lacks inputs, outputs, run, work" in capsys.readouterr().err


def test_a_run_of_a_run_s_campaign_finds_the_user_s_simulator(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "own/repeated_spring.py").write_text(MODULE.format(name="repeated_spring"))
    (tmp_path / "own/own.yaml").write_text(CAMPAIGN.format(name="repeated_spring", fault=""))

    def mlaround(*words: str) -> None:
        code = f"from workflow.cli import main; main({list(words)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path / "away", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    mlaround("run", "../own/own.yaml", "--run", "first")
    mlaround("run", "first/resolved.yaml", "--run", "second")
    mlaround("run", "second/resolved.yaml", "--run", "third")
    shutil.rmtree(tmp_path / "away/first")
    for name in ("second", "third"):
        mlaround("resume", name, "--set", "stop.simulations=9")
        status = json.loads((tmp_path / "away" / name / "status.json").read_text())
        assert status["simulations"]["done"] == 9
