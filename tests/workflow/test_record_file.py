from __future__ import annotations

import json

import numpy as np
import pytest
from random_log import RandomLog
from record_facts import facts
from safetensors.numpy import load_file

from workflow import record_file, snapshots
from workflow.events import EventWriter
from workflow.folder import RunFolder
from workflow.record import Record
from workflow.snapshots import Snapshots


@pytest.fixture
def log(tmp_path):
    log = RandomLog(tmp_path / "events.jsonl", seed=1)
    log.go_on(80)
    return log


@pytest.mark.parametrize("seed", range(3))
def test_what_was_kept_at_any_event_and_the_rest_of_the_log_are_the_whole_log(tmp_path, seed):
    log = RandomLog(tmp_path / "events.jsonl", seed, scalars=("y", "z/2")[:seed])
    log.go_on(70)
    text = log.path.read_bytes()
    whole = facts(Record.read(log.path))
    assert whole == facts(log.record)
    record = Record()
    for count, (line, end) in enumerate(zip(text.splitlines(), log.ends, strict=True), 1):
        record.apply(json.loads(line))
        record.keep(log.path, end)
        again, tail = Record.follow(log.path)
        assert again.kept_events == count
        assert (tail.position, tail.seq) == (len(text), len(log.ends) - 1)
        assert facts(again) == whole


def test_a_record_that_was_read_back_goes_on_like_any_other(log):
    log.record.keep(log.path, log.ends[-1])
    log.record = Record.read(log.path)
    assert log.record.kept_events == len(log.ends)
    log.go_on(300)  # its columns have to grow
    (log.path.parent / record_file.NAME).unlink()
    assert facts(Record.read(log.path)) == facts(log.record)


def test_any_reader_of_safetensors_reads_it(log):
    log.record.keep(log.path, log.ends[-1])
    arrays = load_file(log.path.parent / record_file.NAME)
    np.testing.assert_array_equal(arrays["inputs"], log.record.inputs)
    np.testing.assert_array_equal(arrays["mean/z/2"], log.record.mean("z/2"))
    assert json.loads(arrays["json"].tobytes())["events"] == len(log.ends)


def test_a_damaged_file_is_not_used(log):
    log.record.keep(log.path, log.ends[-1])
    path, whole = log.path.parent / record_file.NAME, facts(log.record)
    good = path.read_bytes()
    places = range(0, len(good), len(good) // 40)
    damaged = [good[:k] for k in places] + [good + b"\0", good[:-1]]
    damaged += [good[:k] + bytes([good[k] ^ 4]) + good[k + 1 :] for k in places]
    for content in damaged:
        path.write_bytes(content)
        record = Record.read(log.path)
        assert facts(record) == whole
    path.write_bytes(good)
    assert Record.read(log.path).kept_events == len(log.ends)


@pytest.mark.parametrize("how", ["cut", "shorter by an event", "another", "gone on differently", "emptied"])
def test_it_is_not_used_for_another_log(log, how):
    log.record.keep(log.path, log.ends[-1])
    text = log.path.read_bytes()
    other = {
        "cut": text[:-3],
        "shorter by an event": text[: log.ends[-2]],
        "another": text.replace(b'"pid": 1', b'"pid": 2', 1),
        "gone on differently": text[: log.ends[-2]]
        + b'{"seq": %d, "t": 1.0, "event": "x"}\n' % (len(log.ends) - 1),
        "emptied": b"",
    }[how]
    log.path.write_bytes(other)
    record = Record.read(log.path)
    assert record.kept_events == 0
    assert record.events == other.count(b"\n")


def test_what_another_version_kept_is_not_used(log, monkeypatch):
    log.record.keep(log.path, log.ends[-1])
    monkeypatch.setattr(record_file, "_version", lambda: "another")
    assert Record.read(log.path).kept_events == 0


def test_what_has_other_columns_is_not_used(log, monkeypatch):
    arrays, plain = log.record.kept()
    for wrong in (arrays | {"_new": arrays["_task"]}, arrays | {"_task": arrays["_task"][:-1]}):
        record_file.save(log.path, log.ends[-1], wrong, plain)
        record = Record.read(log.path)
        assert record.kept_events == 0
        assert facts(record) == facts(log.record)


def test_it_is_kept_when_enough_happened_and_it_takes_little(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(snapshots.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(snapshots, "LEAST", 10)
    folder = RunFolder(tmp_path)
    folder.events.touch()
    record = Record()
    record.keep = lambda path, position: clock.__setitem__(0, clock[0] + 2.0)  # it takes two seconds
    kept = Snapshots(folder, record)
    with EventWriter(folder.events, 0) as log:
        times = []
        for k in range(2000):
            clock[0] += 1.0
            record.apply(log.append("x"))
            before = clock[0]
            kept.keep_if_due(log)
            if clock[0] > before:
                times.append(k)
    assert times[0] == 9
    gaps = np.diff(times)
    assert gaps.min() >= 2.0 / snapshots.SHARE
    assert len(times) > 5


def test_a_disk_that_takes_no_more_is_no_harm(tmp_path, log, caplog):
    folder = RunFolder(tmp_path)
    (tmp_path / f".{record_file.NAME}.partial").mkdir()
    with EventWriter(folder.events, log.record.events) as writer:
        Snapshots(folder, log.record).keep(writer)
    assert "could not be kept" in caplog.text
    assert Record.read(folder.events).kept_events == 0
