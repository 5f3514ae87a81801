from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import h5py
import numpy as np
import pytest
from engine_runs import MOODY, SOURCE, WELLS, campaign, numbers, record, run, weights, whole

import surrogates
from workflow.engine import resume
from workflow.events import read_events
from workflow.folder import RunFolder, RunFolderError, RunLockedError
from workflow.requests import ask as ask_run
from workflow.results import read_arrays
from workflow.run import Run
from workflow.seeds import replica_seeds


@pytest.fixture(scope="module")
def wells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "wells"
    updates = []
    outcome = run(folder, WELLS, on_update=updates.append)
    return folder, outcome, updates


def test_a_run_simulates_all_that_was_asked_for_and_ends(wells):
    folder, outcome, _ = wells
    assert (outcome.state, outcome.exit_code) == ("finished", 0)
    state = whole(folder, 40)
    assert state.held_out.sum() == 10


def test_trainings_happen_on_the_way_and_the_last_one_knows_everything(wells):
    state = record(wells[0])
    assert len(state.models) >= 2
    last = state.models[-1]
    assert (last["simulations"], last["held_out"]) == (30, 10)
    assert RunFolder(wells[0]).promoted.read_text().strip() == f"v{state.promoted:04d}"
    model = surrogates.load(wells[0])
    assert set(model.domain.ids.tolist()).isdisjoint(np.flatnonzero(state.held_out).tolist())
    assert state.promoted_model["scores"]["n"] == 10


def test_a_model_is_promoted_unless_it_is_worse_beyond_the_standard_error(wells):
    first, *later = record(wells[0]).models
    assert (first["promoted"], first["comparison"]) == (True, None)
    assert later
    for model in later:
        found = model["comparison"]
        assert model["promoted"] == (found["difference"] <= found["stderr"])


def test_the_status_has_its_fixed_form(wells):
    folder, _, updates = wells
    status = RunFolder(folder).read_status()
    assert status == updates[-1]
    assert updates[0]["state"] == "running"
    assert status["schema"] == "mlaround.status/1"
    keys = "schema name run state reason updated elapsed simulations workers blocks model "
    keys += "effective_speedup failures"
    assert list(status) == keys.split()
    assert status["simulations"] == {
        "done": 40, "failed": 0, "running": 0, "lost": 0, "duplicated": 0, "proposed": 40, "total": 40
    }  # fmt: skip
    assert status["model"]["held_out"]["n"] == 10
    assert status["effective_speedup"]["n_train"] > 0
    assert 0 < status["workers"]["busy_fraction"] <= 1
    assert len(RunFolder(folder).status.read_bytes()) < 4096


def test_result_files_hold_what_the_events_say(wells):
    folder = RunFolder(wells[0])
    state = record(wells[0])
    for event in read_events(folder.events):
        if event["event"] != "task_done":
            continue
        first, count = state.task_first[event["task"]], state.task_count[event["task"]]
        with h5py.File(folder.path / event["file"]) as file:
            replicas = file["replica"][()]
            assert replicas.tolist() == list(range(first, first + count))
            assert np.array_equal(file["inputs"][()], state.inputs[replicas])
            assert np.array_equal(file["seed"][()], replica_seeds(11, replicas))
            assert file["mean/mean_square"][()].tolist() == event["scalars"]["mean_square"][0]
            assert file["mean/density"].attrs["coordinate"] == "x"
            assert file["wall_seconds"].attrs["units"] == "s"


def test_arrays_come_back_in_the_order_asked_for(wells):
    folder, state = RunFolder(wells[0]), record(wells[0])
    wanted = np.array([31, 2, 17, 3])
    arrays = read_arrays(folder, state, ["mean_square", "density"], wanted)
    assert np.array_equal(arrays.mean["mean_square"], state.mean("mean_square")[wanted])
    assert arrays.mean["density"].shape == (4, 16)
    assert np.allclose(arrays.edges["x"][:, -1], 4 * state.inputs[wanted, 1])


def test_the_table_has_a_row_for_each_simulation_with_units_in_its_head(wells):
    lines = RunFolder(wells[0]).results_csv.read_text().splitlines()
    assert lines[0].startswith("replica,task,held_out,stiffness,temperature,mean_square,")
    assert len(lines) == 41


def test_the_folder_tells_where_it_came_from(wells):
    folder = RunFolder(wells[0])
    provenance = folder.read_provenance()
    assert provenance["seed"] == 11
    assert provenance["versions"]["numpy"] == np.__version__
    assert "numpy==" in folder.environment.read_text()
    assert not folder.controller.exists()


def test_a_finished_run_that_is_resumed_changes_nothing(wells):
    before = record(wells[0])
    outcome = resume(wells[0])
    after = whole(wells[0], 40)
    assert outcome.state == "finished"
    assert (after.tasks, len(after.models)) == (before.tasks, len(before.models))


def test_a_finished_run_goes_on_with_a_larger_budget_as_if_it_had_had_it(wells, tmp_path):
    run(tmp_path / "a", WELLS, "stop.simulations=24")
    assert resume(tmp_path / "a", campaign=campaign(WELLS)).state == "finished"
    whole(tmp_path / "a", 40)
    assert numbers(tmp_path / "a") == numbers(wells[0])


def test_a_run_keeps_its_question(wells):
    with pytest.raises(RunFolderError, match="`space` is not what"):
        resume(wells[0], campaign=campaign(WELLS, "space.stiffness=[1, 5]"))


def test_a_run_that_is_held_is_not_touched(wells):
    folder = RunFolder(wells[0])
    with folder.lock(), pytest.raises(RunLockedError):
        resume(wells[0])


# Failures.


def test_replicas_that_fail_are_recorded_with_their_message_and_the_rest_goes_on(tmp_path):
    outcome = run(tmp_path / "r", WELLS, "simulator.breaks_above=9.5")
    state = whole(tmp_path / "r", 40)
    hot = state.inputs[:, 0] > 9.5
    assert state.failed == hot.sum() > 0
    assert {reason for reason, _ in state.failures.values()} == {"well too stiff"}
    assert (outcome.state, outcome.exit_code) == ("finished", 0)
    assert set(surrogates.load(tmp_path / "r").domain.ids.tolist()).isdisjoint(np.flatnonzero(hot).tolist())


def test_a_batch_that_raises_fails_whole_and_is_not_tried_again(tmp_path):
    outcome = run(
        tmp_path / "r",
        MOODY,
        "simulator={kind: 'engine_plugins:Moody', mood: raises, seconds: 0.01}",
        "resources.task_time=0.001",
    )
    state = whole(tmp_path / "r", 20)
    assert state.failed == (state.inputs[:, 0] > 0.5).sum() > 0
    assert state.failures[int(np.argmax(state.inputs[:, 0]))] == (
        "raised RuntimeError",
        "RuntimeError: above a half",
    )
    assert state.task_attempts.max() == 0
    assert outcome.exit_code == 1
    status = RunFolder(tmp_path / "r").read_status()
    assert status["failures"] == [{"reason": "raised RuntimeError", "count": state.failed}]


def test_a_run_in_which_everything_fails_says_so(tmp_path):
    outcome = run(tmp_path / "r", MOODY, "simulator.mood=raises", "space.x=[0.6, 1]")
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert "all 20 simulations failed (raised RuntimeError)" in outcome.reason


def test_a_surrogate_that_cannot_be_trained_ends_the_run_with_the_reason(tmp_path):
    outcome = run(tmp_path / "r", MOODY, 'surrogate={kind: "engine_plugins:Untrainable"}')
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert "ValueError: no such luck" in outcome.reason
    assert record(tmp_path / "r").trainings_failed


def test_a_place_that_cannot_run_tasks_ends_the_run_and_loses_nothing(tmp_path, monkeypatch):
    import workflow.tasks

    real = workflow.tasks.write_result
    full = threading.Event()

    def disk(path, *arguments, **options):
        if path.stem >= "task-000005" and not full.is_set():
            raise OSError(28, "No space left on device")
        real(path, *arguments, **options)

    monkeypatch.setattr(workflow.tasks, "write_result", disk)
    outcome = run(tmp_path / "r", MOODY)
    assert outcome.state == "failed"
    assert "No space left on device" in outcome.reason
    full.set()
    assert resume(tmp_path / "r").state == "finished"
    assert whole(tmp_path / "r", 20).failed == 0


def test_a_pool_that_does_not_deliver_is_restarted_and_its_results_are_adopted(tmp_path, monkeypatch):
    import workflow.controller
    from workflow.pool import PoolLostError, ThreadPool

    class Mute(ThreadPool):
        """Does what it is told but does not tell, until it is restarted."""

        mute, kept = True, ()

        def submit(self, function, *arguments, urgent=False):
            future = super().submit(function, *arguments)
            if not self.mute:
                return future
            self.kept = (*self.kept, Future())
            return self.kept[-1]

        def restart(self):
            self.mute, kept = False, self.kept
            for future in kept:
                future.set_exception(PoolLostError("restarted"))

    monkeypatch.setattr(workflow.controller, "SILENCE", 0.5)
    monkeypatch.setattr(
        workflow.controller, "start_pool", lambda resources, *_, name, tell: Mute(resources.workers, name)
    )
    assert run(tmp_path / "r", MOODY).state == "finished"
    state = whole(tmp_path / "r", 20)
    assert state.task_attempts.max() == 0


def test_a_pool_whose_workers_do_not_begin_is_restarted(tmp_path, monkeypatch):
    import workflow.controller
    from workflow.pool import PoolLostError, ThreadPool

    class Deaf(ThreadPool):
        """Loses what it is told after the first tasks without a word, until it is restarted."""

        deaf_after, kept = 3, ()

        def submit(self, function, *arguments, urgent=False):
            self.deaf_after -= 1
            if self.deaf_after >= 0 or self.breakdowns:
                return super().submit(function, *arguments)
            self.kept = (*self.kept, Future())
            return self.kept[-1]

        def restart(self):
            self.breakdowns += 1
            for future in self.kept:
                future.set_exception(PoolLostError("restarted"))

    monkeypatch.setattr(workflow.controller, "STALLED", 0.5)
    monkeypatch.setattr(
        workflow.controller, "start_pool", lambda resources, *_, name, tell: Deaf(resources.workers, name)
    )
    assert run(tmp_path / "r", MOODY).state == "finished"
    assert whole(tmp_path / "r", 20).task_attempts.max() == 1


# Ends, each of which can be gone on from.


def test_a_run_stops_when_its_model_is_good_enough(tmp_path):
    outcome = run(tmp_path / "r", MOODY, "stop={simulations: 500, success: 0.5}", "simulator.seconds=0.005")
    state = record(tmp_path / "r")
    assert outcome.state == "finished"
    assert "held-out success" in outcome.reason
    assert state.replicas < 500
    whole(tmp_path / "r", state.replicas)


def test_a_run_stops_when_its_error_is_small_enough(tmp_path):
    outcome = run(tmp_path / "r", MOODY, "stop={simulations: 500, error: 0.5}", "simulator.seconds=0.005")
    state = record(tmp_path / "r")
    assert "calibrated error" in outcome.reason
    assert state.replicas < 500
    whole(tmp_path / "r", state.replicas)


def test_a_run_stops_when_its_time_is_up_and_goes_on(tmp_path):
    options = ("simulator.seconds=0.02", "stop={simulations: 150, wall_time: 0.5}")
    outcome = run(tmp_path / "r", MOODY, *options)
    assert (outcome.state, outcome.exit_code) == ("stopped", 75)
    done = record(tmp_path / "r").done
    assert 0 < done < 150
    while outcome.exit_code == 75:
        outcome = resume(tmp_path / "r")
    assert outcome.exit_code == 0
    whole(tmp_path / "r", 150)


def test_a_run_stops_when_asked_and_goes_on(tmp_path):
    asked = []

    def ask(status):
        if status["simulations"]["done"] and not asked:
            asked.append(status)
            ask_run(Run(RunFolder(tmp_path / "r")), "stop", {}, "python")

    outcome = run(tmp_path / "r", MOODY, "simulator.seconds=0.05", "stop.simulations=120", on_update=ask)
    assert (outcome.state, outcome.reason, outcome.exit_code) == ("stopped", "stop was requested", 75)
    assert record(tmp_path / "r").done < 120
    assert RunFolder(tmp_path / "r").requests() == []
    assert resume(tmp_path / "r").state == "finished"
    whole(tmp_path / "r", 120)


def test_a_policy_that_has_no_more_to_ask_ends_the_run(tmp_path):
    outcome = run(tmp_path / "r", WELLS, "steering={kind: grid, points: 5}")
    assert outcome.state == "finished"
    state = whole(tmp_path / "r", 25)
    assert len(np.unique(state.inputs, axis=0)) == 25


# Steering.


def test_active_learning_is_steered_by_the_promoted_model(tmp_path):
    run(tmp_path / "r", WELLS, "steering={kind: active_learning, candidates: 64}", "deterministic=true")
    state = whole(tmp_path / "r", 40)
    versions = state.task_model[state.task]
    assert set(versions[:12].tolist()) == {0}
    assert (versions[12:20] == 1).all()
    assert versions[-1] >= 1


def test_simulations_go_on_while_a_model_is_trained(tmp_path):
    slow = 'surrogate={kind: "engine_plugins:Quadratic", seconds: 0.5}'
    run(tmp_path / "r", MOODY, slow, "simulator.seconds=0.01", "stop.simulations=100")
    state = record(tmp_path / "r")
    first = state.models[0]
    during = (state.task_started > first["started"]) & (state.task_ended < first["ended"])
    assert during.sum() > 3


DETERMINISTIC = ("deterministic=true", "steering={kind: active_learning, candidates: 64, exploration: 0.25}")


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "settled"
    run(folder, WELLS, *DETERMINISTIC)
    return numbers(folder), weights(folder)


@pytest.mark.parametrize("resources", ["workers: 1, task_time: 0.001", "workers: 3, task_time: 5"])
def test_deterministic_runs_are_equal_on_any_number_of_workers_and_in_any_batches(
    settled, tmp_path, resources
):
    run(tmp_path / "r", WELLS, *DETERMINISTIC, f"resources={{kind: threads, {resources}}}")
    whole(tmp_path / "r", 40)
    assert numbers(tmp_path / "r") == settled[0]
    assert weights(tmp_path / "r") == settled[1]
    assert len(settled[1]) == 5  # after 12, 20, 28, 36 and 40


def test_deterministic_runs_are_equal_when_they_are_stopped_on_the_way(settled, tmp_path):
    outcome = run(tmp_path / "r", WELLS, *DETERMINISTIC, "stop.wall_time=0.02", "simulator.samples=64")
    for _ in range(200):
        if outcome.state == "finished":
            break
        outcome = resume(tmp_path / "r")
    whole(tmp_path / "r", 40)
    assert numbers(tmp_path / "r") == settled[0]
    assert weights(tmp_path / "r") == settled[1]


# Signals, in a process of their own.

CONTROLLER = """
import sys
from pathlib import Path
import engine_runs
sys.exit(engine_runs.run(Path(sys.argv[1]), engine_runs.MOODY, *sys.argv[2:]).exit_code)
"""


@pytest.mark.parametrize(
    ("signals", "code"), [(["SIGTERM"], 75), (["SIGINT"], 75), (["SIGINT", "SIGINT"], 130)]
)
def test_signals_stop_a_run_so_that_it_can_be_gone_on_with(tmp_path, signals, code):
    import signal

    folder = tmp_path / "r"
    seconds = 1.0 if len(signals) == 2 else 0.05
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CONTROLLER,
            str(folder),
            f"simulator.seconds={seconds}",
            "stop.simulations=1000",
        ],
        cwd=SOURCE.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: RunFolder(folder).running.is_dir() and RunFolder(folder).running_tasks())
        for name in signals:
            process.send_signal(getattr(signal, name))
            time.sleep(0.2)
        assert process.wait(timeout=20) == code
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()
    status = RunFolder(folder).read_status()
    assert status["state"] == ("interrupted" if "SIGINT" in signals else "stopped")
    assert record(folder).lost == record(folder).duplicated == 0
    settled = campaign(MOODY, f"stop.simulations={record(folder).replicas}", f"simulator.seconds={seconds}")
    assert resume(folder, campaign=settled).state == "finished"
    whole(folder, record(folder).replicas)


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


LEAN = """
import json, sys
from pathlib import Path
import engine_runs
engine_runs.run(Path(sys.argv[1]), engine_runs.MOODY, 'surrogate={kind: "engine_plugins:Untrainable"}',
                "training.first=1000", "training.every=1000", "stop.simulations=4", "training.held_out=0.9")
print(json.dumps([name for name in ("torch", "sklearn", "scipy", "pandas", "parsl", "pint", "numba", "rich")
                  if name in sys.modules]))
"""


def test_a_run_on_threads_imports_nothing_heavy(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", LEAN, str(tmp_path / "r")],
        cwd=SOURCE.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(answer.stdout) == []
