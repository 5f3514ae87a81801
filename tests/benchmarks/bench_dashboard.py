"""How fast the dashboard is: ready, live, answering, gone, each beside its target; part of `make bench`.

Runs of 10,000 and of 100,000 tasks are written from nothing and made to go on five times a second. Times
are those of a page in a browser: an event counts as painted two animation frames after it was drawn.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page

sys.path.append(str(Path(__file__).parents[1] / "workflow"))  # replay
sys.path.append(str(Path(__file__).parents[1] / "browser"))

from chromium import launched
from painted import painted, paints, settled, show
from replay import Mark, Replay
from served import Proxy, dashboard
from watched import Watched

RATE, SECONDS, CHANGES = 5.0, 20.0, 4

READY = {10_000: 3.0, 100_000: 8.0}
"""Seconds from the address to a page that shows all, for that many tasks."""
PAINT = {10_000: 0.2, 100_000: 1.0}
"""Seconds from an event to its picture."""

CAMPAIGN = Path(__file__).resolve().parents[2] / "campaigns" / "slit_density.yaml"
SMALL = ("simulator.steps=4000", "stop.simulations=48", "training.first=48")

LIVE_PAGES = ("overview", "tasks", "timeline")


class Table:
    """Prints rows as they are known, and remembers whether a target was missed."""

    def __init__(self) -> None:
        self.missed = False

    def row(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        """One figure, and the target that it must not exceed."""
        said = ""
        if target is not None:
            said = f"(target {target:g})"
            if value > target:
                said, self.missed = said + " MISSED", True
        print(f"{name:58s} {value:9.3f} {unit:4s} {said}", flush=True)


def ready(page: Page, replay: Replay) -> float:
    """Seconds from the start of the navigation until a page shows all of a run."""
    painted(page, replay.mark.t)
    settled(page)
    ms: float = page.evaluate("performance.now()")
    return ms / 1000


def latencies(page: Page, marks: Sequence[Mark]) -> np.ndarray:
    """Seconds from each mark to the first paint that shows it."""
    painted(page, marks[-1].t)
    seen = paints(page)
    return np.array([next(at for t, at in seen if t > mark.t - 1e-5) - mark.t for mark in marks])


@contextmanager
def watched(browser: Browser) -> Iterator[Watched]:
    """A context for one measurement."""
    one = Watched(browser)
    try:
        yield one
    finally:
        one.close()


def replayed(browser: Browser, table: Table, tasks: int) -> None:
    """All figures of a run of that many tasks."""
    with tempfile.TemporaryDirectory(prefix="mlaround-bench-") as place:
        replay = Replay(Path(place) / "replay", tasks=tasks)
        label = f"{tasks:,} tasks"
        with dashboard(Path(place)) as server:
            for what in ("first visit", "second visit"):
                with watched(browser) as one:
                    page = one.open(server.url + "#/replay/overview")
                    table.row(f"{label}: overview ready, {what}", ready(page, replay), "s", READY[tasks])
            proxy = Proxy(server.url)
            with watched(browser) as one:
                page = one.open(proxy.url + "#/replay/overview")
                painted(page, replay.mark.t)
                for name in LIVE_PAGES:
                    show(page, "replay", name)
                bound = 150.0 if tasks == 10_000 else None
                table.row(f"{label}: transferred, all live pages", proxy.passed / 1000, "kB", bound)
            proxy.close()
            for name in LIVE_PAGES:
                with watched(browser) as one:
                    page = one.open(server.url + f"#/replay/{name}")
                    painted(page, replay.mark.t)
                    replay.live(2.0, rate=RATE, changes=CHANGES)
                    cpu, begin = server.cpu_seconds(), time.monotonic()
                    marks = replay.live(SECONDS, rate=RATE, changes=CHANGES)
                    share = (server.cpu_seconds() - cpu) / (time.monotonic() - begin)
                    p50, p95 = np.quantile(latencies(page, marks), (0.5, 0.95))
                    table.row(f"{label}: event to paint on {name}, p50", p50, "s")
                    table.row(f"{label}: event to paint on {name}, p95", p95, "s", PAINT[tasks])
                    table.row(f"{label}: server's share of a core on {name}", 100 * share, "%", 5.0)
            with watched(browser) as one:
                for _ in range(3):
                    painted(one.open(server.url + "#/replay/overview"), replay.mark.t)
                table.row(f"{label}: gone after SIGTERM, three pages open", server.terminate(), "s", 3.0)
        replay.close()


def main() -> int:
    """Measure and print; the exit status says whether all targets were met."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table = Table()
    with launched() as browser:
        if browser is None:
            print("no browser: nothing was measured")
            return 0
        for tasks in READY:
            replayed(browser, table, tasks)
    return int(table.missed)


if __name__ == "__main__":
    sys.exit(main())
