"""What a worker has used: its own processor time and that of the programs that it waited for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.folder import RunFolder
from workflow.reading import dump, parse_campaign
from workflow.tasks import simulate
from workflow.worker import cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.4: pass\nprint({stiffness})"


def test_children_count_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARSL_WORKER_RANK", "0")
    before = cpu_seconds()
    subprocess.run([sys.executable, "-c", BURN.format(stiffness=1)], check=True, stdout=subprocess.DEVNULL)
    assert 0.4 <= cpu_seconds() - before < 5


@pytest.mark.parametrize("process_of_its_own", [False, True])
def test_a_task_has_cost_what_its_replicas_have(
    process_of_its_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if process_of_its_own:
        monkeypatch.setenv("PARSL_WORKER_RANK", "0")
        monkeypatch.setattr("workflow.tasks.settle", lambda: None)  # this process is nobody's worker
    text = f"""
name: burn
simulator:
  kind: command
  command: [python, burn.py]
  files: {{burn.py: {json.dumps(BURN)}}}
  parameters: {{stiffness: {{low: 0, high: 9}}}}
  results: {{said: {{match: '([0-9.]+)'}}}}
space: {{stiffness: [1, 2]}}
surrogate: {{kind: gaussian_process}}
steering: {{kind: sobol}}
stop: {{simulations: 2}}
resources: {{kind: threads}}
"""
    campaign = parse_campaign(text)
    folder = RunFolder(tmp_path / "run")
    folder.create(
        campaign=text, resolved=dump(campaign), provenance={"campaign": campaign.name, "seed": campaign.seed}
    )
    request = {"run": str(folder.path), "search": None, "task": 0, "first": 0, "seed": 1}
    event = simulate({**request, "inputs": [[1.0], [2.0]]})
    assert event["failed"] == {}
    assert 0.8 <= sum(event["cpu_seconds"]) <= event["cpu"] + 1e-5
    assert event["cpu"] < 5
