"""Blocks that Slurm ends while they work; its shortest walltime is a minute, looked at every half."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaigns_here import Campaign  # found beside this file
from cluster import Slurm

# The walltime is not the one that the campaign knows of, so that no worker stops in time.
LONG = """
name: moody
simulator: {kind: "engine_plugins:Moody", seconds: 4}
space: {x: [0, 1]}
surrogate: {kind: "engine_plugins:Quadratic"}
steering: {kind: sobol}
training: {first: 12, every: 16, held_out: 0.25}
stop: {simulations: 64}
seed: 11
deterministic: true
resources: {kind: slurm, partition: sim, time: 10 min, extra: ["--time=1"], task_time: 8, blocks: 2}
"""


@pytest.mark.validate
def test_blocks_that_slurm_ends(slurm: Slurm, tmp_path: Path) -> None:
    campaign = Campaign(slurm, tmp_path, LONG)
    campaign.start()
    campaign.end()
    reasons = [event["reason"] for event in campaign.events("block_ended")]
    assert reasons.count("timeout") >= 2
    campaign.check(64, "simulator.seconds=0")
