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
stop: {simulations: 600}
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

    def simulated() -> int:
        return (run / "events.jsonl").read_text().count('"task_done"')

    first = chain()["job"]
    assert f"job {first} is its controller" in done.stdout
    wait_until(lambda: simulated() > 2, "the first controller simulates", slurm)
    # What Slurm does by itself two minutes before the walltime is over.
    slurm.run("scancel", "--signal=USR1", "--batch", first)
    wait_until(lambda: chain()["job"] != first, "another job follows", slurm)
    handed_over = simulated()
    # The rest of it: few, since this is a test.
    asked = mlaround(slurm, tmp_path, "budget", "r", str(handed_over + 20), "--yes")
    assert asked.returncode == 0, asked.stderr
    wait_until(lambda: chain()["over"] is not None, "the run is over", slurm)
    assert chain()["over"] == "the run is over"
    status = json.loads(mlaround(slurm, tmp_path, "status", "r", "--json").stdout)
    assert (status["state"], status["simulations"]["lost"]) == ("finished", 0)
    assert status["simulations"]["done"] >= handed_over + 20
    assert len(list((run / "slurm").glob("controller-*.out"))) == 2
    wait_until(lambda: slurm.jobs() == {}, "all jobs are over", slurm)
