import json
import math
import threading
import warnings

import numpy as np
import pytest

from surrogates import InvalidQueryError
from workflow import Answer, BudgetSpentError, BudgetSpentWarning, around

SPACE = {"gap": (3, 4, "nm"), "depth": (0.0, 1.0)}


def truth(gap, depth):
    return 2.0 + math.sin(2 * gap) * math.exp(-depth)


def points(n, seed=1):
    rng = np.random.default_rng(seed)
    return list(zip(rng.uniform(3, 4, n), rng.random(n), strict=True))


def wrapped(**more):
    @around(SPACE, **{"tolerance": 0.02, "budget": 60, **more})
    def f(gap, depth):
        f.calls.append((gap, depth))
        return truth(gap, depth)

    f.calls = []
    return f


@pytest.fixture(scope="module")
def learned():
    f = wrapped()
    answers = [(p, f(*p)) for p in points(120)]
    return f, answers


def test_answers_are_right_within_the_tolerance(learned):
    _, answers = learned
    asked = [(p, a) for p, a in answers if a.source == "surrogate"]
    relative = [abs(a.value - truth(*p)) / truth(*p) for p, a in asked]
    assert len(asked) > 60
    assert np.mean(np.array(relative) < 0.02) > 0.68  # a standard deviation, not a bound
    assert max(relative) < 0.1
    assert all(a.std <= 0.02 * abs(a.value) and a.in_domain for _, a in asked)


def test_the_source_switches_from_simulation_to_surrogate(learned):
    f, answers = learned
    sources = [a.source for _, a in answers]
    assert sources[: f.surrogate.needed] == ["simulation"] * f.surrogate.needed
    assert sources[-20:].count("surrogate") > 15
    assert len(f.calls) == f.stats.simulations == sources.count("simulation")
    assert f.stats.lookups == sources.count("surrogate")


def test_a_simulated_answer_is_the_function_s_own(learned):
    _, answers = learned
    p, a = answers[0]
    assert a.value == truth(*p)
    assert a.std == 0.0
    assert not a.in_domain


def test_the_speedup_counts_its_own_learning(learned):
    stats = learned[0].stats
    s = stats.speedup
    total = stats.simulation_seconds + stats.rejected_seconds + stats.learning_seconds + stats.lookup_seconds
    every_one = stats.simulation_seconds / stats.simulations * (stats.simulations + stats.lookups)
    assert s.value == pytest.approx(every_one / total)
    # A function of a microsecond is not worth learning, and the number says so.
    assert stats.learning_seconds > 0
    assert stats.effective_speedup < 1


def test_forecasts_are_judged_by_the_simulations_that_follow(learned):
    stats = learned[0].stats
    assert len(stats.relative_errors) > 0
    assert 0.1 < stats.rms_z < 5
    assert stats.median_relative_error == np.median(stats.relative_errors)


def test_outside_the_space_it_always_simulates_and_learns_nothing():
    f = wrapped()
    for p in points(20):
        f(*p)
    taught = f.stats.taught
    answer = f(5.0, 0.5)
    assert answer.source == "simulation"
    assert not answer.in_domain
    assert answer.value == truth(5.0, 0.5)
    assert f.stats.taught == taught


def test_arguments_by_place_by_name_and_with_units():
    f = wrapped()
    same = [f(3.2, 0.5), f(depth=0.5, gap=3.2), f(gap="3.2 nm", depth=0.5), f(gap="32 angstrom", depth="0.5")]
    assert [a.value for a in same] == pytest.approx([truth(3.2, 0.5)] * 4)
    with pytest.raises(InvalidQueryError, match="gap"):
        f("3.2 kg", 0.5)
    with pytest.raises(TypeError):
        f(3.2)


def test_a_spent_budget_warns_where_it_can_answer_and_refuses_where_it_cannot():
    f = wrapped(budget=12, tolerance=1e-9)
    known = points(12)
    for p in known:
        assert f(*p).source == "simulation"
    with pytest.warns(BudgetSpentWarning, match="1e-09 was asked for"):
        answer = f(*known[0])
    assert answer.source == "surrogate"
    assert answer.std > 0
    with pytest.raises(BudgetSpentError, match=r"gap = 9 nm, depth = 0\.5 is outside the space"):
        f(9.0, 0.5)
    assert f.stats.simulations == 12


def test_arrays_dictionaries_errors_and_seeds():
    seeds = []

    @around({"a": (0, 1), "valency": {1, 2, 3}}, budget=40)
    def f(a, valency, *, seed):
        seeds.append(seed)
        assert isinstance(valency, int) or valency == 1.5
        noise = 0.01 * np.random.default_rng(seed).standard_normal(5)
        profile = 2 + a * valency + np.linspace(0, 1, 5)
        return {
            "profile": profile + noise,
            "profile_err": np.full(5, 0.01),
            "top": profile[-1],
            "top_err": 1e-6,
        }

    rng = np.random.default_rng(0)
    answers = [f(float(rng.random()), int(rng.integers(1, 4))) for _ in range(60)]
    assert len(set(seeds)) == len(seeds) == f.stats.simulations < 60
    answer = next(a for a in answers if a.source == "surrogate")
    assert answer.value["profile"].shape == answer.std["profile"].shape == (5,)
    assert isinstance(answer.value["top"], float)
    assert set(answers[0].value) == {"profile", "top"}
    assert answers[0].std["profile"][0] == 0.01
    assert f(0.5, 1.5).source == "simulation"  # between two valencies there is nothing


def test_a_function_that_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="names `gap`"):
        around({"gap": (0, 1)})(lambda height: height)
    with pytest.raises(TypeError, match="needs `height`"):
        around({"gap": (0, 1)})(lambda gap, height: gap)
    with pytest.raises(TypeError, match="expected"):
        around({"gap": (1, 1)})(lambda gap: gap)
    with pytest.raises(TypeError, match="number, an array"):
        around({"gap": (0, 1)})(lambda gap: "text")(0.5)


def test_outputs_must_not_change():
    f = around({"a": (0, 1)})(lambda a: [1.0] if a < 0.5 else [1.0, 2.0])
    f(0.1)
    with pytest.raises(ValueError, match="must not change"):
        f(0.9)


def test_what_is_not_finite_is_returned_and_not_learned():
    f = around({"a": (0, 1)})(lambda a: math.nan)
    assert math.isnan(f(0.5).value)
    assert f.stats.simulations == 1
    assert f.stats.taught == 0


def test_a_folder_keeps_what_was_learned(tmp_path):
    first = wrapped(folder=tmp_path / "kept")
    for p in points(40):
        first(*p)
    done = first.stats.simulations
    assert not list((tmp_path / "kept").rglob("*.pkl"))
    # A crash in the middle of a line costs that line.
    log = tmp_path / "kept" / "simulations.jsonl"
    with log.open("a") as file:
        file.write('{"x": [3.')
    second = wrapped(folder=tmp_path / "kept")
    assert second.stats.simulations == done
    assert second.stats.learning_seconds == pytest.approx(first.stats.learning_seconds)
    p = next(p for p in points(40) if first(*p).source == "surrogate")
    assert second(*p).value == first(*p).value
    assert second.calls == []
    assert all(json.loads(line) for line in log.read_text().splitlines())
    with pytest.raises(ValueError, match="choose another folder"):
        around({"gap": (0, 9, "nm"), "depth": (0, 1)}, folder=tmp_path / "kept")(lambda gap, depth: gap)


def test_a_call_that_raises_is_not_counted():
    f = around({"a": (0, 1)})(lambda a: 1 / a)
    with pytest.raises(ZeroDivisionError):
        f(0.0)
    assert f.stats.simulations == 0
    assert f(0.5).value == 2.0


def test_threads_share_one_budget():
    f = wrapped(budget=30)
    answers = []

    def ask(seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BudgetSpentWarning)
            for p in points(25, seed):
                answers.append(f(*p))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert f.stats.simulations == len(f.calls) <= 30
    assert all(isinstance(a, Answer) for a in answers)


def test_it_looks_like_the_function():
    f = wrapped()
    assert f.__name__ == "f"
    assert "0 of 60 simulations" in repr(f)
    assert math.isnan(f.stats.effective_speedup)
    assert math.isnan(f.stats.rms_z)


@pytest.mark.parametrize("given", [3, (1,), set(), ("3 nm", "4 nm"), (1, 0), (0, math.inf), (0, 1, "m", 2)])
def test_a_space_that_is_none_is_refused_in_words(given):
    with pytest.raises(TypeError, match=r"space: x is .*; expected \(low, high\)"):
        around({"x": given})(lambda x: x)


def test_what_cannot_be_asked_for_is_refused():
    for space in ({}, [("x", (0, 1))]):
        with pytest.raises(TypeError, match="expected a dictionary"):
            around(space)(lambda x: x)
    for wrong in ({"tolerance": -1}, {"tolerance": math.nan}, {"budget": 0}):
        with pytest.raises(ValueError, match="above 0"):
            around({"x": (0, 1)}, **wrong)(lambda x: x)


@pytest.mark.parametrize("nothing", [None, {}, {"a": None}])
def test_a_function_that_returns_nothing_is_told(nothing):
    with pytest.raises(TypeError, match="not None"):
        around({"x": (0, 1)})(lambda x: nothing)(0.5)
