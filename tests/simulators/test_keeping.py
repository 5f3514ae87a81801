"""Trajectories, series and checkpoints: what other programs read, and what an interruption leaves."""

import builtins
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pytest
import slit_reference

from simulators import InvalidInputError, SimulatorError
from simulators.batch.keeping import abreast, open_keeper
from simulators.batch.ownership import identified
from simulators.batch.simulator import BatchSimulator
from simulators.batch.trajectories import read_frame
from simulators.contract import Frame, Keep, Output, Parameter
from simulators.slit_electrolyte import SlitElectrolyte

gsd_hoomd = pytest.importorskip("gsd.hoomd")

STEPS, PARTICLES = 100, 4
BOX = np.array([5.0, 6.0, 7.0])


class Walk(BatchSimulator):
    """A random walk of four particles: a state that depends on all that came before."""

    kind: Literal["walk"] = "walk"
    backend: Literal["cpu"] = "cpu"
    size: float = 0.3
    inputs: ClassVar = (Parameter("length", "nm", "of a step", 0, 10),)
    outputs: ClassVar = (Output("reach", "nm", "farthest coordinate ever"),)
    keeps: ClassVar = frozenset({"frames", "series", "checkpoint", "start"})
    stop_at: ClassVar = STEPS

    def work(self, inputs):
        return 1.0

    def on_cpu(self, inputs, seeds, threads, progress, keep):
        observations = self.nothing_yet(inputs)
        for index, (length,) in enumerate(inputs):
            observations.mean["reach"][index] = self.walk(length, int(seeds[index]), keep, index)
        return observations

    def walk(self, length, seed, keep, index):
        types = ["up", "down", "up", "up"]
        charge, bonds = [1, -1, 1, 1], [[0, 1], [2, 3]]
        with open_keeper(keep, index, STEPS, types=types, charge=charge, bonds=bonds) as keeper:
            position, reach, step = np.zeros((PARTICLES, 3)), 0.0, 0
            if keeper.start is not None:
                position = keeper.start.position.copy()
            if (found := keeper.resume()) is not None:
                step, arrays = found
                position, reach = arrays["position"], float(arrays["reach"])
            while True:
                keeper.frame(Frame(step, position, BOX, position + 1))
                keeper.row(step, {"reach": reach, "first": position[0, 0]})
                keeper.save(step, {"position": position, "reach": np.array(reach)})
                if step >= self.stop_at:
                    if step < STEPS:
                        raise KeyboardInterrupt
                    return reach
                until = min(keeper.next_stop(step), self.stop_at)
                for k in range(step, until):
                    position = position + length * np.random.default_rng([seed, k]).normal(
                        size=(PARTICLES, 3)
                    )
                    reach = max(reach, float(np.abs(position).max()))
                step = until


@pytest.fixture
def interrupted_at(monkeypatch):
    return lambda step: monkeypatch.setattr(Walk, "stop_at", step)


def run(keep, seed=1, length=0.3, **configuration):
    return Walk(**configuration).run(np.array([[length]]), np.array([seed], np.uint64), keep=keep)


def keep_in(folder, **changes):
    return Keep(folder, ("r0",), **{"frames": 10, "series": 7, "checkpoint": 20, **changes})


def trajectory(path):
    with gsd_hoomd.open(path, "r") as file:
        return [
            (f.configuration.step, f.particles.position, f.particles.image, f.particles.velocity)
            for f in file
        ]


def assert_same_files(folder, other):
    assert (folder / "r0.csv").read_bytes() == (other / "r0.csv").read_bytes()
    ours, theirs = trajectory(folder / "r0.gsd"), trajectory(other / "r0.gsd")
    assert [f[0] for f in ours] == [f[0] for f in theirs] == list(range(0, STEPS + 1, 10))
    for one, two in zip(ours, theirs, strict=True):
        for a, b in zip(one[1:], two[1:], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(keep_in(folder)).mean["reach"]


def test_nothing_to_keep_needs_nothing():
    keeper = open_keeper(None, 0, 50)
    assert keeper.resume() is None
    assert keeper.start is None
    assert keeper.next_stop(0) == keeper.next_stop(49) == 50
    keeper.visit(0, frame=pytest.fail, row=pytest.fail, state=pytest.fail)
    keeper.row(0, {"a": 1.0})
    keeper.save(50, {})
    keeper.close()


def test_stops_are_where_something_is_due(tmp_path):
    with open_keeper(keep_in(tmp_path), 0, STEPS) as keeper:
        stops, step = [], 0
        while step < STEPS:
            stops.append(step := keeper.next_stop(step))
        due = {k for every in (10, 7, 20) for k in range(every, STEPS + 1, every)}
        assert stops == sorted(due)
        assert keeper.wants_frame(0)
        assert keeper.wants_row(0)
        assert not keeper.wants_checkpoint(0)
    with open_keeper(keep_in(tmp_path, checkpoint=30), 0, STEPS) as keeper:
        assert [k for k in range(STEPS + 1) if keeper.wants_checkpoint(k)] == [30, 60, 90, 100]


def test_a_visit_makes_what_is_due_and_nothing_else(tmp_path):
    made = []

    def make(name, what):
        return lambda: made.append(name) or what

    with open_keeper(keep_in(tmp_path), 0, STEPS) as keeper:
        for step in (0, 3, 7, 10, 20, 21):
            made.append(step)
            keeper.visit(
                step,
                frame=make("frame", Frame(step, np.zeros((1, 3)))),
                row=make("row", {"a": 1.5}),
                state=make("state", {"b": np.ones(2)}),
            )
    assert made == [0, "frame", "row", 3, 7, "row", 10, "frame", 20, "frame", "state", 21, "row"]
    assert (tmp_path / "r0.csv").read_text() == "step,a\n0,1.5\n7,1.5\n21,1.5\n"
    with open_keeper(keep_in(tmp_path), 0, STEPS) as keeper:
        step, arrays = keeper.resume()
        assert (step, arrays["b"].tolist()) == (20, [1, 1])


def test_replicas_side_by_side_go_on_from_the_same_step():
    late, later, latest = ({"x": np.array(k)} for k in range(3))
    found = {3: (40, late), 4: None, 5: (20, later), 7: None, 8: (40, latest), 9: None}
    assert list(abreast(found, 2)) == [
        (0, [4, 7], []),
        (0, [9], []),
        (20, [5], [later]),
        (40, [3, 8], [late, latest]),
    ]
    assert list(abreast({}, 16)) == []


def test_files_are_on_disk_before_the_checkpoint_that_counts_them(tmp_path):
    with open_keeper(keep_in(tmp_path), 0, STEPS) as killed:
        for step in range(21):
            killed.frame(Frame(step, np.zeros((1, 3))))
            killed.row(step, {"a": 1.5})
            killed.save(step, {})
        with open_keeper(keep_in(tmp_path), 0, STEPS) as another:
            assert another.resume() == (20, {})
        assert len(pd.read_csv(tmp_path / "r0.csv")) == len(trajectory(tmp_path / "r0.gsd")) == 3


def test_keeping_changes_no_number(whole):
    np.testing.assert_array_equal(run(None).mean["reach"], whole[1])


def test_mdanalysis_reads_the_trajectory(whole):
    import MDAnalysis

    universe = MDAnalysis.Universe(str(whole[0] / "r0.gsd"))
    assert len(universe.trajectory) == 11
    assert universe.atoms.types.tolist() == ["up", "down", "up", "up"]
    assert universe.atoms.charges.tolist() == [1, -1, 1, 1]
    assert [bond.indices.tolist() for bond in universe.bonds] == [[0, 1], [2, 3]]
    for k, step in enumerate(universe.trajectory):
        expected = read_frame(whole[0] / "r0.gsd", k).position
        np.testing.assert_allclose(step.dimensions, [*BOX, 90, 90, 90], rtol=1e-6)
        assert (np.abs(step.positions) <= BOX / 2 + 1e-6).all()
        turns = (expected - step.positions) / BOX
        np.testing.assert_allclose(turns, np.rint(turns), atol=1e-6)
        assert step.data["step"] == 10 * k


def test_mdtraj_reads_the_trajectory(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import mdtraj

        read = mdtraj.load(str(whole[0] / "r0.gsd"))
    assert read.n_frames == 11
    assert [atom.name for atom in read.topology.atoms] == ["up", "down", "up", "up"]
    np.testing.assert_allclose(read.unitcell_lengths, np.tile(BOX, (11, 1)), rtol=1e-6)
    for k, (_, position, _, _) in enumerate(trajectory(whole[0] / "r0.gsd")):
        np.testing.assert_array_equal(read.xyz[k], position)


def test_frames_come_back_as_they_were(whole, tmp_path):
    moving = np.array([[12.0, -0.5, 3.0], [-40.0, 2.9, 0.0]])
    for name, box in (("slab", np.array([5.0, 6.0, 0.0])), ("open", None), ("periodic", BOX)):
        keep = Keep(tmp_path, (name,), frames=1)
        with open_keeper(keep, 0, 2, length_unit="nm") as keeper:
            for step in range(3):
                keeper.frame(Frame(step, moving + step, box, moving - step))
        for step in range(3):
            frame = read_frame(tmp_path / f"{name}.gsd", step)
            assert frame.step == step
            np.testing.assert_allclose(frame.position, moving + step, rtol=1e-6)
            np.testing.assert_allclose(frame.velocity, moving - step, rtol=1e-6)
            if box is None:
                assert frame.box is None
            else:
                np.testing.assert_array_equal(frame.box, box)
        with gsd_hoomd.open(tmp_path / f"{name}.gsd", "r") as file:
            for stored in file:
                assert (np.abs(stored.particles.position) <= stored.configuration.box[:3] / 2).all()
    assert read_frame(tmp_path / "open.gsd").velocity is not None
    with open_keeper(Keep(tmp_path, ("still",), frames=1), 0, 0) as keeper:
        keeper.frame(Frame(0, moving))
    assert read_frame(tmp_path / "still.gsd").velocity is None


def test_one_dimension_opens_in_mdanalysis(tmp_path):
    import MDAnalysis

    with open_keeper(Keep(tmp_path, ("line",), frames=1), 0, 1) as keeper:
        for step in range(2):
            keeper.frame(Frame(step, np.array([[-3.0 + step, 0, 0]])))
    universe = MDAnalysis.Universe(str(tmp_path / "line.gsd"))
    assert [step.positions[0, 0] for step in universe.trajectory] == [-3, -2]


def test_pandas_reads_the_series(whole):
    table = pd.read_csv(whole[0] / "r0.csv")
    assert table.columns.tolist() == ["step", "reach", "first"]
    assert table["step"].tolist() == list(range(0, STEPS + 1, 7))
    assert table["reach"].is_monotonic_increasing
    assert table["reach"].iloc[-1] <= whole[1][0]


@pytest.mark.parametrize("stop", [5, 20, 33, 47, 60, 99])
def test_an_interruption_leaves_no_trace(whole, tmp_path, interrupted_at, stop):
    interrupted_at(stop)
    with pytest.raises(KeyboardInterrupt):
        run(keep_in(tmp_path))
    with open_keeper(identified_keep(tmp_path), 0, STEPS) as keeper:
        found = keeper.resume()
        assert (found[0] if found else 0) == stop // 20 * 20
    interrupted_at(STEPS)
    np.testing.assert_array_equal(run(keep_in(tmp_path)).mean["reach"], whole[1])
    assert_same_files(tmp_path, whole[0])


def identified_keep(folder, **changes):
    return identified(Walk(), np.array([[0.3]]), np.array([1], np.uint64), keep_in(folder, **changes))


def cut(path, fraction):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])


@pytest.mark.parametrize("fraction", [0, 0.2, 0.5, 0.9, 0.999])
def test_a_torn_checkpoint_falls_back_to_the_one_before(whole, tmp_path, interrupted_at, fraction):
    interrupted_at(75)
    with pytest.raises(KeyboardInterrupt):
        run(keep_in(tmp_path))
    cut(tmp_path / "r0.checkpoint.npz", fraction)
    assert open_keeper(identified_keep(tmp_path), 0, STEPS).resume()[0] == 40
    interrupted_at(STEPS)
    np.testing.assert_array_equal(run(keep_in(tmp_path)).mean["reach"], whole[1])
    assert_same_files(tmp_path, whole[0])


@pytest.mark.parametrize("name", ["r0.csv", "r0.gsd"])
@pytest.mark.parametrize("fraction", [0, 0.3, 0.95])
def test_a_torn_file_costs_a_replica_its_start_but_nothing_else(
    whole, tmp_path, interrupted_at, name, fraction
):
    interrupted_at(75)
    with pytest.raises(KeyboardInterrupt):
        run(keep_in(tmp_path))
    cut(tmp_path / name, fraction)
    interrupted_at(STEPS)
    np.testing.assert_array_equal(run(keep_in(tmp_path)).mean["reach"], whole[1])
    assert_same_files(tmp_path, whole[0])


def test_a_kill_between_two_renames_is_survived(whole, tmp_path, interrupted_at):
    interrupted_at(75)
    with pytest.raises(KeyboardInterrupt):
        run(keep_in(tmp_path))
    (tmp_path / "r0.checkpoint.npz").rename(tmp_path / "r0.checkpoint.previous.npz")
    interrupted_at(STEPS)
    np.testing.assert_array_equal(run(keep_in(tmp_path)).mean["reach"], whole[1])
    assert_same_files(tmp_path, whole[0])


def test_a_finished_replica_goes_on_from_its_end(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    assert open_keeper(identified_keep(tmp_path / "copy"), 0, STEPS).resume()[0] == STEPS
    np.testing.assert_array_equal(run(keep_in(tmp_path / "copy")).mean["reach"], whole[1])
    assert_same_files(tmp_path / "copy", whole[0])


def test_a_checkpoint_holds_no_pickles(tmp_path):
    with (
        open_keeper(keep_in(tmp_path), 0, STEPS) as keeper,
        pytest.raises(ValueError, match=r"[Oo]bject arrays"),
    ):
        keeper.save(20, {"things": np.array([print], dtype=object)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 2}, "seed = 1 in it and 2 now"),
        ({"length": 0.4}, "length = 0.3 in it and 0.4 now"),
        ({"size": 0.5}, "size = 0.3 in it and 0.5 now"),
    ],
)
def test_a_checkpoint_of_another_simulation_is_refused_before_anything_runs(whole, changes, said):
    before = (whole[0] / "r0.csv").read_bytes()
    with pytest.raises(SimulatorError, match=said):
        run(keep_in(whole[0]), **changes)
    assert (whole[0] / "r0.csv").read_bytes() == before


def test_a_checkpoint_of_other_files_version_or_start_is_refused(whole, monkeypatch):
    with pytest.raises(SimulatorError, match="frames = 10 in it and 5 now"):
        run(keep_in(whole[0], frames=5))
    with pytest.raises(SimulatorError, match="start = None in it"):
        run(keep_in(whole[0], starts={0: Frame(0, np.ones((PARTICLES, 3)))}))
    monkeypatch.setattr(Walk, "version", 2)
    with pytest.raises(SimulatorError, match="version = 1 in it and 2 now"):
        run(keep_in(whole[0]))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("first", [{}, {"checkpoint": None}, {"frames": None, "checkpoint": None}])
@pytest.mark.parametrize("second", [{}, {"series": None, "checkpoint": None}, {"checkpoint": None}])
def test_files_of_another_simulation_are_not_written_over(tmp_path, first, second):
    run(keep_in(tmp_path, **first))
    before = contents(tmp_path)
    with pytest.raises(
        SimulatorError, match=r"r0\.\w+ is of another simulation \(seed = 1 in it and 7 now"
    ) as no:
        run(keep_in(tmp_path, **second), seed=7)
    assert contents(tmp_path) == before
    for name in str(no.value).rpartition("or remove ")[2].split(", "):
        (tmp_path / name).unlink()
    run(keep_in(tmp_path, **second), seed=7)  # what it says to do is enough


def test_one_replica_that_may_not_write_stops_the_batch_before_it_leaves_anything(tmp_path):
    run(Keep(tmp_path, ("b",), series=7))
    with pytest.raises(SimulatorError, match=r"b\.csv is of another simulation \(seed = 1 in it and 2 now\)"):
        Walk().run(
            np.full((2, 1), 0.3), np.array([1, 2], np.uint64), keep=Keep(tmp_path, ("a", "b"), series=7)
        )
    assert {path.name for path in tmp_path.iterdir()} == {"b.about.json", "b.csv"}


def test_files_of_nobody_are_not_written_over(tmp_path):
    (tmp_path / "r0.csv").write_text("mine")
    with pytest.raises(SimulatorError, match=r"r0\.csv exists, and nothing beside it says"):
        run(keep_in(tmp_path))
    assert contents(tmp_path) == {"r0.csv": b"mine"}
    run(keep_in(tmp_path, series=None))
    assert (tmp_path / "r0.csv").read_text() == "mine"


def test_checkpoints_say_whose_the_files_are_too(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    (tmp_path / "copy" / "r0.about.json").unlink()
    with pytest.raises(SimulatorError, match="seed = 1 in it and 7 now"):
        run(keep_in(tmp_path / "copy", checkpoint=None), seed=7)
    run(keep_in(tmp_path / "copy"))
    assert contents(tmp_path / "copy")["r0.about.json"] == contents(whole[0])["r0.about.json"]


@pytest.mark.parametrize("checkpoint", [20, None])
def test_one_interrupted_before_its_first_checkpoint_begins_anew(whole, tmp_path, interrupted_at, checkpoint):
    interrupted_at(15)
    with pytest.raises(KeyboardInterrupt):
        run(keep_in(tmp_path, checkpoint=checkpoint))
    assert contents(tmp_path).keys() == {"r0.about.json", "r0.csv", "r0.gsd"}
    interrupted_at(STEPS)
    np.testing.assert_array_equal(run(keep_in(tmp_path, checkpoint=checkpoint)).mean["reach"], whole[1])
    assert_same_files(tmp_path, whole[0])


def test_one_that_never_wrote_anything_holds_no_name(tmp_path):
    identified_keep(tmp_path)
    assert contents(tmp_path).keys() == {"r0.about.json"}
    run(keep_in(tmp_path), seed=7)
    assert json.loads((tmp_path / "r0.about.json").read_text())["seed"] == 7


class Stroll(Walk):
    kind: Literal["stroll"] = "stroll"


def test_files_of_another_kind_of_simulation_are_told_in_a_word(whole):
    with pytest.raises(
        SimulatorError, match=r"another kind of simulation \(walk, not stroll\): keep"
    ) as refusal:
        Stroll().run(np.array([[0.3]]), np.array([1], np.uint64), keep=keep_in(whole[0]))
    assert "now" not in str(refusal.value)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_files_may_be_read_as_the_umask_says(tmp_path, interrupted_at, umask):
    before = os.umask(umask)
    try:
        interrupted_at(35)
        with pytest.raises(KeyboardInterrupt):
            run(keep_in(tmp_path))
        interrupted_at(STEPS)
        run(keep_in(tmp_path))  # cuts the trajectory back: another file
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_checkpoints_may_be_taken_at_other_steps_and_in_another_place(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "copy")
    run(keep_in(tmp_path / "copy", checkpoint=33), backend="cpu", ranks=4)


def test_starts_from_a_frame_of_another_run(whole, tmp_path):
    frame = read_frame(whole[0] / "r0.gsd", 5)
    run(keep_in(tmp_path, starts={0: frame}))
    np.testing.assert_allclose(read_frame(tmp_path / "r0.gsd", 0).position, frame.position, rtol=1e-6)


def test_a_share_of_a_batch_keeps_the_same_files(tmp_path):
    start = Frame(0, np.ones((PARTICLES, 3)))
    keep = Keep(tmp_path, ("a", "b", "c"), checkpoint=1, starts={2: start})
    known = identified(Walk(), np.full((3, 1), 0.3), np.arange(3, dtype=np.uint64), keep)
    part = known.part([2, 0])
    assert part.names == ("c", "a")
    assert part.starts == {0: start}
    assert [json.loads(identity)["seed"] for identity in part.identities] == [2, 0]


class Forgetful(Walk):
    keeps: ClassVar = frozenset({"series"})


@pytest.mark.parametrize(
    ("simulator", "keep", "said"),
    [
        (Walk(), {"names": ("a", "b")}, "a name of its own for each replica"),
        (Walk(), {"names": ("../a",)}, "names inside the folder"),
        (Walk(), {"frames": 0}, "1 or more"),
        (Forgetful(), {"frames": 5}, "not kept by walk; accepted: series"),
        (Forgetful(), {"starts": {0: Frame(0, np.zeros((1, 3)))}}, "not taken by walk"),
    ],
)
def test_refuses_what_cannot_be_kept(tmp_path, simulator, keep, said):
    with pytest.raises(InvalidInputError, match=said):
        simulator.run(
            np.array([[0.3]]),
            np.array([1], np.uint64),
            keep=Keep(**{"folder": tmp_path / "new", "names": ("r0",), **keep}),
        )
    assert not (tmp_path / "new").exists()


def test_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_gsd(name, *args, **kwargs):
        if name.startswith("gsd"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_gsd)
    with pytest.raises(SimulatorError, match=r"pip install 'mlaround\[trajectories\]'"):
        run(keep_in(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    run(keep_in(tmp_path / "new", frames=None))


def test_says_which_frames_there_are(whole, tmp_path):
    with pytest.raises(InvalidInputError, match="has 11 frames; accepted: -11 to 10"):
        read_frame(whole[0] / "r0.gsd", 11)
    with pytest.raises(InvalidInputError, match=r"r0.csv: Not a GSD file; accepted: .* HOOMD schema"):
        read_frame(whole[0] / "r0.csv")
    with pytest.raises(InvalidInputError, match="No such file") as refusal:
        read_frame(tmp_path / "none.gsd")
    assert str(refusal.value).count("none.gsd") == 1


# Ions in a slit -----------------------------------------------------------------------------------

INPUTS = {"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}


def slit(steps=60_000, **configuration):
    return SlitElectrolyte(ions=40, steps=steps, **configuration)


def run_slit(simulator, keep, seeds=(5,)):
    row = simulator.complete(INPUTS)
    return simulator.run(np.stack([row] * len(seeds)), np.array(seeds, np.uint64), keep=keep)


def assert_same_observations(one, other):
    assert one.failures.keys() == other.failures.keys()
    for name in one.mean:
        np.testing.assert_array_equal(one.mean[name], other.mean[name])
        np.testing.assert_array_equal(one.stderr[name], other.stderr[name])
    np.testing.assert_array_equal(one.used["temperature"], other.used["temperature"])


def test_a_killed_slit_goes_on_to_the_same_bits_and_files(tmp_path):
    intervals = {"frames": 1_000, "series": 1_500, "checkpoint": 4_000}
    program = (
        "import sys; sys.path.insert(0, 'tests/simulators'); from pathlib import Path\n"
        "from test_keeping import Keep, run_slit, slit\n"
        f"run_slit(slit(), Keep(Path(sys.argv[1]), ('r0',), **{intervals}))"
    )
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parents[2])
    until = time.monotonic() + 60
    while not (folder / "r0.checkpoint.previous.npz").exists() and time.monotonic() < until:
        time.sleep(0.002)
    child.kill()
    assert child.wait() == -9, "it ended before it was killed"
    resumed = run_slit(slit(), Keep(folder, ("r0",), **intervals))
    assert_same_observations(resumed, run_slit(slit(), Keep(whole, ("r0",), **intervals)))
    assert_same_observations(resumed, run_slit(slit(), None))
    assert (folder / "r0.csv").read_bytes() == (whole / "r0.csv").read_bytes()
    ours, theirs = trajectory(folder / "r0.gsd"), trajectory(whole / "r0.gsd")
    assert [f[0] for f in ours] == [f[0] for f in theirs] == list(range(0, 60_001, 1_000))
    for one, two in zip(ours, theirs, strict=True):
        for a, b in zip(one[1:], two[1:], strict=True):
            np.testing.assert_array_equal(a, b)
    # It did go on from a checkpoint: with another seed it is refused.
    with pytest.raises(SimulatorError, match="seed = 5 in it and 6 now"):
        run_slit(slit(), Keep(folder, ("r0",), **intervals), seeds=(6,))


def test_frames_of_a_slit_are_its_ions(tmp_path):
    keep = Keep(tmp_path, ("a", "b"), frames=500, series=500)
    run_slit(slit(2_000), keep, seeds=(5, 6))
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["temperature"].iloc[1:].between(0.6, 1.5).all()
    frame = read_frame(tmp_path / "a.gsd")
    assert frame.step == 2_000
    assert (np.abs(frame.position[:, 2]) < 1.5).all()
    assert (frame.velocity.mean(axis=0) != 0).all()
    with gsd_hoomd.open(tmp_path / "a.gsd", "r") as file:
        assert file[0].particles.types == ["cation", "anion"]
        assert file[2].particles.charge.tolist() == [1.0] * 20 + [-1.0] * 20
    # The replica of which this is the last frame says the same of its energy, in float64.
    system = slit_reference.replica(1, {"ions": 40, "steps": 2_000}, **INPUTS)
    system._begin(frame)
    expected = slit_reference.Reference(system)
    assert table["potential_energy"].iloc[-1] == pytest.approx(expected.energy(expected.positions), rel=1e-4)
    again = system.frame(0)
    np.testing.assert_allclose(again.position, frame.position, atol=1e-6)
    np.testing.assert_allclose(again.velocity, frame.velocity, atol=1e-5)
    assert system.thermodynamics()["temperature"] == pytest.approx(table["temperature"].iloc[-1], rel=1e-5)


@pytest.mark.parametrize("wall", ["dummy", "current"])
def test_the_energy_of_a_slit_is_the_reference(wall):
    configuration = {"ions": 150, "steps": 400, "wall": wall}
    different = {**INPUTS, "surface_charge": -0.05, "cation_valency": 2}
    different |= {"cation_diameter": 0.5, "anion_diameter": 0.714}
    del different["diameter"]
    system = slit_reference.replica(3, configuration, **different)
    system.run(lambda fraction: None)
    reference = slit_reference.Reference(system)
    expected = reference.energy(reference.positions)
    assert system.thermodynamics()["potential_energy"] == pytest.approx(
        expected, rel=1e-7
    )  # wall sizes are float32


def test_a_slit_starts_where_another_ended(tmp_path):
    run_slit(slit(2_000), Keep(tmp_path, ("a",), frames=2_000))
    frame = read_frame(tmp_path / "a.gsd")
    run_slit(slit(500), Keep(tmp_path, ("b",), frames=100, starts={0: frame}))
    np.testing.assert_allclose(read_frame(tmp_path / "b.gsd", 0).position, frame.position, atol=1e-5)
    np.testing.assert_allclose(read_frame(tmp_path / "b.gsd", 0).velocity, frame.velocity, atol=1e-5)
    at_rest = Frame(0, frame.position)
    run_slit(slit(500), Keep(tmp_path, ("c",), frames=100, starts={0: at_rest}))
    np.testing.assert_allclose(read_frame(tmp_path / "c.gsd", 0).position, frame.position, atol=1e-5)
    assert (read_frame(tmp_path / "c.gsd", 0).velocity ** 2).mean() == pytest.approx(0.714**2, rel=0.4)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(0, np.zeros((39, 3))), "39 particles: this slit holds 40 ions; accepted: a frame of 40"),
        (Frame(0, np.zeros((40, 3)), np.array([9.0, 9.0, 0])), "9 by 9 nm: not this slit's"),
        (Frame(0, np.full((40, 3), 1.6)), "1.6 nm from the mid-plane: an ion outside the walls"),
        (Frame(0, np.full((40, 3), np.nan)), "an ion outside the walls"),
    ],
)
def test_a_slit_refuses_a_start_of_another_kind(tmp_path, monkeypatch, frame, said):
    monkeypatch.setattr("simulators.md.slit.replica.warm_up", pytest.fail)
    with pytest.raises(InvalidInputError, match=said):
        run_slit(slit(500), Keep(tmp_path, ("a",), starts={0: frame}))


def test_a_failed_slit_leaves_its_last_good_frame(tmp_path):
    crowded = np.zeros((40, 3))
    crowded[:, 2] = np.linspace(-1.2, 1.2, 40)
    keep = Keep(tmp_path, ("a", "b"), starts={0: Frame(0, crowded)})
    observations = run_slit(slit(2_000), keep, seeds=(5, 6))
    assert list(observations.failures) == [0]
    frame = observations.failures[0].frame
    assert frame.position.shape == (40, 3)
    assert np.isfinite(frame.position).all()
    np.testing.assert_allclose(frame.position, crowded, atol=1e-6)
