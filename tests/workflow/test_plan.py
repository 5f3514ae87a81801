"""What a campaign costs on a batch system, and the jobs that it will be; nothing is submitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workflow.cli import main
from workflow.cli.plan import _unfit
from workflow.estimate import Estimate, Probe, place
from workflow.reading import parse_campaign
from workflow.site.scripts import refusal

RECORDED = Path(__file__).parent / "recorded"
CAMPAIGN = """\
name: liquid
simulator: {kind: lennard_jones}
space: {density: {values: [0.1, 0.3, 0.5]}, temperature: 2}
surrogate: {kind: mlp_ensemble}
steering: {kind: grid}
training: {first: 100}
stop: {simulations: 90, wall_time: 10 h}
resources: {kind: slurm, partition: gpu, time: 2:00:00}
"""


def planned(seconds: float, *overrides: str, simulations: int = 1000) -> Estimate:
    """An estimate of simulations that take so long on one core."""
    where = place(parse_campaign(CAMPAIGN, overrides=overrides))
    cost = (seconds / 2, seconds, 2 * seconds)
    return Estimate(simulations, 0, cost, 2 * seconds / where.ranks, where, None, 0, 1, 1, 1, ())


def test_hours_are_those_of_what_workers_hold() -> None:
    found = planned(36.0, "resources.gpus_per_node=4", "resources.cpus_per_task=8", "resources.blocks=2")
    assert found.workers == 8
    assert found.gpu_hours == (5, 10, 20)  # 1000 times 36 s on a GPU each
    assert found.core_hours == (40, 80, 160)
    assert found.wall_seconds[1] == 4500
    shared = planned(36.0, "resources.gpus_per_node=2", "resources.workers_per_gpu=4")
    assert (shared.workers, shared.gpu_hours[1]) == (8, 2.5)
    assert planned(36.0).gpu_hours == (0, 0, 0)


def test_ranks_share_the_cores_of_all_nodes_and_get_no_more_of_them() -> None:
    mpi = ("simulator.backend=mpi", "simulator.ranks=8", "resources.launcher=srun")
    wide = planned(80.0, *mpi, "resources.nodes=4", "resources.cpus_per_task=16")
    assert (wide.workers, wide.place.at_once, wide.longest) == (1, 8, 20)
    # One worker holds all 64 cores, and its eight ranks need a hundredth of an hour for a simulation.
    assert wide.wall_seconds[1] == pytest.approx(80 / 8 * 1000 * 7200 / (7200 - wide.place.drain))
    narrow = planned(80.0, *mpi, "resources.ntasks_per_node=2")
    assert (narrow.workers, narrow.place.at_once) == (2, 2)
    assert narrow.core_hours[1] == pytest.approx(1000 * 80 / 3600)


def test_jobs_follow_one_another_and_end_with_a_drain() -> None:
    assert planned(1.0, "resources.blocks=2").jobs == (2, 2, 2)
    found = planned(36.0, "resources.blocks=2")
    usable = 7200 - found.place.drain
    assert found.jobs == tuple(2 * -int(-s * 500 // usable) for s in (18, 36, 72))
    assert found.wall_seconds[1] == pytest.approx(18000 * 7200 / usable)
    assert planned(1.0, "resources={kind: threads, workers: 2}").jobs is None


@pytest.mark.parametrize(
    ("seconds", "overrides", "words"),
    [
        (1000.0, [], ""),
        (4000.0, [], "resources.time: one simulation may take 2 h 13 min, and a job ends after 2 h 0 min"),
        (4000.0, [], "or keep checkpoints, from which the next one goes on: keep: {checkpoint: STEPS}"),
        (4000.0, ["keep.checkpoint=1000"], ""),
        (4000.0, ["resources.time=3:00:00"], ""),
        (100.0, ["resources.timeout=3 min"], "resources.timeout: one simulation may take 3 min 20 s, and is"),
        (
            1.0,
            ["resources.gpus_per_node=1"],
            "simulator.backend: GPUs are asked for, and the simulator computes",
        ),
        (1.0, ["resources.gpus_per_node=1", "simulator.backend=cuda"], ""),
    ],
)
def test_what_does_not_fit_together_is_warned_of(seconds: float, overrides: list[str], words: str) -> None:
    found = _unfit(parse_campaign(CAMPAIGN, overrides=overrides), planned(seconds, *overrides))
    assert words in "".join(map(str, found))
    assert len(found) == bool(words)
    assert not any(problem.certain for problem in found)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls `mlaround plan` on a login node of the recorded Slurm; output and errors."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "scontrol": f"cat {RECORDED}/slurm-partitions.txt",
        "sinfo": f"cat {RECORDED}/slurm-nodes.txt",
        "sacctmgr": "exit 1",
        **dict.fromkeys(("squeue", "scancel", "srun"), "exit 1"),
        "sbatch": "[ $1 = --test-only ] || exit 9\n"
        "grep -q partition=gpu $2 && echo 'sbatch: Job 1 to start at 2100-01-01T00:00:00 using 1 processors "
        "on nodes g1 in partition gpu' >&2 && exit 0\n"
        "echo 'allocation failure: Requested node configuration is not available' >&2; exit 1",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    probes = (Probe({"density": 0.1}, 1.0, 2.0, 1.0),)
    found = Estimate(90, 18, (1, 2, 3), 4.0, place(parse_campaign(CAMPAIGN)), None, 1, 9, 1000, 20, probes)
    monkeypatch.setattr("workflow.estimate.estimate", lambda campaign, progress: found)
    (tmp_path / "x.yaml").write_text(CAMPAIGN)

    def call(*overrides: str) -> tuple[str, str]:
        with pytest.raises(SystemExit) as end:
            main(["plan", "x.yaml", *overrides])
        assert end.value.code == 0
        return capsys.readouterr()

    return call


def test_a_plan_shows_every_script_and_when_it_may_end(plan, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    out, err = plan("--set", "resources.train.partition=gpu")
    assert "batch script of pool simulate" in out
    assert "batch script of pool train" in out
    assert out.count("#SBATCH --partition=gpu") == 2
    assert "waiting in the queue is not in it" in out
    assert "Slurm would start the first job in " in out
    assert "problem:" not in err
    assert "Nothing was submitted" in err
    assert set(tmp_path.iterdir()) == before


def test_a_plan_says_what_the_site_will_not_do(plan) -> None:
    out, err = plan("--set", "resources.partition=gpux")
    assert "#SBATCH --partition=gpux" in out
    assert "problem: resources.partition: there is no partition `gpux` here; did you mean `gpu`?" in err
    assert "next: correct it, then" in err
    _, err = plan("--set", "resources.partition=cpu")
    assert "sbatch would refuse the job of pool `simulate`: Requested node configuration is not" in err


def test_a_plan_speaks_json(plan) -> None:
    out, _ = plan("--json", "--set", "resources.mem=900G")
    found = json.loads(out)
    assert [s["pool"] for s in found["scripts"]] == ["simulate"]
    assert "#SBATCH --mem=900G" in found["scripts"][0]["text"]
    (problem,) = [p for p in found["problems"] if p["certain"]]
    assert (problem["key"], problem["do"]) == ("resources.mem", "set it to 500G or less")
    assert found["jobs"] == {"low": 1, "mean": 1, "high": 1}
    assert found["starts_in_seconds"] == []


def test_refusals_are_sbatchs_own_words() -> None:
    assert refusal(
        "sbatch: error: invalid partition specified: gpux\nallocation failure: Invalid name\n"
    ) == ("invalid partition specified: gpux; Invalid name")
    said = "sbatch: error: Batch job submission failed: Invalid account or partition combination specified"
    assert refusal(said) == "Invalid account or partition combination specified"
