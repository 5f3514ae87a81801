"""Trajectories, series and checkpoints: what other programs read, and what an interruption leaves."""

import builtins
import json
import shutil
import warnings
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pytest

from simulators import InvalidInputError, SimulatorError
from simulators.batch.keeping import identified, open_keeper, read_frame
from simulators.batch.simulator import BatchSimulator
from simulators.contract import Frame, Keep, Output, Parameter

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
        (Walk(), {"names": ("../a",)}, "names without a folder"),
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
    with pytest.raises(InvalidInputError, match="HOOMD schema"):
        read_frame(whole[0] / "r0.csv")
    with pytest.raises(InvalidInputError, match="No such file"):
        read_frame(tmp_path / "none.gsd")
