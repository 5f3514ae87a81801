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
