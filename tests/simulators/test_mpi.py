"""Batches over MPI ranks: the same numbers as on one, and a plain end whatever happens to a rank."""

import importlib.util
import os
import pickle
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_simulator_contract import EXAMPLES, PLUGINS

from simulators import InvalidInputError, SimulatorError, StoppedEarlyError
from simulators.batch import mpi
from simulators.batch.decomposed import DecomposedSimulator
from simulators.batch.replica_files import Files, read_checkpoint
from simulators.batch.simulator import BatchSimulator
from simulators.batch.trajectories import read_frame
from simulators.contract import Coordinate, Failure, Frame, Keep, Output, Parameter
from simulators.lennard_jones import LennardJones
from simulators.md.fluid.boxes import Boxes
from simulators.md.slit.team import tile_of
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


class Costly(DecomposedSimulator):
    """Costs each rank of a team one second more than the one before."""

    kind: Literal["costly"] = "costly"
    backend: Literal["cpu", "mpi"] = "mpi"

    inputs: ClassVar = (Parameter("trouble", "", "", 0, 10),)
    outputs: ClassVar = (Output("double", "", ""),)

    def work(self, inputs):
        return 1.0

    def on_cpu(self, inputs, seeds, threads, progress, keep):
        raise NotImplementedError

    def on_ranks(self, team, inputs, seeds, threads, progress, keep):
        observations = self.nothing_yet(inputs)
        observations.mean["double"][:] = 2 * inputs[:, 0]
        observations.cpu_seconds[:] = 1 + team.rank
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


def test_every_simulator_with_ranks_can_be_sent_to_them():
    with_ranks = [kind for kind, found in PLUGINS.items() if issubclass(found, BatchSimulator)]
    assert "slit_electrolyte" in with_ranks
    for kind in with_ranks:
        simulator = PLUGINS[kind](**EXAMPLES[kind][0])
        assert pickle.loads(pickle.dumps(simulator)) == simulator


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


# One slit over two ranks --------------------------------------------------------------------------


def team(steps=400, **configuration):
    return SlitElectrolyte(
        ions=200, steps=steps, backend="mpi", ranks=2, ranks_per_replica=2, **configuration
    )


def run_slit(simulator, seeds=(3,), inputs=INPUTS, **options):
    row = simulator.complete(inputs)
    return simulator.run(np.stack([row] * len(seeds)), np.array(seeds, np.uint64), **options)


def test_a_slit_over_two_ranks_goes_where_one_rank_goes(tmp_path, nobody_left):
    different = {**INPUTS, "cation_valency": 2, "cation_diameter": 0.5, "anion_diameter": 0.7}
    del different["diameter"]
    one = SlitElectrolyte(ions=200, steps=400)
    keep = {"names": ("a", "b"), "frames": 40, "series": 40}
    run_slit(one, (3, 4), different, keep=Keep(tmp_path / "one", **keep))
    told = []
    ranks = Keep(tmp_path / "two", **keep)
    observations = run_slit(team(), (3, 4), different, keep=ranks, progress=told.append)
    assert observations.failures == {}
    for name in "ab":
        for k in range(3):  # rounding grows afterwards
            ours, theirs = (read_frame(tmp_path / n / f"{name}.gsd", k) for n in ("two", "one"))
            np.testing.assert_allclose(ours.position, theirs.position, atol=1e-5)
            np.testing.assert_allclose(ours.velocity, theirs.velocity, atol=1e-3)
        ours, theirs = (pd.read_csv(tmp_path / n / f"{name}.csv") for n in ("two", "one"))
        np.testing.assert_allclose(ours.iloc[:3], theirs.iloc[:3], rtol=1e-4)
    counts = observations.mean["density_cation"] * np.diff(observations.edges["z"], axis=1)
    assert counts.sum(axis=1) == pytest.approx(0.25 * 1.5, rel=1e-9)
    assert observations.used["temperature"] == pytest.approx(1, abs=0.1)


def test_a_team_gives_the_same_bits_again_with_threads_and_after_an_interruption(tmp_path, nobody_left):
    keep = {"names": ("a",), "frames": 50, "series": 70, "checkpoint": 100}
    whole = run_slit(team(), keep=Keep(tmp_path / "whole", **keep))
    threaded = run_slit(team(), threads=2)
    assert_same(threaded, whole)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    # What a kill between its checkpoints at 300 and 400 leaves.
    (tmp_path / "part" / "a.checkpoint.previous.npz").replace(tmp_path / "part" / "a.checkpoint.npz")
    assert_same(run_slit(team(), keep=Keep(tmp_path / "part", **keep)), whole)
    ours, theirs = (tmp_path / n / "a.csv" for n in ("part", "whole"))
    assert ours.read_bytes() == theirs.read_bytes()
    for k in range(9):
        ours, theirs = (read_frame(tmp_path / n / "a.gsd", k) for n in ("part", "whole"))
        np.testing.assert_array_equal(ours.position, theirs.position)


@pytest.mark.parametrize("together", [2, 1])
def test_ranks_that_are_told_to_stop_go_on_to_the_same_bits(tmp_path, nobody_left, together):
    if together == 2:
        simulator = team()
        whole = run_slit(simulator, (3, 4))
    else:
        one = SlitElectrolyte(ions=200, steps=400)
        simulator, whole = one.model_copy(update={"backend": "mpi"}), run_slit(one, (3, 4))
    keep = Keep(tmp_path, ("a", "b"), series=70, checkpoint=10_000)
    with pytest.raises(StoppedEarlyError):
        run_slit(simulator, (3, 4), keep=replace(keep, ending=partial(bool, 1)))
    about, _ = read_checkpoint(Files(tmp_path, "a").checkpoint)
    assert 0 < about["step"] < 400
    assert_same(run_slit(simulator, (3, 4), keep=keep), whole)


def test_a_team_fails_like_one(tmp_path, nobody_left):
    crowded = np.zeros((200, 3))
    crowded[:, 2] = np.linspace(-1.2, 1.2, 200)
    keep = Keep(tmp_path, ("a", "b"), starts={0: Frame(0, crowded)})
    observations = run_slit(team(), (3, 4), keep=keep)
    assert list(observations.failures) == [0]
    assert "at step 0" in observations.failures[0].message or "at step 10" in observations.failures[0].message
    np.testing.assert_allclose(observations.failures[0].frame.position, crowded, atol=1e-6)
    assert np.isfinite(observations.mean["mid_density"][1])


def test_a_replica_costs_what_it_costs_all_ranks_of_its_team(nobody_left):
    observations = run(Costly(ranks=2, ranks_per_replica=2), [1, 2, 3])
    assert observations.mean["double"].tolist() == [2, 4, 6]
    assert observations.cpu_seconds.tolist() == [3, 3, 3]


def test_a_start_that_is_refused_is_refused_in_words(tmp_path, nobody_left):
    keep = Keep(tmp_path, ("a",), starts={0: Frame(0, np.zeros((3, 3)))})
    with pytest.raises(InvalidInputError, match="3 particles: this slit holds 200 ions"):
        run_slit(team(), keep=keep)


def test_teams_have_to_fit():
    with pytest.raises(ValidationError, match="ranks = 3 is no multiple of ranks_per_replica = 2"):
        SlitElectrolyte(backend="mpi", ranks=3, ranks_per_replica=2)
    with pytest.raises(ValidationError, match="needs backend: mpi"):
        SlitElectrolyte(ranks_per_replica=2)
    simulator = SlitElectrolyte(ions=40, steps=640, backend="mpi", ranks=4, ranks_per_replica=4)
    with pytest.raises(
        InvalidInputError, match="ranks_per_replica = 4: too many for 40 ions; accepted: at most 2"
    ):
        simulator.complete(INPUTS)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=60)
def test_tiles_hold_each_pair_once(ranks, blocks, seed):
    edges = np.sort(np.random.default_rng(seed).integers(1, ranks + blocks, ranks + 1)) * 16
    edges[0], lanes = 0, int(edges[-1])
    pairs = np.zeros((lanes, lanes), int)
    for ours in range(ranks):
        for distance in range(ranks // 2 + 1):
            theirs = (ours + distance) % ranks
            tile = tile_of(edges, ours, theirs, shared=distance > 0 and 2 * distance == ranks)
            assert (tile.rows % 4 == 0).all()
            assert (np.diff(tile.rows) >= 0).all()
            pairs[tile.rows[0] : tile.rows[-1], tile.columns[0] : tile.columns[1]] += 1
    i, j = np.triu_indices(lanes, 1)
    assert (pairs[i, j] == 1).all()


# One fluid over two ranks -------------------------------------------------------------------------

LIQUID = {"density": 0.7, "temperature": 1.0}


def fluid(**configuration):
    """Shorter than any that is for its averages."""
    return LennardJones(particles=500, **configuration).model_copy(update={"steps": 420})


def run_fluid(simulator, **options):
    row = LennardJones(particles=500).complete(LIQUID)
    return simulator.run(np.stack([row, row]), np.array([7, 8], np.uint64), **options)


@pytest.fixture(scope="module")
def fluid_on_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fluid")
    return folder, run_fluid(fluid(), keep=Keep(folder, ("a", "b"), frames=210, series=210))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fluid_over_two_ranks_is_the_same_to_the_bit(fluid_on_one, tmp_path, nobody_left, threads):
    folder, one = fluid_on_one
    keep = Keep(tmp_path, ("a", "b"), frames=210, series=210, checkpoint=150)
    simulator = fluid(backend="mpi", ranks=2, ranks_per_replica=2)
    assert_same(run_fluid(simulator, keep=keep, threads=threads), one)
    for name in ("a", "b"):
        assert (tmp_path / f"{name}.csv").read_bytes() == (folder / f"{name}.csv").read_bytes()
        for k in range(3):
            ours, theirs = (read_frame(where / f"{name}.gsd", k) for where in (tmp_path, folder))
            np.testing.assert_array_equal(ours.position, theirs.position)
            np.testing.assert_array_equal(ours.velocity, theirs.velocity)
    if threads == 1:
        # What a kill between the last two checkpoints leaves.
        for name in ("a", "b"):
            previous = tmp_path / f"{name}.checkpoint.previous.npz"
            previous.replace(tmp_path / f"{name}.checkpoint.npz")
        assert_same(run_fluid(simulator, keep=keep), one)


def test_a_team_of_a_fluid_fails_like_one(tmp_path, nobody_left):
    crowded = np.random.default_rng(3).uniform(0, 5, (500, 3))
    start = {"starts": {1: Frame(0, crowded)}}
    one = run_fluid(fluid(), keep=Keep(tmp_path / "one", ("a", "b"), **start))
    simulator = fluid(backend="mpi", ranks=2, ranks_per_replica=2)
    two = run_fluid(simulator, keep=Keep(tmp_path / "two", ("a", "b"), **start))
    assert list(one.failures) == list(two.failures) == [1]
    assert two.failures[1].message == one.failures[1].message
    np.testing.assert_array_equal(two.failures[1].frame.position, one.failures[1].frame.position)
    np.testing.assert_array_equal(two.mean["g"][0], one.mean["g"][0])


@given(st.lists(st.integers(1, 4), min_size=3, max_size=3), st.floats(0.01, 0.4), st.integers(0, 2**31))
@settings(max_examples=50)
def test_boxes_hold_all_and_know_who_is_near(across, reach, seed):
    boxes = Boxes(across)
    rows = np.random.default_rng(seed).integers(-(2**31), 2**31, (200, 4)).astype(np.int32)
    rows[:2, 0] = [0, -1]  # both ends of an axis
    words, turns = rows.reshape(-1), rows[:, :3].astype(np.uint32) / 2.0**32
    box, d = boxes.of(words), turns[:, None] - turns[None]
    distance = np.sqrt(((d - np.rint(d)) ** 2).sum(axis=2))
    for k in range(len(boxes.middle)):
        inside = np.abs(turns[box == k] - boxes.middle[k]) <= boxes.half
        assert inside.all()
        near = np.isin(np.arange(200), boxes.near(words, k, reach))
        # Whoever is within reach of a particle of the box is near the box.
        assert near[(distance[box == k] < reach).any(axis=0)].all()
        assert near[box == k].all()
        outside = np.maximum(
            np.abs(turns - boxes.middle[k] - np.rint(turns - boxes.middle[k])) - boxes.half, 0
        )
        np.testing.assert_array_equal(near, (outside**2).sum(axis=1) < reach**2)
        border = boxes.at_border(words, k, reach)
        others = (distance < reach)[:, box != k].any(axis=1)
        assert border[(box == k) & others].all()
        assert not border.any() or max(across) > 1
