"""How fast the dashboard is: ready, live, answering, gone, each beside its target; part of `make bench`.

Runs of 10,000 and of 100,000 tasks are written from nothing and made to go on five times a second. Times
are those of a page in a browser: an event counts as painted two animation frames after it was drawn.
"""

from __future__ import annotations

import os
import subprocess
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
KEYS = 60

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
                ready(page, replay)
                bound = 150.0 if tasks == 10_000 else None
                table.row(f"{label}: sent until the overview is ready", proxy.passed / 1000, "kB", bound)
                for name in LIVE_PAGES:
                    show(page, "replay", name)
                table.row(f"{label}: and with all live pages", proxy.passed / 1000, "kB")
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


WATCH_KEYS = """() => {
  window.keyed = [];
  let pressed = 0;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => {
    const since = pressed;
    requestAnimationFrame(() => requestAnimationFrame(() => window.keyed.push(performance.now() - since)));
  }).observe(document.querySelector(".whatif"), { attributes: true, attributeFilter: ["data-answered"] });
}"""


def what_if(browser: Browser, table: Table) -> None:
    """From a key on a slider to the answer on the screen, with the model of a small run."""
    with tempfile.TemporaryDirectory(prefix="mlaround-bench-") as place:
        options = [option for setting in SMALL for option in ("--set", setting)]
        mlaround = [sys.executable, "-m", "workflow.cli"]
        run = [*mlaround, "run", str(CAMPAIGN), "--run", f"{place}/slit", *options]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with dashboard(Path(place)) as server, watched(browser) as one:
            page = one.open(server.url + "#/slit/whatif")
            slider = page.get_by_role("slider", name="gap, slider")
            slider.wait_for()
            settled(page)
            slider.focus()
            page.evaluate(WATCH_KEYS)
            for k in range(KEYS):
                page.keyboard.press("ArrowRight" if k % 20 < 10 else "ArrowLeft")
                page.wait_for_function("(k) => window.keyed.length > k", arg=k)
            p50, p95 = np.quantile(page.evaluate("window.keyed"), (0.5, 0.95))
            table.row("what if: key to paint, p50", p50 / 1000, "s")
            table.row("what if: key to paint, p95", p95 / 1000, "s", 0.3)


def main() -> int:
    """Measure and print; the exit status says whether all targets were met."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table = Table()
    with launched() as browser:
        if browser is None:
            print("no browser: nothing was measured")
            return 0
        what_if(browser, table)
        for tasks in READY:
            replayed(browser, table, tasks)
    return int(table.missed)


if __name__ == "__main__":
    sys.exit(main())
