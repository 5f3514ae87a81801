"""A run that is handed in whole: its controllers are jobs of a real Slurm, and their workers too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cluster import Slurm, wait_until

CAMPAIGN = """\
name: slow
simulator: {kind: sleeping}
space: {seconds: {values: [0.02, 0.03, 0.04]}}
surrogate: {kind: mlp_ensemble}
steering: {kind: random}
training: {first: 100000}
stop: {simulations: 40}
resources: {kind: slurm, partition: sim, time: 10 min, task_time: 0.05, controller: {time: 10 min}}
"""


def mlaround(slurm: Slurm, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workflow.cli", *words],
        env=slurm.env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_run_goes_on_from_job_to_job_until_it_is_finished(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(CAMPAIGN)
    done = mlaround(slurm, tmp_path, "run", "slow.yaml", "--run", "r", "--submit")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "r"

    def chain() -> dict:
        return json.loads((run / "slurm/controller.json").read_text())

    def events(kind: str) -> int:
        return (run / "events.jsonl").read_text().count(f'"event":"{kind}"')

    first = chain()["job"]
    assert f"job {first} is its controller" in done.stdout
    wait_until(lambda: events("run_started") == 1, "the first controller is at work", slurm)
    # What Slurm does by itself two minutes before the walltime is over.
    slurm.run("scancel", "--signal=USR1", "--batch", first)
    wait_until(lambda: chain()["job"] != first, "another job follows", slurm)
    wait_until(lambda: events("run_started") == 2, "the second controller is at work", slurm)
    wait_until(lambda: events("block_started") > 0, "it has workers", slurm)
    wait_until(lambda: chain()["over"] is not None, "the run is over", slurm)
    assert chain()["over"] == "the run is over"
    assert (events("run_started"), events("run_stopped")) == (2, 2)
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["simulations"]["done"], status["simulations"]["lost"]) == (
        "finished",
        40,
        0,
    )
    assert len(list((run / "slurm").glob("controller-*.out"))) == 2
    wait_until(lambda: slurm.jobs() == {}, "all jobs are over", slurm)
