"""The Slurm that the tests of this folder run on is one."""

from __future__ import annotations

import pytest
from cluster import Slurm, wait_until


def test_a_step_runs_on_several_nodes_and_sees_cards_where_there_are_any(slurm: Slurm) -> None:
    assert sorted(slurm.run("srun", "-N3", "printenv", "SLURMD_NODENAME").split()) == ["n1", "n2", "n3"]
    cards = slurm.run("srun", "-p", "gpu", "--gres=gpu:2", "printenv", "CUDA_VISIBLE_DEVICES")
    assert cards.strip() == "0,1"
    with pytest.raises(RuntimeError, match="Requested node configuration is not available"):
        slurm.run("srun", "-p", "sim", "--gres=gpu:1", "true")


def test_a_cancelled_job_leaves_nothing(slurm: Slurm) -> None:
    job = slurm.submit("srun --overlap sleep 600.75\n", "-N2", "-n2")
    wait_until(lambda: bool(slurm.processes("n2")), "the step runs")
    slurm.cancel(job)
    wait_until(lambda: not slurm.jobs() and not slurm.processes(), "the job is gone")
    assert slurm.state(job) == "CANCELLED"


def test_a_node_dies_with_all_that_it_runs_and_comes_back(slurm: Slurm) -> None:
    job = slurm.submit("sleep 600.75\n", "-w", "n3")
    wait_until(lambda: bool(slurm.processes("n3")), "the job runs")
    slurm.kill_node("n3")
    assert not slurm.processes("n3")
    # Slurm waits for five minutes before it says otherwise, unless a last word of the node's came through.
    assert slurm.jobs() in ({job: "RUNNING"}, {job: "COMPLETING"})
    slurm.clear()
    assert (slurm.jobs(), set(slurm.nodes().values())) == ({}, {"idle"})
