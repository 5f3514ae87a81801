"""`mlaround dashboard` and `mlaround run --dashboard` as processes: what they print, where they listen, how
they end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from served_here import TOKEN, Client, served
from small_run import small_run

from workflow.dashboard import place
from workflow.dashboard.beside import start
from workflow.dashboard.place import PlaceError, address, on_path, on_port, tunnel

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "workflow.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
URL = re.compile(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)")
PATIENCE = 60.0

SLOW = """\
name: slow
simulator: {kind: sleeping}
space: {seconds: [0.05, 0.1]}
surrogate: {kind: mlp_ensemble, members: 4, folds: 2, hidden: [4], steps: 10}
steering: {kind: sobol}
training: {first: 100000}
stop: {simulations: 4000}
resources: {kind: threads, workers: 1, task_time: 0.2}
"""


@contextmanager
def going(*arguments: str, cwd: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours that prints to one pipe."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def client_of(process: subprocess.Popen[str]) -> tuple[Client, str]:
    """A client that used the printed address, and all that was printed up to it."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if found := URL.search(line):
            client = Client(int(found[1]))
            connection = HTTPConnection("127.0.0.1", client.port, timeout=PATIENCE)
            with closing(connection):
                connection.request("GET", f"/?token={found[2]}")
                answer = connection.getresponse()
                assert answer.status == 303
                client.cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
            return client, said
    raise AssertionError(said)


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def refused(client: Client) -> bool:
    try:
        client.ask("/static/app.js")
    except OSError:
        return True
    return False


def wait_until(true, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def runs(tmp_path):
    shutil.copytree(small_run(), tmp_path / "runs" / "wells-1")
    return tmp_path / "runs"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_somebody_looks(runs, number):
    with going("dashboard", str(runs), "--port", str(free_port()), cwd=runs.parent) as process:
        client, _ = client_of(process)
        assert [run["name"] for run in client.ask("/api/runs").json["runs"]] == ["wells-1"]
        seq = client.ask("/api/runs/wells-1/snapshot").json["seq"]
        with client.events(f"wells-1:{seq - 1}") as messages:
            next(messages)
            process.send_signal(number)
            assert list(messages) == []  # it said goodbye
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stdout.read()


def test_what_is_printed(runs):
    port = free_port()
    with going("dashboard", "runs", "--port", str(port), cwd=runs.parent) as process:
        client, said = client_of(process)
        assert client.port == port
        said += process.stdout.readline()
    assert re.search(rf"ssh -N -L {port}:127\.0\.0\.1:{port} \S+@{re.escape(socket.gethostname())}\n", said)


def test_a_port_that_is_taken(runs):
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "dashboard", str(runs), "--port", str(port)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 2
        assert f"port {port}" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_next_free_port_is_found(monkeypatch):
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr(place, "PORT", taken)
        with on_port(None) as found:
            assert taken < found.getsockname()[1] < taken + place.NEXT
            assert address(found, TOKEN).endswith(f"{found.getsockname()[1]}/?token={TOKEN}")
            assert found.getsockname()[0] == "127.0.0.1"


def test_a_folder_that_is_not_there_and_one_without_runs(tmp_path):
    done = subprocess.run(
        [*COMMAND, "dashboard"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 5
    assert "runs does not exist" in done.stderr
    (tmp_path / "runs").mkdir()
    with served(tmp_path / "runs") as client:
        assert client.ask("/api/runs").json["runs"] == []
        shutil.copytree(small_run(), tmp_path / "runs" / "later")
        assert [run["name"] for run in client.ask("/api/runs").json["runs"]] == ["later"]
        assert client.ask("/api/runs/later").json["name"] == "later"


def test_a_socket_that_only_its_owner_may_use(runs):
    place = Path(tempfile.mkdtemp()) / "socket"  # a socket's path may not be long
    try:
        with going("dashboard", str(runs), "--uds", str(place), cwd=runs.parent) as process:
            said = process.stdout.readline() + process.stdout.readline()
            assert f"ssh -N -L 8765:{place} " in said
            token = urlsplit(said.split()[1]).query
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
            wait_until(lambda: b" 303 " in over(place, f"/?{token}"), "it does not answer")
            with pytest.raises(PlaceError, match="another server"):
                on_path(place)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        assert not place.exists()
        with closing(socket.socket(socket.AF_UNIX)) as left:
            left.bind(str(place))
        with on_path(place) as again:  # left by one that was killed
            assert str(place) in tunnel(again)
        with pytest.raises(PlaceError, match="no socket"):
            on_path(Path("/" + 200 * "x"))
        (place.parent / "file").write_text("precious")
        with pytest.raises(PlaceError, match="no socket"):
            on_path(place.parent / "file")
        assert (place.parent / "file").read_text() == "precious"
    finally:
        shutil.rmtree(place.parent)


def over(path: Path, target: str) -> bytes:
    with closing(socket.socket(socket.AF_UNIX)) as one:
        one.settimeout(PATIENCE)
        one.connect(str(path))
        one.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost:8765\r\nConnection: close\r\n\r\n".encode())
        return one.recv(64)


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom workflow.cli import cli\n"
        "for given in (['--help'], ['dashboard', '--help'], ['run', '--help']):\n"
        "    cli.main(given, standalone_mode=False)\n"
        "bad = {'fastapi', 'uvicorn', 'starlette', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dashboard" in done.stdout


def test_a_dashboard_beside_a_run_ends_with_it_however_it_ends(tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW)
    with going("run", "slow.yaml", "--run", "runs/slow", "--dashboard", cwd=tmp_path) as process:
        client, _ = client_of(process)  # before any progress
        wait_until(lambda: (tmp_path / "runs" / "slow" / "status.json").exists(), "the run does not start")
        page = client.ask("/api/runs/slow/snapshot").json
        assert page["summary"]["status"]["state"] == "running"
        with client.events(f"slow:{page['seq']}") as messages:
            next(messages)
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
            wait_until(lambda: refused(client), "the dashboard outlives its run")


def test_a_dashboard_beside_a_run_ends_when_the_run_does(tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW.replace("4000", "8"))
    more = ("resume", "runs/slow", "--set", "stop.simulations=16", "--dashboard")
    for words in (("run", "slow.yaml", "--run", "runs/slow", "--dashboard"), more):
        with going(*words, cwd=tmp_path) as process:
            client, _ = client_of(process)
            assert process.wait(PATIENCE) == 0
            wait_until(lambda here=client: refused(here), "the dashboard outlives its run")
            assert "FINISHED" in process.stdout.read()


@pytest.fixture
def broken(tmp_path):
    """Search paths on which no server can be imported."""
    (tmp_path / "broken" / "uvicorn").mkdir(parents=True)
    (tmp_path / "broken" / "uvicorn" / "__init__.py").write_text("raise ImportError('it is broken')\n")
    return f"{tmp_path / 'broken'}{os.pathsep}{ROOT}"


def test_a_dashboard_that_cannot_start_does_no_harm(tmp_path, broken):
    (tmp_path / "slow.yaml").write_text(SLOW.replace("4000", "8"))
    arguments = ("run", "slow.yaml", "--run", "runs/slow", "--dashboard")
    with going(*arguments, cwd=tmp_path, PYTHONPATH=broken) as process:
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    assert json.loads((tmp_path / "runs" / "slow" / "status.json").read_text())["state"] == "finished"


def test_it_is_said_that_a_dashboard_could_not_start(tmp_path, broken, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", broken)
    said: list[str] = []
    with start(tmp_path / "slow", said.append) as url:
        assert URL.match(url)
        wait_until(lambda: said, "nothing is said")
    assert said == ["ImportError: it is broken"]


def test_every_address_is_relative_so_that_any_prefix_will_do(runs):
    with served(runs) as client:
        page = client.ask("/").body.decode()
        assert re.findall(r'(?:src|href)="([^"]+)"', page)
        assert not re.findall(r'(?:src|href)="(?:/|https?:)', page)
        assert client.sign_in().headers["location"] == "./"
