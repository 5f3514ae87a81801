from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from workflow.record import Record, State


class Story:
    """Tells a record what happened, in few words."""

    def __init__(self):
        self.record, self.seq, self.now = Record(), 0, 1000.0
        self.tell("run_started", run="r", version="0", host="h", pid=1, workers=2, resumed=False)

    def tell(self, event, **fields):
        self.record.apply({"seq": self.seq, "t": self.now, "event": event, **fields})
        self.seq += 1
        self.now += 0.5

    def propose(self, task, first, count, held_out=None):
        rows = [[float(first + k), 0.5] for k in range(count)]
        self.tell(
            "task_proposed", task=task, first=first, inputs=rows, held_out=held_out or [0] * count, model=None
        )

    def done(self, task, count, failed=None, means=None, **fields):
        means = [float(k) for k in range(count)] if means is None else means
        self.tell(
            "task_done",
            **{
                "task": task,
                "file": "f",
                "worker": "w",
                "started": self.now,
                "ended": self.now + 1,
                "cpu": 0.5,
                "wall_seconds": [0.1] * count,
                "cpu_seconds": [0.1] * count,
                "scalars": {"y": [means, [0.1] * len(means)]},
                "failed": failed or {},
            }
            | fields,
        )


@pytest.fixture
def story():
    return Story()


def counts(record):
    return record.done, record.failed, record.pending, record.lost, record.duplicated


def test_replicas_go_from_pending_to_done(story):
    story.propose(0, 0, 3, [0, 0, 1])
    assert counts(story.record) == (0, 0, 3, 0, 0)
    story.done(0, 3)
    record = story.record
    assert counts(record) == (3, 0, 0, 0, 0)
    assert record.inputs.tolist() == [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]]
    assert record.mean("y").tolist() == [0.0, 1.0, 2.0]
    assert record.finished(held_out=True).tolist() == [2]
    assert record.finished(held_out=False).tolist() == [0, 1]
    assert record.task.tolist() == [0, 0, 0]
    assert record.worker_names == ["w"]


def test_a_failed_replica_counts_as_failed_and_keeps_its_message(story):
    story.propose(0, 0, 2)
    story.done(0, 2, {"1": ["too hot", "T = 3: too hot"]}, [0.5, None])
    assert counts(story.record) == (1, 1, 0, 0, 0)
    assert story.record.failures == {1: ("too hot", "T = 3: too hot")}
    assert story.record.failure_counts["too hot"] == 1
    assert np.isnan(story.record.mean("y")[1])


@pytest.mark.parametrize(
    ("means", "fields"), [([0.5], {}), ([0.5, None], {}), (None, {"wall_seconds": [0.1]})]
)
def test_a_task_that_is_done_without_a_result_for_a_replica_has_lost_it(story, means, fields):
    story.propose(0, 0, 2)
    story.done(0, 2, means=means, **fields)
    assert counts(story.record) == (1, 0, 0, 1, 0)
    assert story.record.state.tolist() == [State.DONE, State.LOST]


def test_a_task_that_never_came_back_is_lost_once_the_run_says_it_finished(story):
    story.propose(0, 0, 2)
    assert story.record.lost == 0
    story.tell("run_stopped", state="stopped", reason="")
    assert story.record.lost == 0
    story.tell("run_started", run="r", version="0", host="h", pid=1, workers=2, resumed=True)
    story.tell("run_stopped", state="finished", reason="")
    assert story.record.lost == 2


def test_a_task_that_is_done_twice_has_duplicates_and_counts_once(story):
    story.propose(0, 0, 2)
    story.done(0, 2)
    story.done(0, 2, means=[7.0, 7.0])
    assert counts(story.record) == (2, 0, 0, 0, 2)
    assert story.record.mean("y").tolist() == [0.0, 1.0]


def test_replicas_that_are_proposed_twice_are_duplicates(story):
    story.propose(0, 0, 3)
    story.propose(1, 2, 2)
    assert story.record.replicas == 4
    assert story.record.duplicated == 1


def test_a_task_whose_file_went_missing_is_pending_again_and_may_be_done_again(story):
    story.propose(0, 0, 2)
    story.done(0, 2, {"1": ["too hot", ""]}, [0.5, None])
    story.tell("task_retried", task=0, attempt=1, reason="its result file is missing")
    assert counts(story.record) == (0, 0, 2, 0, 0)
    assert story.record.failures == {}
    story.done(0, 2)
    assert counts(story.record) == (2, 0, 0, 0, 0)


def test_a_task_that_was_given_up_fails_all_its_replicas(story):
    story.propose(0, 0, 2)
    story.tell("task_retried", task=0, attempt=1, reason="WorkerLost")
    story.tell("task_failed", task=0, reason="worker lost", message="six times")
    assert counts(story.record) == (0, 2, 0, 0, 0)
    assert story.record.task_attempts.tolist() == [1]


def test_models_and_the_one_in_use(story):
    story.propose(0, 0, 4)
    story.done(0, 4)
    story.tell("training_started", model=1, simulations=4)
    assert story.record.training == 1
    story.tell("model_trained", model=1, promoted=True, scores={})
    story.tell("training_started", model=2, simulations=4)
    story.tell("model_trained", model=2, promoted=False, scores={})
    assert (story.record.promoted, story.record.training, story.record.trained_at) == (1, None, 4)
    assert story.record.promoted_model["model"] == 1


def test_a_training_that_was_interrupted_did_not_happen(story):
    story.propose(0, 0, 4)
    story.done(0, 4)
    story.tell("training_started", model=1, simulations=4)
    story.tell("run_started", run="r", version="0", host="h", pid=1, workers=2, resumed=True)
    assert (story.record.training, story.record.trained_at) == (None, 0)


def test_elapsed_time_leaves_the_pauses_out(story):
    story.now += 9.5
    story.tell("run_stopped", state="stopped", reason="")
    story.now += 1000
    story.tell("run_started", run="r", version="0", host="h", pid=1, workers=2, resumed=True)
    story.now += 4.5
    story.tell("run_stopped", state="finished", reason="")
    assert story.record.elapsed == pytest.approx(15.0)


def test_busy_is_what_workers_measured_between_the_first_start_and_the_last_end(story):
    story.propose(0, 0, 1)
    story.propose(1, 1, 1)
    story.done(0, 1, started=1001.0, ended=1004.0)
    story.done(1, 1, started=1002.0, ended=1005.0)
    assert story.record.busy_fraction == pytest.approx(6 / 8)


def test_a_kind_of_event_from_a_later_version_is_passed_over(story):
    story.tell("coffee_made", cups=2)
    assert story.record.events == 2


def test_memory_stays_at_tens_of_bytes_a_replica(story):
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    n = 20_000
    for task in range(n):
        story.propose(task, task, 1)
        story.done(task, 1)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert story.record.done == n
    assert used / n < 250  # 2 inputs, a scalar and its error are 32 of them, a task 50, at worst twice that


# What users ask for.


def test_a_replica_that_failed_runs_again_in_another_task_and_is_not_counted_twice(story):
    story.propose(0, 0, 4, [0, 0, 1, 0])
    story.done(0, 4, {"1": ["too hot", "m"], "2": ["too hot", "m"]}, [0.0, None, None, 3.0])
    rows = [[1.0, 0.5], [2.0, 0.5]]
    story.tell("task_proposed", task=1, first=1, inputs=rows, held_out=[0, 1], model=None, again=True)
    assert counts(story.record) == (2, 0, 2, 0, 0)
    assert (story.record.failures, +story.record.failure_counts) == ({}, {})
    assert np.isnan(story.record.wall_seconds[1:3]).all()
    story.done(1, 2, means=[11.0, 12.0])
    record = story.record
    assert counts(record) == (4, 0, 0, 0, 0)
    assert record.mean("y").tolist() == [0.0, 11.0, 12.0, 3.0]
    assert record.task.tolist() == [0, 1, 1, 0]
    assert record.held_out.tolist() == [False, False, True, False]


def test_what_an_old_task_says_of_replicas_that_run_elsewhere_now_is_old(story):
    story.propose(0, 0, 3)
    story.done(0, 3, {"1": ["too hot", "m"]}, [0.0, None, 2.0])
    story.tell("task_proposed", task=1, first=1, inputs=[[1.0, 0.5]], held_out=[0], model=None, again=True)
    story.tell("task_retried", task=0, attempt=1, reason="its result file is missing")
    assert counts(story.record) == (0, 0, 3, 0, 0)
    story.done(1, 1, means=[11.0])
    story.done(0, 3, {"1": ["too hot", "m"]}, [0.5, None, 2.5])
    assert counts(story.record) == (3, 0, 0, 0, 0)
    assert story.record.mean("y").tolist() == [0.5, 11.0, 2.5]
    story.tell("task_retried", task=0, attempt=2, reason="its result file is missing")
    story.tell("task_failed", task=0, reason="killed", message="m")
    assert counts(story.record) == (1, 2, 0, 0, 0)


def test_points_of_users_are_told_from_those_of_the_policy(story):
    story.propose(0, 0, 2)
    point = {"inputs": [[7.0, 0.5]], "held_out": [0], "model": None}
    story.tell("task_proposed", task=1, first=2, **point, asked="ada", request="5-a")
    story.propose(2, 3, 1)
    record = story.record
    assert record.asked.tolist() == [False, False, True, False]
    assert (record.replicas, record.planned) == (4, 3)
    assert record.answered == {"5-a"}
    story.tell("task_failed", task=1, reason="killed", message="m")
    story.tell("task_proposed", task=3, first=2, **point, asked="ada", again=True)
    assert (record.asked.sum(), record.planned) == (1, 3)


def test_actions_change_the_record_only_if_they_were_done(story):
    def action(verb, outcome="done", **arguments):
        story.tell("action", verb=verb, arguments=arguments, outcome=outcome, request=f"{story.seq}")

    action("pause", "refused")
    assert not story.record.paused
    action("pause")
    assert story.record.paused
    action("resume")
    assert not story.record.paused
    action("promote", "refused", model=2)
    assert story.record.promoted is None
    action("promote", model=1)
    assert story.record.promoted == 1
    action("pause")
    story.tell("run_started", run="r", version="0", host="h", pid=2, workers=2, resumed=True)
    assert not story.record.paused
    assert [a["verb"] for a in story.record.actions] == [*["pause"] * 2, "resume", *["promote"] * 2, "pause"]
