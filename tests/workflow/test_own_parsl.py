"""A user's own Parsl configuration: its executor runs all tasks, and mistakes are put in words."""

from __future__ import annotations

import pytest
from engine_runs import WELLS, record, run, whole

CONFIGURATION = """
from parsl import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider


def config():
    workers = HighThroughputExecutor(
        label="mine", max_workers_per_node=2, cores_per_worker=1e-6, address="127.0.0.1",
        provider=LocalProvider(init_blocks=0, max_blocks=1),
    )
    return Config(executors=[workers])


threads = Config(executors=[ThreadPoolExecutor()])
"""


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    (tmp_path / "site_of_mine.py").write_text(CONFIGURATION)
    monkeypatch.syspath_prepend(tmp_path)


def test_its_executor_runs_the_campaign(tmp_path):
    resources = "resources={kind: parsl, config: 'site_of_mine:config', workers: 2, task_time: 0.05}"
    outcome = run(tmp_path / "r", WELLS, resources)
    assert (outcome.state, outcome.reason) == ("finished", "all simulations are done")
    assert whole(tmp_path / "r", 40).failed == 0
    assert record(tmp_path / "r").blocks == {"given back": 1}
    assert record(tmp_path / "r").models


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("no_such_site:config", "no_such_site:config cannot be imported: No module named 'no_such_site'"),
        ("site_of_mine:other", "has no attribute 'other'"),
        ("site_of_mine:CONFIGURATION", "has no attribute 'CONFIGURATION'"),
        ("site_of_mine:LocalProvider", "not a parsl.Config"),
        ("site_of_mine:threads", "is a ThreadPoolExecutor; use a HighThroughputExecutor"),
    ],
)
def test_mistakes_end_the_run_in_words(tmp_path, config, words):
    outcome = run(tmp_path / "r", WELLS, f"resources={{kind: parsl, config: '{config}', workers: 2}}")
    assert outcome.state == "failed"
    assert "resources.config: " in outcome.reason
    assert words in outcome.reason
    assert record(tmp_path / "r").done == 0
