from __future__ import annotations

import json

import pytest

from workflow.events import EventLogError, EventTail, EventWriter, cut_torn_tail, last_event, read_events


def write(path, n, first=0):
    with EventWriter(path, first) as log:
        for k in range(first, first + n):
            log.append("thing", number=k, text="é" * (k % 5))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "events.jsonl"
    path.touch()
    write(path, 7)
    return path


def test_events_come_back_in_order_and_after_a_given_one(log):
    assert [e["number"] for e in read_events(log)] == list(range(7))
    assert [e["seq"] for e in read_events(log, after=4)] == [5, 6]


def test_a_log_cut_at_any_byte_is_read_to_its_last_whole_line_and_can_be_gone_on_with(log):
    data = log.read_bytes()
    for cut in range(len(data) + 1):
        log.write_bytes(data[:cut])
        whole = data[:cut].count(b"\n")
        assert [e["seq"] for e in read_events(log)] == list(range(whole))
        lost = cut - (data[:cut].rfind(b"\n") + 1)
        assert cut_torn_tail(log) == lost
        assert log.read_bytes() == data[: cut - lost]
        write(log, 1, whole)
        assert [e["seq"] for e in read_events(log)] == list(range(whole + 1))


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\0\0\n", b"{}{}\n", b"[1]\n", b'{"seq": \n', b"\xff\xfe\n"])
def test_what_a_power_failure_leaves_at_the_end_is_cut(log, junk):
    data = log.read_bytes()
    log.write_bytes(data + junk)
    assert len(list(read_events(log))) == 7
    assert cut_torn_tail(log) == len(junk)
    assert log.read_bytes() == data


def test_a_tail_longer_than_a_block_is_cut(log):
    data = log.read_bytes()
    log.write_bytes(data + b"x" * 300_000)
    cut_torn_tail(log)
    assert log.read_bytes() == data


def test_damage_before_the_tail_is_an_error(log):
    data = log.read_bytes()
    log.write_bytes(data.replace(b'"number":3', b'"number"33'))
    with pytest.raises(EventLogError, match="damaged"):
        list(read_events(log))


def test_missing_events_are_an_error(log):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(EventLogError, match="event 4 follows 2"):
        list(read_events(log))


def test_nothing_is_written_before_commit_and_all_of_it_after(tmp_path):
    path = tmp_path / "events.jsonl"
    path.touch()
    log = EventWriter(path, 0)
    log.append("a")
    log.append("b")
    assert path.read_bytes() == b""
    log.commit()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["a", "b"]
    log.close()


def test_what_json_cannot_say_is_refused(tmp_path):
    path = tmp_path / "events.jsonl"
    path.touch()
    with EventWriter(path, 0) as log, pytest.raises(ValueError, match="JSON"):
        log.append("thing", number=float("nan"))


def test_a_tail_follows_the_log_as_it_grows(log):
    tail = EventTail(log)
    assert len(list(tail.read())) == 7
    assert list(tail.read()) == []
    with log.open("ab") as file:
        file.write(b'{"seq":7,"t":0,')
        file.flush()
        assert list(tail.read()) == []
        file.write(b'"event":"late"}\n')
    assert [e["event"] for e in tail.read()] == ["late"]


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path):
    assert list(read_events(tmp_path / "none")) == []


def test_the_last_event_is_found_without_reading_the_others(log):
    assert last_event(log)["number"] == 6
    with log.open("ab") as file:
        file.write(b'{"seq":7,"t"')
    assert last_event(log)["number"] == 6
    with log.open("ab") as file:
        file.write(b"x" * 10_000 + b"\n")
    assert last_event(log) is None
    log.write_bytes(b"")
    assert last_event(log) is None
