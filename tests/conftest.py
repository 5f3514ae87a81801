"""Which tests run on one worker (those of a file, which share fixtures and compiled kernels; those that need
a browser; those that need a Slurm or MPI), and which examples hypothesis draws: the same in every run, so
that a failure is the change's and never chance's.

`pytest --hypothesis-profile=chance` draws others, new ones in every run.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's doing, not the code's.
for profile, same in {"same": True, "chance": False}.items():
    settings.register_profile(
        profile, derandomize=same, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("same")  # --hypothesis-profile is read after this, and so has the last word


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        # Each of these is a process of its own for up to a minute, and shares nothing with the others.
        alone = item.path.name == "test_cuda_simulated.py"
        # One browser for all that need one: two would take the cores that each needs to keep up.
        place = item.path.parent if item.path.parent.name == "browser" else item.path
        # One Slurm, and ranks of one program at a time: ranks that wait take a whole core.
        if item.path.parent.name == "slurm" or item.get_closest_marker("mpi"):
            place = Path(__file__).parent / "slurm"
        item.add_marker(pytest.mark.xdist_group(item.nodeid if alone else str(place)))
