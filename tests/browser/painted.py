"""What a page has drawn, as it says itself after every message (see `follow` in static/live.js)."""

from __future__ import annotations

from playwright.sync_api import Page


def painted(page: Page, t: float = 0.0) -> None:
    """Wait until a page has drawn all events up to a time, s since 1970."""
    # Not quite that time: to a page it comes as decimals.
    page.wait_for_function(
        "t => window.mlaroundPainted && window.mlaroundPainted.eventTime > t - 1e-5", arg=t
    )


def paints(page: Page) -> list[tuple[float, float]]:
    """Of each picture so far the time of the newest event in it, and the time at which it was drawn."""
    found = page.evaluate("window.mlaroundPaints.map(p => [p.eventTime, p.paintedAt / 1000])")
    return [(float(t), float(at)) for t, at in found]


def show(page: Page, run: str, name: str, query: str = "") -> None:
    """Go to a page of the dashboard without leaving the document."""
    page.evaluate("hash => { location.hash = hash; }", f"#/{run}/{name}{query}")
    page.locator("header h1").first.wait_for()
    settled(page)


SETTLED = """() => {
  const waits = ["[aria-busy=true]", "main .loading", ".js-plotly-plot:not(:has(.main-svg))",
    ".tasks:not(:has(table))"];
  const waiting = ".figure:not(:has(.main-svg, .empty, .trouble))";  // one that is not seen waits to be
  return !document.querySelector(waits.join())
    && [...document.querySelectorAll("link[rel=stylesheet]")].every((link) => link.sheet)
    && ![...document.querySelectorAll(waiting)].some((one) => one.getBoundingClientRect().top < innerHeight);
}"""


def settled(page: Page) -> None:
    """Wait until nothing that is seen of a page is still being fetched or drawn."""
    page.wait_for_function(SETTLED)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
