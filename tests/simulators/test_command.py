"""A program as a simulator: what it is handed, what is read from it, and all the ways in which it fails."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from simulators import InvalidInputError, ReplicaError
from simulators.adapters.declared import DeclaredAxis
from simulators.adapters.located import beside
from simulators.adapters.reading import ReadOutput, column_of, read_result
from simulators.adapters.template import TemplateError, fill
from simulators.command import Command

PARAMETERS = {"force": {"low": -10, "high": 10, "unit": "pN"}, "n": {"low": 1, "high": 9, "integer": True}}


def command(script: str, results: Any = None, **settings: Any) -> Command:
    return Command(
        **{
            "command": "python script.py {force} {n} {seed}",
            "files": {"script.py": script},
            "parameters": PARAMETERS,
            "results": {"energy": {}} if results is None else results,
            "timeout": 60,
            "keep_folders": "none",
            **settings,
        }
    )


def run(simulator: Command, forces: list[float], **options: Any) -> Any:
    rows = np.array([simulator.complete({"force": force, "n": 3}) for force in forces])
    return simulator.run(rows, np.arange(1, len(rows) + 1, dtype=np.uint64), **options)


def message_of(**settings: Any) -> str:
    with pytest.raises(ValidationError) as error:
        command("print(1)", **settings)
    return str(error.value)


# What it is handed


def test_values_reach_the_command_the_files_and_the_environment(tmp_path: Path) -> None:
    simulator = command(
        "",
        files={
            "script.py": "import json, os, sys\n"
            "words = sys.argv[1:] + ['{force:.2f}', os.environ['N'], os.environ['OMP_NUM_THREADS']]\n"
            "words += [sys.stdin.read(), '{folder}', os.getcwd()]\n"
            "open('words', 'w').write(json.dumps(words))\n"
            "print(json.dumps(dict(energy=float(words[0]))))",
            "in": "n = {n}",
        },
        stdin="in",
        environment={"N": "{n}"},
        cores=2,
        keep_folders="all",
        scratch=str(tmp_path / "scratch"),
    )
    observations = run(simulator, [0.1])
    assert observations.failures == {}
    assert observations.mean["energy"][0] == 0.1
    (folder,) = (tmp_path / "scratch").iterdir()
    words = json.loads((folder / "words").read_text())
    assert words == ["0.1", "3", "2", "0.10", "3", "2", "n = 3", str(folder), str(folder)]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_numbers_are_written_so_that_they_are_read_back_unchanged(number: float, whole: int) -> None:
    text = fill("{a} {b}", {"a": number, "b": whole}, "x")
    assert text == f"{number!r} {whole}"
    assert float(text.split()[0]) == number


@given(st.text())
def test_what_is_no_field_stays_as_it_is(text: str) -> None:
    if "{" not in text:
        assert fill(text, {}, "x") == text


def test_braces_of_other_languages_stay() -> None:
    for text in ('{"a": {"b": 1}}', "${HOME}", "f() { return; }", r"\frac{1 }{2}", "{}"):
        assert fill(text, {"a": 1.0}, "x") == text
    assert fill('{"a": {"b": {t}}}', {"t": 2.5}, "x") == '{"a": {"b": 2.5}}'
    assert fill("{{t}} ${t} {t}", {"t": 2.5}, "x") == "{t} ${t} 2.5"


def test_an_unknown_field_is_refused_with_its_line() -> None:
    with pytest.raises(TemplateError, match=r"`\{tmp\}` in `in.txt`, line 2, .*did you mean `\{temp\}`"):
        fill("a\n{tmp}", {"temp": 1.0}, "in.txt")
    with pytest.raises(TemplateError, match=r"`\{t:d\}`"):
        fill("{t:d}", {"t": 1.5}, "in.txt")


def test_files_beside_the_campaign_are_found_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; print('energy', sys.argv[1], open('data').read())")
    (tmp_path / "template").write_text("{force}")
    (tmp_path / "data").write_text("{force}")
    simulator = Command.model_validate(
        {
            "kind": "command",
            "command": ["python", "script.py", "{force}"],
            "files": {"filled": {"template": "template"}, "data": {"verbatim": "data"}},
            "parameters": {"force": {}},
            "results": {"energy": {"match": r"energy (\S+) \{force\}"}},
        },
        context=beside(tmp_path / "campaign.yaml"),
    )
    assert simulator.command[1] == str(tmp_path / "script.py")
    assert simulator.files["filled"] == "{force}"  # a run stands on its own: the text is part of it
    again = Command.model_validate(json.loads(simulator.model_dump_json()))
    assert again == simulator
    observations = again.run(np.array([[2.0]]), np.array([1], dtype=np.uint64))
    assert observations.failures == {}
    assert observations.mean["energy"][0] == 2.0


def test_a_script_among_the_files_can_be_the_program() -> None:
    simulator = command("", command="./go {force} {n}", files={"go": '#!/bin/sh\necho "{\\"energy\\": $1}"'})
    assert run(simulator, [4.0]).mean["energy"][0] == 4.0


def test_every_replica_has_a_seed_that_32_bits_hold() -> None:
    simulator = command("import sys, json; print(json.dumps({'energy': int(sys.argv[3])}))")
    rows = np.array([simulator.complete({"force": 1, "n": 1})] * 3)
    seeds = np.array([0, 2**64 - 1, 12345], dtype=np.uint64)
    given_seeds = simulator.run(rows, seeds).mean["energy"]
    assert (given_seeds >= 1).all()
    assert (given_seeds <= 900_000_000).all()
    assert len(set(given_seeds)) == 3


# What is read from it


def read(text: str, bins: int | None = None, equilibration: float = 0.0, **result: Any) -> Any:
    return read_result("energy", ReadOutput(**result), lambda name: text, bins, equilibration)


def test_json_of_the_whole_output_or_of_its_last_line() -> None:
    assert read('{"energy": 2, "energy_err": 0.5}') == (2.0, 0.5)
    assert read('banner {\n{"energy": 1}\n{"energy": 2}\nbye') == (2.0, 0.0)
    assert read('{"a": {"b": [3, 0.1]}}', key="a.b") == (3.0, 0.1)
    assert read('{"a.b": 4}', key="a.b") == (4.0, 0.0)
    mean, stderr = read('{"energy": [1, 2, 3]}', bins=3)
    assert (mean.tolist(), stderr.tolist()) == ([1, 2, 3], [0, 0, 0])
    mean, stderr = read('{"energy": [[1, 2], [0.1, 0.2]]}', bins=2)
    assert (mean.tolist(), stderr.tolist()) == ([1, 2], [0.1, 0.2])


def test_what_an_expression_finds() -> None:
    text = "E = 1.0 +- 0.1\nE = -2.5D-01 +- 0.2\n"
    assert read(text, match=r"E = (\S+)") == (-0.25, 0.0)
    assert read(text, match=r"^E = (\S+) \+- (\S+)$") == (-0.25, 0.2)
    assert read(text, match=r"E = (\S+)", use="mean")[0] == pytest.approx(0.375)
    assert read(text, bins=2, match=r"E = (\S+)")[0].tolist() == [1.0, -0.25]


@pytest.mark.parametrize("separator", [" ", "  ", "\t", ", "])
@pytest.mark.parametrize("heading", ["", "# about it\n# step{}energy\n", "step{}energy\n"])
def test_columns_of_tables(separator: str, heading: str) -> None:
    text = heading.format(separator) + f"\n1{separator}10\n2{separator}20.5\n"
    assert column_of(text, 2, "t").tolist() == [10, 20.5]
    if heading:
        assert column_of(text, "energy", "t").tolist() == [10, 20.5]
        assert column_of(text, "Energy", "t").tolist() == [10, 20.5]
    else:
        with pytest.raises(ReplicaError, match="no headings"):
            column_of(text, "energy", "t")


def test_the_mean_of_a_column_has_the_error_of_correlated_samples() -> None:
    rng = np.random.default_rng(1)
    series = np.empty(40_000)
    x = 0.0
    for k in range(len(series)):  # remembers about 20 rows: the naive error is too small by about 6
        x = 0.95 * x + rng.normal()
        series[k] = x
    text = "\n".join(map(str, np.concatenate([np.full(10_000, 50.0), series])))
    mean, stderr = read(text, equilibration=0.2, column=1)
    assert mean == pytest.approx(series.mean(), abs=1e-9)
    exact = 1 / (1 - 0.95) / np.sqrt(len(series))
    assert 0.6 * exact < stderr < 1.6 * exact


def test_a_constant_is_known_exactly_and_one_row_without_error() -> None:
    assert read("3\n3\n3", column=1) == (3.0, 0.0)
    assert read("3", column=1) == (3.0, 0.0)
    assert read("1\n3", column=1, use="last") == (3.0, 0.0)


@pytest.mark.parametrize(
    ("text", "result", "message"),
    [
        ("", {}, "no JSON object; it is empty"),
        ("Segmentation\nfault", {}, "no JSON object; it ends with 'fault'"),
        ('{"enrgy": 1}', {}, "no key `energy`; it has enrgy"),
        ('{"energy": "high"}', {}, "'high', which is no number"),
        ('{"energy": NaN}', {}, "energy = nan: not finite"),
        ('{"energy": null}', {}, "energy is nothing"),
        ('{"energy": [1, 2, 3]}', {}, r"shape \(3,\); accepted: a number"),
        ('{"energy": 1, "energy_err": -1}', {}, "negative"),
        (f'{{"energy": 1{"0" * 400}}}', {}, "energy is too large"),
        ("E = ***", {"match": r"E = (\S+)"}, r"'\*\*\*', which is no number"),
        ("e = 1", {"match": r"E = (\S+)"}, "matches `E = "),
        ("# a b\n1 2\n3", {"column": "b"}, "line 3 has none: '3'"),
        ("# a b\n1 2", {"column": "c"}, "no column `c`; its headings are a, b"),
        ("# a b\n", {"column": "b"}, "no rows of numbers"),
        ("1\nnan", {"column": 1}, "not finite"),
    ],
)
def test_rubbish_is_told_in_words(text: str, result: dict[str, Any], message: str) -> None:
    with pytest.raises(ReplicaError, match=message):
        read(text, **result)


@given(st.text(), st.sampled_from([{}, {"match": "([0-9.]+)"}, {"column": 1}, {"column": "energy"}]))
def test_no_output_whatever_raises_anything_else(text: str, result: dict[str, Any]) -> None:
    try:
        mean, stderr = read(text, **result)
        assert np.isfinite(mean)
        assert stderr >= 0
    except ReplicaError:
        pass


def test_an_optional_result_may_be_absent() -> None:
    assert np.isnan(read('{"a": 1}', optional=True)).all()
    assert np.isnan(read('{"energy": NaN}', optional=True)).all()
    assert np.isnan(read("none", optional=True, bins=2, match="E=(.*)")[0]).tolist() == [True, True]


def test_a_result_declared_positive_is_none_that_is_negative() -> None:
    script = "import sys; print('{\"energy\": %s}' % sys.argv[1])"
    observations = run(command(script, {"energy": {"positive": True}}), [-1.0, 0.0])
    assert observations.failures[0].message == "energy = -1: declared positive"
    assert observations.mean["energy"][1] == 0


def test_profiles_have_their_axis() -> None:
    axes = {"z": {"unit": "nm", "low": 0, "high": 3, "bins": 3}}
    script = "print('{\"energy\": [1, 2, 3]}')"
    observations = run(command(script, {"energy": {"over": "z"}}, axes=axes), [1.0])
    assert observations.mean["energy"].tolist() == [[1, 2, 3]]
    assert observations.edges["z"].tolist() == [[0, 1, 2, 3]]
    assert DeclaredAxis(edges=(0, 1, 4)).at == [0, 1, 4]


# How it fails

TROUBLE = """
import os, subprocess, sys, time
force = float(sys.argv[1])
if force == 1:
    print("before", file=sys.stderr); print("the box is too small", file=sys.stderr); sys.exit(3)
if force == 2:
    os.abort()
if force == 3:
    time.sleep(600)
if force == 4:
    print("hello")
if force == 5:
    while True:
        sys.stdout.write("x" * 2**20)
print('{"energy": 7}')
"""


def test_each_replica_fails_alone_and_says_why(tmp_path: Path) -> None:
    simulator = command(TROUBLE, scratch=str(tmp_path), keep_folders="failed", timeout=6)
    observations = run(simulator, [0, 1, 2, 3, 4, 5], threads=6)
    failed = observations.failures
    assert observations.mean["energy"][[0, 4]].tolist() == [7, 7]
    assert np.isnan(observations.mean["energy"][[1, 2, 3, 5]]).all()
    assert {k: f.reason for k, f in failed.items()} == {
        1: "exit code 3",
        2: "killed by SIGABRT",
        3: "timeout",
        5: "timeout",
    }
    assert "stderr ends with: before | the box is too small" in failed[1].message
    assert "timeout = 6 s" in failed[3].message
    for failure in failed.values():  # what failed can be looked at, what went well is gone
        assert (Path(failure.message.rpartition("folder: ")[2]) / "script.py").exists()
    assert len(list(tmp_path.iterdir())) == 4


def test_more_output_than_is_kept_is_a_failure_where_results_are_in_it() -> None:
    script = "import sys\nfor _ in range(40): sys.stdout.write('x' * 2**20)\nprint('\\n{\"energy\": 7}')"
    observations = run(command(script), [1.0])
    assert "accepted: up to 33,554,432, or results in a file" in observations.failures[0].message


def test_a_missing_file_is_told_with_those_that_are_there() -> None:
    simulator = command("open('out.dat', 'w')", {"energy": {"file": "out.txt", "column": 1}})
    assert "no file `out.txt`; it left out.dat, script.py" in run(simulator, [1.0]).failures[0].message


def test_after_a_timeout_no_process_is_left(tmp_path: Path) -> None:
    script = (
        "import subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)"
    )
    observations = run(command(script, timeout=3), [1.0])
    assert observations.failures[0].reason == "timeout"
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_does_not_wait_for_the_program(tmp_path: Path) -> None:
    def interrupt(fraction: float) -> None:
        if (tmp_path / "started").exists():
            raise KeyboardInterrupt

    script = f"import time; open({str(tmp_path / 'started')!r}, 'w'); time.sleep(600)"
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(command(script, timeout=500), [1.0, 2.0], threads=2, progress=interrupt)
    assert time.monotonic() - started < 60


def test_a_program_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidInputError, match="no_such_program: there is no such program") as error:
        command("", command="no_such_program {force} {n}").complete({"force": 1, "n": 1})
    assert error.value.name == "command"


def test_processor_time_of_the_program_is_counted() -> None:
    script = (
        "import time\nend = time.process_time() + 0.5\n"
        "while time.process_time() < end: pass\n"
        "print('{\"energy\": 1}')"
    )
    assert 0.5 <= run(command(script), [1.0]).cpu_seconds[0] < 5


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "mpiexec").exists(), reason="needs mpich: pip install mpich"
)
@pytest.mark.mpi
def test_a_program_on_two_ranks() -> None:
    script = (
        "from mpi4py import MPI\n"
        "import json\n"
        "total = MPI.COMM_WORLD.allreduce(1)\n"
        "if MPI.COMM_WORLD.rank == 0: print(json.dumps(dict(energy=total)))"
    )
    observations = run(command(script, ranks=2), [1.0])
    assert observations.failures == {}
    assert observations.mean["energy"][0] == 2


# What is refused while the campaign is read


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"command": "python script.py {froce} {n}"}, "did you mean `{force}`"),
        ({"command": "python script.py {n}"}, "nothing hears of the input `force`"),
        ({"command": "python a.py {force} {n} > out"}, "`>` is for a shell"),
        ({"command": "python 'a.py {force} {n}"}, "quotes that do not match"),
        ({"command": ""}, "give a program and its arguments"),
        ({"command": 5}, "give a program and its arguments"),
        ({"files": {"../x": "a"}}, "does not lie in the folder"),
        ({"files": {"x": {"template": "no_such_file"}}}, "no_such_file does not exist"),
        ({"files": {"x": 3}}, "a file is a text"),
        ({"stdin": "nothing"}, "`nothing` is none of `files`"),
        ({"results": {"energy": {"match": "E = ("}}}, "no regular expression"),
        ({"results": {"energy": {"match": "E = .*"}}}, "put what is the number into brackets"),
        ({"results": {"energy": {"match": "(.)", "column": 1}}}, "give one of key, match and column"),
        ({"results": {"energy": {"over": "z"}}}, "there is no axis `z`"),
        ({"results": {"force": {}}}, "`force` stands in `parameters` and in `results`"),
        ({"results": {"my-energy": {}}}, "`my-energy` is no name"),
        ({"results": {}}, "at least 1"),
        ({"parameters": {"seed": {}}}, "no input can be called `seed`"),
        ({"parameters": {"force": {"low": 2, "high": 1}}}, "low = 2 is not below high = 1"),
        ({"axes": {"z": {"low": 0, "high": 1}}}, "low, high and bins, or edges"),
        ({"axes": {"z": {"edges": [0, 2, 1]}}}, "must grow"),
    ],
)
def test_mistakes_in_the_configuration_are_told_in_words(settings: dict[str, Any], message: str) -> None:
    assert message in message_of(**settings)


def test_the_environment_of_this_python_comes_first_on_the_search_path() -> None:
    script = "import sys, json; print(json.dumps(dict(energy=float(sys.prefix == %r))))" % sys.prefix  # noqa: UP031
    assert run(command(script), [1.0]).mean["energy"][0] == 1.0
    assert os.environ.get("PATH")  # what else is there stays reachable


def test_the_campaign_of_the_chain_gives_the_exact_extension() -> None:
    campaign = Path(__file__).parents[2] / "campaigns" / "command.yaml"
    simulator = Command(**YAML(typ="safe").load(campaign)["simulator"])
    rows = np.array([simulator.complete({"force": force, "segments": 20}) for force in (0.5, 2, 8)])
    observations = simulator.run(rows, np.arange(3, dtype=np.uint64), threads=2)
    exact = 20 * (1 / np.tanh(rows[:, 0]) - 1 / rows[:, 0])
    mean, stderr = observations.mean["extension"], observations.stderr["extension"]
    assert (np.abs(mean - exact) < 4 * stderr).all()
    assert (stderr < 0.01 * 20).all()
