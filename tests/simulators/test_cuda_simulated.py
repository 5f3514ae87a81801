"""The tests of `cuda_simulated`, in a process in which numba simulates CUDA."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "cuda_simulated"
LONG = ("chain", "fluid", "slit")
"""Systems whose tests take a while: each has a process; the rest share one, and its imports."""
FILES = sorted(FOLDER.glob("test_*.py"))
GROUPS = {name: [FOLDER / f"test_simulated_{name}.py"] for name in LONG}
GROUPS["rest"] = [path for path in FILES if not any([path] == group for group in GROUPS.values())]


@pytest.mark.parametrize("group", GROUPS)
def test_kernels_under_the_simulator(group):
    # numpy, in the place of 32-bit integers, warns where they wrap around.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-W", "ignore::RuntimeWarning", *map(str, GROUPS[group])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["NUMBA_ENABLE_CUDASIM"] = "1"
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=FOLDER.parents[2])
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout
