"""A Python function as a simulator: what it is handed, what it may return, and what it may do wrong."""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from simulators import InvalidInputError
from simulators.python import Python

NUMBERS = itertools.count()
MODULE = """
import os, signal, sys, time
import numpy as np

def number(force, n=1): return force * n
def pair(force, n): return force, 0.5
def seeded(force, n, seed): return float(seed)
def anything(**given): return given["force"]
def several(force, n): return {"energy": force, "energy_err": 0.1, "profile": [force, n, 3], "more": 1}
def pairs(force, n): return {"energy": (force, 0.1), "profile": ([1, 2, 3], [0.1, 0.2, 0.3])}
def kinds(force, n): return {"energy": float(isinstance(n, int)), "profile": np.arange(3)}
def trouble(force, n):
    if force == 1: raise ValueError("the box is too small")
    if force == 2: sys.exit(3)
    if force == 3: return None
    if force == 4: return "high"
    if force == 5: return [1, 2, 3]
    if force == 6: return float("nan")
    if force == 7: return {"enrgy": 1}
    if force == 8: return 10**400
    if force == 9: return -1
    return force
def hangs(force, n):
    if force == 1: time.sleep(600)
    if force == 2: os.kill(os.getpid(), signal.SIGSEGV)
    if force == 3: raise ValueError("the box is too small")
    print("a word that is nobody's business")
    return force, 0.25
def batch(force, n): return {"energy": force * n, "energy_err": np.full(len(force), 0.5),
                             "profile": np.stack([force, n, n], axis=1)}
def batch_pair(force, n): return force, 0 * force
def batch_short(force, n): return force[:-1]
def batch_nan(force, n): return np.where(force == 1, np.nan, force)
def batch_raises(force, n): raise RuntimeError("no")
class Kept:
    def method(force, n): return force
"""
ENERGY = {"energy": {}}
BOTH = {"energy": {}, "profile": {"over": "z"}}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = f"own_functions_{os.getpid()}_{next(NUMBERS)}"
    (tmp_path / f"{module}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def simulator(name: str, results: Any = ENERGY, **settings: Any) -> Python:
        return Python(
            **{
                "function": f"{module}:{name}",
                "parameters": {
                    "force": {"low": -10, "high": 10},
                    "n": {"low": 1, "high": 9, "integer": True},
                },
                "axes": {"z": {"low": 0, "high": 3, "bins": 3}},
                "results": results,
                **settings,
            }
        )

    return simulator


def run(simulator: Python, forces: list[float], **options: Any) -> Any:
    rows = np.array([simulator.complete({"force": force, "n": 2}) for force in forces])
    return simulator.run(rows, np.arange(1, len(rows) + 1, dtype=np.uint64) << np.uint64(30), **options)


@pytest.mark.parametrize(
    ("name", "energy", "error"), [("number", 6, 0), ("pair", 3, 0.5), ("anything", 3, 0)]
)
def test_numbers_and_pairs(make: Any, name: str, energy: float, error: float) -> None:
    observations = run(make(name), [3])
    assert observations.failures == {}
    assert (observations.mean["energy"][0], observations.stderr["energy"][0]) == (energy, error)


@pytest.mark.parametrize(
    ("name", "profile", "errors"), [("several", [3, 2, 3], [0, 0, 0]), ("pairs", [1, 2, 3], [0.1, 0.2, 0.3])]
)
def test_dictionaries(make: Any, name: str, profile: list[float], errors: list[float]) -> None:
    observations = run(make(name, BOTH), [3])
    assert observations.mean["energy"][0] == 3
    assert observations.stderr["energy"][0] == 0.1
    assert observations.mean["profile"][0].tolist() == profile
    assert observations.stderr["profile"][0].tolist() == errors


def test_whole_numbers_are_handed_over_as_such(make: Any) -> None:
    assert run(make("kinds", BOTH), [1]).mean["energy"][0] == 1


def test_seeds_are_handed_to_a_function_that_takes_one(make: Any) -> None:
    seeds = run(make("seeded"), [1, 1, 1, 1, 1]).mean["energy"]
    assert len(set(seeds)) > 3
    assert (seeds < 2**32).all()


def test_each_replica_fails_alone_and_says_where(make: Any) -> None:
    trouble = make("trouble", {"energy": {"positive": True}})
    observations = run(trouble, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], threads=2)
    messages = {k: (f.reason, f.message) for k, f in observations.failures.items()}
    assert observations.mean["energy"][[0, 10]].tolist() == [0, 10]
    assert np.isnan(observations.mean["energy"][1:10]).all()
    assert messages[1][0] == "raised ValueError"
    assert "the box is too small" in messages[1][1]
    assert 'line 13: `if force == 1: raise ValueError("the box is too small")`' in messages[1][1]
    assert messages[2][0] == "raised SystemExit"
    for k, message in {
        3: "energy is nothing",
        4: "'high', which is no number",
        5: "shape (3,); accepted: a number",
        6: "not finite",
        7: "energy is not in what the function returned (enrgy)",
        8: "energy is too large",
        9: "energy = -1: declared positive",
    }.items():
        assert messages[k][0] == "no energy"
        assert message in messages[k][1]


def test_an_optional_result_may_be_absent(make: Any) -> None:
    observations = run(make("trouble", {"energy": {"optional": True}}), [3, 6, 7])
    assert observations.failures == {}
    assert np.isnan(observations.mean["energy"]).all()


def test_a_number_may_be_negative_unless_it_is_declared_positive(make: Any) -> None:
    assert run(make("trouble"), [9]).mean["energy"][0] == -1
    alone = make("trouble", {"energy": {"positive": True}}, timeout=60)
    assert run(alone, [9]).failures[0].message == "energy = -1: declared positive"


def test_one_number_for_two_results_is_refused(make: Any) -> None:
    message = run(make("number", BOTH), [3]).failures[0].message
    assert message == "the function returned float; accepted: a dictionary with energy, profile"


def test_a_batch_is_one_call_with_arrays(make: Any) -> None:
    observations = run(make("batch", BOTH, batched=True), [1, 2, 3])
    assert observations.failures == {}
    assert observations.mean["energy"].tolist() == [2, 4, 6]
    assert observations.stderr["energy"].tolist() == [0.5, 0.5, 0.5]
    assert observations.mean["profile"].tolist() == [[1, 2, 2], [2, 2, 2], [3, 2, 2]]
    assert run(make("batch_pair", batched=True), [1, 2]).mean["energy"].tolist() == [1, 2]


def test_faults_of_a_batch(make: Any) -> None:
    assert "accepted: 3 rows" in run(make("batch_short", batched=True), [1, 2, 3]).failures[2].message
    assert set(run(make("batch_nan", batched=True), [1, 2, 3]).failures) == {0}
    assert set(run(make("batch_raises", batched=True), [1, 2, 3]).failures) == {0, 1, 2}


def test_with_a_timeout_a_call_may_hang_or_crash(make: Any) -> None:
    started = time.monotonic()
    observations = run(make("hangs", timeout=8), [0, 1, 2, 3], threads=4)
    assert time.monotonic() - started < 60
    assert (observations.mean["energy"][0], observations.stderr["energy"][0]) == (0, 0.25)
    reasons = {k: f.reason for k, f in observations.failures.items()}
    assert reasons == {1: "timeout", 2: "killed by SIGSEGV", 3: "raised ValueError"}
    assert "line 26" in observations.failures[3].message


def test_in_a_process_of_its_own_a_call_gives_the_same_bits(make: Any) -> None:
    here, alone = run(make("pairs", BOTH), [0.1]), run(make("pairs", BOTH, timeout=60), [0.1])
    for name in BOTH:
        np.testing.assert_array_equal(here.mean[name], alone.mean[name])
        np.testing.assert_array_equal(here.stderr[name], alone.stderr[name])


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, "there is no module `absent_one`; accepted: a file absent_one.py beside the campaign"),
        ("import no_such_package", "imports `no_such_package`, which is not installed"),
        ("x = 1\ny = 1 / 0", "ZeroDivisionError: division by zero ("),
        ("def f(:", "SyntaxError"),
        ("def g(force, n): pass", "`f` of `absent_one` is nothing; accepted: g"),
        ("f = 3", "`f` of `absent_one` is no function"),
        ("def f(force): pass", "it has no argument `n`; accepted: inputs among force"),
        ("def f(force, n, m): pass", "its argument `m` is none of the inputs"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_before_anything_runs(
    make: Any, tmp_path: Path, module: str | None, message: str
) -> None:
    sys.modules.pop("absent_one", None)
    if module is not None:
        (tmp_path / "absent_one.py").write_text(module)
        os.utime(tmp_path / "absent_one.py", ns=(next(NUMBERS), next(NUMBERS)))  # no stale bytecode
    with pytest.raises(InvalidInputError) as error:
        make("f", function="absent_one:f").complete({"force": 1, "n": 1})
    assert error.value.name == "function"
    assert message in str(error.value)


CODE = """
import math

def half(x):
    if x == 3:
        raise ValueError("three")
    return x / 2

def simulate(force, n):
    return half(force) * math.sqrt(n * n)
"""


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_function_may_stand_in_the_campaign_itself(make: Any, timeout: float | None) -> None:
    observations = run(make("", function="simulate", code=CODE, timeout=timeout), [1, 3])
    assert observations.mean["energy"][0] == 1.0
    assert observations.failures[1].message.endswith('line 6: `raise ValueError("three")`)')


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"code": "def f(:", "function": "f"}, "no Python: invalid syntax"),
        ({"code": "def f(): pass", "function": "code:f"}, "`code:f` is no name"),
    ],
)
def test_mistakes_in_the_code(make: Any, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make("", **settings)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def g(force, n): pass", "`f` of `code` is nothing; accepted: g"),
        ("import no_such_package", "`code` imports `no_such_package`, which is not installed"),
        ("\n1 / 0", "ZeroDivisionError: division by zero (<code_"),
    ],
)
def test_code_without_the_function_is_refused(make: Any, code: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        make("", function="f", code=code).complete({"force": 1, "n": 1})
    assert message in str(error.value)


def test_an_import_path_has_a_colon(make: Any) -> None:
    with pytest.raises(ValidationError, match="my_module:simulate"):
        make("f", function="module.f")
    assert run(make("Kept.method"), [2]).mean["energy"][0] == 2


def test_the_campaign_of_the_double_well_gives_the_exact_time() -> None:
    campaign = Path(__file__).parents[2] / "campaigns" / "python_function.yaml"
    simulator = Python(**YAML(typ="safe").load(campaign)["simulator"])
    row = simulator.complete({"barrier": 1, "temperature": 1})
    observations = simulator.run(np.array([row] * 4), np.arange(4, dtype=np.uint64))
    # Mean first passage: the integral over y from -1 to 1 of exp(U(y)/T)/T that over z < y of exp(-U(z)/T).
    x, dx = np.linspace(-4, 1, 5001, retstep=True)
    well = (x**2 - 1) ** 2
    inner = np.cumsum(np.exp(-well)) * dx
    exact = np.log(np.sum((np.exp(well) * inner)[x >= -1]) * dx)
    mean, stderr = observations.mean["log_time"], observations.stderr["log_time"]
    assert abs(mean.mean() - exact) < 4 * stderr.mean() / 2
    assert stderr.mean() == pytest.approx(0.045, rel=0.2)
