"""What a dashboard tells of a run that goes on: snapshots, changes, and what is wrong with its files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from served_here import served

from workflow.dashboard import followed as watching
from workflow.dashboard.followed import SCALE, Followed
from workflow.events import EventWriter
from workflow.folder import RunFolder, process_start

PATIENCE = 60.0
MODEL = {"cpu": 1.0, "held_out": 30, "standing": None, "comparison": None, "lookup_seconds": 1e-4}


class Going:
    """A run whose log a test writes."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        for folder in (path, self.folder.control, path / "running"):
            folder.mkdir(parents=True)
        self.folder.resolved.write_text("name: going\nstop: {simulations: 400}\n")
        self.folder.events.touch()
        self.log = EventWriter(self.folder.events, 0)
        self.tasks: list[int] = []  # sizes
        self.models = 0

    def start(self) -> None:
        me = {"pid": os.getpid(), "host": os.uname().nodename, "started": process_start(os.getpid())}
        self.folder.controller.write_text(json.dumps(me))
        self.log.append("run_started", run="going", version="0", host="here", pid=1, workers=2, resumed=False)

    def stop(self, state: str) -> None:
        self.folder.controller.unlink(missing_ok=True)
        self.log.append("run_stopped", state=state, reason="told so")

    def propose(self, size: int) -> int:
        first, task = sum(self.tasks), len(self.tasks)
        rows = [[float(first + k)] for k in range(size)]
        self.log.append("task_proposed", task=task, first=first, inputs=rows, held_out=[0] * size, model=None)
        self.tasks.append(size)
        return task

    def run(self, task: int, worker: str) -> None:
        marker = {"task": task, "pid": os.getpid(), "host": os.uname().nodename, "worker": worker}
        marker |= {"started": time.time(), "process_started": process_start(os.getpid())}
        (self.folder.path / "running" / f"task-{task:06d}.json").write_text(json.dumps(marker))

    def done(self, task: int, worker: str, failed: int = 0, lost: int = 0, x: float = 1.0) -> None:
        self.leave(task)
        size, now = self.tasks[task], time.time()
        failed = min(failed, size)
        means = [x] * (size - min(lost, size))
        self.log.append(
            "task_done",
            task=task,
            worker=worker,
            started=now - 0.5,
            ended=now,
            cpu=0.4,
            file="",
            wall_seconds=[0.1] * size,
            cpu_seconds=[0.1] * size,
            scalars={"x": [means, [0.1] * len(means)]},
            failed={str(k): ["broke", "it broke"] for k in range(failed)},
        )

    def leave(self, task: int) -> None:
        with suppress(FileNotFoundError):
            (self.folder.path / "running" / f"task-{task:06d}.json").unlink()

    def train(self, *, promoted: bool, coverage: float = 0.95, rmse: float = 0.0) -> None:
        self.models += 1
        self.log.append("training_started", model=self.models, simulations=10)
        overall = {"success": 0.9, "coverage": coverage, "median_relative_error": 0.01, "rms_z": 1.0}
        scores = {"n": 30, "overall": overall, "targets": {"x": {**overall, "rmse": rmse}}}
        times = {"started": time.time() - 2, "ended": time.time()}
        fields = {"model": self.models, "simulations": 10, "promoted": promoted, **times}
        self.log.append("model_trained", scores=scores, **MODEL, **fields)


@pytest.fixture
def going(tmp_path):
    run = Going(tmp_path / "runs" / "going")
    run.start()
    for _ in range(40):
        run.propose(2)
    run.log.commit()
    yield run
    run.log.close()


class Page:
    """A run as a page knows it: a snapshot, and the messages since."""

    def __init__(self, text: str) -> None:
        data = json.loads(text)
        self.seq, self.workers, self.summary = data["seq"], data["workers"], data["summary"]
        columns = data["tasks"]
        self.tasks: dict[int, tuple[Any, ...]] = {}
        start = 0
        for k, state in enumerate(columns["state"]):
            start += columns["start"][k]
            self.tasks[k] = self._task(int(state), columns["worker"][k], start, columns["length"][k])

    def take(self, text: str) -> None:
        message = json.loads(text)
        assert "resync" not in message
        assert message["from"] <= self.seq
        if message["to"] <= self.seq:
            return
        self.seq, self.workers = message["to"], message.get("workers", self.workers)
        self.summary |= message["summary"]
        columns = message["tasks"]
        for row in zip(*(columns[key] for key in ("id", "state", "worker", "start", "length")), strict=True):
            self.tasks[row[0]] = self._task(*row[1:])

    def _task(self, state: int, worker: int, start: int, length: int) -> tuple[Any, ...]:
        return state, None if worker < 0 else self.workers[worker], start, length


def look(one: Followed) -> Page:
    return Page(one.snapshot()[1])


def drawn(random: Random) -> list[tuple[Any, ...]]:
    """What happens to a run, in an order that nobody would think of."""
    names = {"propose": 2, "run": 4, "leave": 2, "done": 4, "retried": 1, "failed": 1, "train": 1}
    names |= {"controller": 1, "unknown": 1, "look": 6, "page": 1}
    steps: list[tuple[Any, ...]] = []
    for name in random.choices(list(names), list(names.values()), k=120):
        values: list[Any] = [random.randrange(8)]
        if name == "propose":
            values = [random.randint(1, 4)]
        elif name == "done":
            values += [random.choice([0, 0, 1, 4]), random.choice([0, 0, 0, 1, 2])]
        elif name == "train":
            values = [random.random() < 0.5]
        elif name == "controller":
            values = [random.choice(["finished", "stopped", "failed", "dies"])]
        steps.append((name, *values))
    return steps


def step(run: Going, name: str, *given: Any) -> None:
    """One thing that happens to a run."""
    task = given[0] % max(1, len(run.tasks)) if given and isinstance(given[0], int) else 0
    worker = f"worker-{task % 3}"
    if name == "propose":
        run.propose(given[0])
    elif name == "controller":
        if given[0] == "dies" or not run.folder.controller.exists():
            run.folder.controller.unlink(missing_ok=True)
            if given[0] != "dies":
                run.start()
        else:
            run.stop(given[0])
    elif name == "train":
        run.train(promoted=given[0])
    elif name == "unknown":
        run.log.append("something_new", task=3)
    elif run.tasks and name == "run":
        run.run(task, worker)
    elif run.tasks and name == "leave":
        run.leave(task)
    elif run.tasks and name == "done":
        run.done(task, worker, given[1], given[2])
    elif run.tasks and name == "retried":
        run.log.append("task_retried", task=task, attempt=1, reason="lost")
    elif run.tasks and name == "failed":
        run.log.append("task_failed", task=task, reason="worker lost", message="gone")
    run.log.commit()


@pytest.mark.parametrize("seed", range(30))
def test_whoever_took_all_messages_knows_what_a_new_reader_is_told(seed):
    steps = drawn(Random(seed))
    with tempfile.TemporaryDirectory() as place:
        run = Going(Path(place) / "run")
        run.start()
        run.log.commit()
        mine = Followed(run.folder)
        mine.look()
        mine._thread = object()  # type: ignore[assignment]  # nobody looks but this test
        begin = mine.snapshot()[1]
        pages = [Page(begin)]
        for one in [*steps, ("look",)]:
            if one[0] == "look":
                mine.look()
                for page in pages:
                    for text in mine.messages(round(page.seq * SCALE))[0]:
                        page.take(text)
            elif one[0] == "page":
                begin = mine.snapshot()[1]
                pages.append(Page(begin))
            else:
                step(run, *one)
        late = Page(begin)
        late.take(mine.changes(round(late.seq * SCALE)))
        theirs = Followed(run.folder)
        theirs.look()
        theirs._thread = object()  # type: ignore[assignment]
        fresh = look(theirs)
        for page in [*pages, late]:
            assert page.tasks == fresh.tasks
            assert page.summary == fresh.summary
            assert page.seq == mine.seq / SCALE
        run.log.close()


def test_task_states(going):
    one = Followed(going.folder)
    for task, (failed, lost) in enumerate([(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1)]):
        going.done(task, "worker-0", failed, lost)
    going.run(6, "worker-1")
    going.log.append("task_failed", task=7, reason="worker lost", message="gone")
    ran = {"worker": "worker-1", "started": time.time() - 3.0, "ended": time.time()}
    going.log.append("task_failed", task=9, reason="killed", message="by ada", **ran)
    going.log.commit()
    page = look(one)
    assert page.tasks[7][1:] == (None, -1, -1)
    assert page.tasks[9][0] == 4
    assert page.tasks[9][1] == "worker-1"
    assert page.tasks[9][3] == 300
    assert [page.tasks[k][0] for k in range(9)] == [2, 3, 4, 3, 5, 4, 1, 4, 0]
    assert page.tasks[6][1] == "worker-1"
    assert page.summary["running"][0]["task"] == 6
    assert page.summary["status"]["simulations"]["running"] == 2
    going.log.append("task_retried", task=1, attempt=1, reason="its file is missing")
    going.stop("finished")
    going.log.commit()
    one.look()
    page = look(one)
    one.close()
    assert [page.tasks[k][0] for k in (1, 6, 8)] == [5, 5, 5]
    assert page.summary["running"] == []
    assert page.summary["status"]["state"] == "finished"


def test_what_runs_is_looked_at_whenever_something_happened(going):
    one = Followed(going.folder)
    one._thread = object()  # type: ignore[assignment]  # nobody looks but this test
    for task in range(2):
        going.run(task, f"worker-{task}")
    one.look()
    for task in range(2, 6):
        going.done(task - 2, f"worker-{task % 2}")
        going.run(task, f"worker-{task % 2}")
        going.log.commit()
        one.look(thorough=False)
        page = look(one)
        assert {entry["task"] for entry in page.summary["running"]} == {task - 1, task}
        assert page.summary["status"]["simulations"]["running"] == 4


def test_a_number_of_another_reading_of_the_log_is_told_to_begin_anew(going):
    mine, theirs = Followed(going.folder), Followed(going.folder)
    seq, _ = mine.snapshot()
    other, _ = theirs.snapshot()
    assert json.loads(mine.changes(seq))["to"] == seq / SCALE
    for wrong in (other, seq + 1, seq + SCALE, -SCALE, 0):
        assert json.loads(mine.changes(wrong)) == {"run": "going", "resync": True}
    mine.close(), theirs.close()


def test_who_lacks_most_of_a_run_is_told_to_begin_anew(going):
    one = Followed(going.folder)
    seq, _ = one.snapshot()
    for _ in range(200):
        going.propose(1)
    going.log.commit()
    one.look()
    one.close()
    assert json.loads(one.changes(seq)) == {"run": "going", "resync": True}


def test_a_run_that_begins_while_it_is_looked_at(tmp_path):
    run = Going(tmp_path / "run")
    one = Followed(run.folder)
    seq, text = one.snapshot()
    assert json.loads(text)["origin"] is None
    run.start()
    run.propose(1)
    run.log.commit()
    one.look()
    one.close()
    assert json.loads(one.changes(seq)) == {"run": "run", "resync": True}
    assert json.loads(one.snapshot()[1])["origin"] is not None


def errors(one: Followed) -> list[str]:
    alerts = json.loads(one.snapshot()[1])["summary"]["alerts"]
    return [alert["text"] for alert in alerts if alert["level"] == "error"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (b'{"seq": 99, "t": 1, "event": "task_done"}\n', "damaged"),
        (b"no json\nmore\n", "damaged"),
        (b"\xff\xfe\n\x00\x00\n", "damaged"),
        (b'{"seq": %d, "t": 1.0, "event": "task_done", "task": 123456789}\n', "makes no sense"),
        (b'{"seq": %d, "t": 1.0, "event": "task_proposed", "task": -5}\n', "makes no sense"),
        (b'{"seq": %d, "t": null, "event": "task_done"}\n', "makes no sense"),
        (b'{"seq": %d}\n{"seq": %d}\n', "makes no sense"),
        (b"[1]\n[2]\n", "damaged"),
    ],
)
def test_a_damaged_log_is_said_and_what_came_before_is_shown(going, damage, words):
    one = Followed(going.folder)
    with going.folder.events.open("ab") as file:
        file.write(damage.replace(b"%d", str(going.log.seq).encode()))
    assert words in errors(one)[0]
    assert len(look(one).tasks) == 40
    one.look()
    one.close()
    assert len(errors(one)) == 1


def test_a_log_that_goes_is_cut_or_replaced(going):
    one = Followed(going.folder)
    assert errors(one) == []
    text = going.folder.events.read_bytes()
    going.folder.events.unlink()
    one.look()
    assert "not there any more" in errors(one)[0]
    going.folder.events.write_bytes(b"".join(text.splitlines(keepends=True)[:21]))
    one.look()
    assert "cut or replaced" in errors(one)[0]
    assert len(look(one).tasks) == 20
    seq, _ = one.snapshot()
    os.truncate(going.folder.events, 10)
    one.look()
    assert look(one).tasks == {}
    assert json.loads(one.changes(seq))["resync"]
    shutil.rmtree(going.folder.path)
    one.look()
    assert "not there any more" in errors(one)[1]
    one.close()


def test_a_torn_line_is_waited_for(going):
    one = Followed(going.folder)
    one.snapshot()
    with going.folder.events.open("ab") as file:
        file.write(b'{"seq":41,"t":1')
        file.flush()
        one.look()
        file.write(b'.0,"event":"training_started","model":1,"simulations":3}\n')
    one.look()
    one.close()
    assert errors(one) == []
    assert look(one).summary["training"] == 1


def test_the_death_of_a_controller_is_noticed_without_an_event(going):
    one = Followed(going.folder)
    page = look(one)
    assert page.summary["status"]["state"] == "running"
    going.folder.controller.unlink()
    one.look()
    for text in one.messages(round(page.seq * SCALE))[0]:
        page.take(text)
    one.close()
    assert page.summary["status"]["state"] == "interrupted"
    assert "mlaround resume" in page.summary["alerts"][0]["text"]


def test_alerts_are_made_only_of_what_is_so(going):
    one = Followed(going.folder)
    for task in range(20):
        going.done(task, "worker-0")
    going.train(promoted=True)
    going.log.commit()
    one.look()
    assert look(one).summary["alerts"] == []
    for task in range(20, 24):
        going.done(task, "worker-0", failed=2)
    going.train(promoted=True, coverage=0.7)
    going.log.commit()
    one.look()
    page = look(one)
    failures, bars = page.summary["alerts"]
    assert failures["text"].startswith("8 of 48 simulations failed (17 %), all of them with: broke")
    assert (failures["page"], failures["query"]) == ("tasks", {"state": "failed", "reason": "broke"})
    assert "v0002" in bars["text"]
    assert "70 %" in bars["text"]
    assert bars["page"] == "surrogate"
    one.close()
    assert [model["in_use"] for model in page.summary["models"]] == [False, True]
    assert len(page.summary["speedup"]["points"]) == 3  # at each model, and now


def test_a_model_that_predicts_nothing_is_said_to(going):
    for task in range(20):
        going.done(task, "worker-0", x=float(task))
    going.log.commit()
    one = Followed(going.folder)
    spread = float(np.std(np.arange(20.0)))
    for rmse, said in ((0.9 * spread, []), (1.1 * spread, ["v0002"])):
        going.train(promoted=True, rmse=rmse)
        going.log.commit()
        one.look()
        texts = [alert["text"] for alert in look(one).summary["alerts"]]
        assert len(texts) == len(said)
        assert all(word in text for word, text in zip(said, texts, strict=True))
    one.close()
    assert f"rms error {1.1 * spread:.3g}, while simulations differ by {spread:.3g}" in texts[0]


def test_the_end_is_foreseen_from_the_latest_pace(going, monkeypatch):
    one = Followed(going.folder)
    begin = time.time()
    for task in range(33):
        monkeypatch.setattr(time, "time", lambda task=task: begin + 3.0 * task)
        going.done(task, "worker-0")
    monkeypatch.undo()
    going.log.commit()
    one.look()
    eta = look(one).summary["eta"]
    one.close()
    assert eta["seconds"] == pytest.approx((400 - 66) * 1.5)
    assert eta["spread"] == pytest.approx(0, abs=1e-3)


# Over HTTP.


@pytest.fixture
def client(going):
    with served(going.folder.path.parent) as one:
        yield one


def test_changes_come_by_stream_and_by_asking(client, going):
    page = Page(client.ask("/api/runs/going/snapshot").body.decode())
    polled = Page(
        client.ask("/api/runs/going/snapshot", headers={"Accept-Encoding": "identity"}).body.decode()
    )
    with client.events(f"going:{page.seq}") as messages, client.events(f"going:{page.seq}") as others:
        for task in range(5):
            going.done(task, "worker-0", failed=task % 2)
            going.log.commit()
        while page.tasks[4][0] < 2:
            page.take(json.dumps(next(messages)))
        late = Page(client.ask("/api/runs/going/snapshot").body.decode())
        assert late.tasks == page.tasks
        assert late.summary == page.summary
        while polled.tasks[4][0] < 2:
            polled.take(json.dumps(next(others)))
    answer = client.ask(f"/changes?after=going:{polled.seq}&after=going:{polled.seq}").json
    assert [message["to"] for message in answer["messages"]] == [polled.seq, polled.seq]
    for wrong in ("", "going", "going:", "going:x", "going:1e9", "going:nan", ":1", "going:" + "9" * 40):
        assert client.ask(f"/changes?after={wrong}").status in (400, 404), wrong
        assert client.ask(f"/events?since={wrong}").status in (400, 404), wrong
    assert client.ask("/events").status == 400


def test_a_connection_that_is_taken_up_again_misses_nothing(client, going):
    page = Page(client.ask("/api/runs/going/snapshot").body.decode())
    begin = page.seq
    with client.events(f"going:{page.seq}") as messages:
        going.done(0, "worker-0")
        going.log.commit()
        page.take(json.dumps(next(messages)))
    for task in range(1, 4):
        going.done(task, "worker-1")
        going.log.commit()
    with client.events(f"going:{begin}", headers={"Last-Event-ID": f"going:{page.seq}"}) as messages:
        while page.tasks[3][0] != 2:
            message = next(messages)
            assert message["from"] >= begin
            assert 0 not in message["tasks"]["id"]
            page.take(json.dumps(message))


def test_a_stream_of_another_server_is_told_to_begin_anew(client, going):
    with client.events("going:17.5") as messages:
        assert next(messages) == {"run": "going", "resync": True}
        page = Page(client.ask("/api/runs/going/snapshot").body.decode())
        going.done(0, "worker-0")
        going.log.commit()
        while page.tasks[0][0] != 2:
            page.take(json.dumps(next(messages)))


def test_a_run_that_vanishes_leaves_the_server_alive(client, going):
    page = Page(client.ask("/api/runs/going/snapshot").body.decode())
    with client.events(f"going:{page.seq}") as messages:
        shutil.rmtree(going.folder.path)
        while not any("not there any more" in alert["text"] for alert in page.summary["alerts"]):
            page.take(json.dumps(next(messages)))
    assert client.ask("/api/runs").json["runs"] == []
    assert client.ask("/api/runs/going/snapshot").status == 404


def test_the_stream_is_not_packed_and_snapshots_are(client):
    answer = client.ask("/api/runs/going/snapshot", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (
        client.ask("/static/app.js", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"]
        == "gzip"
    )
    with client.events("going:1", headers={"Accept-Encoding": "gzip"}) as messages:
        assert next(messages)["resync"]


def test_a_run_is_followed_only_while_somebody_looks(going, monkeypatch):
    monkeypatch.setattr(watching, "UNWATCHED", 0.0)
    monkeypatch.setattr(watching, "AROUND", 0.0)
    one = Followed(going.folder)
    seq, _ = one.snapshot()
    deadline = time.monotonic() + PATIENCE
    while one._thread is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    monkeypatch.setattr(watching, "UNWATCHED", PATIENCE)
    assert json.loads(one.changes(seq))["resync"]  # it had forgotten all
    assert one._thread is not None
    one.close()
