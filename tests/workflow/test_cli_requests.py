"""The commands that act on a run."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner
from engine_runs import MOODY, WELLS, record, run
from live_run import live, wait_for

from workflow.cli import cli
from workflow.cli.failures import Failure
from workflow.engine import resume
from workflow.folder import RunFolder
from workflow.requests import RequestError


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("requests") / "r"
    run(path, WELLS, "simulator.breaks_above=9.5")
    return path


@pytest.fixture
def here(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "r")
    return tmp_path / "r"


@pytest.fixture
def other(here):
    """A version of the model that is not in use."""
    return next(m["model"] for m in record(here).models if m["model"] != record(here).promoted)


def call(*words):
    result = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_a_live_run_is_paused_resumed_and_stopped(monkeypatch, tmp_path):
    folder = tmp_path / "r"
    slow = ("simulator.seconds=0.02", "stop.simulations=500", "training.first=1000")
    with live(monkeypatch, folder, MOODY, *slow) as busy:
        assert "done: nothing new starts until it is resumed" in call("pause", folder)
        wait_for(lambda: busy.folder.read_status()["state"] == "paused")
        assert "PAUSED" in call("status", folder)
        with pytest.raises(Failure, match="it is paused already; resume goes on"):
            call("pause", folder)
        assert "done: it is simulation" in call("add", folder, "-p", "x=0.125")
        assert "done: the budget goes from 500 to 400 simulations" in call("budget", folder, 400, "--yes")
        assert "done: it goes on" in call("resume", folder)
        wait_for(lambda: (state := record(folder)).state[state.asked].all())
        assert "done: running tasks are ended" in call("stop", folder, "--now")
        assert busy.end().exit_code == 75
    state = record(folder)
    assert state.inputs[state.asked].tolist() == [[0.125]]
    assert {a["via"] for a in state.actions} == {"command line"}


def test_a_run_without_a_controller_keeps_what_it_is_asked_for(here):
    failed = record(here).failed
    assert f"mlaround resume {here}" in call("retry", here, "--all").splitlines()[-1]
    call("budget", here, "48")
    call("add", here, "-p", "stiffness=2", "temperature=1")
    resume(here)
    state = record(here)
    assert (state.replicas, state.planned, state.done + state.failed) == (49, 48, 49)
    assert failed > 0
    assert "4" in "".join(a["words"] for a in state.actions)


def test_another_model_is_promoted_at_once(here, other):
    out = call("promote", here, f"v{other:04d}")
    assert f"v{other:04d} is used from now on instead of v000" in out
    assert f"done: v{other:04d} is used from now on" in out
    assert RunFolder(here).promoted.read_text() == f"v{other:04d}\n"


def test_a_question_that_is_answered_with_no_leaves_all_as_it_is(here, other, monkeypatch):
    import workflow.cli.asking

    class Terminal:
        def isatty(self):
            return True

        def __getattr__(self, name):
            return getattr(real, name)

    asked = []
    monkeypatch.setattr(workflow.cli.asking.click, "confirm", lambda text: asked.append(text))
    real = workflow.cli.asking.sys.stdin
    monkeypatch.setattr(workflow.cli.asking, "sys", type("S", (), {"stdin": Terminal()}))
    before = record(here).events
    assert "left as it is" in call("promote", here, other)
    assert asked == ["Do it?"]
    assert (record(here).events, RunFolder(here).requests()) == (before, [])
    call("promote", here, other, "--yes")
    assert asked == ["Do it?"]
    assert record(here).promoted == other


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pause"], "no controller holds the run"),
        (["kill", "0"], "no controller holds the run"),
        (["budget"], "give the number of simulations in all"),
        (["retry"], "say what to retry"),
        (["retry", "1", "--all"], "say what to retry"),
        (["retry", "one"], "'one' is not the number of a simulation"),
        (["budget", "1e3"], "'1e3' is not a number of simulations"),
        (["retry", "--reason", "cold"], "no simulation failed for the reason 'cold'"),
        (["promote", "v0099"], "there is no model v0099"),
        (["budget", "3"], "40 simulations are decided upon already"),
    ],
)
def test_what_makes_no_sense_says_why(finished, words, says):
    with pytest.raises((Failure, RequestError)) as error:
        call(words[0], finished, *words[1:])
    assert says in str(error.value)


def test_the_run_may_be_left_out(here, other, monkeypatch):
    (here.parent / "runs").mkdir()
    shutil.move(here, here.parent / "runs" / "r")
    monkeypatch.chdir(here.parent)
    assert f"v{other:04d} is used from now on" in call("promote", f"v{other:04d}")


def test_what_is_kept_for_a_run_that_is_over_is_said_with_how_it_stands(here):
    assert "asked" not in call("status", here)
    call("retry", here, "--all")
    assert "1 request is kept until `" in call("status", here)
    assert '"requests": 1' in call("status", here, "--json")
    call("add", here, "-p", "stiffness=3", "-p", "temperature=1")
    assert "2 requests are kept until" in call("status", here)
