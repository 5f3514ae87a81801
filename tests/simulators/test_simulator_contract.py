"""What every simulator promises, asked of each plug-in found in the folder."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simulators
from simulators import InvalidInputError, Simulator
from workflow.plugins import find

PLUGINS = find("simulators", Simulator)

LAMMPS = """
units lj
lattice sc 0.5
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 1.0
pair_style lj/cut 1.2
pair_coeff 1 1 1.0 1.0
velocity all create ${temperature} ${seed}
fix move all nve
thermo_style custom step temp pe
thermo 5
run 100
"""
WATER = """
ATOM      1  O   HOH     1       0.000   0.000   0.000
ATOM      2  H1  HOH     1       0.957   0.000   0.000
ATOM      3  H2  HOH     1      -0.240   0.927   0.000
END
"""

# A quick configuration and one set of inputs for each kind: a new simulator adds its line here.
EXAMPLES = {
    "cell_cycle": ({"trials": 48, "hours": 5}, {"kEFm": 0.5}),
    "go_protein": ({"steps": 640, "start": "extended"}, {"temperature": 0.8}),
    "gene_circuit": (
        {"points": 501},
        {"g4": 5, "alpha": 2, "beta": 900, "Kphi": 4, "n": 2, "aT": 3000, "aL": 4000, "KT": 2500, "KP": 2500},
    ),
    "command": (
        {
            "command": ["python", "-c", "print({stiffness} + {seed})"],
            "parameters": {"stiffness": {"low": 0, "high": 9}},
            "results": {"sum": {"match": r"(\S+)"}},
        },
        {"stiffness": 2.0},
    ),
    "python": (
        {
            "function": "calendar:isleap",
            "parameters": {"year": {"low": 1583, "high": 9999, "integer": True}},
            "results": {"leap": {}},
        },
        {"year": 2024},
    ),
    "double_well_escape": ({"steps": 2000, "timestep": 0.02}, {"barrier": 1.0}),
    "charged_sphere": ({"steps": 640}, {"epsilon_inside": 2, "sphere_charge": -20}),
    "harmonic": ({"samples": 50}, {"stiffness": 2.0}),
    "lammps": (
        {
            "input": LAMMPS,
            "parameters": {"temperature": {"low": 0.1, "high": 9}},
            "results": {"temp": {}, "energy": {"column": "pe"}},
        },
        {"temperature": 2.0},
    ),
    "openmm": (
        {"pdb": WATER, "force_field": ["tip3p.xml"], "steps": 640},
        {"temperature": 300},
    ),
    "lennard_jones": (
        {"particles": 64, "steps": 1100, "equilibration": 0.05, "cutoff": 2.0},
        {"density": 0.8, "temperature": 1.2},
    ),
    "lj_cluster": ({"steps": 640, "points": 64, "trajectory": "positions_and_velocities"}, {"epsilon": 2.0}),
    "mueller_brown": ({"steps": 3200}, {"temperature": 15.0}),
    "one_particle": ({"steps": 6400, "points": 64}, {"start_position": -2.0, "stiffness": 3.0}),
    "sleeping": ({}, {"seconds": 0.001}),
    "slit_electrolyte": (
        {"ions": 40, "steps": 640},
        {"gap": 3.0, "cation_valency": 1, "concentration": 0.5, "diameter": 0.7},
    ),
}


@pytest.fixture(params=sorted(PLUGINS), scope="module")
def kind(request):
    assert request.param in EXAMPLES, f"add a quick example of {request.param} to EXAMPLES"
    return request.param


@pytest.fixture(scope="module")
def simulator(kind):
    return PLUGINS[kind](**EXAMPLES[kind][0])


@pytest.fixture(scope="module")
def row(simulator, kind):
    try:
        return simulator.complete(EXAMPLES[kind][1])
    except InvalidInputError as error:
        if "pip install" not in error.accepted:
            raise
        pytest.skip(str(error))


def test_kind_is_the_name_of_the_file(kind, simulator):
    assert simulator.kind == kind
    assert (Path(simulators.__file__).parent / f"{kind}.py").exists()


def test_declares_every_quantity_with_a_description(simulator):
    names = [q.name for q in (*simulator.inputs, *simulator.outputs, *simulator.coordinates)]
    assert len(names) == len(set(names))
    for quantity in (*simulator.inputs, *simulator.outputs, *simulator.coordinates):
        assert quantity.description
    for name, field in type(simulator).model_fields.items():
        assert name == "kind" or field.description, f"{name} has no description"
    assert {o.coordinate for o in simulator.outputs} - {None} <= {c.name for c in simulator.coordinates}


def test_configuration_survives_json(simulator):
    assert type(simulator).model_validate(json.loads(simulator.model_dump_json())) == simulator


def test_observations_have_the_declared_shapes(simulator, row):
    observations = simulator.run(np.stack([row, row]), np.array([1, 2], dtype=np.uint64))
    assert observations.failures == {}
    bins = {c.name: c.size for c in simulator.coordinates}
    for output in simulator.outputs:
        shape = (2,) if output.coordinate is None else (2, bins[output.coordinate])
        for values in (observations.mean[output.name], observations.stderr[output.name]):
            assert values.shape == shape
            assert np.isfinite(values).all() or (output.optional and not np.isinf(values).any())
        assert not (observations.stderr[output.name] < 0).any()
    assert set(observations.edges) == set(bins)
    assert observations.wall_seconds.shape == observations.cpu_seconds.shape == (2,)


def test_a_replica_is_the_same_in_any_batch_and_order(simulator, row):
    seeds = np.array([11, 12, 13], dtype=np.uint64)
    together = simulator.run(np.stack([row] * 3), seeds, threads=2)
    backwards = simulator.run(np.stack([row] * 3), seeds[::-1].copy())
    alone = simulator.run(row[None], seeds[1:2])
    for name, values in together.mean.items():
        np.testing.assert_array_equal(values, backwards.mean[name][::-1])
        np.testing.assert_array_equal(values[1:2], alone.mean[name])
        np.testing.assert_array_equal(together.stderr[name][1:2], alone.stderr[name])


def test_edges_are_those_declared(simulator, row):
    from surrogates.contract.expression import evaluate_terms

    observations = simulator.run(row[None], np.array([5], dtype=np.uint64))
    values = {p.name: row[k : k + 1] for k, p in enumerate(simulator.inputs)}
    for coordinate in simulator.coordinates:
        np.testing.assert_allclose(
            observations.edges[coordinate.name],
            evaluate_terms(coordinate.edges, values),
            rtol=1e-12,
            atol=1e-12,
        )


def test_averages_are_those_declared(simulator, row):
    from surrogates.contract.expression import evaluate

    observations = simulator.run(row[None], np.array([5], dtype=np.uint64))
    values = {p.name: row[k : k + 1] for k, p in enumerate(simulator.inputs)}
    for output in simulator.outputs:
        if output.average is None:
            continue
        assert output.coordinate is not None
        edges = observations.edges[output.coordinate][0]
        average = np.sum(observations.mean[output.name][0] * np.diff(edges)) / (edges[-1] - edges[0])
        assert average == pytest.approx(float(evaluate(output.average, values)[0]), rel=1e-9)


def test_refuses_what_it_does_not_know(simulator, kind):
    with pytest.raises(InvalidInputError, match="no_such_input"):
        simulator.complete({**EXAMPLES[kind][1], "no_such_input": 1.0})


def test_refuses_what_is_out_of_range(simulator, kind):
    for parameter in simulator.inputs:
        with pytest.raises(InvalidInputError, match=parameter.name):
            simulator.complete({**EXAMPLES[kind][1], parameter.name: abs(parameter.high) * 2 + 1})


def test_work_grows_with_nothing_negative(simulator, row):
    assert simulator.work(dict(zip([p.name for p in simulator.inputs], row, strict=True))) > 0


def test_says_whether_it_compiles(simulator, row, kind):
    """Numba is what compiles; it is imported by whatever does, and by nothing else."""
    if simulator.compiles:
        return
    program = f"""
import sys
import numpy as np
from test_simulator_contract import EXAMPLES, PLUGINS
simulator = PLUGINS[{kind!r}](**EXAMPLES[{kind!r}][0])
simulator.run(np.array([{row.tolist()}]), np.array([1], np.uint64))
sys.exit("numba" in sys.modules)
"""
    folder = Path(__file__).parent
    assert subprocess.run([sys.executable, "-c", program], cwd=folder).returncode == 0
