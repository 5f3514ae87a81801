"""Which tests run on one worker: those of a file, which share fixtures and compiled kernels."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        # Each of these is a process of its own for up to a minute, and shares nothing with the others.
        alone = item.path.name == "test_cuda_simulated.py"
        item.add_marker(pytest.mark.xdist_group(item.nodeid if alone else str(item.path)))
