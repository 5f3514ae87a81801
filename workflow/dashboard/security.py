"""Who may look, and what a browser may be made to do: checked before anything else sees a request."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Collection, Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""What this machine is called by those who are on it, or at the other end of a tunnel."""

EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""The style element with nothing in it, which Plotly adds its rules to one by one."""

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; "
    # Plotly sets style attributes as text; no text of a run can become a style element all the same.
    f"style-src 'self'; style-src-elem 'self' {EMPTY}; style-src-attr 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

HEADERS = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}

OF_DOCUMENTS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""What binds a page or a worker; a page is made of dozens of parts, which need not repeat it."""

PARTS = ("application/json", "text/javascript", "text/css", "image/svg+xml")
"""Kinds of answers that are parts of a page, and by themselves never one."""

WORKER = "-worker.js"
"""How the names of scripts end that are documents of their own."""

LARGEST = 64 * 1024
"""Bytes of a request's body."""

LONGEST = 8 * 1024
"""Bytes of a request's path, and of its query."""

SAFE = ("GET", "HEAD")

SIGN_IN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mlaround</title></head><body><main>
<h1>This dashboard asks who you are</h1>
<p>Open the address that <code>mlaround dashboard</code> printed when it was started, whole, with the part
after <code>?token=</code>. If that terminal is gone, end that dashboard and start it again: a new address is
printed.</p>
<p>If you have just opened that address, <a href="./">go on here</a>.</p>
</main></body></html>
"""


class Gate:
    """Middleware around everything.

    Args:
        app: what is behind the gate.
        token: without it, nothing but the static files is given out.
        read_only: whether every request that changes something is refused.
        hosts: names by which the dashboard may be called besides those of this machine.
    """

    def __init__(self, app: ASGIApp, *, token: str, read_only: bool, hosts: Sequence[str]) -> None:
        self.app, self.token, self.read_only = app, token.encode(), read_only
        self.hosts: Collection[str] = {host.lower() for host in (*HOSTS, *hosts)}
        # Cookies are shared by all ports of a host, so that each dashboard needs a name of its own.
        self.cookie = f"mlaround-{hashlib.sha256(self.token).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let through."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there is nothing but HTTP here; the server closes what is not answered
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(message, scope["path"])
            await send(message)

        try:
            await self._judged(scope, receive, dressed)
        except Exception:
            log.debug("while answering %s %s", scope["method"], scope["path"], exc_info=True)
            if not started:
                await _refuse(
                    dressed, 500, "the dashboard made a mistake", "start it with mlaround --verbose"
                )

    async def _judged(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == "host"]
        path, query = scope["path"], scope["query_string"]
        if len(hosts) != 1 or _host(hosts[0]) not in self.hosts:
            do = "open the address that was printed, or start the dashboard with --allow-host NAME"
            return await _refuse(send, 400, "this dashboard is not called by that name", do)
        if len(path) > LONGEST or len(query) > LONGEST:
            return await _refuse(send, 414, "that address is too long")
        if "\0" in path or b"\0" in query or b"%00" in query:
            return await _refuse(send, 400, "that address holds a character that no address has")
        if scope["method"] in SAFE and path.startswith("/static/"):
            return await self.app(scope, receive, send)
        if scope["method"] in SAFE and path == "/" and self._told(query):
            return await self._let_in(send)
        if not self._known(headers):
            return await self._unknown(scope, send)
        if scope["method"] not in SAFE:
            words = self._forged(headers)
            if words:
                return await _refuse(send, 403, words, "use the dashboard's own pages")
            if self.read_only:
                do = "start it without --read-only, or use the commands of mlaround"
                return await _refuse(send, 403, "this dashboard was started with --read-only", do)
        body = await _body(headers, receive)
        if body is None:
            return await _refuse(send, 413, f"more than {LARGEST // 1024} kB were sent")
        await self.app(scope, _again(body, receive), send)

    def _told(self, query: bytes) -> bool:
        given = parse_qs(query.decode("latin-1")).get("token", [])
        return any(hmac.compare_digest(one.encode(), self.token) for one in given)

    def _known(self, headers: Sequence[tuple[str, str]]) -> bool:
        for name, value in headers:
            if name == "cookie":
                try:
                    cookie = SimpleCookie(value).get(self.cookie)
                except CookieError:
                    continue
                if cookie is not None and hmac.compare_digest(cookie.value.encode(), self.token):
                    return True
        return False

    def _forged(self, headers: Sequence[tuple[str, str]]) -> str:
        """Why a request that changes something does not come from our own pages; empty if it does."""
        found = dict(headers)
        if "origin" in found and _host(found["origin"].partition("://")[2]) not in self.hosts:
            return "this was sent by the page of another site"
        return "" if found.get("x-mlaround") == "1" else "the header X-Mlaround: 1 is missing"

    async def _let_in(self, send: Send) -> None:
        # No path: it is valid where the document is, under whatever prefix.
        cookie = f"{self.cookie}={self.token.decode()}; HttpOnly; SameSite=Strict"
        await _answer(send, 303, b"", "text/plain", [(b"location", b"./"), (b"set-cookie", cookie.encode())])

    async def _unknown(self, scope: Scope, send: Send) -> None:
        if scope["path"] == "/" and scope["method"] in SAFE:
            return await _answer(send, 401, SIGN_IN.encode(), "text/html; charset=utf-8")
        do = "open the address that mlaround dashboard printed, whole, with its token"
        await _refuse(send, 401, "this dashboard does not know you", do)


def _host(given: str) -> str:
    """A host without its port, in lower case."""
    host = given.lower().strip()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _dress(message: Message, path: str) -> None:
    given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
    part = given.get("content-type", "").startswith(PARTS) and not path.endswith(WORKER)
    more = {
        **HEADERS,
        **({} if part else OF_DOCUMENTS),
        "cache-control": "no-cache" if path == "/" or path.startswith("/static/") else "no-store",
    }
    message["headers"] = [
        *message["headers"],
        *((name.encode(), value.encode()) for name, value in more.items() if name not in given),
    ]


async def _body(headers: Sequence[tuple[str, str]], receive: Receive) -> bytes | None:
    """The body of a request; ``None`` if it is too large."""
    length = dict(headers).get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST:
        return None
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST:
            return None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was received already, then whatever comes after it."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _refuse(send: Send, status: int, words: str, do: str = "") -> None:
    await _answer(send, status, json.dumps({"error": words, "do": do}).encode(), "application/json")


async def _answer(
    send: Send, status: int, body: bytes, kind: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    length = str(len(body)).encode()
    head = [(b"content-type", kind.encode()), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
