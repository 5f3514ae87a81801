from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from workflow.folder import RunFolder, RunFolderError, RunLockedError, process_start, write_atomically


@pytest.fixture
def folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(campaign="name: x # mine\n", resolved="name: x\n", provenance={"campaign": "x"})
    return run


HOLD = """
import sys
from workflow.folder import RunFolder
with RunFolder(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def let_go(process):
    process.kill()
    process.communicate()


def test_the_campaign_is_kept_as_given_and_the_folder_explains_itself(folder):
    assert folder.campaign.read_text() == "name: x # mine\n"
    assert folder.read_resolved() == "name: x\n"
    assert "campaign `x`" in folder.readme.read_text()
    assert folder.read_provenance() == {"campaign": "x"}


def test_a_folder_holds_one_run(folder):
    with pytest.raises(RunFolderError, match="mlaround resume"):
        folder.create(campaign="", resolved="", provenance={})


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(RunFolderError, match="holds no run"):
        RunFolder(tmp_path).read_resolved()


def test_a_second_controller_is_refused_with_the_name_of_the_first(folder):
    holder = hold(folder)
    try:
        assert folder.controller_alive()["pid"] == holder.pid
        with (
            pytest.raises(RunLockedError, match=f"process {holder.pid} on {socket.gethostname()}"),
            folder.lock(),
        ):
            pass
    finally:
        let_go(holder)


def test_the_lock_holds_even_if_the_file_that_names_its_holder_is_gone(folder):
    holder = hold(folder)
    try:
        folder.controller.unlink()
        with pytest.raises(RunLockedError), folder.lock():
            pass
    finally:
        let_go(holder)


def test_the_lock_of_a_killed_controller_is_taken_over(folder):
    let_go(hold(folder))
    assert folder.controller.exists()
    assert folder.controller_alive() is None
    with folder.lock():
        assert json.loads(folder.controller.read_text())["pid"] == os.getpid()
    assert not folder.controller.exists()


def test_a_process_that_got_the_dead_controllers_id_does_not_hold_the_run(folder):
    me = {"pid": os.getppid(), "host": socket.gethostname(), "started": -1.0}
    folder.controller.write_text(json.dumps(me))
    with folder.lock():
        pass


def test_a_controller_on_another_host_holds_the_run_as_long_as_it_shows_life(folder):
    folder.controller.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 1.0}))
    with pytest.raises(RunLockedError, match="elsewhere"), folder.lock():
        pass
    os.utime(folder.controller, (0, 0))
    with folder.lock():
        pass


def test_processes_have_a_start_only_while_they_live():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_start(child.pid) is not None
    child.kill()
    assert child.wait() is not None
    assert process_start(child.pid) is None
    child.stdin.close()


def test_requests_wait_until_they_are_answered(folder):
    assert folder.requests() == []
    names = [folder.request({"verb": verb}) for verb in ("pause", "resume", "stop")]
    (folder.control / ".half.json").write_text("{")
    assert folder.requests() == names
    assert folder.read_request(names[1]) == {"verb": "resume"}
    folder.answer(names[0])
    assert folder.requests() == names[1:]
    assert folder.read_request(names[0]) is None


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_result_files_come_in_folders_of_a_thousand(folder):
    assert folder.result(12).relative_to(folder.path).as_posix() == "results/000/task-000012.h5"
    assert folder.result(12345).relative_to(folder.path).as_posix() == "results/012/task-012345.h5"


def test_what_runs_and_what_has_a_result_is_seen_by_a_look_at_folders(tmp_path):
    run = RunFolder(tmp_path / "r")
    assert run.marked() == set()
    assert run.with_result([3, 1003]) == set()
    run.running.mkdir(parents=True)
    for task in (7, 1_000_001):
        run.marker(task).touch()
    run.withdrawn(8).touch()
    assert run.marked() == {7, 1_000_001}
    for task in (3, 4, 1003, 1_000_002):
        run.result(task).parent.mkdir(parents=True, exist_ok=True)
        run.result(task).touch()
    run.result(5).with_name(".task-000005.h5.x.partial").touch()
    assert run.with_result([3, 5, 6, 1003, 1_000_002]) == {3, 1003, 1_000_002}
