from __future__ import annotations

import h5py
import numpy as np
import pytest
from told_run import Told

from surrogates import Feature, Signature, Target
from workflow.example_store import ExampleStore
from workflow.folder import RunFolder
from workflow.results import ResultFileError, read_examples

SIGNATURE = Signature((Feature("x"),), (Target("y"),))


@pytest.fixture
def told(tmp_path):
    folder = RunFolder(tmp_path / "r")
    folder.create(campaign="", resolved="", provenance={})
    told = Told(folder)
    yield told
    told.log.close()


def result(told, task, shift=0.0):
    path, first = told.folder.result(task), int(told.record.task_first[task])
    path.parent.mkdir(exist_ok=True)
    values = first + shift + np.arange(told.record.task_count[task])
    with h5py.File(path, "w") as file:
        file["mean/y"], file["stderr/y"] = values, values / 10
    return path


def batches(told, *tasks):
    for task in tasks:
        told.propose(told.record.replicas, 4)
        told.done(task, failed=(1,))
        result(told, task)


def same(told, store, replicas):
    mine = store.read(told.folder, told.record, SIGNATURE, replicas)
    theirs = read_examples(told.folder, told.record, SIGNATURE, replicas)
    for part in ("x", "y", "y_err"):
        np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))


def test_the_same_is_read_in_any_order_and_as_the_run_goes_on(told):
    store = ExampleStore()
    same(told, store, np.empty(0, np.int64))
    batches(told, 0, 1, 2)
    same(told, store, np.array([3, 0, 6]))
    same(told, store, told.record.finished())
    batches(told, 3, 4)
    same(told, store, told.record.finished()[::-1])
    same(told, store, np.array([2]))


def test_no_file_is_read_twice(told):
    store = ExampleStore()
    batches(told, 0, 1)
    known = told.record.finished()
    before = store.read(told.folder, told.record, SIGNATURE, known)
    for task in (0, 1):
        told.folder.result(task).unlink()
    np.testing.assert_array_equal(store.read(told.folder, told.record, SIGNATURE, known).y, before.y)
    batches(told, 2)
    assert store.read(told.folder, told.record, SIGNATURE, told.record.finished()).y.shape == (9, 1)
    told.folder.result(2).unlink()
    batches(told, 3)
    told.folder.result(3).unlink()
    with pytest.raises(ResultFileError):
        store.read(told.folder, told.record, SIGNATURE, told.record.finished())


def test_a_simulation_that_ran_again_is_read_again(told):
    store = ExampleStore()
    batches(told, 0)
    store.read(told.folder, told.record, SIGNATURE, told.record.finished())
    told.note("task_retried", task=0, attempt=1, reason="its result file is missing")
    told.note("task_failed", task=0, reason="killed", message="m")
    told.propose(0, 4, again=True)
    told.done(1)
    result(told, 1, shift=100.0)
    same(told, store, told.record.finished())
    read = store.read(told.folder, told.record, SIGNATURE, np.array([1, 2]))
    assert read.y.ravel().tolist() == [101.0, 102.0]
