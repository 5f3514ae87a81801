"""What would happen, in words; and requests that are refused before they are left."""

from __future__ import annotations

import pytest
from engine_runs import WELLS, run

from workflow.folder import RunFolder
from workflow.requests import RequestError, ask, consequence, parse
from workflow.run import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("requests") / "r"
    run(path, WELLS, "simulator.breaks_above=9.5")
    return RunFolder(path)


@pytest.fixture
def held(folder):
    """A run that a controller holds: this process."""
    with folder.lock():
        yield Run(folder)


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("dance", {}, "a run cannot be asked to `dance`; known: pause"),
        ("puase", {}, "did you mean `pause`"),
        ("pause", {"now": True}, "pause: now: Extra inputs"),
        ("budget", {}, "budget: simulations: Field required"),
        ("budget", {"simulations": 0}, "greater than 0"),
        ("budget", {"simulations": "many"}, "valid integer"),
        ("kill", {"tasks": []}, "kill: tasks: "),
        ("kill", {"tasks": [-1]}, "kill: tasks.0: "),
        ("retry", {"simulations": [1], "reason": "x"}, "give simulations or a reason, not both"),
        ("simulate", {"inputs": {"x": float("nan")}}, "finite number"),
        ("simulate", {"inputs": {"x": [1]}}, "simulate: inputs.x"),
    ],
)
def test_arguments_that_a_verb_does_not_take_are_refused(verb, arguments, words):
    with pytest.raises(RequestError) as error:
        parse(verb, arguments)
    assert words in str(error.value)


def test_consequences_without_a_controller(folder):
    here = Run(folder)
    for verb in ("pause", "stop", "kill", "resume"):
        found = consequence(here, verb, {"tasks": [0]} if verb == "kill" else {})
        assert not found.possible
        assert "no controller holds the run" in found.why_not
    later = "; no controller holds the run, so it is kept until `mlaround resume`"
    more = consequence(here, "budget", {"simulations": 60})
    assert more.words.startswith("the budget goes from 40 to 60 simulations: 20 more, about ")
    assert more.words.endswith(f" on 2 workers at the present rate{later}")
    assert (more.possible, more.loses) == (True, False)
    failed = here.record.failed
    retry = consequence(here, "retry", {"reason": "well too stiff"})
    assert retry.words.startswith(f"simulates {failed} simulation")
    assert later in retry.words


def test_consequences_that_make_no_sense_say_why(held):
    done = int(held.record.finished()[0])
    for verb, arguments, why in (
        ("resume", {}, "it is not paused"),
        ("budget", {"simulations": 40}, "the budget is 40 simulations already"),
        ("budget", {"simulations": 39}, "40 simulations are decided upon already"),
        ("kill", {"tasks": [0]}, "task 0 is over"),
        ("retry", {"simulations": [done]}, f"simulation {done} did not fail: it is done"),
        ("retry", {"reason": "cold"}, "no simulation failed for the reason 'cold'; reasons: well too stiff"),
        ("promote", {"model": 99}, "there is no model v0099; the run has v0001, "),
        ("simulate", {"inputs": {"stiffness": 1}}, "`temperature` is missing"),
    ):
        found = consequence(held, verb, arguments)
        assert not found.possible
        assert why in found.why_not


def test_consequences_say_what_is_gained_and_lost(held):
    promoted = held.record.promoted
    other = next(m["model"] for m in held.record.models if m["model"] != promoted)
    found = consequence(held, "promote", {"model": other})
    assert found.words.startswith(
        f"v{other:04d} is used from now on instead of v{promoted:04d} (median relative error"
    )
    assert found.words.endswith("; a later model replaces it unless it is worse")
    assert found.loses
    x = dict(zip(held.space.names, held.record.inputs[3].tolist(), strict=True))
    words = consequence(held, "simulate", {"inputs": x}).words
    assert "; it is extra to the budget; simulation 3 is at the same point (" in words
    words = consequence(held, "simulate", {"inputs": {"stiffness": 12, "temperature": 1}}).words
    assert words.startswith("simulates stiffness = 12, temperature = 1 before what the policy wants") or (
        words.startswith("simulates stiffness = 12 ")
    )
    assert "stiffness is outside the campaign's range" in words
    pause = consequence(held, "pause", {}).words
    assert pause == "nothing runs at this moment, and nothing new starts until it is resumed"
    assert consequence(held, "stop", {}).words.startswith("stops the run; ")


def test_a_request_is_left_with_who_asked_and_how(held):
    request = ask(held, "retry", {"reason": "well too stiff"}, "dashboard")
    try:
        left = held.folder.read_request(request.name)
        assert left["verb"] == "retry"
        assert left["arguments"] == {"reason": "well too stiff"}
        assert (left["via"], bool(left["user"])) == ("dashboard", True)
        assert held.folder.requests() == [request.name]
    finally:
        held.folder.answer(request.name)
