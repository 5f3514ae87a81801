from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pytest
from served_here import served
from small_run import small_run
from tuned_run import tuned_run

from workflow import open_run
from workflow.dashboard import figure_routes, page
from workflow.dashboard.context import Refusal, Runs
from workflow.dashboard.figure_routes import figure_names, read_options
from workflow.dashboard.page import content, find_pages, pages_of
from workflow.dashboard.pages.provenance import campaign_lines
from workflow.events import EventWriter, last_event
from workflow.figures import NothingToShowError
from workflow.plots import Plots


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(small_run(), root / "wells")
    shutil.copytree(tuned_run(), root / "tuned")
    early = shutil.copytree(small_run(), root / "early")
    lines = (early / "events.jsonl").read_text().splitlines(keepends=True)
    (early / "events.jsonl").write_text("".join(lines[:5]))
    begun = shutil.copytree(small_run(), root / "begun")
    (begun / "events.jsonl").write_text("")
    return root


@pytest.fixture(scope="module")
def client(runs):
    with served(runs) as found:
        yield found


def get(client, path, **options):
    """The status of an answer and its JSON."""
    answer = client.ask(f"{path}?{urlencode(options)}" if options else path)
    return answer.status, json.loads(answer.body)


def names(run):
    return [p["name"] for p in pages_of(open_run(run))]


# Which pages there are.


def test_pages_come_in_their_order():
    assert list(find_pages()) == [
        *("overview", "tasks", "timeline", "blocks", "surrogate", "observables"),
        *("coverage", "autotune", "whatif", "provenance"),
    ]


def test_a_page_whose_data_a_campaign_has_not_is_not_shown(client):
    assert "autotune" in names(tuned_run())
    assert "autotune" not in names(small_run())
    one = SimpleNamespace(space=SimpleNamespace(dimensions=[SimpleNamespace(name="a", low=0, high=1)]))
    assert not find_pages()["coverage"].shown(one)
    assert get(client, "/api/runs/tuned/pages/autotune")[0] == 200
    status, told = get(client, "/api/runs/wells/pages/autotune")
    assert status == 404
    assert "no page 'autotune'" in told["error"]


def test_blocks_of_a_batch_system_and_why_they_ended(client, tmp_path):
    assert "blocks" not in names(small_run())
    run = shutil.copytree(small_run(), tmp_path / "wells")
    seq = last_event(run / "events.jsonl")["seq"] + 1
    with EventWriter(run / "events.jsonl", seq) as log:
        for k, job in enumerate(("71", "72", "73", "74")):
            log.append("block_submitted", pool="simulate", block=str(k), job=job)
        for k, job in enumerate(("71", "72", "73")):
            log.append("block_started", pool="simulate", block=str(k), job=job, nodes=2, workers=8)
        for k, job in enumerate(("71", "72")):
            log.append("block_ended", pool="simulate", block=str(k), job=job, reason="timeout")
    assert "blocks" in names(run)
    now, ended = content(find_pages()["blocks"], open_run(run))["blocks"]
    assert [(row[1], row[2], *row[4:]) for row in now["rows"]] == [
        ("73", "running", 2, 8),
        ("74", "waiting", "", ""),
    ]
    ((why, number, meaning),) = ended["rows"]
    assert (why, number) == ("timeout", 2)
    assert "walltime" in meaning


def test_a_page_is_added_by_adding_a_module(client, tmp_path, monkeypatch):
    folder = tmp_path / "own_pages"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text("ANSWER = 42\n")
    (folder / "density.py").write_text(
        "from workflow.dashboard.page import FigureBlock, Page, TextBlock\n"
        "def blocks(run):\n"
        "    return [TextBlock('Mine', f'{run.record.done} are done'), FigureBlock('cost')]\n"
        "PAGE = Page('My density', 55, blocks=blocks, shown=lambda run: bool(run.signature.axes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(page.find_pages, "__defaults__", ("own_pages",))
    try:
        about = get(client, "/api/runs/wells")[1]
        assert about["pages"] == [{"name": "density", "title": "My density", "script": "analysis"}]
        served = get(client, "/api/runs/wells/pages/density")[1]
        assert served["title"] == "My density"
        assert served["blocks"][0]["text"] == f"{open_run(small_run()).record.done} are done"
        assert served["blocks"][1]["kind"] == "figure"
        assert get(client, "/api/runs/tuned")[1]["pages"] == []
    finally:
        for module in [m for m in sys.modules if m.startswith("own_pages")]:
            del sys.modules[module]


# What is on them.


@pytest.mark.parametrize("run", ["wells", "tuned", "early", "begun"])
def test_every_page_of_every_run_is_plain_data(client, run):
    for entry in get(client, f"/api/runs/{run}")[1]["pages"]:
        status, found = get(client, f"/api/runs/{run}/pages/{entry['name']}")
        assert status == 200, found
        assert found["title"] == entry["title"]


@pytest.mark.parametrize("run", ["wells", "tuned", "early"])
def test_every_figure_on_a_page_can_be_drawn_with_all_its_choices(client, run):
    drawn = 0
    for entry in get(client, f"/api/runs/{run}")[1]["pages"]:
        for block in get(client, f"/api/runs/{run}/pages/{entry['name']}")[1]["blocks"]:
            if block["kind"] != "figure":
                continue
            first = {o: block["options"].get(o, values[0]) for o, values in block["choices"].items()}
            for option, values in [("", [None]), *block["choices"].items()]:
                for value in values[:4]:
                    options = {**block["options"], **first, **({option: value} if option else {})}
                    taken = [v for o, v in options.items() if "." not in o]
                    if len({str(v) for v in taken if v in first.values()}) < len([v for v in taken if v]):
                        continue  # the page lets two choices of one kind change places
                    query = {
                        o: v for o, v in options.items() if v is not None and o.split(".")[-1] not in taken
                    }
                    status, told = get(client, f"/api/runs/{run}/figures/{block['name']}", **query)
                    assert status == 200, (block["name"], query, told)
                    drawn += 1
    assert drawn > 20 or run == "early"


def test_before_a_model_there_is_nothing_of_models(client):
    assert get(client, "/api/runs/early/pages/surrogate")[1]["blocks"] == []
    kinds = [b["name"] for b in get(client, "/api/runs/early/pages/coverage")[1]["blocks"]]
    assert kinds == ["coverage"]
    assert get(client, "/api/runs/begun/pages/coverage")[1]["blocks"][0]["kind"] == "text"


def test_what_the_user_gave_is_told_from_defaults():
    lines = campaign_lines(open_run(small_run()))
    given = {line["text"].strip() for line in lines if line["given"]}
    default = {line["text"].strip() for line in lines if not line["given"]}
    assert {"name: wells", "samples: 400", "kind: harmonic", "stiffness:", "low: 1.0", "folds: 4"} <= given
    assert {"learning_rate: 0.02", "deterministic: false"} <= default
    assert {"- 16", "hidden:"} <= given
    text = open_run(small_run()).folder.read_resolved()
    assert "\n".join(line["text"] for line in lines) == text.rstrip("\n")


def test_what_was_set_on_the_command_line_was_given(tmp_path):
    folder = shutil.copytree(small_run(), tmp_path / "set")
    text = (folder / "resolved.yaml").read_text()
    assert "  steps: 150\n" in text
    assert "task_time: 5.0" in text or "deterministic: false" in text
    (folder / "resolved.yaml").write_text(text.replace("deterministic: false", "deterministic: true"))
    lines = {line["text"]: line["given"] for line in campaign_lines(open_run(folder))}
    assert lines["deterministic: true"]


def test_provenance_offers_files_that_are_there(client):
    blocks = get(client, "/api/runs/wells/pages/provenance")[1]["blocks"]
    files = next(b for b in blocks if b["kind"] == "files")["files"]
    assert {"campaign.yaml", "events.jsonl", "models/v0001/model.json"} <= {f["path"] for f in files}
    for file in files:
        answer = client.ask(f"/api/runs/wells/files/{file['path']}")
        assert answer.status == 200
        assert len(answer.body) == file["bytes"]


# Figures.


def test_figures_are_the_public_methods_of_plots():
    assert set(figure_names()) == {n for n in dir(Plots) if not n.startswith("_")}
    assert {"parity", "coverage", "trials"} <= set(figure_names())


def test_a_figure_is_served_with_its_table(client):
    figure = get(client, "/api/runs/wells/figures/parity")[1]
    drawn = open_run(small_run()).plot.parity()
    assert figure["title"] == drawn.title
    assert figure["rows"] == len(drawn.columns[0].values)
    assert figure["columns"][2]["values"] == [float(v) for v in drawn.columns[2].values]
    answer = client.ask("/api/runs/wells/figures/parity.csv")
    assert answer.body.decode() == drawn.to_csv()
    assert "wells-parity.csv" in answer.headers["content-disposition"]


def test_long_tables_are_cut_in_the_figure_and_whole_in_the_file(client):
    figure = get(client, "/api/runs/wells/figures/uncertainty")[1]
    assert len(figure["columns"][0]["values"]) == figure_routes.ROWS < figure["rows"]
    lines = client.ask("/api/runs/wells/figures/uncertainty.csv").body.splitlines()
    assert len(lines) == figure["rows"] + 1


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nonsense", 404, "no figure 'nonsense'"),
        ("_design", 404, "no figure"),
        ("parity?colour=red", 400, "no option 'colour'"),
        ("parity?output=pressure", 400, "mean_square, density"),
        ("parity?version=v0099", 400, "no model 'v0099'"),
        ("observable?simulation=two", 400, "'two' is not a whole number"),
        ("observable?simulation=100000", 400, "has no results"),
        ("speedup?n_lookup=inf", 400, "is not a number"),
        ("coverage?first=gap", 400, "no input 'gap'"),
        ("uncertainty?at.gap=1", 400, "no input 'gap'"),
        ("uncertainty?at=1", 400, "no option 'at'"),
        ("trials", 404, "varies no setting"),
    ],
)
def test_what_cannot_be_drawn_is_said(client, path, status, words):
    found, told = get(client, f"/api/runs/wells/figures/{path}")
    assert found == status
    assert words in f"{told['error']} {told['do']}"


def test_options_are_read_as_what_they_are():
    assert read_options("uncertainty", {"x": "gap", "at.salt": "0.5", "at.size": "2"}) == {
        "x": "gap",
        "at": {"salt": 0.5, "size": 2.0},
    }
    assert read_options("observable", {"simulation": "7", "axis": ""}) == {"simulation": 7}
    assert read_options("speedup", {"n_lookup": "1e3"}) == {"n_lookup": 1000.0}
    with pytest.raises(Refusal):
        read_options("observable", {"simulation": "7.5"})


def test_before_anything_is_done_figures_say_so(client):
    for name in figure_names():
        status, told = get(client, f"/api/runs/begun/figures/{name}")
        assert status == 404, (name, told)
        assert told["error"]


def test_a_damaged_result_is_said_and_mends(client, runs, tmp_path):
    result = next((runs / "early" / "results").rglob("*.h5"))
    kept = result.read_bytes()
    result.write_bytes(kept[: len(kept) // 2])
    try:
        status, told = get(client, "/api/runs/early/figures/latent", colour="temperature")
        assert status == 409
        assert result.name in told["error"]
    finally:
        result.write_bytes(kept)
    assert get(client, "/api/runs/early/figures/latent", colour="temperature")[0] == 200


def test_a_figure_is_drawn_once_until_its_data_change(runs, tmp_path, monkeypatch):
    folder = shutil.copytree(runs / "wells", tmp_path / "growing")
    events = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    models = [k for k, line in enumerate(events) if '"event":"model_trained"' in line]
    (folder / "events.jsonl").write_text("".join(events[: models[0] + 1]))
    drawn = []
    for name in ("parity", "coverage"):
        true = getattr(Plots, name)

        def count(self, *args, _true=true, _name=name, **options):
            drawn.append(_name)
            return _true(self, *args, **options)

        count.__annotations__ = true.__annotations__
        monkeypatch.setattr(Plots, name, count)
    monkeypatch.setattr(figure_routes, "read_options", lambda name, given: dict(given))
    opened = Runs(tmp_path).open("growing")
    kept = figure_routes._Kept()
    for _ in range(3):
        kept.figure(opened, "parity", {})
        kept.figure(opened, "coverage", {})
    assert drawn == ["parity", "coverage"]
    kept.figure(opened, "parity", {"output": "density"})
    assert drawn.count("parity") == 2
    # A task of simulations to learn from changes where they lie, and nothing about the judges.
    rest = events[models[0] + 1 :]
    with (folder / "events.jsonl").open("a") as log:
        log.write("".join(rest[:2]))
    more = json.loads(rest[0])
    assert more["event"] == "task_proposed"
    kept.figure(opened, "coverage", {})
    assert drawn.count("coverage") == 2
    kept.figure(opened, "parity", {})
    assert drawn.count("parity") == 2 + bool(np.any(more["held_out"]))
    opened.followed.close()


def test_content_has_the_blocks_of_a_page():
    run = open_run(tuned_run())
    blocks = content(find_pages()["autotune"], run)["blocks"]
    assert [b["name"] for b in blocks] == ["trials", "quality"]
    assert blocks[0]["choices"] == {"setting": ["timestep"], "over": ["stiffness", "mode", "timestep"]}
    assert "good" not in blocks[1]["choices"]["output"]


def test_what_is_not_there_yet_is_told_from_what_is_damaged(runs):
    opened = Runs(runs).open("wells")
    for error, status in (
        (NothingToShowError("the campaign varies no input"), 404),
        (ValueError("no number where one should be"), 409),
    ):
        with pytest.raises(Refusal) as refused, opened.reading():
            raise error
        assert (refused.value.status, str(error) in refused.value.words) == (status, True)
