import json

import numpy as np
import pytest
from replay import Replay

from workflow.run import open_run


@pytest.fixture
def replay(tmp_path):
    written = Replay(tmp_path / "replay", tasks=600, workers=16)
    yield written
    written.close()


def test_a_replay_is_a_run_that_goes_on(replay):
    run = open_run(replay.folder.path)
    record, status = run.record, run.status
    assert run.state == "running"
    assert record.tasks == 600
    assert status["simulations"]["done"] + status["simulations"]["failed"] == (600 - 32) * 2
    assert record.duplicated == record.lost == 0
    assert status["model"]["version"] == 6
    assert status["effective_speedup"]["value"] > 1
    assert json.loads(replay.folder.status.read_text())["simulations"] == {
        **status["simulations"],
        "running": 32,
    }


def test_its_workers_do_one_thing_at_a_time(replay):
    record = open_run(replay.folder.path).record
    for worker in range(16):
        mine = record.task_worker == worker
        order = np.argsort(record.task_started[mine])
        assert (record.task_started[mine][order][1:] >= record.task_ended[mine][order][:-1] - 1e-6).all()


def test_it_fails_in_two_ways_in_a_part_of_the_space(replay):
    record = open_run(replay.folder.path).record
    assert set(record.failure_counts) == {"overlap", "timeout"}
    narrow = [k for k, (reason, _) in record.failures.items() if reason == "overlap"]
    assert (record.inputs[narrow, 0] < 3.15).all()


def test_it_goes_on_as_a_controller_would(replay):
    before = replay.written
    marks = replay.live(0.4, rate=10, changes=3)
    record = open_run(replay.folder.path).record
    assert marks[-1] == replay.mark
    assert replay.mark.seq == record.events - 1
    assert record.tasks == before.tasks + 12
    assert record.done + record.failed == before.done + before.failed + 24
    assert {path.name for path in (replay.folder.path / "running").iterdir()} == {
        f"task-{task:06d}.json" for task, _, _ in replay.running
    }
