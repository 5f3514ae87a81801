"""Controllers in jobs that follow one another, and what ends that."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workflow.chain import Chain
from workflow.cli import main
from workflow.events import EventWriter
from workflow.folder import RunFolder
from workflow.resources import Slurm
from workflow.site import in_job
from workflow.site.controller_job import controller_script

CAMPAIGN = """\
name: wells
simulator: {kind: harmonic}
space: {stiffness: {values: [1, 2, 3, 4]}}
surrogate: {kind: mlp_ensemble}
steering: {kind: grid}
training: {first: 100, held_out: 0}
stop: {simulations: 2}
resources: {kind: slurm, partition: cpu}
"""
RECORDED = Path(__file__).parent / "recorded"
Deed = Callable[[RunFolder, in_job.Warned], int]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a Slurm that numbers jobs and runs none: `asked` is what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    asked = tmp_path / "asked"
    scripts = {
        "sbatch": f"echo sbatch $* $SLURM_JOB_ID $SLURM_CLUSTERS >> {asked}\n"
        f"[ -e {tmp_path}/on_sbatch ] && . {tmp_path}/on_sbatch\necho $((100 + $(grep -c ^sbatch {asked})))",
        "scancel": f'echo scancel "$@" >> {asked}',
        "squeue": "echo PENDING",
        "srun": "exit 1",
        "scontrol": f"cat {RECORDED}/slurm-partitions.txt",
        "sinfo": f"cat {RECORDED}/slurm-nodes.txt",
        "sacctmgr": "exit 1",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    asked.touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "100")
    monkeypatch.setenv("SLURM_CLUSTERS", "c")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(site: Path) -> RunFolder:
    folder = RunFolder(site / "r")
    folder.create(campaign="", resolved="", provenance={})
    Chain(folder).begin()
    return folder


@pytest.fixture
def job(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Deed], int]]:
    """Runs a controller's job in this process, with a deed in the place of the controller."""
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
    monkeypatch.setattr(in_job, "PAUSE", 0.0)
    monkeypatch.setattr(in_job, "STALE_AFTER", 0.0)

    def begin(deed: Deed) -> int:
        monkeypatch.setattr(in_job, "_control", deed)
        return in_job.main(run, 600.0)

    yield begin
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(run: RunFolder, reason: str, done: int = 0) -> None:
    """What a controller leaves behind that ended."""
    seq = run.events.read_text().count("\n")
    with EventWriter(run.events, seq) as log:
        log.append("run_stopped", state="stopped", reason=reason)
    run.write_status({"simulations": {"done": done, "failed": 0}})


def warned(run: RunFolder, told: in_job.Warned, done: int = 0) -> int:
    told(signal.SIGUSR1, None)
    ended(run, "SIGTERM", done)
    return 75


def asked(site: Path) -> list[str]:
    return (site / "asked").read_text().splitlines()


def test_before_its_walltime_is_over_a_job_hands_in_the_next(site: Path, run: RunFolder, job) -> None:
    assert job(lambda r, told: warned(r, told, done=3)) == 0
    # What Slurm told this job of itself is not for the next one.
    assert asked(site) == [f"sbatch --parsable {Chain(run).script} c"]
    assert Chain(run).read() == {"job": "101", "over": None, "idle": 0}
    assert Chain(run).job == "101"


def test_jobs_that_come_to_nothing_end_it_and_progress_forgives(site: Path, run: RunFolder, job) -> None:
    for idle in (1, 2):
        job(warned)
        assert Chain(run).read()["idle"] == idle
    job(lambda r, told: warned(r, told, done=1))
    assert Chain(run).read()["idle"] == 0
    for _ in range(3):
        job(lambda r, told: warned(r, told, done=1))
    assert "3 jobs in a row came to nothing" in Chain(run).read()["over"]
    assert len(asked(site)) == 5
    assert Chain(run).job is None


def test_a_simulation_longer_than_several_jobs_advances_by_its_checkpoints(run: RunFolder, job) -> None:
    def checkpointed(r: RunFolder, told: in_job.Warned) -> int:
        checkpoint = r.trajectories / f"{r.kept_name(0)}.checkpoint.npz"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_bytes(b"x")
        return warned(r, told)

    for _ in range(5):
        job(checkpointed)
    assert Chain(run).read()["idle"] == 0


def test_a_controller_that_is_killed_is_followed(site: Path, run: RunFolder, job) -> None:
    job(lambda r, told: -9)
    assert Chain(run).read()["idle"] == 1
    assert len(asked(site)) == 1


def stop_requested(run: RunFolder, told: in_job.Warned) -> int:
    told(signal.SIGUSR1, None)
    ended(run, "stop was requested")
    return 75


def cancelled(run: RunFolder, told: in_job.Warned) -> int:
    told(signal.SIGTERM, None)
    ended(run, "SIGTERM")
    return 75


def stop_waits(run: RunFolder, told: in_job.Warned) -> int:
    run.request({"verb": "stop", "arguments": {}})
    return warned(run, told)


def stopped_just_then(run: RunFolder, told: in_job.Warned) -> int:
    Chain(run).stop()
    return warned(run, told)


def out_of_time(run: RunFolder, told: in_job.Warned) -> int:
    ended(run, "the wall time of 60 s is used up")
    return 75


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (lambda r, told: 0, "the run is over"),
        (lambda r, told: 1, "the run is over"),
        (lambda r, told: 3, "the controller ended with 3"),
        (lambda r, told: 4, "another controller holds the run"),
        (stop_requested, "stop was requested"),
        (stop_waits, "the run was stopped"),
        (stopped_just_then, "the run was stopped"),
        (cancelled, "the job was cancelled"),
        (out_of_time, "the wall time of 60 s is used up"),
    ],
)
def test_what_ends_the_chain(site: Path, run: RunFolder, job, deed: Deed, why: str) -> None:
    job(deed)
    assert Chain(run).read()["over"] == why
    assert asked(site) == []


def test_a_sigterm_at_the_end_of_the_walltime_is_its_end(run: RunFolder) -> None:
    told = in_job.Warned(ends=0.0)
    told(signal.SIGTERM, None)
    assert (told.over, told.cancelled) == (True, False)


def test_a_controller_whose_node_is_gone_is_waited_for_once(run: RunFolder, job) -> None:
    codes = [4, 0]
    job(lambda r, told: codes.pop(0))
    assert Chain(run).read()["over"] == "the run is over"


def test_a_stop_ends_jobs_that_wait_and_jobs_that_are_just_handed_in(site: Path, run: RunFolder, job) -> None:
    chain = Chain(run)
    chain.stop()
    assert job(lambda r, told: pytest.fail("a stopped run goes on")) == 0
    assert chain.read()["over"] == "stopped"
    chain.begin()
    (site / "on_sbatch").write_text(f"touch {chain.folder}/stopped")
    job(warned)
    assert asked(site)[-1] == "scancel 101"
    assert chain.job is None


def test_slurm_may_not_take_the_next_job(site: Path, run: RunFolder, job) -> None:
    (site / "on_sbatch").write_text("echo 'sbatch: error: too many jobs' >&2; exit 1")
    job(warned)
    assert Chain(run).read()["over"] == "Slurm does not take the next job: sbatch: error: too many jobs"
    assert len(asked(site)) == in_job.SUBMISSIONS


def test_the_script_asks_for_a_core_and_a_warning(site: Path) -> None:
    own = {"partition": "team", "time": "0:03:00", "extra": ["--reservation=x"], "mem": "4G"}
    text = controller_script(
        Slurm(partition="cpu", account="a", qos="high", setup="module load python", controller=own),
        RunFolder("a b"),
        "wells",
    )
    lines = text.splitlines()
    assert "#SBATCH --partition=team" in lines
    assert "#SBATCH --account=a" in lines
    assert "--qos" not in text  # that of another partition
    assert {"#SBATCH --ntasks=1", "#SBATCH --time=00:03:00", "#SBATCH --signal=B:USR1@90"} <= set(lines)
    assert {"#SBATCH --reservation=x", "#SBATCH --mem=4G", "#SBATCH --requeue"} <= set(lines)
    assert f'#SBATCH --output="{site}/a b/slurm/controller-%j.out"' in lines
    assert "module load python" in lines[-2]
    assert lines[-1].endswith(f"-m workflow.site.in_job '{site}/a b' 180")
    # A day where the partition allows more, and never more than it allows.
    assert "--time=1-00:00:00" in controller_script(Slurm(partition="staff"), RunFolder("r"), "x")
    assert "--time=00:30:00" in controller_script(Slurm(partition="debug"), RunFolder("r"), "x")


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0), *capsys.readouterr()


def test_submit_makes_the_folder_hands_in_a_job_and_stop_takes_it_back(site: Path, capsys) -> None:
    (site / "x.yaml").write_text(CAMPAIGN)
    code, out, _ = command(capsys, "run", "x.yaml", "--run", "r", "--submit")
    assert code == 0
    assert "job 101 is its controller" in out
    assert "mlaround stop r" in out
    assert RunFolder("r").exists()
    assert "partition=cpu" in Chain(RunFolder("r")).script.read_text()
    code, _, err = command(capsys, "resume", "r", "--submit")
    assert (code, "job 101 is pending: it is to be the controller" in err) == (4, True)
    _, out, _ = command(capsys, "status", "r", "--json")
    assert json.loads(out)["controller_job"] == {"job": "101", "state": "pending"}
    code, out, _ = command(capsys, "stop", "r")
    assert (code, "is taken out of the queue; no other follows" in out) == (0, True)
    assert asked(site)[-1] == "scancel 101"
    code, _, _ = command(capsys, "resume", "r", "--submit", "--set", "resources.blocks=3")
    assert code == 0
    assert "blocks: 3" in RunFolder("r").resolved.read_text()
    assert not Chain(RunFolder("r")).stopped


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("resources={kind: threads}", "--submit needs a batch system, and resources.kind is threads"),
        ("resources={kind: pbs}", "--submit speaks Slurm alone, and resources.kind is pbs"),
        (
            "resources.controller.partition=login",
            "resources.controller.partition: there is no partition `login`",
        ),
        (
            "resources.controller.time=2-00:00:00",
            "resources.controller.time: a job of partition `cpu` may run",
        ),
    ],
)
def test_what_cannot_be_submitted_is_refused_before_anything_is_written(
    site: Path, capsys, override: str, words: str
) -> None:
    (site / "x.yaml").write_text(CAMPAIGN)
    code, _, err = command(capsys, "run", "x.yaml", "--run", "r", "--submit", "--set", override)
    assert (code, words in err) == (2, True), err
    assert not (site / "r").exists()
    assert asked(site) == []


def test_a_refusal_of_slurms_is_told_and_the_run_can_be_submitted_later(site: Path, capsys) -> None:
    (site / "x.yaml").write_text(CAMPAIGN)
    (site / "on_sbatch").write_text("echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1")
    code, _, err = command(capsys, "run", "x.yaml", "--run", "r", "--submit")
    assert (code, "does not take r/slurm/controller.sbatch: QOSMaxSubmitJobPerUserLimit" in err) == (1, True)
    (site / "on_sbatch").unlink()
    assert command(capsys, "resume", "r", "--submit")[0] == 0
