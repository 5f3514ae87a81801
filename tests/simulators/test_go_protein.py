"""The Go protein: its laws, its kernels, PDB files, and the promises that it makes as a simulator."""

import numpy as np
import pytest
from go_reference import energy, energy_and_forces, helix, numerical_forces, pdb_line
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import InvalidInputError
from simulators.batch.trajectories import read_frame
from simulators.contract import Frame, Keep
from simulators.go_protein import GoProtein
from simulators.md.chain import forces as chain
from simulators.md.chain.protein import (
    DEFAULT,
    Native,
    contact_map,
    native_contacts,
    radius_of_gyration,
    read_calphas,
    rmsd,
)

NATIVE = Native(read_calphas(DEFAULT))
OUTPUTS = [output.name for output in GoProtein.outputs]


def run(simulator, temperatures, seeds=None, **options):
    inputs = np.array(temperatures, dtype=float).reshape(-1, 1)
    seeds = np.arange(len(inputs)) if seeds is None else seeds
    return simulator.run(inputs, np.array(seeds, dtype=np.uint64), **options)


def same(a, b, index=slice(None), other=slice(None)):
    for name in OUTPUTS:
        np.testing.assert_array_equal(a.mean[name][index], b.mean[name][other])
        np.testing.assert_array_equal(a.stderr[name][index], b.stderr[name][other])


# Laws and kernels --------------------------------------------------------------------------------


def folded(rng, beads):
    """A random chain that is no straight line, with every bond near 3.8."""
    while True:
        steps = rng.normal(size=(beads - 1, 3))
        steps *= 3.8 / np.linalg.norm(steps, axis=1)[:, None]
        position = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        native = Native(position)
        i, j = np.triu_indices(beads, 4)
        apart = np.linalg.norm(position[i] - position[j], axis=1)
        if (abs(native.angles - np.pi / 2) < 1.2).all() and apart.min() > 3.5:
            return native


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(5, 9))
def test_forces_are_minus_the_gradient_of_the_energy(seed, beads):
    rng = np.random.default_rng(seed)
    native = folded(rng, beads)
    position = native.position + rng.normal(size=(beads, 3)) * 0.15
    total, forces = energy_and_forces(position, native)
    assert total == pytest.approx(energy(position, native), rel=1e-12, abs=1e-10)
    largest = np.abs(forces).max()
    np.testing.assert_allclose(forces, numerical_forces(position, native), atol=1e-8 * max(largest, 1))


def test_kernels_give_the_forces_of_the_laws_in_every_lane():
    rng = np.random.default_rng(1)
    state, model = chain.room(28, NATIVE.others.shape[1]), chain.model(NATIVE)
    starts = [NATIVE.position, NATIVE.extended()]
    positions = np.stack([starts[lane % 2] + rng.normal(size=(28, 3)) * 0.1 for lane in range(16)])
    components = state.position[: 28 * 48].reshape(28, 3, 16)
    components[:] = positions.transpose(1, 2, 0)
    found = np.zeros(16, np.float32)
    chain.forces(model, state, found)
    assert 0 < state.length[0] < NATIVE.others.shape[1]
    for lane in range(16):
        there = components[:, :, lane].astype(float)
        total, forces = energy_and_forces(there, NATIVE)
        assert found[lane] == pytest.approx(total, rel=1e-5, abs=1e-3)
        mine = state.force[: 28 * 48].reshape(28, 3, 16)[:, :, lane]
        np.testing.assert_allclose(mine, forces, atol=2e-5 * np.abs(forces).max())


# Structures --------------------------------------------------------------------------------------


def test_geometry_of_1fme():
    assert len(NATIVE.position) == 28
    assert NATIVE.bonds.mean() == pytest.approx(3.829, abs=5e-4)
    near = contact_map(NATIVE.position)
    assert [int(np.triu(near, apart).sum()) for apart in (2, 3, 4)] == [68, 42, 28]
    assert NATIVE.contacts.shape == (2, 28)
    assert NATIVE.contacts.shape[1] + NATIVE.others.shape[1] == 25 * 24 // 2
    assert radius_of_gyration(NATIVE.position) == pytest.approx(9.07, abs=0.005)


def test_the_extended_chain_keeps_bonds_and_angles():
    extended = Native(NATIVE.extended())
    np.testing.assert_allclose(extended.bonds, NATIVE.bonds)
    np.testing.assert_allclose(extended.angles, NATIVE.angles)
    np.testing.assert_allclose(np.abs(extended.dihedrals), np.pi)


def test_distance_to_the_native_structure_does_not_see_rotations_but_mirrors():
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    turned = NATIVE.position @ q.T + [1, 2, 3]
    assert rmsd(turned, NATIVE.position) == pytest.approx(0, abs=1e-6)
    assert rmsd(-turned, NATIVE.position) > 3


def test_a_file_is_read_as_mdanalysis_reads_it(tmp_path):
    mda = pytest.importorskip("MDAnalysis")
    place = helix(12)
    lines = ["MODEL        1"]
    for k, position in enumerate(place, 1):
        lines.append(pdb_line(k, position + 1, name=" N  "))
        hetero = {"record": "HETATM", "residue": "MSE"} if k == 5 else {}
        lines.append(pdb_line(k, position, **hetero))
    lines += [
        "TER      99      ALA A  12",
        pdb_line(13, (9, 9, 9), record="HETATM", name="CA  ", residue=" CA"),
    ]
    lines += ["ENDMDL", "MODEL        2", *(pdb_line(k, p + 5) for k, p in enumerate(place, 1)), "ENDMDL"]
    path = tmp_path / "two_models.pdb"
    path.write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # of columns that it misses
        there = mda.Universe(str(path)).select_atoms("name CA and not resname CA").positions
    np.testing.assert_allclose(read_calphas(path), there[:12], atol=1e-5)
    np.testing.assert_allclose(read_calphas(path), place, atol=6e-4)


GOOD = [pdb_line(k, p) for k, p in enumerate(helix(8), 1)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], ["no C-alpha atoms", "PDB format"]),
        (["data_1FME", "loop_"], ["no C-alpha atoms", "not mmCIF"]),
        (GOOD[:3], ["3 C-alpha atoms"]),
        ([*GOOD[:3], *GOOD[5:], *GOOD[:1]], ["line 4", "breaks", "ALA 3", "ALA 6", "model the missing"]),
        ([*GOOD, pdb_line(9, (0, 0, 3), chain="B")], ["line 9", "second chain", "'B'"]),
        (
            [
                *GOOD[:4],
                pdb_line(5, helix(8)[4], alternative="A"),
                pdb_line(5, helix(8)[4] + 0.1, alternative="B"),
                *GOOD[5:],
            ],
            ["line 6", "'A' and 'B'", "ALA 5", "occupancy"],
        ),
        ([*GOOD[:4], GOOD[4][:30] + "   x.xxx" + GOOD[4][38:], *GOOD[5:]], ["line 5", "no coordinates"]),
        ([*GOOD[:4], GOOD[4][:30] + "     nan" + GOOD[4][38:], *GOOD[5:]], ["line 5", "no coordinates"]),
    ],
)
def test_files_that_cannot_be_simulated_are_refused_in_words(tmp_path, lines, words):
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join(lines))
    with pytest.raises(InvalidInputError) as caught:
        GoProtein(structure=str(path)).complete({"temperature": 0.7})
    for word in ("structure", str(path), *words):
        assert word in str(caught.value)


def test_missing_files_and_shapeless_chains_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="No such file"):
        GoProtein(structure=str(tmp_path / "none.pdb")).complete({"temperature": 0.7})
    path = tmp_path / "straight.pdb"
    path.write_text("\n".join(pdb_line(k, (3.2 * k, 2 * (k % 2), 0)) for k in range(1, 9)))
    with pytest.raises(InvalidInputError, match="folded"):
        GoProtein(structure=str(path)).complete({"temperature": 0.7})


# The simulator -----------------------------------------------------------------------------------


def test_averages_are_those_of_the_states_on_the_way(tmp_path):
    simulator = GoProtein(steps=3200, equilibration=0)
    mirrored = Frame(0, -NATIVE.position)  # its best superposition is no reflection
    keep = Keep(tmp_path, tuple("abc"), frames=100, series=100, starts={1: mirrored})
    observations = run(simulator, [0.6, 0.4, 1.5], keep=keep)
    never = observations.mean["contacts_density"] == 0
    contacts = len(NATIVE.contact_distances)
    np.testing.assert_allclose(observations.stderr["contacts_density"][never], contacts / 32)  # of one look
    always = observations.mean["contact_formed"] == 1
    np.testing.assert_allclose(observations.stderr["contact_formed"][always], 1 / 32)
    assert never.any()
    assert always.any()
    for k, name in enumerate(keep.names):
        rows = np.genfromtxt(tmp_path / f"{name}.csv", delimiter=",", names=True)
        assert (rows["step"] == np.arange(0, 3201, 100)).all()
        frames = np.stack([read_frame(tmp_path / f"{name}.gsd", n).position for n in range(33)])
        for output, values in (
            ("native_contacts", native_contacts(frames, NATIVE)),
            ("radius_of_gyration", radius_of_gyration(frames)),
            ("rmsd", rmsd(frames, NATIVE.position)),
            ("potential_energy", [energy(frame, NATIVE) for frame in frames]),
        ):
            np.testing.assert_allclose(rows[output], values, rtol=1e-3, atol=2e-3)
            assert observations.mean[output][k] == pytest.approx(np.mean(rows[output][:-1]), rel=1e-3)
        assert observations.used["temperature"][k] == pytest.approx(
            np.mean(rows["temperature"][:-1]), rel=1e-3
        )
        density, edges = observations.mean["contacts_density"][k], observations.edges["fraction"][k]
        middles = (edges[1:] + edges[:-1]) / 2
        assert np.sum(density * np.diff(edges)) == pytest.approx(1)
        assert np.sum(middles * density * np.diff(edges)) == pytest.approx(
            observations.mean["native_contacts"][k]
        )
        assert observations.mean["contact_formed"][k].mean() == pytest.approx(
            observations.mean["native_contacts"][k]
        )


def test_first_passage_is_that_of_the_series(tmp_path):
    keep = Keep(tmp_path, tuple("abcdefghijkl"), series=10)
    observations = run(GoProtein(steps=4000), [0.3, *np.linspace(1.8, 3, 11)], keep=keep)
    for k, name in enumerate(keep.names):
        rows = np.genfromtxt(tmp_path / f"{name}.csv", delimiter=",", names=True)
        below = rows["step"][rows["native_contacts"] < 0.3]
        expected = below[0] if len(below) else np.nan
        np.testing.assert_equal(observations.mean["first_unfolded"][k], expected)
        assert np.isnan(observations.stderr["first_unfolded"][k])  # of a single draw
    assert np.isnan(observations.mean["first_unfolded"]).tolist() == [True] + [False] * 11


def test_a_replica_is_the_same_in_any_lane_and_company():
    simulator = GoProtein(steps=2000)
    temperatures = np.linspace(0.3, 3, 20)
    together = run(simulator, temperatures, threads=2)
    backwards = run(simulator, temperatures[::-1], np.arange(20)[::-1])
    same(together, backwards, slice(None), slice(None, None, -1))
    for k in (0, 15, 16, 19):
        alone = run(simulator, temperatures[k : k + 1], [k])
        same(together, alone, slice(k, k + 1))


class StoppedError(Exception):
    pass


def test_an_interrupted_batch_goes_on_to_the_same_bits(tmp_path):
    simulator, temperatures = GoProtein(steps=40_000), [0.6, 1.2, 2.0]
    settings = {"frames": 700, "series": 300, "checkpoint": 1000}
    whole = Keep(tmp_path / "whole", tuple("abc"), **settings)
    broken = Keep(tmp_path / "broken", tuple("abc"), **settings)
    expected = run(simulator, temperatures, keep=whole)

    def stop(fraction):
        if fraction > 0.4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(simulator, temperatures, keep=broken, progress=stop)
    # One of them loses its checkpoints, so that the lanes stand at different steps.
    for path in broken.folder.glob("b.*"):
        path.unlink()
    same(run(simulator, temperatures, keep=broken), expected)
    for name in "abc":
        assert (broken.folder / f"{name}.csv").read_bytes() == (whole.folder / f"{name}.csv").read_bytes()
        there, here = (
            [read_frame(keep.folder / f"{name}.gsd", n) for n in range(58)] for keep in (whole, broken)
        )
        for a, b in zip(there, here, strict=True):
            assert a.step == b.step
            np.testing.assert_array_equal(a.position, b.position)
            np.testing.assert_array_equal(a.velocity, b.velocity)


def test_files_do_not_change_the_numbers(tmp_path):
    simulator, temperatures = GoProtein(steps=2000), [0.6, 1.2]
    keep = Keep(tmp_path, ("a", "b"), frames=7, series=13, checkpoint=333)
    same(run(simulator, temperatures), run(simulator, temperatures, keep=keep))


def test_starts_from_given_states(tmp_path):
    rng = np.random.default_rng(5)
    velocity = rng.normal(size=(28, 3))
    frame = Frame(0, NATIVE.extended() + 7, velocity=velocity)
    keep = Keep(tmp_path, ("a", "b"), frames=100, starts={1: frame})
    run(GoProtein(steps=100), [0.5, 0.5], keep=keep)
    first, second = (read_frame(tmp_path / f"{name}.gsd", 0) for name in "ab")
    assert rmsd(first.position, NATIVE.position) < 1e-3
    assert rmsd(second.position, NATIVE.extended()) < 1e-3
    np.testing.assert_allclose(second.velocity, velocity, atol=1e-5)
    with pytest.raises(InvalidInputError, match="28 beads"):
        run(GoProtein(steps=100), [0.5], keep=Keep(tmp_path, ("a",), starts={0: Frame(0, np.zeros((3, 3)))}))
    torn = NATIVE.position.copy()
    torn[10:] += 5
    with pytest.raises(InvalidInputError, match="bond after bead 10"):
        run(GoProtein(steps=100), [0.5], keep=Keep(tmp_path, ("a",), starts={0: Frame(0, torn)}))


def test_starts_extended_where_asked():
    observations = run(GoProtein(steps=500, start="extended", equilibration=0), [0.5])
    assert observations.mean["first_unfolded"][0] == 0
    assert observations.mean["radius_of_gyration"][0] > 15


def test_a_chain_that_breaks_fails_alone(tmp_path):
    fast = Frame(0, NATIVE.position, velocity=np.where(np.arange(28)[:, None] == 4, 300.0, 0.0) * np.ones(3))
    simulator = GoProtein(steps=1000)
    keep = Keep(tmp_path, tuple("abc"), starts={1: fast}, series=10)
    observations = run(simulator, [0.7, 0.7, 0.7], keep=keep)
    assert list(observations.failures) == [1]
    failure = observations.failures[1]
    assert failure.reason == "overstretched"
    assert all(word in failure.message for word in ("timestep = 0.01", "step", "2 angstrom", "accepted"))
    assert failure.frame is not None
    assert failure.frame.position.shape == (28, 3)
    assert all(np.isnan(observations.mean[name][1]).all() for name in OUTPUTS)
    alone = run(simulator, [0.7, 0.7], [0, 2])
    same(observations, alone, [0, 2])


def test_time_steps_too_long_fail():
    observations = run(GoProtein(steps=5000, timestep=0.1), [3.0, 3.0])
    assert set(observations.failures) == {0, 1}


def test_long_chains(tmp_path):
    place = helix(200)
    path = tmp_path / "helix.pdb"
    path.write_text("\n".join(pdb_line(k, p) for k, p in enumerate(place, 1)))
    observations = run(GoProtein(structure=str(path), steps=400, equilibration=0), [0.3])
    assert observations.failures == {}
    # Each bead of a helix touches the fourth one on.
    assert observations.mean["contact_formed"].shape == (1, 196)
    assert observations.mean["native_contacts"][0] > 0.9
    assert observations.mean["contacts_density"].shape[1] <= 40
