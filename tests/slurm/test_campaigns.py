"""Campaigns on a real Slurm, whatever happens there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from campaigns_here import Campaign  # found beside this file
from cluster import Slurm

MOODY = """
name: moody
simulator: {kind: "engine_plugins:Moody", seconds: 0.5}
space: {x: [0, 1]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: sobol}
training: {first: 12, every: 16, held_out: 0.25}
stop: {simulations: 64}
seed: 11
deterministic: true
resources: """

SPREAD = """
name: spread
simulator:
  kind: python
  backend: mpi
  ranks: 3
  function: where
  results: {y: {description: x and noise}}
  parameters: {x: {}}
  code: |
    import os, pathlib, time
    def where(x, seed):
        pathlib.Path("MARKS", os.environ.get("SLURMD_NODENAME", "here")).touch()
        time.sleep(0.1)
        return x + seed % 1000 / 1e5, 0.003
space: {x: [0, 1]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: sobol}
training: {first: 12, every: 8, held_out: 0.25}
stop: {simulations: 20}
seed: 3
deterministic: true
resources: """

SOON = 30.0
"""Seconds within which a block that is gone is known to be."""


def test_a_block_is_cancelled_and_the_node_of_another_dies(slurm: Slurm, tmp_path: Path) -> None:
    """Simulations on three blocks, trainings on the partition with cards."""
    resources = "{kind: slurm, partition: sim, time: 10 min, task_time: 1, blocks: 3, "
    resources += "train: {partition: gpu, gpus_per_node: 1}}"
    campaign = Campaign(slurm, tmp_path, MOODY + resources)
    campaign.start()
    campaign.wait(3, "block_started", pool="simulate")
    campaign.wait(3, "task_done")
    first, second, _ = (b["job"] for b in campaign.events("block_submitted") if b["pool"] == "simulate")
    node = campaign.nodes(second)
    began = time.time()
    slurm.kill_node(node)
    slurm.cancel(int(first))
    ends = [campaign.wait(1, "block_ended", job=job) for job in (first, second)]
    slurm.start_node(node)
    campaign.end()
    seconds = [end["t"] - began for end in ends]
    print("a cancelled block was noticed after {:.1f} s, a dead node after {:.1f} s".format(*seconds))
    assert max(seconds) < SOON
    assert "given back" not in [end["reason"] for end in ends]
    assert len(campaign.events("block_submitted")) >= 5  # both were replaced
    campaign.check(64, "simulator.seconds=0")


def test_cards_for_simulations_and_blocks_that_end_by_their_time(slurm: Slurm, tmp_path: Path) -> None:
    """A worker for each card; a block takes no task in the last quarter of its time, and is replaced."""
    resources = "{kind: slurm, partition: gpu, gpus_per_node: 2, time: 20 s, task_time: 1, "
    resources += "train: {partition: sim, gpus_per_node: 0, time: 10 min}}"
    campaign = Campaign(slurm, tmp_path, MOODY + resources)
    campaign.start()
    campaign.end()
    blocks = [b for b in campaign.events("block_ended") if b["pool"] == "simulate"]
    assert len(blocks) >= 2, blocks
    assert {b["workers"] for b in campaign.events("block_started") if b["pool"] == "simulate"} == {2}
    campaign.check(64, "simulator.seconds=0")


@pytest.mark.mpi
def test_simulations_that_are_mpi_programs_over_two_nodes(slurm: Slurm, tmp_path: Path) -> None:
    """Two workers, of which each wants three of four cores: they take turns."""
    pytest.importorskip("mpi4py")
    marks = tmp_path / "marks"
    marks.mkdir()
    resources = "{kind: slurm, partition: sim, nodes: 2, ntasks_per_node: 2, launcher: srun, time: 10 min, "
    resources += "task_time: 10}"
    campaign = Campaign(slurm, tmp_path, (SPREAD + resources).replace("MARKS", str(marks)))
    campaign.start()
    campaign.end()
    assert sorted(path.name for path in marks.iterdir()) == ["n1", "n2"]
    assert not list(campaign.run.glob("parsl/*/ranks/*"))
    campaign.check(20, "simulator.backend=cpu")


def test_a_controller_dies_with_its_node_and_another_goes_on_from_a_job_elsewhere(
    slurm: Slurm, tmp_path: Path
) -> None:
    resources = "{kind: slurm, partition: sim, time: 10 min, task_time: 1, blocks: 2}"
    campaign = Campaign(slurm, tmp_path, MOODY + resources)
    first = campaign.submit(campaign.command, "--partition=gpu", "--no-requeue")
    campaign.wait(2, "block_started")
    campaign.wait(6, "task_done")
    left = {block["job"] for block in campaign.events("block_submitted")}
    slurm.kill_node("n4")
    assert slurm.state(first) == "RUNNING"  # for all that Slurm knows
    campaign.submit([*campaign.command[:3], "resume", str(campaign.run)], "--nodelist=n3", "--no-requeue")
    campaign.wait(2, "run_started")
    assert [event["resumed"] for event in campaign.events("run_started")] == [False, True]
    campaign.wait(1, "run_stopped")
    slurm.start_node("n4")
    ended = {block["job"]: block["reason"] for block in campaign.events("block_ended")}
    assert {ended[job] for job in left} == {"left behind"}
    campaign.check(64, "simulator.seconds=0")
