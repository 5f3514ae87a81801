"""The dashboard as a process of its own, and what may stand between it and a browser."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 120.0
"""Seconds for whatever takes one or two: machines are busy at times."""

URL = re.compile(r"http://127\.0\.0\.1:\d+/\S*")


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Process:
    """A command of ours that prints the dashboard's address.

    Args:
        arguments: of ``mlaround``.
        folder: where it runs.
    """

    def __init__(self, *arguments: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workflow.cli", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._address()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def _address(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(queue.Empty):
                line = self._lines.get(timeout=0.2)
                if line is None:
                    self.end()
                    raise RuntimeError(f"no address was printed:\n{self.said}")
                self.said += line
                found = URL.search(line)
                if found:
                    return found[0]
            if time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"no address within {PATIENCE:g} s:\n{self.said}")

    def terminate(self) -> float:
        """SIGTERM; returns the seconds until it was gone."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - start

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(PATIENCE)

    def cpu_seconds(self) -> float:
        """Processor time that it has used, all of its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


@contextmanager
def dashboard(folder: Path, *options: str) -> Iterator[Process]:
    """`mlaround dashboard` on a run folder, or a folder of them."""
    process = Process("dashboard", str(folder), "--port", str(free_port()), *options, folder=folder)
    try:
        yield process
    finally:
        process.end()


class Proxy:
    """A small reverse proxy on a port of its own: takes a prefix off, passes answers on as they come.

    Args:
        url: of the dashboard, token included.
        prefix: what paths begin with here, such as ``/proxy/8765``; empty for none.
        port: to listen to; a free one if not given.
    """

    def __init__(self, url: str, prefix: str = "", port: int = 0) -> None:
        target = urlsplit(url)
        assert target.hostname
        assert target.port
        proxy = self
        self.sent: Counter[str] = Counter()
        """Bytes of answers by path, as they went over the wire, without their heads."""
        self.heads = 0
        """Bytes of the heads of all answers."""
        self.strayed: list[str] = []
        """Requests for something outside the prefix."""
        self._open: set[socket.socket] = set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                return

            def do_GET(self) -> None:
                self.close_connection = True
                if not self.path.startswith(prefix + "/"):
                    proxy.strayed.append(self.path)
                    self.send_error(404)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                upstream = HTTPConnection(target.hostname or "", target.port)
                proxy._open.add(self.connection)
                with closing(upstream), suppress(OSError):  # either side may go away at any time
                    upstream.request(self.command, self.path[len(prefix) :], body, dict(self.headers))
                    answer = upstream.getresponse()
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                            self.send_header(name, value)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    path = urlsplit(self.path).path
                    proxy.heads += sum(len(k) + len(v) + 4 for k, v in answer.getheaders())
                    while part := answer.read1(65536):
                        proxy.sent[path] += len(part)
                        self.wfile.write(part)
                        self.wfile.flush()
                proxy._open.discard(self.connection)

            do_POST = do_GET  # noqa: N815

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # a browser asks for all modules at once
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        rest = f"{target.path}?{target.query}" if target.query else target.path
        self.url = f"http://127.0.0.1:{self.port}{prefix}{rest}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def passed(self) -> int:
        """Bytes of all answers so far, heads included."""
        return self.sent.total() + self.heads

    def close(self) -> None:
        """Stop, and cut what is under way."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
