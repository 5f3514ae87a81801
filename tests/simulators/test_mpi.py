"""Batches over MPI ranks: the same numbers as on one, and a plain end whatever happens to a rank."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import psutil
import pytest

from simulators import InvalidInputError, SimulatorError
from simulators.batch import mpi
from simulators.batch.simulator import BatchSimulator
from simulators.contract import Coordinate, Failure, Keep, Output, Parameter
from simulators.slit_electrolyte import SlitElectrolyte

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        importlib.util.find_spec("mpi4py") is None
        or not (shutil.which("mpiexec", path=sysconfig.get_path("scripts")) or shutil.which("mpiexec")),
        reason="needs mpi4py and an MPI: pip install 'mlaround[mpi]'",
    ),
]

INPUTS = {"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.7}


class Trouble(BatchSimulator):
    """Sleeps, fails, raises or dies, as its input says."""

    kind: Literal["trouble"] = "trouble"
    backend: Literal["cpu", "mpi"] = "mpi"
    what: str = "nothing"

    inputs: ClassVar = (Parameter("trouble", "", "", 0, 10),)
    outputs: ClassVar = (Output("double", "", ""), Output("profile", "", "", "x"))
    coordinates: ClassVar = (Coordinate("x", "", "", {"trouble": [0, 1, 2]}),)

    def work(self, inputs):
        return 1 + inputs["trouble"]

    def on_cpu(self, inputs, seeds, threads, progress, keep):
        observations = self.nothing_yet(inputs)
        observations.used["pid"] = np.full(len(inputs), float(os.getpid()))
        for k, (trouble,) in enumerate(inputs):
            if trouble == 1:
                observations.failures[k] = Failure("sad", "very")
                continue
            if trouble == 2:
                if self.what == "raise":
                    raise ZeroDivisionError("by nothing at all")
                if self.what == "refuse":
                    raise InvalidInputError("trouble", 2, "too much", "less")
                if self.what == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.what == "sleep":
                    time.sleep(600)
            time.sleep(0.15)
            progress((k + 1) / len(inputs))
            observations.mean["double"][k] = 2 * trouble + seeds[k] % 7
            observations.mean["profile"][k] = [trouble, seeds[k] % 7]
        return observations


def run(simulator, trouble, seeds=None, **options):
    seeds = np.arange(len(trouble)) if seeds is None else seeds
    return simulator.run(np.array(trouble, float)[:, None], np.array(seeds, np.uint64), **options)


def children_left(before):
    return [p for p in psutil.Process().children(recursive=True) if p.pid not in before]


@pytest.fixture
def nobody_left():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    yield
    until = time.monotonic() + 5
    while children_left(before) and time.monotonic() < until:
        time.sleep(0.05)
    assert not children_left(before)


def slits(**configuration):
    simulator = SlitElectrolyte(ions=40, steps=640, **configuration)
    row = simulator.complete(INPUTS)
    inputs = np.stack([simulator.complete({**INPUTS, "gap": 3 + k / 10}) for k in range(4)] + [row])
    return simulator, inputs, np.arange(5, dtype=np.uint64)


@pytest.fixture(scope="module")
def on_one():
    simulator, inputs, seeds = slits()
    return simulator.run(inputs, seeds)


def assert_same(one, other):
    for name in one.mean:
        np.testing.assert_array_equal(one.mean[name], other.mean[name])
        np.testing.assert_array_equal(one.stderr[name], other.stderr[name])
    for name in one.used:
        np.testing.assert_array_equal(one.used[name], other.used[name])
    for name in one.edges:
        np.testing.assert_array_equal(one.edges[name], other.edges[name])
    assert one.failures == other.failures


def test_two_ranks_give_the_same_bits_and_files(on_one, tmp_path, nobody_left):
    simulator, inputs, seeds = slits(backend="mpi", ranks=2)
    names = tuple("abcde")
    told = []
    keep = Keep(tmp_path / "two", names, series=100)
    assert_same(simulator.run(inputs, seeds, keep=keep, progress=told.append), on_one)
    alone, _, _ = slits()
    alone.run(inputs, seeds, keep=Keep(tmp_path / "one", names, series=100))
    for name in names:
        ours, theirs = (tmp_path / n / f"{name}.csv" for n in ("one", "two"))
        assert ours.read_bytes() == theirs.read_bytes()
        assert ours.stat().st_size > 100


def test_ranks_share_the_work_and_tell_how_far_they_are(nobody_left):
    told = []
    observations = run(Trouble(), [0, 1, 3, 4, 5, 0.5, 6, 7], range(10, 18), progress=told.append)
    assert len(set(observations.used["pid"])) == 2
    assert observations.failures == {1: Failure("sad", "very")}
    assert np.isnan(observations.mean["double"][1])
    expected = 2 * np.array([0, 3, 4, 5, 0.5, 6, 7]) + np.delete(np.arange(10, 18), 1) % 7
    np.testing.assert_array_equal(np.delete(observations.mean["double"], 1), expected)
    np.testing.assert_array_equal(observations.mean["profile"][3], [4, 13 % 7])
    np.testing.assert_array_equal(observations.edges["x"][3], [0, 4, 8])
    assert told == sorted(told)
    assert any(0 < fraction < 1 for fraction in told)


def test_more_ranks_than_replicas(nobody_left):
    observations = run(Trouble(ranks=3), [4])
    assert observations.mean["double"][0] == 8


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raise", "rank [01]: ZeroDivisionError: by nothing at all"),
        ("refuse", "trouble = 2: too much; accepted: less"),
        ("kill", "2 ranks of trouble went down"),
    ],
)
def test_a_rank_in_trouble_ends_the_batch_with_its_words(nobody_left, what, said):
    start = time.monotonic()
    with pytest.raises(SimulatorError, match=said) as caught:
        run(Trouble(what=what), [0, 2, 0, 0])
    assert (type(caught.value) is InvalidInputError) == (what == "refuse")
    assert time.monotonic() - start < 30


def test_who_stops_waiting_leaves_no_ranks(nobody_left):
    started = time.monotonic()

    def stop(fraction):
        if fraction > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Trouble(what="sleep"), [2, 3, 3, 3, 3, 3, 3], progress=stop)
    assert time.monotonic() - started < 30


def test_a_program_started_by_mpiexec_shares_the_batch_among_its_own_ranks(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from test_mpi import Trouble, run\n"
        "o = run(Trouble(ranks=7), [0, 3, 4, 5])\n"
        "sys.stdout.write(f\"got {o.mean['double']} {len(set(o.used['pid']))}\\n\")\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [*mpi.launcher(), "-n", "2", sys.executable, "-m", "mpi4py", str(program)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("got")]
    assert lines == ["got [ 0.  7. 10. 13.] 2"] * 2


def test_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(SimulatorError, match=r"mpiexec: pip install 'mlaround\[mpi\]'"):
        run(Trouble(), [0])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SimulatorError, match=r"mpi4py: pip install 'mlaround\[mpi\]'"):
        run(Trouble(), [0])


def test_the_launcher_may_be_named(monkeypatch):
    monkeypatch.setenv("MLAROUND_MPIEXEC", "srun --mpi=pmix")
    assert mpi.launcher() == ["srun", "--mpi=pmix"]


def test_a_simulator_that_cannot_be_sent_is_named():
    class Local(Trouble):
        pass

    with pytest.raises(SimulatorError, match="cannot be sent"):
        run(Local(), [0])
