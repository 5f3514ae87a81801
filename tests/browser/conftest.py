"""A browser, runs to look at, and the dashboard as a process beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

sys.path.append(str(Path(__file__).parents[1] / "workflow"))  # replay, small_run

from chromium import launched  # found beside this file
from served import PATIENCE, Process, dashboard
from watched import Watched

expect.set_options(timeout=1000 * PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as found:
        if found is None:
            pytest.skip("no browser: install chromium, or `playwright install chromium`")
        yield found


@pytest.fixture
def serve() -> Iterator[Callable[..., Process]]:
    """Starts dashboards that end with the test."""
    with ExitStack() as stack:
        yield lambda folder, *options: stack.enter_context(dashboard(folder, *options))


@pytest.fixture
def watch(browser: Browser, serve: object) -> Iterator[Callable[..., Watched]]:
    """Opens contexts; the test fails if a page in one complained or left this machine.

    They are closed before servers end, whose absence pages would complain about.
    """
    opened: list[Watched] = []

    def start(**options: Any) -> Watched:
        opened.append(Watched(browser, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
    problems = [problem for one in opened for problem in one.problems()]
    assert not problems, "\n".join(problems)
