from __future__ import annotations

import numpy as np
import pytest
from small_run import small_run

from simulators import Failure
from workflow import open_run
from workflow.failures import difference, failure_groups, in_common, normalised
from workflow.record import State
from workflow.space import Dimension, Space
from workflow.tasks import LONGEST, _shortened

SPACE = Space(
    (
        Dimension("gap", "nm", 2.0, 4.0),
        Dimension("valency", "", 1.0, 3.0, (1.0, 2.0, 3.0), discrete=True),
        Dimension("friction", "1/ps", 0.5, 0.5),
    )
)


def points(draw, n, low=2.0, high=4.0, valencies=(1.0, 2.0, 3.0)):
    return np.column_stack([draw.uniform(low, high, n), draw.choice(valencies, n), np.full(n, 0.5)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("energy drift 4.1 > 0.05 at step 300", "energy drift -3e+07 > 0.05 at step 12000"),
        ("energy drift 4.1 at step 300", "energy drift nan at step 7"),
        ("cannot open /scratch/a/run-7/in.dat", "cannot open /home/b/in.dat"),
        ("runs/a/task-000012.h5 is damaged", "runs/other/results/task-9.h5 is damaged"),
        ("<Box at 0x7f3a10> overflows", "<Box at 0x55d2> overflows"),
        ("job 3f2504e0-4f89-11d3-9a0c-0305e82c3301 died", "job aa2504e0-4f89-11d3-9a0c-0305e82c3302 died"),
        ("forces [1, 2.5, -3]", "forces [1e9, 4]"),
        ("gave up:\n  after 3 s", "gave up: after 30.5 s"),
    ],
)
def test_messages_that_differ_in_numbers_paths_and_ids_are_one(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("density is negative at bin 4", "density is infinite at bin 4"),
        ("friction 3 1/ps is too large", "friction 3 1/ns is too large"),
        ("stiffness = 9 is too stiff", "temperature = 9 is too hot"),
    ],
)
def test_messages_that_say_other_things_are_not(one, other):
    assert normalised(one) != normalised(other)


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    from scipy.stats import ks_2samp

    draw = np.random.default_rng(5)
    for n, m, shift in (
        (2, 46, 2.0),
        (1, 5, 0.0),
        (7, 7, 1.0),
        (40, 70, 0.0),
        (25, 300, 0.3),
        (200, 150, 0.1),
    ):
        a, b = draw.normal(size=n), draw.normal(shift, 1.0, m)
        distance, chance = difference(a, b)
        known = ks_2samp(a, b, method="exact")
        assert distance == pytest.approx(known.statistic, abs=1e-12)
        assert chance == pytest.approx(known.pvalue, rel=1e-9 if min(n, m) <= 50 else 0.1)


def test_few_values_are_compared_one_by_one():
    a, b = np.array([1.0] * 30 + [2.0] * 10), np.array([1.0] * 25 + [2.0] * 75)
    distance, chance = difference(a, b)
    assert distance == pytest.approx(0.5)
    assert chance < 0.001
    assert difference(a, b) == (distance, chance)  # the same in every look


def test_what_is_by_chance_is_seldom_taken_for_a_cause():
    draw = np.random.default_rng(8)
    found = sum(in_common(points(draw, 12), points(draw, 80), SPACE) is not None for _ in range(400))
    assert found <= 10  # 1 % of 400 are expected, 10 come by chance once in a hundred


def test_the_input_that_matters_is_found_with_its_ranges():
    draw = np.random.default_rng(2)
    failed, done = points(draw, 40, 2.0, 2.3), points(draw, 300, 2.25, 4.0)
    common = in_common(failed, done, SPACE)
    assert common is not None
    assert common.input == "gap"
    assert common.failed == (failed[:, 0].min(), failed[:, 0].max())
    assert sum(common.failed_counts) == 40
    assert sum(common.done_counts) == 300
    assert len(common.edges) == len(common.failed_counts) + 1
    inside = int(((done[:, 0] >= common.failed[0]) & (done[:, 0] <= common.failed[1])).sum())
    assert common.done_inside == inside
    assert f"{inside} of the 300 that are done" in common.words
    assert "nm" in common.words


def test_a_value_that_fails_is_named():
    draw = np.random.default_rng(4)
    common = in_common(points(draw, 40, valencies=(3.0,)), points(draw, 300, valencies=(1.0, 2.0)), SPACE)
    assert common is not None
    assert common.values == (1.0, 2.0, 3.0)
    assert common.failed_counts == (0, 0, 40)
    assert common.words == "valency is 3 in all of them, and in none of those that are done"


def test_a_tendency_is_told_by_the_middle_half():
    draw = np.random.default_rng(6)
    failed, done = points(draw, 200), points(draw, 400)
    failed[:, 0] = 2 + 2 * draw.random(200) ** 3
    failed[0, 0] = 3.99
    common = in_common(failed, done, SPACE)
    assert common is not None
    assert common.words.startswith("gap is mostly 2.0")


def test_nothing_is_said_where_there_is_nothing_to_compare_with():
    draw = np.random.default_rng(0)
    assert in_common(points(draw, 5), points(draw, 0), SPACE) is None
    assert in_common(points(draw, 1, 2.0, 2.1), points(draw, 50, 3.0), SPACE) is None


def test_the_failures_of_a_run():
    run = open_run(small_run())
    (group,) = failure_groups(run.record, run.space)
    assert group.simulations.tolist() == np.flatnonzero(run.record.state == State.FAILED).tolist()
    assert group.message == run.record.failures[int(group.simulations[0])][1]
    assert "too stiff" in group.pattern
    assert (group.key,) == tuple(g.key for g in failure_groups(run.record, run.space))


def test_an_endless_message_is_kept_without_its_middle():
    short = Failure("r", "m" * LONGEST)
    assert _shortened(short) is short
    cut = _shortened(Failure("r", "begin" + "x" * 100_000 + "end"))
    assert cut.reason == "r"
    assert cut.message.startswith("beginxxx")
    assert cut.message.endswith("xxxend")
    assert "90,008 characters left out" in cut.message
    assert len(cut.message) < LONGEST + 50
