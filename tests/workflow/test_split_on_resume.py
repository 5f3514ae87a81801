from __future__ import annotations

import json

import numpy as np
import pytest
from record_facts import facts
from told_run import Told

from workflow.folder import RunFolder
from workflow.record import Record
from workflow.recovery import mend
from workflow.splitting import split

ROWS = 11


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "r")
    folder.create(campaign="", resolved="", provenance={})
    return folder


def split_twice(folder):
    told = Told(folder)
    told.propose(0, ROWS)
    told.propose(ROWS, 2)
    parts = split(told.record, 0, "its worker died", told.note)
    for task in parts[1:]:
        told.done(task)
    split(told.record, parts[0], "its worker died", told.note)
    told.log.close()
    return told


def test_a_split_fails_nobody_and_loses_nobody(folder):
    told = split_twice(folder)
    record = told.record
    assert (record.failed, record.lost, record.duplicated) == (0, 0, 0)
    assert (record.done, record.pending) == (ROWS - 2, 4)
    assert record.replicas == ROWS + 2
    assert not record.failure_counts
    assert record.half_split == []
    assert record.task_count[record.unfinished_tasks()].tolist() == [2, 1, 1]


def test_wherever_a_split_is_cut_off_every_simulation_runs_once_and_counts_once(folder):
    split_twice(folder)
    lines = folder.events.read_bytes().splitlines(keepends=True)
    proposed = {json.loads(line)["task"]: line for line in lines if b"task_proposed" in line}
    assert len(proposed) > 8
    for cut in range(2, len(lines) + 1):
        folder.events.write_bytes(b"".join(lines[:cut]) + lines[cut - 1][:9])
        before = Record.read(folder.events)
        for task in np.flatnonzero(before.task_finished & ~before.task_given_up).tolist():
            folder.result(task).parent.mkdir(exist_ok=True)
            folder.result(task).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(56))
        told = Told(folder)
        mend(folder, told.record, told.log)
        ran = [k for task in told.record.unfinished_tasks().tolist() for k in told.done(task)]
        record = told.record
        assert sorted(ran) == np.flatnonzero(before.state == 0).tolist()
        assert record.done == record.replicas == before.replicas
        assert (record.failed, record.lost, record.duplicated, record.pending) == (0, 0, 0, 0)
        assert record.mean("y").tolist() == list(range(record.replicas))
        assert facts(Record.read(folder.events)) == facts(record)
        told.log.close()


def test_a_part_never_reaches_over_a_simulation_that_runs_elsewhere(folder):
    told = Told(folder)
    told.propose(0, 30)
    told.done(0, failed=(4, 17))
    for replica in (4, 17):
        told.propose(replica, 1, again=True)
        told.done(told.record.tasks - 1)
    told.note("task_retried", task=0, attempt=1, reason="its result file is missing")
    assert told.record.half_split == []
    parts = split(told.record, 0, "its worker died", told.note)
    assert told.record.done == 2
    assert [k for task in parts for k in told.done(task)] == [k for k in range(30) if k not in (4, 17)]
    assert (told.record.done, told.record.duplicated) == (30, 0)
    told.log.close()
