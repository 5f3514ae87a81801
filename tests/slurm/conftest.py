"""One Slurm for all tests of this folder."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "workflow"))  # engine_runs, engine_plugins

from cluster import Slurm, cluster, why_not  # found beside this file


@pytest.fixture(scope="session")
def cluster_here() -> Iterator[Slurm]:
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, cluster(Path(folder) / "cluster") as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster_here: Slurm) -> Iterator[Slurm]:
    """A Slurm with all its nodes idle and without jobs; the next test gets it so, too."""
    yield cluster_here
    cluster_here.clear()
