"""The Go chain's kernel, as Python threads, beside the CPU's."""

from dataclasses import replace

import numpy as np
import pytest

from simulators.batch.keeping import open_keeper
from simulators.batch.ownership import IdentifiedKeep
from simulators.contract import Frame, InvalidInputError
from simulators.go_protein import GoProtein
from simulators.md.chain.folding import Chains, Plan
from simulators.md.chain.forces import SKIN
from simulators.md.chain.protein import DEFAULT, Native, read_calphas
from simulators.md.cuda import chain_replicas
from simulators.md.cuda.chain_replicas import ChainsOnCard
from simulators.md.vector import LANES

SHORT = Native(read_calphas(DEFAULT)[14:24])
PLAN = Plan(SHORT, False, 0.01, 0.2, 32, 0, 4, 0.9, 1)
TALLY = ("looks", "formed", "counts", "unfolded", "broken", "good_at")


@pytest.fixture(autouse=True)
def few_threads(monkeypatch):
    """Simulated threads are slow, and with fewer than beads each of them has several."""
    monkeypatch.setattr(chain_replicas, "threads_per_block", lambda work, most: 4)


def chains(plan, replicas=1, seed=1, start=None, temperature=1.2):
    seeds = seed + np.arange(replicas, dtype=np.uint64)
    return Chains(plan, [temperature] * replicas, seeds, [start] * replicas)


def on_card(group, keepers=None, last=None):
    batch = ChainsOnCard([group], [keepers or [open_keeper(None, 0, group.plan.steps)] * group.replicas])
    if last is not None:
        batch.launch(last)
        batch.fetch()
        return None
    batch.run(lambda fraction: None)
    return batch


@pytest.mark.parametrize("beads", [10, 36])
def test_a_trajectory_is_the_cpus_for_a_while(beads):
    native = SHORT if beads == 10 else Native(np.concatenate([SHORT.position, helix(beads - 10)]))
    plan = replace(PLAN, native=native, steps=8 if beads == 10 else 4)
    here, there = chains(plan, 2), chains(plan, 2)
    for group in (here, there):
        stretched = native.extended()
        group._vectors(group.state.position)[:, :, 1] = stretched - stretched.mean(axis=0)
    here.run([], lambda fraction: None)
    on_card(there)
    for name, apart in (("position", 2e-4), ("velocity", 5e-3), ("good", 2e-4)):
        ours, theirs = (
            here._vectors(getattr(c.state if name != "good" else c.tally, name))[:, :, :2]
            for c in (here, there)
        )
        assert np.abs(ours).max() > 0
        np.testing.assert_allclose(theirs, ours, atol=apart)
    for name in ("looks", "unfolded", "broken", "good_at"):
        np.testing.assert_array_equal(getattr(there.tally, name)[:2], getattr(here.tally, name)[:2])
    per_lane = here.tally.formed.reshape(-1, LANES)[:, :2]
    np.testing.assert_array_equal(there.tally.formed.reshape(-1, LANES)[:, :2], per_lane)
    assert per_lane[:, 0].sum() > 0
    assert here.tally.unfolded[:2].tolist() == [-1, 0]
    np.testing.assert_array_equal(there.tally.counts[:, :, :2], here.tally.counts[:, :, :2])
    np.testing.assert_allclose(there.tally.sums[:, :, :2], here.tally.sums[:, :, :2], rtol=2e-4, atol=2e-3)


def helix(beads):
    """Beads that go on from the end of the short chain."""
    last, before = SHORT.position[-1], SHORT.position[-2]
    turn, rise, radius = np.radians(100) * np.arange(beads + 1), 1.5 * np.arange(beads + 1), 2.3
    curve = np.stack([radius * np.cos(turn), radius * np.sin(turn), rise], axis=1)
    return last + (last - before) * 0.1 + curve[1:] - curve[0]


def test_repelling_partners_are_listed_when_they_come_near():
    # A chain in free flight: its ends meet, far from where they were when pairs were listed.
    stretched = SHORT.extended()
    plan = replace(PLAN, steps=16, every=16, friction=0.0, timestep=0.02)
    closing = np.zeros_like(stretched)
    closing[:, 0] = -np.linspace(-1, 1, len(stretched)) * 12
    start = Frame(0, stretched, None, closing)
    here, there = chains(plan, start=start), chains(plan, start=start)
    here.run([], lambda fraction: None)
    on_card(there)
    ours, theirs = (c._vectors(c.state.position)[:, :, 0] for c in (here, there))
    moved = np.linalg.norm(ours - (stretched - stretched.mean(axis=0)), axis=1).max()
    assert moved > SKIN
    np.testing.assert_allclose(theirs, ours, atol=1e-2)


def test_launches_may_end_anywhere():
    whole, parts = chains(PLAN, 2), chains(PLAN, 2)
    on_card(whole, last=10)
    batch = ChainsOnCard([parts], [[open_keeper(None, 0, 64)] * 2])
    for last in (1, 6, 10):
        batch.launch(last)
    batch.fetch()
    np.testing.assert_array_equal(parts.state.position, whole.state.position)
    np.testing.assert_array_equal(parts.state.velocity, whole.state.velocity)
    np.testing.assert_array_equal(parts.tally.sums, whole.tally.sums)


def test_a_replica_depends_on_its_own_seed_alone():
    alone, beside = chains(PLAN, 1, seed=5), chains(PLAN, 3, seed=4)
    on_card(alone, last=6)
    on_card(beside, last=6)
    for name in ("position", "velocity"):
        one, three = (getattr(c.state, name).reshape(-1, LANES) for c in (alone, beside))
        np.testing.assert_array_equal(one[:, 0], three[:, 1])
        assert (three[:, 0] != three[:, 1]).any()


def test_a_chain_that_breaks_does_so_alone_and_as_on_the_cpu():
    plan = replace(PLAN, steps=8, timestep=0.1)
    here, there = chains(plan, 2, temperature=0.2), chains(plan, 2, temperature=0.2)
    for group in (here, there):
        group._vectors(group.state.velocity)[3, 0, 1] = 60.0
    here.run([], lambda fraction: None)
    on_card(there)
    assert here.failure(1) is not None
    ours, theirs = here.failure(1), there.failure(1)
    assert (theirs.reason, theirs.message) == (ours.reason, ours.message)
    assert (ours.frame is None) == (theirs.frame is None)
    if ours.frame is not None:
        assert theirs.frame.step == ours.frame.step
        np.testing.assert_allclose(theirs.frame.position, ours.frame.position, atol=1e-2)
    assert (here.failure(0) is None) == (there.failure(0) is None)


def test_a_run_that_is_continued_gives_the_same_bits(tmp_path):
    plan = replace(PLAN, steps=14, every=2)
    keep = IdentifiedKeep(tmp_path, ("a",), checkpoint=4, series=4, identities=("{}",))
    whole, second = chains(plan), chains(plan)
    batch = on_card(whole, last=None)
    first = chains(plan)
    with open_keeper(keep, 0, plan.steps) as keeper:
        batch = ChainsOnCard([first], [[keeper]])
        batch._plan_steps = 7  # as if it had been stopped there
        batch.run(lambda fraction: None)
    with open_keeper(keep, 0, plan.steps) as keeper:
        step, saved = keeper.resume()
        assert step == 4
        second.load(step, [saved])
        on_card(second, [keeper])
    for name in ("position", "velocity"):
        one, two = (getattr(c.state, name).reshape(-1, LANES)[:, 0] for c in (whole, second))
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(whole.tally.sums[:, :, 0], second.tally.sums[:, :, 0])
    for name in ("looks", "unfolded", "good_at"):
        np.testing.assert_array_equal(getattr(whole.tally, name).T[0], getattr(second.tally, name).T[0])
    rows = (tmp_path / "a.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in rows[1:]] == [0, 4, 8, 12]


def test_a_chain_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(chain_replicas, "MOST", 27)
    simulator = GoProtein(steps=100, backend="cuda")
    row = simulator.complete({"temperature": 0.9})
    with pytest.raises(InvalidInputError, match=r"structure = 28 residues.*27"):
        simulator.run(row[None], np.array([1], np.uint64))


def test_the_simulator_answers_as_on_the_cpu(tmp_path):
    lines = [line for line in DEFAULT.read_text().splitlines() if line[12:16] == " CA "]
    short = tmp_path / "short.pdb"
    short.write_text("\n".join(lines[14:24]))
    answers = []
    for backend in ("cpu", "cuda"):
        usual = GoProtein(timestep=0.01, equilibration=0.0, structure=str(short), backend=backend)
        simulator = usual.model_copy(update={"steps": 33})
        row = simulator.complete({"temperature": 1.0})
        answers.append(simulator.run(row[None], np.array([7], np.uint64)))
    here, there = answers
    assert there.failures == {}
    assert (there.wall_seconds > 0).all()
    np.testing.assert_allclose(there.used["temperature"], here.used["temperature"], rtol=1e-3)
    for name, mean in here.mean.items():
        np.testing.assert_allclose(there.mean[name], mean, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(there.stderr[name], here.stderr[name], rtol=1e-2, atol=1e-3)
