"""The doctor's job on a real Slurm."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import Slurm


def doctor(slurm: Slurm, folder: Path, **profile: object) -> list[dict[str, str]]:
    """The checks with a verdict, of a profile."""
    sites = folder / "mlaround" / "sites.yaml"
    sites.parent.mkdir(exist_ok=True)
    sites.write_text(json.dumps({"p": {"kind": "slurm", **profile}}))
    done = subprocess.run(
        [sys.executable, "-m", "workflow.cli", "doctor", "--json", "--nodes", "--profile", "p"],
        env={**slurm.env, "XDG_CONFIG_HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "waiting for it" in done.stderr
    checks: list[dict[str, str]] = json.loads(done.stdout)["checks"]
    assert slurm.jobs() == {}
    return checks


@pytest.mark.mpi
def test_two_nodes_are_like_this_machine_and_ranks_find_each_other(slurm: Slurm, tmp_path: Path) -> None:
    checks = doctor(slurm, tmp_path, launcher="srun")
    seen = {check["name"]: check for check in checks if check["subject"] == "nodes"}
    assert len(seen) == 4
    assert all(check["verdict"] == "ok" for check in seen.values()), seen
    ways = {check["name"]: check for check in checks if check["subject"] == "MPI between nodes"}
    assert " on n" in ways["mpiexec"]["found"]
    assert " and n" in ways["mpiexec"]["found"]
    assert "SLURM_MPI_TYPE=pmi2" in ways["srun"]["do"]  # this Slurm's own default is no MPI


def test_an_interpreter_that_is_not_there_is_named(slurm: Slurm, tmp_path: Path) -> None:
    checks = doctor(slurm, tmp_path, python="/no/such/python")
    (look,) = [check for check in checks if check["subject"] == "nodes"]
    assert "no interpreter /no/such/python" in look["do"]
