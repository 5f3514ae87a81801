"""The slit's kernels, as Python threads, beside the CPU's."""

from dataclasses import replace

import numpy as np
import pytest
from numba import cuda

from simulators.batch.keeping import open_keeper
from simulators.contract import Keep
from simulators.md.cuda import block
from simulators.md.cuda import slit as kernels
from simulators.md.cuda.device import launch
from simulators.md.cuda.slit_replicas import SlitReplicas
from simulators.md.slit.replica import Replica
from simulators.md.slit.run import forces
from simulators.slit_electrolyte import SlitElectrolyte

BULK = {"gap": 1.6, "cation_valency": 1, "concentration": 1.0, "diameter": 0.714}
UNLIKE = {
    **{"gap": 1.6, "cation_valency": 2, "anion_valency": -3, "concentration": 1},
    **{"cation_diameter": 0.4, "anion_diameter": 0.6},
}
SYSTEMS = {
    "symmetric": ({"ions": 16}, BULK),
    "unlike": ({"ions": 20, "wall": "current"}, UNLIKE),
    "charged": ({"ions": 20}, {**BULK, "concentration": 0.7, "surface_charge": -0.0473}),
    "counterions": ({"ions": 18}, {**BULK, "concentration": 0, "surface_charge": -0.2}),
}


def plan(steps, configuration, inputs, equilibration=1, every=2):
    simulator = SlitElectrolyte.model_validate({**configuration, "timestep": 0.01})
    names = [parameter.name for parameter in simulator.inputs]
    values = dict(zip(names, simulator.complete(inputs).tolist(), strict=True))
    return replace(simulator._plan(values), steps=steps, equilibration=equilibration, every=every)


def on_card(replicas, keep=None):
    keepers = [open_keeper(keep, k, replicas[0].plan.steps) for k in range(len(replicas))]
    return SlitReplicas(replicas, keepers)


def run(replicas):
    batch = on_card(replicas)
    return batch.run(lambda fraction: None)


def forces_on_card(replica):
    batch = on_card([replica])
    force = batch._card.force.copy_to_host()[0].sum(axis=0)
    place, field, c = (batch._card[k][0] for k in (2, 5, 0))
    whole = np.zeros_like(force)
    lanes = cuda.to_device(whole)

    @cuda.jit
    def add_walls(place, force, field, c, whole):
        i = cuda.threadIdx.x
        whole[0, i], whole[1, i], whole[2, i] = kernels._force_on(place, force, field, c, i)

    launch(add_walls, 1, whole.shape[1], place, batch._card.force[0], field, c, lanes)
    return lanes.copy_to_host()[:, replica.occupied]


@pytest.fixture(params=sorted(SYSTEMS))
def system(request):
    """A slit whose ions have left the lattice."""
    replica = Replica(plan(200, *SYSTEMS[request.param]), 3)
    assert replica.run(lambda fraction: None) is None
    return replica


def test_forces_are_those_of_the_cpu(system):
    forces(system.ions, system.table, system.slit)
    here = np.stack([f[system.occupied] for f in (system.ions.fx, system.ions.fy, system.ions.fz)])
    there = forces_on_card(Resumed(system))
    assert np.abs(there - here).max() < 2e-5 * np.abs(here).max()


class Resumed(Replica):
    """A replica that begins where another one is, perhaps with another plan."""

    def __init__(self, other, plan=None):
        super().__init__(plan or other.plan, 3)
        for ours, theirs in zip(self.ions, other.ions, strict=True):
            ours[:] = theirs

    def begin(self, keeper):
        return 0


def test_partners_may_come_in_several_tiles(monkeypatch, system):
    forces(system.ions, system.table, system.slit)
    here = np.stack([f[system.occupied] for f in (system.ions.fx, system.ions.fy, system.ions.fz)])
    monkeypatch.setattr(kernels, "TILE", 8)
    monkeypatch.setattr(block, "_WORDS", 32)
    assert np.abs(forces_on_card(Resumed(system)) - here).max() < 2e-5 * np.abs(here).max()


def test_a_trajectory_is_the_cpus_for_a_while():
    configuration = {"ions": 16}, BULK
    # On the lattice of the start two images may be equally near.
    melted = Replica(plan(50, *configuration), 3)
    assert melted.run(lambda fraction: None) is None
    forces(melted.ions, melted.table, melted.slit)
    system = plan(8, *configuration)
    here, there = Resumed(melted, system), Resumed(melted, system)
    assert here.run(lambda fraction: None) is None
    assert run([there]) == {}
    kappa = system.composition.side / 0.714 / 2**32
    for ours, theirs in zip(here.ions[:3], there.ions[:3], strict=True):
        apart = (ours[here.occupied] - theirs[here.occupied]) * kappa
        assert np.abs(apart).max() < 1e-5
    for ours, theirs in zip(here.ions[4:7], there.ions[4:7], strict=True):
        np.testing.assert_allclose(ours[here.occupied], theirs[here.occupied], atol=1e-4)
    for name in ("profile", "fine", "middle", "looks"):
        assert (getattr(here.tally, name) == getattr(there.tally, name)).all()
    assert here.tally.profile.sum() == 3 * 16
    np.testing.assert_allclose(there.tally.heat, here.tally.heat, rtol=1e-5)


def test_a_replica_that_fails_does_so_alone():
    system = plan(4, {"ions": 16}, BULK)
    alone, beside, failing = (Replica(system, seed) for seed in (1, 1, 2))
    a, b = failing.occupied[:2]
    for axis in failing.ions[:3]:
        axis[b] = axis[a] + 50_000
    assert run([alone]) == {}
    failures = run([failing, beside])
    assert set(failures) == {0}
    assert failures[0].reason in ("overlap", "not finite", "outside the walls")
    assert "at step" in failures[0].message
    assert failures[0].frame is not None
    assert failures[0].frame.step == 0
    for ours, theirs in zip(alone.ions[:7], beside.ions[:7], strict=True):
        assert (ours == theirs).all()
    assert (alone.tally.profile == beside.tally.profile).all()


def test_a_run_that_is_continued_gives_the_same_bits(tmp_path):
    system = plan(6, {"ions": 16}, BULK)
    keep = IdentifiedFor(tmp_path)
    whole, first, second = (Replica(system, 4) for _ in range(3))
    run([whole])
    batch = on_card([first], keep)
    batch._plan_steps = 4  # as if it had been stopped there
    batch.run(lambda fraction: None)
    continued = on_card([second], keep)
    assert continued.step.tolist() == [3]
    continued.run(lambda fraction: None)
    for ours, theirs in zip(whole.ions[:7], second.ions[:7], strict=True):
        assert (ours == theirs).all()
    assert (whole.tally.profile == second.tally.profile).all()
    assert (whole.tally.heat == second.tally.heat).all()


def IdentifiedFor(folder):  # noqa: N802
    from simulators.batch.ownership import IdentifiedKeep

    keep = Keep(folder, ("a",), checkpoint=3)
    return IdentifiedKeep(**vars(keep), identities=("{}",))


def test_the_simulator_answers_as_on_the_cpu():
    answers = []
    for backend in ("cpu", "cuda"):
        usual = SlitElectrolyte(ions=16, timestep=0.005, equilibration=0.05, backend=backend)
        simulator = usual.model_copy(update={"steps": 36})
        row = simulator.complete(BULK)
        answers.append(simulator.run(row[None], np.array([7], np.uint64)))
    here, there = answers
    assert there.failures == {}
    assert (there.wall_seconds > 0).all()
    np.testing.assert_allclose(there.used["temperature"], here.used["temperature"], rtol=1e-2)
    for name, mean in here.mean.items():
        np.testing.assert_allclose(there.mean[name], mean, rtol=0.1, atol=0.1)
