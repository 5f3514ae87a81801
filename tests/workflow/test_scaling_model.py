"""The model of the engine against what is known exactly."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from scaling_engine import Engine, simulate
from scaling_parts import Costs, FileSystem, Linear, Place, Work, scaled

NOTHING = Linear(0.0)
FREE = Costs(
    propose=NOTHING, submit=NOTHING, handle=NOTHING, commit=0.0, tick=0.0, tick_task=0.0, tick_operations=0.0,
    result=NOTHING, turn=1e-9, turn_manager=0.0, take=0.0, give=0.0, send=0.0, manager=0.0, between=NOTHING,
    task=NOTHING, before=0.0, after=0.0, file=NOTHING,
)  # fmt: skip
RAM = FileSystem(0.0, 1e12, 0.0, 0.0, 1000, 1e15, 1e15)
NODES = Place(4, 8, latency=0.0)


@pytest.mark.parametrize("place", [NODES, Place(1, 32, ahead=3.0, threads=True)], ids=["nodes", "threads"])
def test_workers_that_are_never_short_of_tasks_give_their_number_over_the_length(place):
    out = simulate(FREE, RAM, place, Work(1600, 1, 0.5))
    assert out.rate == pytest.approx(32 / 0.5, rel=0.02)
    assert out.steady == pytest.approx(1.0, abs=0.01)
    assert out.wall == pytest.approx(1600 * 0.5 / 32, rel=0.01)


def test_a_controller_that_is_never_idle_gives_one_over_its_cost():
    costs = replace(
        FREE, propose=Linear(1e-3, 1e-4), submit=Linear(2e-3), handle=Linear(3e-3), result=Linear(1e-3)
    )
    out = simulate(costs, RAM, NODES, Work(3000, 10, 1e-3))
    assert out.rate == pytest.approx(1 / 8e-3, rel=0.03)
    assert out.controller == pytest.approx(1.0, abs=0.01)
    assert out.cpu == pytest.approx(8e-3, rel=1e-6)


def test_an_interchange_that_is_never_idle_gives_one_over_its_turns():
    costs = replace(FREE, turn=1e-3, turn_manager=1e-3, take=2e-3, give=2e-3, send=1e-3)
    out = simulate(costs, RAM, NODES, Work(1000, 1, 1e-3))
    # A turn takes one task and one result, and looks at four managers; some hold one of the two only.
    assert 1 / (2 * 5e-3 + 5e-3) <= out.rate <= 1 / (5e-3 + 5e-3) * 1.02
    assert out.interchange == pytest.approx(1.0, abs=0.01)
    two = simulate(costs, RAM, replace(NODES, interchanges=2), Work(1000, 1, 1e-3))
    assert two.rate > 2 * out.rate  # each of them knows half of the managers


def test_a_file_system_gives_no_more_operations_than_it_has():
    costs = replace(FREE, before=2.0, after=8.0)
    out = simulate(costs, replace(RAM, operations=500.0), NODES, Work(1000, 1, 1e-3))
    assert out.rate == pytest.approx(500 / 10, rel=0.03)
    out = simulate(FREE, replace(RAM, fsync=0.1, fsyncs=2), NODES, Work(1000, 1, 1e-3))
    assert out.rate == pytest.approx(2 / 0.1, rel=0.03)


def test_every_task_ends_once_although_blocks_end_under_some():
    place = Place(8, 2, prefetch=1.0, walltime=20.0, drain=0.0, wait=3.0, notice=2.0, block=2)
    engine = Engine(scaled(FREE, turn=1e3), RAM, place, Work(800, 1, 1.0, spread=0.5), seed=3)
    out = engine.run()
    assert out.done == len(engine.tasks) == 800
    assert all(task.proposed <= task.started < task.ended <= task.recorded for task in engine.tasks)
    assert out.again > 0
    assert out.again + 800 == sum(task.attempt for task in engine.tasks) - out.again
    assert engine.in_flight == 0
    drained = simulate(FREE, RAM, replace(place, drain=6.0), Work(800, 1, 1.0))
    assert drained.again == 0


def test_what_is_on_its_way_is_the_rate_times_how_long_it_is():
    costs = replace(FREE, submit=Linear(5e-3), handle=Linear(2e-3), task=Linear(0.02), before=1.0)
    files = replace(RAM, operation=0.01, fsync=0.02, append=0.003)
    out = simulate(costs, files, NODES, Work(1500, 1, 0.2, spread=0.4))
    assert out.flying == pytest.approx(out.done / out.wall * out.sojourn, rel=1e-6)


def test_cores_that_all_share_bound_the_throughput():
    costs = replace(FREE, task=Linear(0.01), handle=Linear(0.002), manager=0.003)
    out = simulate(costs, RAM, replace(NODES, nodes=1, cores=1.5), Work(1000, 1, 1e-3))
    assert out.rate == pytest.approx(1.5 / 0.015, rel=0.03)


def test_looks_at_files_hold_the_controller_up():
    # 64 tasks in flight, one look of 10 ms at each: a round is 0.64 s of work and 0.64 s of looking.
    costs = replace(FREE, handle=Linear(0.01), tick_operations=1.0)
    out = simulate(costs, replace(RAM, operation=0.01), NODES, Work(10**9, 1, 1e-3, until=60.0))
    assert out.rate == pytest.approx(64 / 1.28, rel=0.04)
    assert out.looking == pytest.approx(0.5, abs=0.02)


def test_trainings_come_as_often_as_they_are_due():
    work = Work(1000, 1, 0.1, training_every=100, training_start=0.01, training=0.05)
    out = simulate(FREE, RAM, NODES, work)
    assert 9 <= out.trainings <= 10
