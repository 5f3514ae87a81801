"""A campaign from its start to its end, watched and steered in one page that is never loaded again."""

import json
from pathlib import Path

import pytest
from served import Process

CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "slit_density.yaml"

SMALL = (
    "simulator.steps=40000",
    "stop.simulations=36",
    "training.first=10",
    "training.every=10",
    "surrogate.members=3",
    "surrogate.steps=100",
    "resources.task_time=4",
    "resources.workers=2",
)


@pytest.fixture
def campaign(tmp_path):
    options = [option for setting in SMALL for option in ("--set", setting)]
    process = Process("run", str(CAMPAIGN), "--run", "runs/live", "--dashboard", *options, folder=tmp_path)
    yield process
    process.end()


def events(folder, kind):
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in found if event["event"] == kind]
