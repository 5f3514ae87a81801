import math

import pytest

from workflow.record import Record
from workflow.speedup import Speedup, effective_speedup, measure, times

HAND = Speedup(t_seq=10.0, t_train=12.0, t_learn=3.0, t_lookup=0.01, n_train=100, n_lookup=900)


def test_value_as_computed_by_hand():
    # 10 (900 + 100) / (0.01 * 900 + (12 + 3) * 100) = 10000 / 1509
    assert HAND.value == pytest.approx(10000 / 1509)


def test_limit_without_lookups():
    assert HAND.no_lookups == pytest.approx(10 / 15)
    assert HAND.at(0) == pytest.approx(HAND.no_lookups)


def test_limit_of_many_lookups():
    assert HAND.many_lookups == pytest.approx(1000)
    assert HAND.at(1e15) == pytest.approx(1000, rel=1e-6)


def test_break_even_is_where_saved_time_pays_for_the_campaign():
    n = HAND.break_even
    assert n == pytest.approx(1500 / 9.99)
    assert n * (HAND.t_seq - HAND.t_lookup) == pytest.approx(HAND.n_train * (HAND.t_train + HAND.t_learn))
    # The training simulations are answers too: S itself passes 1 earlier.
    assert HAND.at(n) > 1 > HAND.at(n - HAND.n_train - 1)


def test_a_lookup_slower_than_a_simulation_never_pays():
    slow = Speedup(t_seq=1e-4, t_train=1e-3, t_learn=1e-2, t_lookup=1e-3, n_train=50, n_lookup=1e6)
    assert slow.break_even == math.inf
    assert slow.value < 1
    assert "saves nothing" in slow.sentence()


def test_many_simulations_are_written_with_commas():
    many = Speedup(t_seq=10.0, t_train=12.0, t_learn=3.0, t_lookup=0.01, n_train=104865, n_lookup=1e6)
    assert "the 104,865 training simulations" in many.sentence()
    assert "after 157,455 lookups" in many.sentence()


@pytest.mark.parametrize(
    ("value", "text"), [(0.8234, "0.823 times"), (38.04, "38.0 times"), (12345.0, "12,300 times")]
)
def test_factors_in_words(value, text):
    assert times(value) == text


def record_of(*events):
    record = Record()
    for seq, event in enumerate(events):
        record.apply({"seq": seq, "t": float(seq), **event})
    return record


STARTED = {
    "event": "run_started",
    "run": "r",
    "version": "0",
    "host": "h",
    "pid": 1,
    "workers": 1,
    "resumed": False,
}


def simulated(task, held_out, *, cpu, started, ended, failed=None):
    n = len(held_out)
    proposed = {
        "event": "task_proposed",
        "task": task,
        "first": 4 * task,
        "inputs": [[1.0]] * n,
        "held_out": held_out,
        "model": None,
    }
    done = {
        "event": "task_done",
        "task": task,
        "file": "",
        "worker": "w",
        "started": started,
        "ended": ended,
        "cpu": sum(cpu),
        "wall_seconds": cpu,
        "cpu_seconds": cpu,
        "scalars": {},
        "failed": failed or {},
    }
    return proposed, done


def trained(model, *, simulations, seconds, promoted=True):
    return {
        "event": "model_trained",
        "model": model,
        "started": 100.0,
        "ended": 100.0 + seconds,
        "cpu": seconds / 2,
        "simulations": simulations,
        "held_out": 2,
        "scores": {"n": 2, "targets": {}, "overall": {"coverage": 0.95}},
        "lookup_seconds": 0.001,
        "promoted": promoted,
    }


def test_measured_on_a_record():
    record = record_of(
        STARTED,
        *simulated(0, [0, 0, 0, 1], cpu=[2.0, 2.0, 2.0, 2.0], started=0.0, ended=9.0),
        *simulated(1, [0, 0, 0, 1], cpu=[3.0, 3.0, 3.0, 3.0], started=9.0, ended=22.0),
        trained(1, simulations=3, seconds=4.0),
        trained(2, simulations=6, seconds=8.0),
        trained(3, simulations=6, seconds=6.0, promoted=False),
    )
    found = measure(record, n_lookup=10)
    assert found == Speedup(
        t_seq=2.5,  # all simulations on one core
        t_train=22.0 / 6,  # held-out simulations and overhead are paid by the six that taught
        t_learn=18.0 / 6,  # the rejected training too
        t_lookup=0.001,
        n_train=6,
        n_lookup=10,
    )


def test_a_simulation_that_failed_at_once_does_not_make_simulating_look_cheap():
    failed = {"1": ["not finite", "at step 3"]}
    batch = simulated(0, [0, 0, 0], cpu=[4.0, 0.001, 4.0], started=0.0, ended=9.0, failed=failed)
    found = measure(record_of(STARTED, *batch, trained(1, simulations=2, seconds=1.0)))
    assert found.t_seq == 4.0
    assert found.t_train == 9.0 / 2  # but its time is paid for


def test_core_seconds_count_when_a_task_uses_several_cores():
    proposed, done = simulated(0, [0, 0], cpu=[5.0, 5.0], started=0.0, ended=4.0)
    record = record_of(STARTED, proposed, done, trained(1, simulations=2, seconds=1.0))
    assert measure(record).t_train == pytest.approx(5.0)


def test_nothing_is_claimed_before_the_first_model():
    record = record_of(STARTED, *simulated(0, [0], cpu=[1.0], started=0.0, ended=1.0))
    found = effective_speedup(record)
    assert found["value"] is None
    assert found["accuracy"] is None
    assert found["break_even"] is None
    assert effective_speedup(Record())["value"] is None


def test_the_dictionary_carries_accuracy_and_what_it_leaves_out():
    record = record_of(
        STARTED,
        *simulated(0, [0, 0], cpu=[5.0, 5.0], started=0.0, ended=10.0),
        trained(1, simulations=2, seconds=1.0),
    )
    found = effective_speedup(record, 500)
    assert found["accuracy"] == {"n": 2, "coverage": 0.95}
    assert found["limits"]["many_lookups"] == pytest.approx(5000)
    assert "idle" in found["leaves_out"]
    assert "500 lookups" in found["sentence"]
