"""OpenMM as a simulator: systems built, run, kept and gone on with, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulators import Frame, InvalidInputError, Keep
from simulators.openmm import OpenMM

openmm = pytest.importorskip("openmm", reason="needs pip install 'mlaround[openmm]'")

from simulators.adapters.molecules import GAS_CONSTANT, radius_of_gyration, rmsd  # noqa: E402

ATOMS = 8
ARGON = (
    "".join(
        f"HETATM{k + 1:5d} AR    AR A{k + 1:4d}    {4 * (k & 1):8.3f}{4 * (k >> 1 & 1):8.3f}"
        f"{4 * (k >> 2):8.3f}  1.00  0.00          AR\n"
        for k in range(ATOMS)
    )
    + "END\n"
)
WATER = """\
ATOM      1  O   HOH     1       0.000   0.000   0.000
ATOM      2  H1  HOH     1       0.957   0.000   0.000
ATOM      3  H2  HOH     1      -0.240   0.927   0.000
END
"""


def wells_xml() -> str:
    """Argon atoms bound to the origin, each by its own spring of a constant that is a parameter."""
    system = openmm.System()
    spring = openmm.CustomExternalForce("stiffness*(x^2+y^2+z^2)/2")
    spring.addGlobalParameter("stiffness", 1.0)
    for k in range(ATOMS):
        system.addParticle(39.948)
        spring.addParticle(k)
    system.addForce(spring)
    return openmm.XmlSerializer.serialize(system)


def wells(**settings: Any) -> OpenMM:
    return OpenMM(
        **{
            "pdb": ARGON,
            "system": wells_xml(),
            "platform": "Reference",
            "parameters": {"stiffness": {"unit": "kJ/mol/nm^2", "low": 1, "high": 1e4}},
            "distances": {"pair": [0, 7]},
            "steps": 20_000,
            "timestep": 0.01,
            **settings,
        }
    )


def water(**settings: Any) -> OpenMM:
    return OpenMM(**{"pdb": WATER, "force_field": ["tip3p.xml"], "platform": "Reference", **settings})


def run(simulator: OpenMM, replicas: int = 1, **options: Any) -> Any:
    row = {"temperature": 300.0, "friction": 5.0, "stiffness": 500.0}
    known = {p.name for p in simulator.inputs}
    rows = np.array([simulator.complete({k: v for k, v in row.items() if k in known})] * replicas)
    return simulator.run(rows, np.arange(1, replicas + 1, dtype=np.uint64), **options)


def test_springs_obey_equipartition() -> None:
    observations = run(wells(), 2, threads=2)
    assert observations.failures == {}
    thermal = GAS_CONSTANT * 300
    for name, exact in {
        "potential_energy": 1.5 * ATOMS * thermal,
        "kinetic_temperature": 300.0,
        # Rg^2 is the mean square over atoms less that of their centre; its root is close to the root of this.
        "radius_of_gyration": np.sqrt(3 * thermal / 500 * (1 - 1 / ATOMS)),
    }.items():
        mean, stderr = observations.mean[name], observations.stderr[name]
        assert (np.abs(mean - exact) < 5 * stderr + 0.02 * exact).all(), name
        assert (stderr < 0.1 * exact).all(), name
    # The distance of two Gaussian points: sqrt(8/pi) sigma, sigma^2 = 2 kT/k in each direction.
    exact = np.sqrt(8 / np.pi * 2 * thermal / 500)
    assert (np.abs(observations.mean["pair"] - exact) < 5 * observations.stderr["pair"]).all()
    assert observations.mean["potential_energy"][0] != observations.mean["potential_energy"][1]


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_replicas_side_by_side_do_not_share_their_random_numbers(platform: str) -> None:
    simulator = wells(platform=platform, steps=2000)
    together, alone = run(simulator, 4, threads=4), run(simulator, 4)
    for name, values in alone.mean.items():
        np.testing.assert_array_equal(together.mean[name], values)


def test_velocities_and_noise_are_drawn_independently(tmp_path: Path) -> None:
    gsd = pytest.importorskip("gsd.hoomd")
    # The friction forgets the first velocities within a step: what is left is the noise.
    simulator = wells(platform="Reference", steps=40)
    rows = np.array([simulator.complete({"temperature": 300.0, "friction": 1000.0, "stiffness": 1.0})] * 40)
    names = tuple(f"r{k}" for k in range(len(rows)))
    simulator.run(rows, np.arange(len(rows), dtype=np.uint64), keep=Keep(tmp_path, names, frames=1))
    first, noise = [], []
    for name in names:
        with gsd.open(tmp_path / f"{name}.gsd") as frames:
            first.append(frames[0].particles.velocity)
            noise.append(frames[1].particles.velocity)
    correlation = np.corrcoef(np.ravel(first), np.ravel(noise))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(np.size(first))


def test_a_force_field_with_rigid_water() -> None:
    observations = run(water(steps=4000))
    assert observations.failures == {}
    assert observations.mean["kinetic_temperature"][0] == pytest.approx(300, rel=0.5)


def test_a_barostat_of_the_system_has_the_seed_and_the_temperature_of_the_replica(tmp_path: Path) -> None:
    gsd = pytest.importorskip("gsd.hoomd")
    system = openmm.XmlSerializer.deserialize(wells_xml())
    repulsion = openmm.CustomNonbondedForce("0.01/r^12")
    repulsion.setNonbondedMethod(repulsion.CutoffPeriodic)
    repulsion.setCutoffDistance(0.6)
    for _ in range(ATOMS):
        repulsion.addParticle([])
    system.addForce(repulsion)
    system.setDefaultPeriodicBoxVectors((3, 0, 0), (0, 3, 0), (0, 0, 3))
    system.addForce(openmm.MonteCarloBarostat(10.0, 1.0, 5))
    boxes = []
    for name in ("a", "b"):
        simulator = wells(system=openmm.XmlSerializer.serialize(system), steps=400)
        run(simulator, keep=Keep(tmp_path, (name,), frames=100))
        with gsd.open(tmp_path / f"{name}.gsd") as frames:
            boxes.append([frame.configuration.box[0] for frame in frames])
    assert boxes[0] == boxes[1]
    assert len(set(boxes[0])) > 2


def test_frames_series_and_checkpoints_go_on_with_the_same_bits(tmp_path: Path) -> None:
    gsd = pytest.importorskip("gsd.hoomd")
    for platform in ("Reference", "CPU"):
        simulator = wells(platform=platform, steps=2000)
        keep = Keep(
            tmp_path / platform, ("a",), frames=300, series=70, checkpoint=150
        )  # looks at every 50 steps
        whole = run(simulator, keep=replace(keep, folder=tmp_path / platform / "whole"))

        def interrupt(fraction: float) -> None:
            if fraction > 0.6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(simulator, keep=keep, progress=interrupt)
        assert (keep.folder / "a.checkpoint.npz").exists()
        gone_on = run(simulator, keep=keep)
        plain = run(simulator)
        for name, values in whole.mean.items():
            np.testing.assert_array_equal(values, gone_on.mean[name])
            np.testing.assert_array_equal(values, plain.mean[name])
            np.testing.assert_array_equal(whole.stderr[name], gone_on.stderr[name])
        frames, others = (
            [
                (f.configuration.step, f.particles.position.tobytes(), f.particles.velocity.tobytes())
                for f in file
            ]
            for file in (gsd.open(keep.folder / "a.gsd"), gsd.open(keep.folder / "whole" / "a.gsd"))
        )
        assert len(frames) == 7
        assert frames == others
        assert (keep.folder / "a.csv").read_text() == (keep.folder / "whole" / "a.csv").read_text()


def test_trajectories_hold_atoms_and_their_names(tmp_path: Path) -> None:
    gsd = pytest.importorskip("gsd.hoomd")
    run(water(steps=320), keep=Keep(tmp_path, ("w",), frames=160))
    with gsd.open(tmp_path / "w.gsd") as frames:
        assert len(frames) == 3
        assert frames[0].particles.types == ["O", "H1", "H2"]
        assert frames[0].bonds.N == 2
        assert frames[2].configuration.step == 320


def test_it_starts_from_a_frame_or_a_state(tmp_path: Path) -> None:
    far = np.full((ATOMS, 3), 5.0) + np.arange(ATOMS)[:, None]
    start = Frame(0, far, None, np.zeros((ATOMS, 3)))
    keep = Keep(tmp_path, ("a",), series=1, starts={0: start})
    run(wells(steps=40), keep=keep)
    first = float((tmp_path / "a.csv").read_text().splitlines()[1].split(",")[1])
    assert first == pytest.approx(250 * (far**2).sum(), rel=1e-6)

    system = openmm.XmlSerializer.deserialize(wells_xml())
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(2 * far)
    state = context.getState(getPositions=True, getVelocities=True)
    keep = Keep(tmp_path, ("b",), series=1)
    run(wells(steps=40, state=openmm.XmlSerializer.serialize(state)), keep=keep)
    first = float((tmp_path / "b.csv").read_text().splitlines()[1].split(",")[1])
    assert first == pytest.approx(1000 * (far**2).sum(), rel=1e-6)


def test_what_blows_up_fails_and_says_what_to_change() -> None:
    observations = run(water(timestep=0.1, constraints="none", steps=3200, minimize=False), 2)
    for failure in observations.failures.values():
        assert failure.reason == "not finite"
        assert failure.message.startswith("timestep = 0.1 ps: ")
        assert "accepted: a shorter one" in failure.message
    stiff = run(wells(timestep=0.1, steps=3200, parameters={"stiffness": {"default": 1e6}}))
    assert stiff.failures == {} or stiff.failures[0].reason == "not finite"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: water(platform="CUDA"),
            "platform = CUDA: this OpenMM does not have it; accepted: Reference",
        ),
        (lambda: water(force_field=["no_such.xml"]), "no_such.xml"),
        (lambda: water(pdb=WATER.replace("HOH", "XYZ")), "No template found for residue"),
        (lambda: water(pdb="\n".join([*WATER.splitlines()[:1], "END"])), "No template found"),
        (lambda: water(pdb="no\nstructure"), "pdb = (text): "),
        (lambda: water(periodic=True), "periodic = True: the PDB has no box"),
        (lambda: wells(pdb=WATER), "8 particles, and 3 atoms in the PDB"),
        (lambda: wells(system="<a>\n</a>"), "system = (text): "),
        (lambda: wells(parameters={"stifness": {}}), "parameters = stifness: no global parameter"),
        (lambda: wells(distances={"pair": [0, 8]}), "no such atom; accepted: 0 to 7"),
        (lambda: wells(atoms="alpha"), "atoms = alpha: the PDB has none of these"),
        (lambda: water(steps=32), "steps = 32: too few"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_runs(make: Any, message: str) -> None:
    if "CUDA" in message and "CUDA" in [
        openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())
    ]:
        pytest.skip("there is a GPU")
    simulator = make()
    with pytest.raises(InvalidInputError) as error:
        simulator.complete({"temperature": 300, **{name: 1.0 for name in simulator.parameters}})
    assert message in str(error.value)
    assert error.value.name in OpenMM.model_fields


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"system": None}, "give either force_field or system"),
        ({"force_field": ["tip3p.xml"]}, "give either force_field or system"),
        ({"parameters": {"friction": {}}}, "`friction` is there already"),
        ({"distances": {"rmsd": [0, 1]}}, "`rmsd` is there already"),
        ({"distances": {"pair": [0, -1]}}, "greater than or equal to 0"),
        ({"pdb": "no_such.pdb"}, "no_such.pdb does not exist"),
    ],
)
def test_mistakes_in_the_configuration(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        wells(**settings)


def test_without_openmm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = water()
    monkeypatch.delitem(sys.modules, "simulators.adapters.molecules")
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(InvalidInputError, match=r"OpenMM is not installed.*pip install 'mlaround\[openmm\]'"):
        simulator.complete({"temperature": 300})


POSITIONS = st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=4, max_size=12, unique=True).map(np.array)


@given(POSITIONS, st.tuples(*[st.floats(-1, 1)] * 4), st.tuples(*[st.floats(-9, 9)] * 3))
def test_rmsd_knows_neither_turns_nor_shifts(position: Any, quaternion: Any, shift: Any) -> None:
    size = np.linalg.norm(quaternion)
    w, x, y, z = np.array(quaternion) / size if size > 1e-3 else (1.0, 0.0, 0.0, 0.0)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    assert rmsd(position @ turn.T + shift, position) < 1e-6
    mass = np.arange(1.0, len(position) + 1)
    assert radius_of_gyration(position @ turn.T + shift, mass) == pytest.approx(
        radius_of_gyration(position, mass), abs=1e-9
    )


def test_rmsd_of_a_mirror_image_is_not_zero() -> None:
    chiral = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0]])
    assert rmsd(chiral * [1, 1, -1], chiral) > 0.5
    pair = np.array([[0, 0, 0], [1, 0, 0.0]])
    assert rmsd(2 * pair, pair) == pytest.approx(0.5)
