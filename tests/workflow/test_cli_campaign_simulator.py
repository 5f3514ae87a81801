"""A campaign that declares its own inputs: mistakes have their lines, and its simulator runs by itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from workflow.cli import main
from workflow.diagnostics import CampaignError
from workflow.reading import load_campaign
from workflow.run import open_run

CAMPAIGN = """\
name: own
simulator:
  kind: command
  command: python script.py {force}
  parameters:
    force: {unit: pN, low: -5, high: 5}
  results:
    energy: {unit: pJ}
  keep_folders: none
space:
  force: [-1 pN, 1]
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
training: {first: 100}
stop: {simulations: 4}
resources: {kind: threads, workers: 2}
"""
SCRIPT = "import sys; print('{\"energy\": %s}' % float(sys.argv[1]) ** 2)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own.yaml").write_text(CAMPAIGN)
    (tmp_path / "here" / "script.py").write_text(
        SCRIPT.replace("% float(sys.argv[1]) ** 2", "% (float(sys.argv[1]) ** 2)")
    )
    monkeypatch.chdir(tmp_path)  # not the folder of the campaign
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path / "here"


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0)


def test_it_runs_from_any_folder_and_its_table_has_its_names(folder: Path) -> None:
    assert command("validate", "here/own.yaml") == 0
    assert command("run", "here/own.yaml", "--run", "r") == 0
    table = open_run("r").results()
    assert (table["state"] == "done").all()
    assert (abs(table["energy"] - table["force"] ** 2) < 1e-12).all()
    assert str(folder / "script.py") in (folder.parent / "r" / "resolved.yaml").read_text()


def test_its_simulator_runs_by_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("simulate", "here/own.yaml", "-p", "force=3 pN", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "command"
    assert answer["outputs"]["energy"]["mean"] == 9
    assert answer["outputs"]["energy"]["unit"] == "pJ"
    assert command("simulate", "here/own.yaml", "--help") == 0
    assert "force  pN    -5 to 5  required" in capsys.readouterr().out
    assert command("simulate", "here/own.yaml", "-p", "froce=3") == 2
    assert "did you mean `force`" in capsys.readouterr().err
    assert command("simulate", "here/own.yaml", "-p", "force=3", "--config", "timeout=0.001") == 1
    assert "timeout = 0.001 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("{force}", "{froce}", 4, 12, "did you mean `{force}`"),
        ("script.py {force}", "script.py", 6, 12, "nothing hears of the input `force`"),
        ("low: -5", "lw: -5", 6, 23, "unknown key `lw` in `simulator.parameters.force`; did you mean `low`"),
        ("force: {unit", "wall-force: {unit", 6, 17, "`wall-force` is no name"),
        ("energy: {unit: pJ}", "energy: {over: z}", 8, 20, "there is no axis `z`"),
        ("energy: {unit: pJ}", "force: {unit: pJ}", 8, 12, "`force` stands in `parameters` and in `results`"),
        ("energy: {unit: pJ}", "state: {unit: pJ}", 3, 9, "calls a quantity `state`"),
        ("  results:", "  result:", 7, 3, "unknown key `result` in `simulator`; did you mean `results`"),
        ("python", "pyhton", 4, 12, "there is no such program"),
        ("-1 pN, 1", "-1 pN, 9", 11, 18, "out of range; accepted: -5 to 5 pN"),
        ("simulations: 4}", "simulation: 4}\n#", 11, 18, None),
    ],
)
def test_mistakes_have_their_lines(
    folder: Path, old: str, new: str, line: int, column: int, message: str | None
) -> None:
    text = CAMPAIGN.replace(old, new, 1)
    if message is None:  # a mistake elsewhere hides none in the space
        text, message = text.replace("-1 pN, 1]", "-1 pN, 9]"), "out of range"
    (folder / "wrong.yaml").write_text(text)
    with pytest.raises(CampaignError) as error:
        load_campaign(folder / "wrong.yaml")
    said = {(d.line, d.column): d.message for d in error.value.diagnostics}
    assert message in said.get((line, column), ""), said
