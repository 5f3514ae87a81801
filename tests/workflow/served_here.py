"""The dashboard's server on a thread of this process, and requests to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from workflow.dashboard.context import Runs
from workflow.dashboard.place import on_port
from workflow.dashboard.server import serve

TOKEN = "tok-en_" + "x" * 36
PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Asks a server; with its cookie unless told otherwise."""

    port: int
    cookie: str = ""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def sign_in(self) -> Answer:
        answer = self.ask(f"/?token={TOKEN}", cookie="")
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        cookie: str | None = None,
    ) -> Answer:
        given = {"Cookie": self.cookie if cookie is None else cookie, **(headers or {})}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {k: v for k, v in given.items() if v})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def post(self, path: str, data: Any, **headers: str) -> Answer:
        given = {"Content-Type": "application/json", "X-Mlaround": "1", **headers}
        return self.ask(path, "POST", json.dumps(data).encode(), given)

    def raw(self, request: bytes) -> bytes:
        """The first line of the answer to what no client would send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as one:
            one.sendall(request)
            with one.makefile("rb") as answer:
                return answer.readline()

    @contextmanager
    def events(self, *since: str, headers: dict[str, str] | None = None) -> Iterator[Iterator[Any]]:
        """The messages of a stream as they come; for ``: ...`` the text."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        query = "&".join(f"since={one}" for one in since)
        connection.request("GET", f"/events?{query}", headers={"Cookie": self.cookie, **(headers or {})})
        answer = connection.getresponse()
        assert answer.status == 200

        def messages() -> Iterator[Any]:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

        try:
            yield messages()
        finally:
            answer.close()
            connection.close()


@contextmanager
def served(path: Path, *, read_only: bool = False, hosts: tuple[str, ...] = ()) -> Iterator[Client]:
    """A dashboard on a run folder, or a folder of them, and somebody who knows its token."""
    with on_port(0) as listener:
        over = threading.Event()
        server = threading.Thread(
            target=serve,
            args=(Runs.at(path), listener),
            kwargs={"token": TOKEN, "read_only": read_only, "hosts": hosts, "until": over},
        )
        server.start()
        try:
            client = Client(listener.getsockname()[1])
            client.sign_in()
            yield client
        finally:
            over.set()
            server.join(PATIENCE)
            assert not server.is_alive()
