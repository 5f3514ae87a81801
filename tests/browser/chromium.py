"""The browser that pages are looked at with: one that is installed, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name is ever looked up: a page that wants another host fails at once, and says so.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

WINDOW = {"width": 1440, "height": 900}


def executable(playwright: Playwright) -> str | None:
    """A browser of this machine, else Playwright's own; ``None`` if there is neither."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextmanager
def launched() -> Iterator[Browser | None]:
    """A browser without a window; ``None`` if none is installed."""
    with sync_playwright() as playwright:
        path = executable(playwright)
        if path is None:
            yield None
            return
        alone = ("--no-sandbox",) if os.geteuid() == 0 else ()  # it refuses root otherwise
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *alone])
        try:
            yield browser
        finally:
            browser.close()
