"""The tests of `cuda_simulated`, in a process in which numba simulates CUDA."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "cuda_simulated"


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("test_*.py")))
def test_kernels_under_the_simulator(file):
    # numpy, in the place of 32-bit integers, warns where they wrap around.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-W", "ignore::RuntimeWarning", str(FOLDER / file)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["NUMBA_ENABLE_CUDASIM"] = "1"
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=FOLDER.parents[2])
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout
