"""A browser context that notes whatever a page should not do."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from chromium import WINDOW
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
from served import PATIENCE


class Watched:
    """A context of its own (cookies, storage), and all that its pages said and asked for.

    Args:
        browser: to open it in.
        options: of the context, such as ``color_scheme``.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**{"viewport": WINDOW, **options})
        self.context.set_default_timeout(1000 * PATIENCE)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.excused: list[str] = []
        """Patterns of complaints that a test brings about itself."""
        self.context.on("request", self._asked)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"error on the page: {error.error}"))

    def open(self, url: str) -> Page:
        """A new page at an address."""
        page = self.context.new_page()
        page.goto(url)
        return page

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            where = message.location.get("url", "") if message.location else ""
            self.complaints.append(f"console {message.type}: {message.text} ({where})")

    def problems(self) -> list[str]:
        """What must not be there: errors, and requests to a foreign host."""
        hosts = {urlsplit(url).hostname for url in self.requests if urlsplit(url).scheme.startswith("http")}
        foreign = [f"request to a foreign host: {host}" for host in sorted(hosts - {"127.0.0.1"}, key=str)]
        return foreign + [
            text for text in self.complaints if not any(re.search(pattern, text) for pattern in self.excused)
        ]

    def close(self) -> None:
        """Close the context with all its pages."""
        self.context.close()
