from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from served_here import served
from small_run import small_run

from workflow import open_run
from workflow.dashboard.simulation_detail import command, detail
from workflow.dashboard.simulation_table import STATES, QueryError, SimulationTable
from workflow.record import State


@pytest.fixture(scope="module")
def run():
    return open_run(small_run())


@pytest.fixture
def table(run):
    return SimulationTable(run)


def cells(table, page, key):
    (column,) = (column for column in table.columns if column.key == key)
    return column.plain(page.rows)


def test_a_page_has_every_column_with_its_unit(run, table):
    assert [column.key for column in table.columns] == [
        *("simulation", "task", "stiffness", "temperature", "mean_square", "mean_square_stderr"),
        *("state", "wall_seconds", "worker", "held_out", "asked", "model", "failure"),
    ]
    page = table.page({"limit": "5", "offset": "10"})
    assert page.total == run.record.replicas
    assert cells(table, page, "simulation") == [10, 11, 12, 13, 14]
    assert cells(table, page, "stiffness") == run.record.inputs[10:15, 0].tolist()
    assert {column.key: column.unit for column in table.columns}["wall_seconds"] == "s"


@pytest.mark.parametrize(
    "key", ["stiffness", "mean_square", "wall_seconds", "state", "worker", "failure", "model"]
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_of_any_order_are_parts_of_one_whole(table, key, sign):
    whole = table.rows({"sort": sign + key})
    pages = [
        table.page({"sort": sign + key, "limit": "7", "offset": str(k)}).rows for k in range(0, table.n, 7)
    ]
    np.testing.assert_array_equal(np.concatenate(pages), whole)
    assert sorted(whole.tolist()) == list(range(table.n))
    (column,) = (column for column in table.columns if column.key == key)
    values = [v for v in column.plain(whole) if v is not None]
    assert column.plain(whole)[: len(values)] == values  # what is not known comes last, in either direction
    if key != "state":
        assert values == sorted(values, reverse=bool(sign))


def test_filters_leave_what_they_say(run, table):
    record = run.record
    inside = (record.inputs[:, 0] >= 3) & (record.inputs[:, 0] <= 6.5)
    assert table.rows({"stiffness": "3:6.5"}).tolist() == np.flatnonzero(inside).tolist()
    assert table.rows({"stiffness": ":3"}).tolist() == np.flatnonzero(record.inputs[:, 0] <= 3).tolist()
    assert table.rows({"task": "2"}).tolist() == [8, 9, 10, 11]
    held = inside & record.held_out
    assert table.rows({"stiffness": "3:6.5", "held_out": "1"}).tolist() == np.flatnonzero(held).tolist()
    failed = np.flatnonzero(record.state == State.FAILED).tolist()
    assert failed
    (reason,) = {record.failures[k][0] for k in failed}
    for query in ({"state": "failed"}, {"reason": reason}, {"text": "TOO stiff"}, {"failure": reason}):
        assert table.rows(query).tolist() == failed
    assert table.rows({"state": "failed,done"}).size == table.n
    assert table.rows({"text": "#7"}).tolist() == [7]
    assert table.rows({"worker": table.worker(0)}).size == table.n
    assert table.rows({"mean_square": "1e9:"}).size == 0
    assert table.page({"offset": "100000"}).rows.size == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"stifness": "1:2"}, "did you mean `stiffness`"),
        ({"sort": "-colour"}, "no column `colour`"),
        ({"stiffness": "low:high"}, "write low:high"),
        ({"stiffness": "1:2:3"}, "write low:high"),
        ({"stiffness": ":"}, "write low:high"),
        ({"stiffness": "nan"}, "write low:high"),
        ({"stiffness": "3:1"}, "3 is above 1"),
        ({"state": "dead"}, "known: waiting, running, done, failed, lost"),
        ({"held_out": "maybe"}, "write 1 for yes"),
        ({"offset": "-1"}, "a whole number from 0"),
        ({"limit": "100000"}, "from 1 to 500"),
        ({"limit": "0"}, "from 1 to 500"),
        ({"limit": "²"}, "from 1 to 500"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(table, query, words):
    with pytest.raises(QueryError, match=words):
        table.page(query)


def test_the_file_is_the_filtered_table(run, table):
    rows = table.rows({"state": "failed", "sort": "-stiffness"})
    lines = list(csv.reader(io.StringIO("".join(table.csv(rows)))))
    assert lines[0] == [*(column.head for column in table.columns), "message"]
    assert [int(line[0]) for line in lines[1:]] == rows.tolist()
    assert [float(line[2]) for line in lines[1:]] == run.record.inputs[rows, 0].tolist()
    assert all("too stiff" in line[-1] for line in lines[1:])


def test_inputs_that_bear_a_name_of_the_table_are_told_apart(run, monkeypatch):
    from dataclasses import replace

    from workflow.run import Run
    from workflow.space import Space

    first, *rest = run.space.dimensions
    space = Space((replace(first, name="text"), *rest))
    monkeypatch.setattr(Run, "space", space)
    table = SimulationTable(run)
    assert [column.key for column in table.columns if column.name == "text"] == ["input.text"]
    assert 0 < table.rows({"input.text": "3:6.5"}).size < table.n


def test_a_simulation_that_is_done_is_told_in_full(run):
    number = int(run.record.finished()[5])
    page = json.loads(json.dumps(detail(run, number), allow_nan=False))
    assert page["state"] == "done"
    assert page["failure"] is None
    assert [i["value"] for i in page["inputs"]] == run.record.inputs[number].tolist()
    assert page["inputs"][0]["campaign"] == [1.0, 10.0]
    (output,) = page["outputs"]
    assert output["mean"] == run.record.mean("mean_square")[number]
    assert output["stderr"] == run.record.stderr("mean_square")[number]
    assert int(page["seed"]) == int(run.results()["seed"][number])
    assert [step["task"] for step in page["history"]] == [page["task"]] * 2
    assert page["files"][0]["path"] == f"results/000/task-{page['task']:06d}.h5"
    assert sum(page["neighbours"]["states"].values()) == 8
    distances = [near["distance"] for near in page["neighbours"]["nearest"]]
    assert distances == sorted(distances)


def test_a_simulation_that_failed_says_why(run):
    number = next(iter(run.record.failures))
    page = json.loads(json.dumps(detail(run, number), allow_nan=False))
    assert page["state"] == "failed"
    assert page["failure"]["message"] == run.record.failures[number][1]
    assert page["history"][-1]["words"].startswith(f"failed on {page['ran']['worker']}")
    assert page["outputs"][0]["mean"] is None


def test_its_command_gives_the_same_numbers_to_the_bit(run, capsys):
    from workflow.cli import main

    number = int(run.record.finished()[-1])
    words = shlex.split(command(run, number))
    assert words[0] == "mlaround"
    with pytest.raises(SystemExit) as end:
        main([*words[1:], "--json"])
    assert not end.value.code
    found = json.loads(capsys.readouterr().out)["outputs"]["mean_square"]
    assert found["mean"] == run.record.mean("mean_square")[number]
    assert found["stderr"] == run.record.stderr("mean_square")[number]


def test_what_runs_is_told_from_what_waits(tmp_path):
    from replay import Replay

    replay = Replay(tmp_path / "replay", tasks=40, workers=4, batch=2)
    run = open_run(replay.folder.path)
    table = SimulationTable(run)
    running = [2 * task + k for task, _, _ in replay.running for k in range(2)]
    assert sorted(table.rows({"state": "running"}).tolist()) == sorted(running)
    worker = table.worker(running[0])
    assert running[0] in table.rows({"state": "running", "worker": worker})
    page = detail(run, running[0])
    assert page["state"] == STATES[1]
    assert page["ran"]["wall_seconds"] is None


@pytest.fixture(scope="module")
def ask(run):
    """GET below the run's address."""
    with served(run.folder.path) as client:
        yield lambda path, **query: client.ask(
            f"/api/runs/{run.folder.name}{path}?{urlencode(query, doseq=True)}"
        )


def test_the_routes_answer(run, ask):
    page = ask("/simulations", state="failed", limit=3).json
    assert page["total"] == run.record.failed
    assert all(len(row) == len(page["columns"]) for row in page["rows"])
    number = page["rows"][0][0]
    assert ask(f"/simulations/{number}").json["failure"]["group"]
    failures = ask("/failures").json
    assert failures["failed"] == sum(group["count"] for group in failures["groups"]) == page["total"]
    group = failures["groups"][0]
    assert ask("/simulations", group=group["key"]).json["total"] == group["count"]
    answer = ask("/simulations.csv", group=group["key"])
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body.count(b"\n") == 1 + group["count"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/simulations", {"colour": "3"}, 400),
        ("/simulations", {"state": ["done", "failed"]}, 400),
        ("/simulations.csv", {"limit": "3"}, 400),
        ("/simulations/100000", {}, 404),
        ("/simulations/-1", {}, 404),
        ("/simulations/1e3", {}, 404),
    ],
)
def test_the_routes_refuse_in_words(ask, path, query, status):
    answer = ask(path, **query)
    assert answer.status == status
    assert answer.json["error"]


def test_tables_of_a_run_with_a_name_in_another_script(tmp_path):
    name = "盐-ünï"
    shutil.copytree(small_run(), tmp_path / name)
    with served(tmp_path) as client:
        for path in ("simulations.csv", "figures/parity.csv"):
            answer = client.ask(f"/api/runs/{quote(name)}/{path}")
            assert answer.status == 200, answer.body
            assert quote(name) in answer.headers["content-disposition"]
