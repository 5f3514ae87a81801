"""What users ask of a live campaign is done, recorded, and there after a crash."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from engine_runs import MOODY, WELLS, record, run, whole
from live_run import live, policy_points, wait_for

import surrogates
import workflow.controller
from workflow.engine import resume
from workflow.events import read_events
from workflow.folder import RunFolder
from workflow.reading import parse_campaign
from workflow.record import State
from workflow.requests import RequestError, ask
from workflow.run import Run

SLOW = ("simulator.seconds=0.02", "resources.task_time=0.02", "training.first=1000")
"""Forty of these take about half a second, and none of them is learned."""


def resolved(folder):
    return parse_campaign(RunFolder(folder).read_resolved(), "resolved.yaml")


def actions(folder):
    return [(a["verb"], a["outcome"], a["words"]) for a in record(folder).actions]


# Pause, resume, stop.


def test_a_paused_run_starts_nothing_and_does_not_end_until_it_is_resumed(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *SLOW, "stop.simulations=60") as here:
        here.run.pause()
        assert here.run.state == "paused"
        wait_for(lambda: not here.controller.in_flight and not here.folder.running_tasks())
        wait_for(lambda: here.folder.read_status()["state"] == "paused")
        events = record(tmp_path / "r").events
        assert record(tmp_path / "r").done < 60
        time.sleep(0.3)
        assert record(tmp_path / "r").events == events
        with pytest.raises(RequestError, match="paused already"):
            here.run.pause()
        here.run.resume()
        assert here.end().state == "finished"
    whole(tmp_path / "r", 60)
    assert record(tmp_path / "r").task_attempts.max() == 0


def test_a_run_that_is_paused_while_its_last_tasks_run_waits_and_then_trains(monkeypatch, tmp_path):
    options = ("simulator.seconds=0.3", "stop.simulations=4", "training.first=100", "training.held_out=0")
    with live(monkeypatch, tmp_path / "r", MOODY, *options, "resources.workers=4") as here:
        wait_for(lambda: here.run.record.replicas == 4)
        here.run.pause()
        wait_for(lambda: not here.controller.in_flight)
        time.sleep(0.3)
        assert here.run.state == "paused"
        here.run.resume()
        assert here.end().state == "finished"
    assert len(whole(tmp_path / "r", 4).models) == 1


def test_a_paused_run_can_be_stopped_and_is_resumed_without_the_pause(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *SLOW, "stop.simulations=50") as here:
        here.run.pause()
        here.run.stop()
        assert (here.end().state, here.outcome.exit_code) == ("stopped", 75)
    assert not record(tmp_path / "r").paused
    assert resume(tmp_path / "r").state == "finished"
    whole(tmp_path / "r", 50)


def test_what_makes_no_sense_is_refused_with_words(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *SLOW, "stop.simulations=500") as here:
        for call, words in (
            (here.run.resume, "it is not paused"),
            (lambda: here.run.retry(), "no simulation failed"),
            (lambda: here.run.retry(499), "there is no simulation 499"),
            (lambda: here.run.promote(3), "there is no model v0003; the run has none yet"),
            (lambda: here.run.kill(4999), "there is no task 4999"),
            (lambda: here.run.kill(0), "task 0"),
            (lambda: here.run.set_budget(1), "the least budget is"),
        ):
            with pytest.raises(RequestError, match=words):
                call()
    outcomes = {outcome for _, outcome, _ in actions(tmp_path / "r")[:7]}
    assert outcomes == {"refused"}


# Budget.


def test_a_larger_budget_while_the_last_task_runs_keeps_the_run_going(monkeypatch, tmp_path):
    options = ("simulator.seconds=1", "stop.simulations=2", "training.first=100")
    with live(monkeypatch, tmp_path / "r", MOODY, *options) as here:
        wait_for(lambda: here.run.record.replicas == 2)
        monkeypatch.setattr(workflow.controller, "TICK", 60.0)
        time.sleep(0.2)
        ask(here.run, "budget", {"simulations": 5}, "python")  # after the last tick before the end
        assert here.end().state == "finished"
    whole(tmp_path / "r", 5)
    assert resolved(tmp_path / "r").stop.simulations == 5
    assert here.folder.read_status()["simulations"]["total"] == 5
    assert actions(tmp_path / "r") == [("budget", "done", "the budget goes from 2 to 5 simulations")]


def test_a_smaller_budget_ends_a_run_sooner_and_has_the_same_points(monkeypatch, tmp_path):
    run(tmp_path / "whole", WELLS, "stop.simulations=100")
    slow = ("simulator.samples=300000", "resources.task_time=0.001", "training.every=100")
    with live(monkeypatch, tmp_path / "r", WELLS, *slow, "stop.simulations=400") as here:
        wait_for(lambda: here.run.record.done)
        here.run.set_budget(100)
        assert here.end().state == "finished"
    state = whole(tmp_path / "r", 100)
    assert policy_points(state) == policy_points(record(tmp_path / "whole"))


def test_the_budget_of_a_grid_is_no_larger_than_the_grid(monkeypatch, tmp_path):
    options = ("steering={kind: grid, points: 5}", "simulator.samples=500000", "stop.simulations=10")
    with live(monkeypatch, tmp_path / "r", WELLS, *options, "resources.task_time=0.001") as here:
        here.run.set_budget(100)
        with pytest.raises(RequestError, match="25 points in all"):
            here.run.set_budget(100)
        assert here.end().state == "finished"
    whole(tmp_path / "r", 25)
    assert resolved(tmp_path / "r").stop.simulations == 25


def test_a_deterministic_run_with_a_budget_that_grew_has_the_numbers_of_one_that_had_it(
    monkeypatch, tmp_path
):
    run(tmp_path / "whole", WELLS, "deterministic=true")
    with live(
        monkeypatch,
        tmp_path / "r",
        WELLS,
        "deterministic=true",
        "stop.simulations=22",
        "simulator.samples=64",
    ) as here:
        ask(here.run, "budget", {"simulations": 40}, "python")
        here.end()
    resume(tmp_path / "r")  # where the run ended before it was asked
    assert policy_points(whole(tmp_path / "r", 40)) == policy_points(record(tmp_path / "whole"))


# Retry.


def test_failed_simulations_run_again_and_their_new_results_are_what_counts(monkeypatch, tmp_path):
    mark = tmp_path / "mark"
    mood = f"simulator={{kind: 'engine_plugins:Moody', mood: raises until, mark: {mark}, seconds: 0.01}}"
    batches = ("training.first=1000", "stop.simulations=40", "resources.task_time=0.05")
    run(tmp_path / "r", MOODY, mood, *batches)
    before = record(tmp_path / "r")
    failed = np.flatnonzero(before.state == State.FAILED)
    assert len(failed) == (before.state == State.FAILED).sum() > 2
    mark.touch()
    # No controller: it is kept until there is one.
    Run(RunFolder(tmp_path / "r")).retry(int(failed[0]))
    Run(RunFolder(tmp_path / "r")).retry(reason="raised RuntimeError")
    assert record(tmp_path / "r").failed == len(failed)
    assert resume(tmp_path / "r").state == "finished"
    state = record(tmp_path / "r")
    assert (state.done, state.failed, state.duplicated, state.lost, state.pending) == (40, 0, 0, 0, 0)
    assert state.replicas == 40
    assert (state.task[failed] >= before.tasks).all()
    untouched = np.setdiff1d(np.arange(40), failed)
    assert np.array_equal(state.task[untouched], before.task[untouched])
    assert np.array_equal(state.inputs, before.inputs)
    assert np.array_equal(state.held_out, before.held_out)
    assert np.isfinite(state.mean("y")).all()
    table = Run(RunFolder(tmp_path / "r")).observations("y")
    assert np.array_equal(table["y"].values, state.mean("y"))
    assert state.models[-1]["simulations"] + state.models[-1]["held_out"] == 40
    assert resume(tmp_path / "r").state == "finished"
    assert record(tmp_path / "r").tasks == state.tasks


def test_a_task_of_which_a_part_ran_again_elsewhere_can_be_made_again(tmp_path):
    run(tmp_path / "r", WELLS, "simulator.breaks_above=8", "resources.task_time=5")
    folder = RunFolder(tmp_path / "r")
    before = record(tmp_path / "r")
    failed = np.flatnonzero(before.state == State.FAILED).tolist()
    shared = [k for k in failed if (before.state[before.task == before.task[k]] == State.DONE).any()]
    Run(folder).retry(shared[0])
    resume(tmp_path / "r")  # it fails again, as it must
    again = whole_but_tasks(tmp_path / "r", 40)
    assert again.task[shared[0]] >= before.tasks
    assert again.failed == before.failed
    folder.result(int(before.task[shared[0]])).unlink()
    resume(tmp_path / "r")
    last = whole_but_tasks(tmp_path / "r", 40)
    assert np.array_equal(last.state, again.state)
    assert np.array_equal(last.task, again.task)
    assert np.array_equal(last.mean("mean_square"), again.mean("mean_square"), equal_nan=True)


def whole_but_tasks(folder, total):
    state = record(folder)
    assert (state.replicas, state.done + state.failed, state.lost) == (total, total, 0)
    assert (state.duplicated, state.pending) == (0, 0)
    assert sum(state.failure_counts.values()) == len(state.failures) == state.failed
    return state


# Promote.


def test_an_older_model_can_be_used_and_the_next_one_is_compared_with_it(monkeypatch, tmp_path):
    run(tmp_path / "r", WELLS)
    before = record(tmp_path / "r")
    if before.promoted == 1:
        Run(RunFolder(tmp_path / "r")).promote(2)
    Run(RunFolder(tmp_path / "r")).promote("v0001")  # at once, since no controller holds it
    folder = RunFolder(tmp_path / "r")
    assert (folder.promoted.read_text().strip(), record(tmp_path / "r").promoted) == ("v0001", 1)
    assert folder.requests() == []
    # What `mlaround status` shows knows it, and no time of the run has passed.
    assert folder.read_status()["model"] == Run(folder).status["model"]
    assert folder.read_status()["model"]["version"] == 1
    assert record(folder.path).elapsed == before.elapsed
    with pytest.raises(RequestError, match="v0001 is in use already"):
        Run(folder).promote(1)
    with live(monkeypatch, tmp_path / "r", WELLS) as here:
        here.end()
    assert folder.promoted.read_text().strip() == "v0001"
    shutil.copytree(folder.path, tmp_path / "more")
    Run(RunFolder(tmp_path / "more")).set_budget(60)
    resume(tmp_path / "more")
    state = record(tmp_path / "more")
    after = state.models[len(before.models)]
    # What it was compared with is the first model: its scores on the same simulations are on record.
    held = Run(RunFolder(tmp_path / "more")).held_out(1)
    assert after["comparison"] is not None
    assert after["standing"]["n"] <= len(held.x)
    assert after["promoted"] == (after["comparison"]["difference"] <= after["comparison"]["stderr"])


def test_a_model_that_was_promoted_during_a_training_is_what_its_model_is_compared_with(
    monkeypatch, tmp_path
):
    run(tmp_path / "r", MOODY, "stop.simulations=40", "training.every=10")
    first = record(tmp_path / "r").models
    assert len(first) >= 2
    folder = RunFolder(tmp_path / "r")
    text = (
        folder.read_resolved()
        .replace("seconds: 0.0", "seconds: 0.6")
        .replace("simulations: 40", "simulations: 50")
    )
    folder.resolved.write_text(text)
    with live(monkeypatch, tmp_path / "r", MOODY) as here:
        wait_for(lambda: here.run.record.training)
        if here.run.record.promoted == 1:
            here.run.promote(2)
        here.run.promote(1)
        assert folder.promoted.read_text().strip() == "v0001"
        here.end()
    log = list(read_events(folder.events))
    promoted = max(e["seq"] for e in log if e["event"] == "action")
    trained = next(e for e in log if e["event"] == "model_trained" and e["seq"] > promoted)
    model, held = surrogates.load(folder.model(1)), Run(folder).held_out(1)
    judged = surrogates.held_out_scores(
        model, held.x[: trained["held_out"]], held.y[: trained["held_out"]], held.err[: trained["held_out"]]
    )
    assert trained["standing"]["overall"] == pytest.approx(judged["overall"], rel=1e-6)


# Points of a user's own.


@pytest.mark.parametrize(
    "options",
    [("steering={kind: sobol}",), ("steering={kind: random}",), ("deterministic=true",)],
    ids=["sobol", "random", "deterministic"],
)
def test_a_users_point_comes_first_is_extra_and_shifts_nothing(monkeypatch, tmp_path, options):
    slow = ("simulator.samples=500000", "resources.task_time=0.001")
    run(tmp_path / "without", WELLS, *options)
    with live(monkeypatch, tmp_path / "r", WELLS, *options, *slow) as here:
        here.run.simulate(stiffness=3, temperature="1.5")
        here.run.simulate(stiffness=30.5, temperature=1)  # outside: the simulator accepts it
        with pytest.raises(RequestError, match="temperature"):
            here.run.simulate(stiffness=3, temperature=-1)
        assert here.run.total == 42
        assert here.end().state == "finished"
    state = whole(tmp_path / "r", 42)
    own = np.flatnonzero(state.asked)
    assert state.inputs[own].tolist() == [[3.0, 1.5], [30.5, 1.0]]
    assert not state.held_out[own].any()
    assert (state.state[own] == State.DONE).all()
    assert policy_points(state) == policy_points(record(tmp_path / "without"))
    proposed = [e for e in read_events(here.folder.events) if e["event"] == "task_proposed"]
    assert sum("asked" in e for e in proposed) == 2
    table = here.run.results()
    assert table["replica"][table["asked"]].tolist() == own.tolist()
    assert set(own.tolist()) <= set(surrogates.load(tmp_path / "r").domain.ids.tolist())


def test_a_users_point_is_simulated_before_what_is_to_be_decided_yet(monkeypatch, tmp_path):
    with live(monkeypatch, tmp_path / "r", MOODY, *SLOW, "stop.simulations=400") as here:
        here.run.pause()
        here.run.simulate(x=0.25)
        here.run.simulate(x=0.75)
        asked = np.flatnonzero(here.run.record.asked)
        at = here.run.record.replicas
        here.run.resume()
        wait_for(lambda: here.run.record.replicas >= at + 40)
        state = here.run.record
        started = state.task_started[state.task[asked]]
        assert np.isfinite(started).all()
        assert (started <= state.task_started[state.task[at + 10 : at + 20]].min()).all()


def test_a_users_point_is_simulated_once_however_its_controller_dies(tmp_path):
    run(tmp_path / "r", WELLS, "deterministic=true")
    folder = RunFolder(tmp_path / "r")
    request = ask(Run(folder), "simulate", {"inputs": {"stiffness": 2, "temperature": 1}}, "python")
    left = (folder.control / f"{request.name}.json").read_bytes()
    resume(tmp_path / "r")
    expected = policy_points(record(tmp_path / "r"))
    lines = folder.events.read_bytes().splitlines(keepends=True)
    asked = next(k for k, line in enumerate(lines) if b'"asked":' in line and b"task_proposed" in line)
    for end in range(asked, len(lines) + 1):  # before the point, between it and the action, after
        copy = RunFolder(tmp_path / f"cut-{end}")
        shutil.copytree(folder.path, copy.path)
        copy.events.write_bytes(b"".join(lines[:end]))
        (copy.control / f"{request.name}.json").write_bytes(left)
        assert resume(copy.path).state == "finished"
        state = whole(copy.path, 41)
        assert state.asked.sum() == 1
        assert policy_points(state) == expected
        assert copy.requests() == []


def test_asked_points_fill_in_constants_and_are_refused_before_anything_is_written(tmp_path):
    run(tmp_path / "r", WELLS, "space.temperature=1.5", "stop.simulations=4")
    folder = RunFolder(tmp_path / "r")
    here = Run(folder)
    for inputs, words in (
        ({"stifness": 2}, "did you mean `stiffness`"),
        ({}, "should have at least 1 item"),
        ({"temperature": 1}, "`stiffness` is missing; the campaign's range is 1 to 10"),
        ({"stiffness": "a lot"}, "expected a"),
        ({"stiffness": -1}, "out of range"),
    ):
        with pytest.raises(RequestError, match=words):
            here.simulate(**inputs)
    assert folder.requests() == []
    here.simulate(stiffness=2)
    resume(tmp_path / "r")
    state = whole(tmp_path / "r", 5)
    assert state.inputs[state.asked].tolist() == [[2.0, 1.5]]


# No controller.


def test_what_came_while_no_controller_lived_is_done_or_refused_by_the_next(tmp_path):
    run(tmp_path / "r", WELLS, "stop.simulations=16")
    folder = RunFolder(tmp_path / "r")
    with pytest.raises(RequestError, match="nothing to pause"):
        Run(folder).pause()
    for verb, arguments in (("pause", {}), ("stop", {"now": True}), ("kill", {"tasks": [0]})):
        folder.request({"verb": verb, "arguments": arguments, "user": "u", "via": "python", "asked": 1.0})
    Run(folder).set_budget(24)
    folder.request({"verb": "dance", "arguments": {}, "user": "u", "via": "python", "asked": float(1)})
    (folder.control / f"{'9' * 19}-x.json").write_text("{ half")
    assert resume(tmp_path / "r").state == "finished"
    whole(tmp_path / "r", 24)
    late = "no controller held the run when this was asked"
    assert actions(tmp_path / "r") == [
        ("pause", "refused", late),
        ("stop", "refused", late),
        ("kill", "refused", late),
        ("budget", "done", "the budget goes from 16 to 24 simulations"),
        ("dance", "refused", record(tmp_path / "r").actions[-1]["words"]),
    ]
    assert "cannot be asked to `dance`" in record(tmp_path / "r").actions[-1]["words"]
    assert folder.requests() == []
    event = record(tmp_path / "r").actions[3]
    assert event["via"] == "python"
    assert event["user"]
    assert event["asked"] <= event["t"]


def test_a_budget_whose_controller_died_before_its_event_is_kept(tmp_path):
    run(tmp_path / "r", WELLS, "stop.simulations=16")
    folder = RunFolder(tmp_path / "r")
    request = ask(Run(folder), "budget", {"simulations": 24}, "python")
    left = json.dumps(folder.read_request(request.name))
    resume(tmp_path / "r")
    lines = folder.events.read_bytes().splitlines(keepends=True)
    at = next(k for k, line in enumerate(lines) if b'"action"' in line)
    folder.events.write_bytes(b"".join(lines[:at]))
    (folder.control / f"{request.name}.json").write_text(left)
    assert resume(tmp_path / "r").state == "finished"
    whole(tmp_path / "r", 24)
    assert actions(tmp_path / "r") == [("budget", "done", "the budget is 24 simulations")]
