"""Runs are harmed in ways that docs/reliability.md names, a few times each; `make chaos` does it often."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "workflow"))  # where chaos finds its plug-ins
from run_chaos import QUICK

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    path = tmp_path_factory.mktemp("chaos") / "answers.json"
    # A process of its own, which forks: this one has threads.
    script = str(Path(__file__).with_name("run_chaos.py"))
    done = subprocess.run(
        [sys.executable, script, "--quick", "--answers", str(path)], capture_output=True, text=True
    )
    assert path.exists(), done.stderr
    return {answer["name"]: answer for answer in json.loads(path.read_text())}


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_lost_nor_counted_twice_nor_wrong_nor_left_behind(answers, name):
    answer = answers[name]
    if answer["missing"]:
        pytest.skip(answer["missing"])
    bad = {key: answer[key] for key in ("lost", "twice", "wrong", "left", "troubles")}
    assert bad == {"lost": 0, "twice": 0, "wrong": 0, "left": 0, "troubles": []}
    assert answer["instants"] >= QUICK[name]
    assert answer["simulations"] > 0
