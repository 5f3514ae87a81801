"""Whatever is asked, and whatever is wrong with a run folder, the dashboard answers in words."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from served_here import Client, served
from small_run import small_run
from test_dashboard_security import addresses

NAMES = (
    "wells-1",
    "nothing",
    "..",
    "%2e%2e%2f",
    "%00",
    "%ff",
    "%F0%9F%92%A5",
    "a" * 2000,
    "-1",
    "1e400",
    "%25s%25n",
    "{}",
    "'%22%3Cscript%3E",
    "%0d%0aX:%20y",
    "99999999999999999999999",
    "NaN",
    "wells-1;x",
)
"""What may stand in an address where a name or a number should."""

QUERIES = (
    "",
    "after=wells-1:1&since=wells-1:1&verb=kill&arguments={%22tasks%22:[1]}",
    "after=&since=&verb=&arguments=&version=&shape=&sort=&limit=&offset=&state=&reason=&task=&round=",
    "after=%ff&since=%ff&verb=%ff&arguments=%ff&version=%ff&shape=%ff&sort=%ff&limit=%ff&stiffness=%ff",
    "after=-1&since=:&verb=budget&arguments=[]&version=-1&limit=-1&offset=-1&task=-1&round=-1&stiffness=-1",
    "limit=1e9&offset=99999999999999999999&task=99999999999999999999&version=99999999999999999999&verb=stop",
    "stiffness=nan&temperature=inf&spread.stiffness=-1&version=1&shape=gaussian",
    "stiffness=1e308&temperature=1e308&spread.stiffness=1e308&shape=uniform",
    "stiffness=3:2&sort=-nothing&state=nothing&reason=%22&arguments={%22simulations%22:1e999}&verb=budget",
    "arguments=" + "[" * 3000 + "&verb=kill&sort=" + "-" * 500,
    "arguments={%22tasks%22:[99999999999999999999999]}&verb=kill&option=nothing&x=1&y=2",
    "verb=retry&arguments={%22simulations%22:[-1,1e99,null,%22%22]}&bins=-1&output=nothing&simulation=-5",
    "&".join(f"a{k}=1" for k in range(800)),
    "&".join("stiffness=1:2" for _ in range(400)),
    "%",
    "=&=&&",
    "&".join(
        f"{name}={'9' * 1200}" for name in ("version", "limit", "offset", "task", "stiffness", "temperature")
    ),
    "\xe9".encode("latin-1").decode("latin-1").replace("\xe9", "%E9"),
)

BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"verb": 1}',
    b'{"verb": "kill"}',
    b'{"verb": "kill", "arguments": {"tasks": ["x"]}}',
    b'{"verb": "kill", "arguments": {"tasks": [99999999999999999999999]}}',
    b'{"verb": "budget", "arguments": {"simulations": 1e400}}',
    b'{"verb": "promote", "arguments": {"model": -1}}',
    b'{"verb": "simulate", "arguments": {"inputs": {"stiffness": "3 furlong"}}}',
    b'{"verb": "simulate", "arguments": {"inputs": {"stiffness": NaN}}}',
    b'{"verb": "stop", "arguments": {"now": "maybe"}, "more": 1}',
    b'{"verb": "retry", "arguments": {"simulations": "\\u0000\\ud800"}}',
    b'{"verb": "' + b"x" * 60_000 + b'"}',
    b'{"verb": "kill", "arguments": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b'{"verb": "kill", "arguments": ' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b"}",
    b"\xff\xfe\x00",
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz") / "runs"
    shutil.copytree(small_run(), root / "wells-1")
    with served(root) as one:
        yield one


def check(client: Client, path: str, method: str = "GET", body: bytes | None = None) -> int:
    """Ask, and see that the answer is none of a server that broke."""
    headers = {"X-Mlaround": "1", "Content-Type": "application/json"}
    answer = client.ask(path, method, body, headers)
    said = answer.body[:2000]
    assert answer.status < 500, (path[:300], said)
    assert b"Traceback" not in said
    if answer.status >= 400 and not path.startswith("/static") and method != "HEAD":
        assert answer.json["error"], path[:300]
        assert len(answer.json["error"]) < 3000
    return answer.status


def reads() -> list[str]:
    """What can be read at once; a stream does not end."""
    return sorted({path for method, path in addresses() if method == "GET" and path != "/events"})


@pytest.mark.parametrize("path", reads())
def test_whatever_is_asked_in_a_query(client, path):
    statuses = [check(client, f"{path}?{query}") for query in QUERIES]
    assert set(statuses) <= {200, 304, 400, 404, 409, 414}


@pytest.mark.parametrize("name", NAMES)
def test_whatever_stands_for_a_name_or_a_number(client, name):
    for path in {p for _, p in addresses()} - {"/", "/changes", "/events", "/api/runs"}:
        parts = path.split("/")
        for k in range(2, len(parts)):
            # In place of a part that is fixed it leads nowhere, which is as good a question.
            check(client, "/".join([*parts[:k], name, *parts[k + 1 :]]))
    check(client, f"/changes?after={name}:1")
    check(client, f"/events?since={name}")


@pytest.mark.parametrize("path", reads())
def test_methods_that_an_address_does_not_take(client, path):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"):
        assert check(client, path, method, b"{}") in (200, 400, 404, 405, 422)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_whatever_is_sent(client, body):
    before = sorted(Path(client.ask("/api/runs").json["root"], "wells-1", "control").iterdir())
    assert check(client, "/api/runs/wells-1/actions", "POST", body) in (400, 404, 409, 413)
    assert sorted(Path(client.ask("/api/runs").json["root"], "wells-1", "control").iterdir()) == before


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /api/runs/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/runs/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil.example/api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: \xff=\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/../../app.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/assets/..%2f..%2fevents.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/" + b"a" * 4000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?token=%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_no_browser_would_send(client, request_):
    line = client.raw(request_)
    assert line.split()[1] in (b"400", b"401", b"404"), line


def test_whatever_programs_said_when_they_failed(tmp_path):
    run = tmp_path / "runs" / "wells-1"
    shutil.copytree(small_run(), run)
    events = run / "events.jsonl"
    said = json.dumps(["\ud800\x00</script>", "\udcff" + 100_000 * "x" + "\u2028\r\n\n"])
    text = events.read_text()
    odd = re.sub(r'"failed":\{"(\d)":\[[^]]*\]', lambda found: f'"failed":{{"{found[1]}":{said}', text)
    assert odd != text
    events.write_text(odd)
    with served(run.parent) as client:
        for path in reads():
            assert check(client, path) != 409, client.ask(path).body
        seq = client.ask("/api/runs/wells-1/snapshot").json["seq"]
        with client.events(f"wells-1:{seq - 1}") as messages:
            assert next(messages)["resync"]


def files() -> list[str]:
    """Of each kind of file of a run one, and a model whole."""
    root, found, kinds = small_run(), [], set()
    for path in sorted(root.rglob("*")):
        kind = (
            path.parent.name if path.parent.parent.name == "results" else str(path.parent),
            path.suffix,
            path.stem,
        )
        kind = ("result",) if path.suffix == ".h5" else kind
        if path.is_file() and kind not in kinds:
            kinds.add(kind)
            found.append(str(path.relative_to(root)))
    return found


@pytest.mark.parametrize("name", files())
def test_a_damaged_file_is_said_or_does_not_matter(tmp_path, name):
    run = tmp_path / "runs" / "wells-1"
    shutil.copytree(small_run(), run)
    whole = (run / name).read_bytes()
    damages = [
        *(whole[:size] for size in (0, len(whole) // 2, len(whole) - 2)),
        b"\xff" + whole[1:],
        None,
        whole,
    ]
    figures = [path for path in reads() if "/figures/" in path]
    others = [
        path for path in reads() if path not in figures and not path.startswith(("/static", "/changes"))
    ]
    with served(run.parent) as client:
        for k, damage in enumerate(damages):
            if damage is None:
                (run / name).unlink()
            else:
                (run / name).write_bytes(damage)
            for path in [*others, *figures[k :: len(damages)]]:
                check(client, path)
            check(client, "/api/runs/wells-1/predict?stiffness=3&temperature=1")
        # Whole again, it is as it was.
        assert client.ask("/api/runs/wells-1").status == 200
        assert client.ask("/api/runs/wells-1/simulations").json["total"] == 48
        assert client.ask("/api/runs/wells-1/predict?stiffness=3&temperature=1").status == 200
