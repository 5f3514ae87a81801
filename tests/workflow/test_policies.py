from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import qmc

from surrogates import Feature, Signature, Target
from workflow.space import Dimension, Space
from workflow.steering.active_learning import ActiveLearning
from workflow.steering.contract import View
from workflow.steering.grid import Grid
from workflow.steering.random import Random
from workflow.steering.sobol import Sobol, sobol_points

SPACE = Space(
    (
        Dimension("a", "", -1.0, 3.0),
        Dimension("b", "", 10.0, 20.0),
        Dimension("c", "", 5.0, 5.0),
        Dimension("z", "", 1.0, 3.0, (1.0, 2.0, 3.0), discrete=True),
    )
)
POLICIES = [Grid(points=4), Random(), Sobol(), ActiveLearning(candidates=256)]


class Bump:
    """A model that is unsure around one place of the unit cube, and as sure as `floor` elsewhere."""

    signature = Signature((Feature("a"),), (Target("y"),))

    def __init__(self, space, centre, floor=0.01, noise=0.0):
        self.space, self.centre, self.floor, self.noise = space, np.array(centre), floor, noise

    def predict(self, x, return_std=False, include_noise=False, on_ood="warn"):
        u = self.space.to_unit(x)
        squares = ((u - self.centre) ** 2).sum(axis=1)
        std = self.floor + np.exp(-squares / 0.02)
        total = np.hypot(std, self.noise) if include_noise else std
        return u.sum(axis=1)[:, None], total[:, None]


def view(space=SPACE, first=0, seed=3, proposed=None, model=None):
    empty = np.empty((0, len(space.dimensions)))
    return View(space, empty if proposed is None else proposed, model, seed, first)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.kind)
def test_points_are_a_pure_function_of_the_view(policy):
    first = policy.propose(view(first=5), 7)
    assert np.array_equal(first, policy.propose(view(first=5), 7))
    assert first.shape == (7, 4)
    if policy.kind != "grid":  # a grid has the same points in another order
        assert not np.array_equal(first, policy.propose(view(first=5, seed=4), 7))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.kind)
def test_points_do_not_depend_on_the_batches_they_are_asked_in(policy):
    whole = policy.propose(view(), 24)
    parts = [policy.propose(view(first=k), n) for k, n in ((20, 4), (0, 1), (1, 7), (8, 12))]
    assert np.array_equal(np.concatenate([parts[1], parts[2], parts[3], parts[0]]), whole)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.kind)
def test_points_lie_in_the_space_and_on_its_values(policy):
    points = policy.propose(view(), 40)
    for column, d in zip(points.T, SPACE.dimensions, strict=True):
        assert column.min() >= d.low
        assert column.max() <= d.high
        if d.values:
            assert set(column.tolist()) == set(d.values)


def test_a_grid_takes_every_combination_once_and_then_has_no_more():
    grid = Grid(points=4)
    assert grid.size(SPACE) == 4 * 4 * 1 * 3
    points = grid.propose(view(first=0), 1000)
    assert len(points) == 48
    assert len(np.unique(points, axis=0)) == 48
    assert len(grid.propose(view(first=48), 5)) == 0


def test_held_out_points_of_a_grid_lie_on_all_of_its_planes():
    points = Grid(points=5).propose(view(), 75)[4::5]
    assert all(len(np.unique(column)) == n for column, n in zip(points.T, (5, 5, 1, 3), strict=True))


def test_sobol_fills_a_space_more_evenly_than_chance():
    plane = Space((Dimension("a", "", 0.0, 1.0), Dimension("b", "", 0.0, 1.0)))
    even = [qmc.discrepancy(Sobol().propose(view(plane, seed=s), 128)) for s in range(5)]
    chance = [qmc.discrepancy(Random().propose(view(plane, seed=s), 128)) for s in range(5)]
    assert max(even) < 0.3 * min(chance)


def test_sobol_goes_back_and_forth_without_losing_its_place():
    whole = sobol_points(SPACE, 1, 0, 0, 50)
    for first in (30, 2, 49, 0, 17):
        assert np.array_equal(sobol_points(SPACE, 1, 0, first, 1)[0], whole[first])


def test_sobol_streams_differ():
    assert not np.array_equal(sobol_points(SPACE, 1, 0, 0, 8), sobol_points(SPACE, 1, 1, 0, 8))


def test_a_space_of_constants_has_one_point():
    constant = Space((Dimension("a", "", 2.0, 2.0),))
    assert Sobol().propose(view(constant), 3).tolist() == [[2.0]] * 3


PLANE = Space((Dimension("a", "", 0.0, 2.0), Dimension("b", "", 0.0, 5.0)))


def learn(count=24, exploration=0.0, proposed=None, first=0, **model):
    policy = ActiveLearning(candidates=1024, exploration=exploration)
    bump = Bump(PLANE, [0.8, 0.2], **model)
    return PLANE.to_unit(policy.propose(view(PLANE, first, proposed=proposed, model=bump), count))


def test_active_learning_prefers_what_the_model_does_not_know():
    points = learn(count=8)
    assert np.linalg.norm(points[0] - [0.8, 0.2]) < 0.05
    near = np.linalg.norm(points - [0.8, 0.2], axis=1) < 0.3
    assert near.mean() > 0.7


def test_active_learning_keeps_the_points_of_a_batch_apart():
    points = learn(count=16)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(16)
    assert distances.min() > 0.04  # the 16 most uncertain candidates are 0.01 apart


def test_active_learning_keeps_away_from_points_proposed_before():
    before = learn(count=12)
    again = learn(count=12, proposed=PLANE.from_unit(before))
    assert np.linalg.norm(again[:, None] - before[None], axis=2).min() > 0.03


def test_active_learning_explores_a_share_of_its_points_with_sobol():
    plain = PLANE.to_unit(sobol_points(PLANE, 3, 3, 0, 5))
    points = learn(count=20, exploration=0.25)
    assert np.array_equal(points[3::4], plain)
    parts = [learn(count=n, exploration=0.25, first=k)[(3 - k) % 4 :: 4] for k, n in ((0, 6), (6, 14))]
    assert np.array_equal(np.concatenate(parts), plain)


@pytest.mark.parametrize("exploration", [0.1, 0.125, 0.25, 0.5])
def test_explorers_cover_the_space(exploration):
    points = learn(count=640, exploration=exploration)
    numbers = np.arange(640)
    explorers = points[np.floor((numbers + 1) * exploration) > np.floor(numbers * exploration)]
    counts = np.histogram2d(*explorers.T, bins=4, range=[[0, 1], [0, 1]])[0]
    assert counts.min() > 0.5 * len(explorers) / 16


def test_active_learning_is_sobol_before_the_first_model():
    policy = ActiveLearning()
    assert np.array_equal(policy.propose(view(first=9), 5), Sobol().propose(view(first=9), 5))


def test_active_learning_discounts_what_a_noisy_simulation_could_not_tell():
    from workflow.steering.active_learning import uncertainty

    x = PLANE.from_unit(np.array([[0.8, 0.2]]))
    quiet, noisy = (uncertainty(Bump(PLANE, [0.8, 0.2], noise=n), x)[0] for n in (0.0, 3.0))
    assert noisy < 0.5 * quiet


def test_active_learning_takes_no_candidate_twice_even_where_the_model_is_sure_of_everything():
    class Sure(Bump):
        def predict(self, x, return_std=False, include_noise=False, on_ood="warn"):
            return np.zeros((len(x), 1)), np.zeros((len(x), 1))

    policy = ActiveLearning(candidates=64, exploration=0.0)
    points = policy.propose(view(PLANE, model=Sure(PLANE, [0.5, 0.5])), 16)
    assert len(np.unique(points, axis=0)) == 16


def test_active_learning_gives_as_many_points_as_asked_even_beyond_its_pool():
    policy = ActiveLearning(candidates=8, exploration=0.0)
    points = policy.propose(view(PLANE, model=Bump(PLANE, [0.5, 0.5])), 12)
    assert points.shape == (12, 2)
    assert np.isfinite(points).all()


def test_a_view_needs_nothing_but_data():
    # A policy that reached for files, clocks or the engine could not work from this.
    fields = SimpleNamespace(**vars(view(PLANE)))
    assert len(Sobol().propose(fields, 3)) == 3
