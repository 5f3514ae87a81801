"""Who may look at a dashboard, and what a browser may be made to do with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from served_here import TOKEN, Client, served
from small_run import small_run

from workflow.dashboard.app import build
from workflow.dashboard.context import Refusal, Runs
from workflow.dashboard.figure_routes import figure_names
from workflow.dashboard.files import confined
from workflow.dashboard.page import find_pages
from workflow.dashboard.security import PARTS

SECRET = "nobody's business"
OPEN = ("/static/app.js", "/static/assets/plotly-cartesian.min.js")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("security")
    (place / "secret.txt").write_text(SECRET)
    run = Path(shutil.copytree(small_run(), place / "runs" / "wells-1"))
    (run / "link.txt").symlink_to(place / "secret.txt")
    (run / "up").symlink_to(place)
    (run / "loop").symlink_to(run / "loop")
    (run / "page.html").write_text("<script>alert(1)</script>")
    (place / "runs" / ".hidden").mkdir()
    return place / "runs"


@pytest.fixture(scope="module")
def client(root):
    with served(root, hosts=("Proxy.example.org",)) as one:
        yield one


@pytest.fixture(scope="module")
def reader(root):
    with served(root, read_only=True) as one:
        yield one


def addresses() -> list[tuple[str, str]]:
    """Every method and path of the application, its parts filled in."""
    found = []
    for router in build(Runs(Path("nowhere")), token=TOKEN).routes:
        for route in getattr(getattr(router, "original_router", None), "routes", [router]):
            whole = route.path.replace("/runs/{name}", "/runs/{run}").replace("{run}", "wells-1")
            whole = whole.replace("{path:path}", "status.json").replace("{number}", "1")
            figures = figure_names() if "{name}" in whole else [""]
            pages = list(find_pages()) if "{page}" in whole else [""]
            paths = [whole.replace("{name}", f).replace("{page}", p) for f in figures for p in pages]
            assert not any("{" in path for path in paths), paths
            found += [
                (method, path) for method in getattr(route, "methods", None) or ("GET",) for path in paths
            ]
    return found


def test_all_routes_are_known():
    assert {path for _, path in addresses()} >= {
        "/",
        "/events",
        "/api/runs",
        "/api/runs/wells-1/snapshot",
        "/api/runs/wells-1/actions",
        "/api/runs/wells-1/predict",
        "/api/runs/wells-1/failures",
        "/api/runs/wells-1/pages/overview",
    }


@pytest.mark.parametrize(("method", "path"), [a for a in addresses() if not a[1].startswith("/static")])
def test_nothing_but_static_files_without_the_token(client, method, path):
    for cookie in ("", f"{client.cookie.partition('=')[0]}=wrong", f"other={TOKEN}", "a=b; ,;=; \x7f"):
        answer = client.ask(path, method, headers={"X-Mlaround": "1"}, cookie=cookie)
        assert answer.status == 401, cookie
        if path == "/":
            assert b"mlaround dashboard" in answer.body
            assert answer.headers["content-type"].startswith("text/html")
        else:
            assert answer.json["do"]


@pytest.mark.parametrize("path", OPEN)
def test_static_files_are_for_everybody_and_are_asked_for_again(client, path):
    answer = client.ask(path, cookie="")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache"
    again = client.ask(path, cookie="", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_token_becomes_a_cookie_and_leaves_the_address(client):
    answer = Client(client.port).sign_in()
    assert answer.status == 303
    assert answer.headers["location"] == "./"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path" not in cookie
    assert client.ask("/", cookie=f"first=1; {cookie.partition(';')[0]}; last=2").status == 200
    assert client.ask("/?token=wrong", cookie="").status == 401
    assert client.ask("/?token=%C3%A9%00&token=", cookie="").status == 400
    assert client.ask(f"/api/runs?token={TOKEN}", cookie="").status == 401


def test_two_dashboards_do_not_take_each_others_cookie():
    cookies = {build(Runs(Path("nowhere")), token=token).cookie for token in ("a" * 43, "b" * 43)}
    assert len(cookies) == 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:1", "[::2]"])
def test_a_wrong_host_is_refused_static_files_included(client, host):
    for path in ("/", "/api/runs", *OPEN):
        line = client.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {client.cookie}\r\n\r\n".encode())
        assert line.startswith(b"HTTP/1.1 400")


def test_hosts_that_are_ours(client):
    for host in (
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:9",
        "[::1]:8765",
        "proxy.example.org",
        "PROXY.example.org:80",
    ):
        assert client.ask("/api/runs", headers={"Host": host}).status == 200, host
    assert client.raw(b"GET /static/app.js HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_request_that_changes_something_comes_from_our_pages(client):
    path, asked = "/api/runs/wells-1/actions", json.dumps({"verb": "nonsense"}).encode()

    def status(**headers: str) -> int:
        return client.ask(path, "POST", asked, {"Content-Type": "application/json", **headers}).status

    assert status() == 403
    assert status(**{"X-Mlaround": "2"}) == 403
    assert status(**{"X-Mlaround": "1"}) == 400  # it reached the one who knows that there is no such verb
    assert status(**{"X-Mlaround": "1", "Origin": f"http://{client.host}"}) == 400
    assert status(**{"X-Mlaround": "1", "Origin": "https://proxy.example.org"}) == 400
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example", "file://", "http://["):
        assert status(**{"X-Mlaround": "1", "Origin": origin}) == 403, origin


def test_read_only_refuses_all_that_changes_something(reader, root):
    before = sorted((root / "wells-1" / "control").glob("*"))
    posts = [path for method, path in addresses() if method == "POST"]
    assert posts
    for path in [*posts, "/api/runs", "/nothing"]:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = reader.ask(path, method, b"{}", {"X-Mlaround": "1"})
            assert answer.status == 403
            assert "--read-only" in answer.json["error"]
    assert reader.ask("/api/runs").json["read_only"] is True
    assert sorted((root / "wells-1" / "control").glob("*")) == before


def test_headers_of_every_answer(client):
    parts = (
        "/api/runs",
        "/nothing",
        "/static/app.js",
        "/static/style.css",
        "/static/nothing",
        "/api/runs/nothing",
    )
    for path in parts:
        headers = client.ask(path).headers
        assert headers["content-type"].split(";")[0] in PARTS
        assert headers["x-content-type-options"] == "nosniff"  # so that it is never taken for a page
        assert "access-control-allow-origin" not in headers
    for path in ("/", "/static/events-worker.js", "/api/runs/wells-1/files/events.jsonl"):
        headers = client.ask(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'self'"
        assert "unsafe-inline" not in policy["style-src-elem"]
        assert "script-src" not in policy  # as default-src: no inline script, no eval
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
    unknown = client.ask("/", cookie="")
    assert (unknown.status, "content-security-policy" in unknown.headers) == (401, True)
    assert client.ask("/api/runs").headers["cache-control"] == "no-store"


def test_bodies_and_addresses_have_a_limit(client):
    path, header = "/api/runs/wells-1/actions", {"X-Mlaround": "1", "Content-Type": "application/json"}
    large = json.dumps({"verb": "x" * 70_000}).encode()
    assert client.ask(path, "POST", large, header).status == 413
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {client.cookie}\r\nX-Mlaround: 1\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert client.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk).startswith(
        b"HTTP/1.1 413"
    )
    assert client.raw(head.encode() + b"Content-Length: 99999999\r\n\r\n").startswith(b"HTTP/1.1 413")
    assert client.ask("/api/runs/wells-1/predict?" + "a" * 10_000).status == 414
    assert client.ask("/" + "a" * 10_000).status == 414


@pytest.mark.parametrize(
    "path",
    [
        "../../secret.txt",
        "..%2f..%2fsecret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "....//....//secret.txt",
        "..%5c..%5csecret.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "link.txt",
        "up/secret.txt",
        "loop",
        "results",
        "",
        ".",
        "status.json/x",
        "a" * 5000,
        "%ff%fe",
        "nothing",
    ],
)
def test_files_outside_the_run_are_not_there(client, path):
    answer = client.ask(f"/api/runs/wells-1/files/{path}")
    assert answer.status == 404
    assert SECRET.encode() not in answer.body


def test_files_are_attachments_whatever_is_in_them(client):
    answer = client.ask("/api/runs/wells-1/files/page.html")
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert client.ask("/api/runs/wells-1/files/results/000/task-000000.h5").body[1:4] == b"HDF"


def test_links_within_a_run_may_be_followed(tmp_path):
    (tmp_path / "there").write_text("x")
    (tmp_path / "here").symlink_to("there")
    assert confined(tmp_path, "here") == tmp_path.resolve() / "there"
    with pytest.raises(Refusal):
        confined(tmp_path, "a\0b")


@pytest.mark.parametrize(
    "name", ["..", ".", ".hidden", "%2e%2e", "..%2fruns", "wells-1%2f..", "a%00", "%0a", "a" * 300]
)
def test_only_run_folders_are_runs(client, name):
    assert client.ask(f"/api/runs/{name}/snapshot").status in (400, 404)


def test_a_single_run_is_all_that_is_shown(root):
    shutil.copytree(root / "wells-1", root / "wells-2", symlinks=True)
    with served(root / "wells-2") as one:
        assert [run["name"] for run in one.ask("/api/runs").json["runs"]] == ["wells-2"]
        assert one.ask("/api/runs/wells-1/snapshot").status == 404
        assert one.ask("/api/runs/wells-2/snapshot").status == 200
