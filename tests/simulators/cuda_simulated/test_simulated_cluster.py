"""The kernel of clusters, as Python threads, beside the CPU's."""

import numpy as np
import pytest

from simulators.contract import Keep
from simulators.lj_cluster import LjCluster
from simulators.md.cluster.replicas import Replicas, System
from simulators.md.cuda import cluster_replicas
from simulators.md.cuda.cluster_replicas import ClustersOnCard
from simulators.md.vector import LANES

SEEDS = np.array([3, 4, 5], np.uint64)
BOX = {"particles": 5, "cutoff": 1.5, "timestep": 0.005}
SPHERE = {"particles": 5, "boundary": "sphere", "timestep": 0.02}


def plan(steps, **configuration):
    simulator = LjCluster(**configuration)
    return simulator.model_copy(
        update={"steps": steps, "points": steps, "equilibration": 0.0, "tolerance": 1e9}
    )._plan()


def moving(steps, system, **configuration):
    """Two replicas whose particles have left rest."""
    replicas = Replicas(plan(steps, **configuration), [system, System(2.0, 1.0, system.size, 8)])
    rng = np.random.default_rng(1)
    shape = replicas.state.velocity.shape
    unit = replicas.state.period[0] * 2.0**-64 / configuration["timestep"]
    replicas.state.velocity[:] += (rng.normal(0, 1.0 / unit, shape)).astype(np.int64)
    return replicas


@pytest.mark.parametrize("configuration", [BOX, SPHERE], ids=["box", "sphere"])
def test_a_trajectory_is_the_cpus_for_a_while(configuration):
    system = System(1.0, 1.0, 3.2 if configuration is BOX else 1.9, 7)
    here, there = (moving(12, system, **configuration) for _ in range(2))
    began = here.state.position.copy()
    here.run({}, lambda fraction: None)
    ClustersOnCard([there], [{}]).run(lambda fraction: None)
    period = here.state.period[:2]
    for name, unit, apart in (
        ("position", period * 2.0**-64, 2e-6),
        ("velocity", period * 2.0**-64, 1e-6),
    ):
        change = getattr(here.state, name) - getattr(there.state, name)
        assert np.abs(change.reshape(-1, LANES)[:, :2] * unit).max() < apart
    travelled = np.abs((here.state.position - began).reshape(-1, LANES)[:, :2] * (period * 2.0**-64))
    assert travelled.max() > 0.03
    for name in ("potential", "kinetic"):
        ours, theirs = (getattr(replicas, name)[:, :2] for replicas in (here, there))
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(there.counts[:, :2].sum(axis=0), here.counts[:, :2].sum(axis=0))


def test_particles_that_leave_the_sphere_are_turned_back():
    system = System(1.0, 1.0, 1.9, 7)
    here, there = (moving(12, system, **SPHERE) for _ in range(2))
    for replicas in (here, there):
        replicas.state.velocity[:] *= 8
    start = here.state.velocity.copy().reshape(-1, 3, LANES)[:, :, :2]
    here.run({}, lambda fraction: None)
    ClustersOnCard([there], [{}]).run(lambda fraction: None)
    ours, theirs = (r.state.velocity.reshape(-1, 3, LANES)[:, :, :2] for r in (here, there))
    turned = (start.astype(float) * ours).sum(axis=1) < 0
    assert turned.any()
    scale = np.abs(ours).max()
    np.testing.assert_allclose(theirs / scale, ours / scale, atol=1e-4)
    positions = there.state.position.reshape(-1, 3, LANES)[:, :, :2] * (there.state.period[0] * 2.0**-64)
    assert np.linalg.norm(positions, axis=1).max() < 1.9 * 1.2


def test_launches_may_end_anywhere_and_blocks_may_hold_any_replicas(monkeypatch):
    system = System(1.0, 1.0, 3.2, 7)
    whole, parts, wide = (moving(12, system, **BOX) for _ in range(3))
    ClustersOnCard([whole], [{}]).run(lambda fraction: None)
    batch = ClustersOnCard([parts], [{}])
    for steps in (1, 4, 7):
        batch.launch(steps)
    batch.fetch()
    monkeypatch.setattr(cluster_replicas, "WARP", 8)
    monkeypatch.setattr(cluster_replicas, "THREADS", 8)
    other = ClustersOnCard([wide], [{}])
    assert other._blocks == 2
    other.run(lambda fraction: None)
    for replicas in (parts, wide):
        for name in ("position", "velocity", "force"):
            assert (getattr(replicas.state, name) == getattr(whole.state, name)).all()


def test_the_simulator_answers_as_on_the_cpu_and_keeps_the_same_files(tmp_path):
    answers = []
    usual = LjCluster(**BOX, equilibration=0.0, points=32, placement="lattice", trajectory="positions")
    for backend in ("cpu", "cuda"):
        simulator = usual.model_copy(update={"backend": backend, "steps": 32})
        rows = np.stack([simulator.complete({"side": 3.2, "epsilon": e}) for e in (1.0, 2.0, 1.5)])
        keep = Keep(tmp_path / backend, ("a", "b", "c"), frames=16, series=8, checkpoint=16)
        answers.append(simulator.run(rows, SEEDS, keep=keep))
    here, there = answers
    assert there.failures == here.failures == {}
    for name in here.mean:
        np.testing.assert_allclose(there.mean[name], here.mean[name], rtol=1e-3, atol=1e-4)
    series = [
        np.genfromtxt(tmp_path / backend / "b.csv", delimiter=",", skip_header=1)
        for backend in ("cpu", "cuda")
    ]
    assert series[0].shape == (5, 4)
    np.testing.assert_allclose(series[1], series[0], rtol=1e-3, atol=1e-4)


def test_a_replica_whose_energy_drifts_fails_alone():
    usual = LjCluster(**BOX, equilibration=0.0, points=32, placement="random", tolerance=1e-7)
    simulator = usual.model_copy(update={"backend": "cuda", "steps": 32})
    rows = np.stack([simulator.complete({"side": 3.2, "mass": mass}) for mass in (0.1, 100.0)])
    found = simulator.run(rows, SEEDS[:2])
    expected = simulator.model_copy(update={"backend": "cpu"}).run(rows, SEEDS[:2])
    assert set(found.failures) == set(expected.failures)
    assert 0 in found.failures
    assert found.failures[0].reason == "energy drift"
