"""What a page has drawn, as it says itself after every message (see `follow` in static/live.js)."""

from __future__ import annotations

from playwright.sync_api import Page


def painted(page: Page, seq: int = 0) -> None:
    """Wait until a page has drawn an event and all before it."""
    page.wait_for_function("seq => window.mlaroundPainted && window.mlaroundPainted.seq >= seq", arg=seq)


def paints(page: Page) -> list[tuple[int, float]]:
    """Number of the last event, and time (s since 1970), of each picture so far."""
    found = page.evaluate("window.mlaroundPaints.map(p => [p.seq, p.paintedAt / 1000])")
    return [(int(seq), float(at)) for seq, at in found]


def show(page: Page, run: str, name: str, query: str = "") -> None:
    """Go to a page of the dashboard without leaving the document."""
    page.evaluate("hash => { location.hash = hash; }", f"#/{run}/{name}{query}")
    page.locator("header h1").first.wait_for()


def settled(page: Page) -> None:
    """Wait until nothing on a page is still being fetched or drawn."""
    page.wait_for_function(
        """() => !document.querySelector("[aria-busy=true]")
          && [...document.querySelectorAll(".js-plotly-plot")].every((plot) => plot.querySelector(".main-svg"))"""
    )
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
