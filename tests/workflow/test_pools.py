from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from workflow.pool import LostError
from workflow.pools import start_pool
from workflow.resources import Local, Threads

WAIT = 60  # generous: the machine may be busy


def family():
    return {p.pid for p in psutil.Process().children(recursive=True)}


@pytest.fixture
def pool(tmp_path):
    before = family()
    pool = start_pool(Local(workers=2), tmp_path, workers=2, name="simulate")
    yield pool
    pool.close(kill=True)
    end = time.monotonic() + 10
    while family() - before and time.monotonic() < end:
        time.sleep(0.05)
    assert family() <= before


def test_threads_run_functions_and_give_exceptions_back(tmp_path):
    pool = start_pool(Threads(workers=2), tmp_path, workers=2, name="simulate")
    assert pool.submit(divmod, 7, 3).result(WAIT) == (2, 1)
    assert isinstance(pool.submit(divmod, 7, 0).exception(WAIT), ZeroDivisionError)
    pool.close()
    assert list(tmp_path.iterdir()) == []


def test_only_as_many_threads_compute_at_a_time_as_there_are_workers(tmp_path):
    from workflow.pool import computing

    seen = []

    def task():
        with computing() as name:
            seen.append((name, 1))
            time.sleep(0.02)
            seen.append((name, -1))

    pool = start_pool(Threads(workers=2), tmp_path, workers=2, name="simulate")
    for future in [pool.submit(task) for _ in range(12)]:
        future.result(WAIT)
    pool.close()
    level = [sum(step for _, step in seen[:k]) for k in range(len(seen) + 1)]
    assert max(level) == 2
    assert {name for name, _ in seen} == {"worker-0", "worker-1"}


def test_local_workers_run_functions_in_processes_of_their_own(pool):
    pids = {pool.submit(os.getpid).result(WAIT) for _ in range(10)}
    assert os.getpid() not in pids
    error = pool.submit(divmod, 7, 0).exception(WAIT)
    assert isinstance(error, ZeroDivisionError)
    assert not isinstance(error, LostError)


def test_a_killed_worker_loses_its_task_and_is_replaced(pool):
    error = pool.submit(os.kill, pool.submit(os.getpid).result(WAIT), signal.SIGKILL)
    victim = pool.submit(signal.raise_signal, signal.SIGKILL)
    assert isinstance(victim.exception(WAIT), LostError)
    error.exception(WAIT)
    assert pool.submit(divmod, 7, 3).result(WAIT) == (2, 1)
    assert not pool.broken


@pytest.mark.parametrize("process", ["interchange_proc", "manager"])
def test_a_dead_process_of_the_pool_is_noticed_in_seconds_and_the_pool_can_be_restarted(pool, process):
    pool.submit(os.getpid).result(WAIT)
    running = pool.submit(time.sleep, 30)
    started = time.monotonic()
    os.kill(getattr(pool._life._executor, process).pid, signal.SIGKILL)
    assert isinstance(running.exception(WAIT), LostError)
    assert time.monotonic() - started < 3
    assert pool.broken
    assert isinstance(pool.submit(divmod, 7, 3).exception(WAIT), LostError)
    pool.restart()
    assert pool.submit(divmod, 7, 3).result(WAIT) == (2, 1)


def test_an_interchange_that_dies_while_it_starts_is_noticed_too(pool):
    end = time.monotonic() + WAIT
    while getattr(pool._life._executor, "interchange_proc", None) is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(pool._life._executor.interchange_proc.pid, signal.SIGKILL)
    assert isinstance(pool.submit(divmod, 7, 3).exception(WAIT), LostError)
    assert pool.broken
    pool.restart()
    assert pool.submit(divmod, 7, 3).result(WAIT) == (2, 1)


@pytest.mark.parametrize("answer", [[], None])
def test_an_interchange_that_has_given_up_its_manager_is_replaced(pool, monkeypatch, answer):
    # As after a jump of the clock: both live, and neither will ever hear of the other again.
    pool.submit(os.getpid).result(WAIT)
    time.sleep(3)
    assert not pool.broken
    waits = pool.submit(time.sleep, 300)
    monkeypatch.setattr(pool._life, "_managers", lambda: answer)
    assert isinstance(waits.exception(5), LostError)
    assert pool.broken
    pool.restart()
    assert pool.submit(divmod, 7, 3).result(WAIT) == (2, 1)


def test_an_idle_worker_that_is_killed_does_not_stop_the_others(pool):
    # It holds the lock of the queue that the workers share while it waits.
    pids = {pool.submit(os.getpid).result(WAIT) for _ in range(20)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if pool.broken:
            pool.restart()
        answer = pool.submit(divmod, 7, 3)
        error = answer.exception(WAIT)
        if error is None:
            return
        assert isinstance(error, LostError)
    raise AssertionError("nothing ran any more")


def test_closing_ends_a_task_that_runs(pool):
    pool.submit(os.getpid).result(WAIT)
    running = pool.submit(time.sleep, 300)
    time.sleep(0.2)
    started = time.monotonic()
    pool.close(kill=True)
    assert time.monotonic() - started < 5
    assert isinstance(running.exception(WAIT), LostError)


def test_a_task_handed_over_just_as_the_interchange_dies_is_lost_and_nobody_waits_for_ever(pool):
    pool.submit(os.getpid).result(WAIT)
    interchange = pool._life._executor.interchange_proc
    interchange.kill()
    interchange.wait()
    handed_over = []
    thread = threading.Thread(target=lambda: handed_over.append(pool.submit(divmod, 7, 3)), daemon=True)
    thread.start()
    thread.join(WAIT)
    assert isinstance(handed_over[0].exception(WAIT), LostError)


def test_the_report_of_one_death_does_not_stand_for_another(tmp_path, monkeypatch):
    from types import SimpleNamespace

    import workflow.process_pool as module

    clock, alive = [100.0], {1, 2, 3, 4}
    life = module._Life(Local(workers=2), tmp_path, 2, "simulate")
    life._executor = SimpleNamespace(family=frozenset(), look_around=lambda: None)

    def look_around():
        life._executor.family = frozenset(alive)

    life._executor.look_around = look_around
    monkeypatch.setattr(module, "_lives", lambda process: process in alive)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def unnoticed(seconds):
        clock[0] += seconds
        return life._worker_died_unnoticed()

    assert not unnoticed(0.5)
    alive ^= {3, 5}  # one died, and another took its place
    life._note_lost_worker()
    assert not unnoticed(0.5)
    alive ^= {4, 6}  # and a second one, of which nothing is reported
    assert not unnoticed(0.5)
    assert unnoticed(2 * module.HEARTBEAT_PERIOD + 0.1)
