"""What the doctor says of a machine, and that each check can fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.cli import doctor as command
from workflow.doctor import machine, nodes, other, shared
from workflow.doctor.check import Check
from workflow.doctor.mpi import hello
from workflow.resources import Slurm


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose processes find a Slurm that does not answer, and profiles that lie there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sinfo", "scontrol"):
        (programs / name).write_text("#!/bin/sh\necho 'nobody listens' >&2; exit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def doctor(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workflow.cli", "doctor", *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)


def found(checks: list[Check], name: str) -> Check:
    (check,) = [check for check in checks if check.name == name]
    return check


@pytest.mark.mpi  # where there is one
def test_all_that_it_says_of_this_machine(place: Path) -> None:
    sites = place / "mlaround" / "sites.yaml"
    sites.parent.mkdir()
    sites.write_text("here: {kind: local}\n")
    (place / "runs").mkdir()
    done = doctor("--json", "--folder", "runs", "--profile", "here", place=place)
    report = json.loads(done.stdout)
    assert done.returncode == (3 if report["missing"] else 0), done.stderr
    assert report["packages"]["numpy"]
    checks = {(check["subject"], check["name"]): check for check in report["checks"]}
    assert checks["machine", "python"]["found"].startswith("3.")
    files = f"file system of {place / 'runs'}"
    for name in ("atomic rename", "locks", "clock of files"):
        assert checks[files, name]["verdict"] == "ok", checks[files, name]
    assert "always a whole file" in checks[files, "atomic rename"]["found"]
    assert "nobody listens" in checks["batch system", "Slurm"]["found"]
    assert checks["batch system", "Slurm"]["verdict"] == "warning"
    assert checks["profile here", "resources"]["verdict"] == "ok"
    assert list((place / "runs").iterdir()) == []


def test_a_profile_that_is_none_and_nodes_without_a_batch_system(place: Path) -> None:
    assert doctor("--profile", "x", place=place).returncode == 5
    done = doctor("--nodes", place=place)
    assert done.returncode == 2
    assert "no Slurm answers here" in done.stderr


def test_a_file_that_is_not_replaced_at_once_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_place(path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")

    monkeypatch.setattr(shared, "write_atomically", in_place)
    check = shared._rename("", tmp_path)
    assert check.do
    assert " 0 saw a part" not in check.found


def test_a_lock_that_two_can_have_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "taken", lambda path: (os.open(path, os.O_RDONLY), ""))
    assert "two processes had the same lock" in shared._lock("", tmp_path).found


def test_a_lock_that_outlives_its_holder_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE", 0.05)
    monkeypatch.setattr(shared, "taken", lambda path: (-1, "held"))
    assert "after its holder was killed" in shared._lock("", tmp_path).found
    assert shared._lock("", tmp_path).do


def test_a_text_knows_whether_it_is_whole() -> None:
    text = other.whole(5)
    assert other.is_whole(text)
    assert not any(map(other.is_whole, ("", text[:-1], text[1:], text + other.whole(6)[len(text) :])))


def test_slow_files_and_little_room_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "SLOW", 0.0)
    monkeypatch.setattr(shared, "LITTLE_SPACE", 1e30)
    checks = shared.shared(tmp_path, many_machines=False)
    assert "resources.task_time" in found(checks, "small files").do
    assert found(checks, "space").do


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path: Path) -> None:
    (check,) = shared.shared(tmp_path / "none", many_machines=False)
    assert check.do


def test_a_cache_of_kernels_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert "NUMBA_CACHE_DIR" in found(list(machine.machine()), "numba cache").do


ANSWER = json.dumps(
    {"ranks": 2, "hosts": ["a", "b"], "library": "MPICH 5", "latency": 2e-6, "ahead": [0.0, 0.0]}
)
ALONE = json.dumps({"ranks": 1, "hosts": ["a"], "library": "MPICH 5", "latency": 0.0, "ahead": [0.0]})


@pytest.mark.parametrize(
    ("said", "words", "works"),
    [
        (f"banner\n{ANSWER}\n", "hello in 2 µs on a and b; MPICH 5", True),
        (f"{ALONE}\n{ALONE}\n", "2 programs of 1 rank that know nothing of each other", False),
        ("", "no answer (exit code 1): it said nothing", False),
    ],
)
def test_what_two_ranks_say(said: str, words: str, works: bool) -> None:
    (check,) = hello("MPI", "2 ranks", said, "", "exit code 1")
    assert check.found == words
    assert bool(check.do) is not works


def test_a_job_is_asked_for_what_the_profile_says(tmp_path: Path) -> None:
    resources = Slurm(
        partition="gpu",
        account="m1",
        gpus_per_node="a100:4",
        setup="module load x",
        python="/opt/my python",
        extra=("--reservation=r",),
    )
    script = nodes._script(resources, 1, tmp_path, "token 1.0", tmp_path / "lock")
    for line in ("--partition=gpu", "--account=m1", "--gpus-per-node=a100:4", "--reservation=r", "--nodes=1"):
        assert f"\n#SBATCH {line}\n" in script
    assert "\nmodule load x\n" in script
    assert "'/opt/my python' -m workflow.doctor.node" in script
    assert "PARSL_WORKER_COUNT=4" in script
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("works", "do"),
    [
        (["srun --mpi=pmi2", "mpiexec"], "add to `resources.setup`: export SLURM_MPI_TYPE=pmi2"),
        (["mpiexec"], "set resources.launcher to mpiexec"),
    ],
)
def test_a_launcher_that_does_not_work_is_answered_with_one_that_does(works: list[str], do: str) -> None:
    said = {launcher: ANSWER if launcher in works else "no" for launcher in nodes.LAUNCHERS}
    checks = list(nodes._mpi(said, Slurm(launcher="srun")))
    assert found(checks, "srun").do == do
    (others,) = [check for check in checks if check.name == "do not work"]
    assert "srun --mpi=pmix" in others.found


def test_clocks_that_are_apart_are_seen() -> None:
    apart = json.dumps(json.loads(ANSWER) | {"ahead": [0.0, -7.5]})
    checks = list(nodes._mpi({"srun": apart}, Slurm()))
    assert found(checks, "clocks").found.startswith("7.5 s apart")


def test_what_is_printed_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    command._print(
        [Check("a", "x", "1"), Check("a", "long", "2", "try"), Check("b", "y", "3")], {"numpy": None}
    )
    assert capsys.readouterr().out.splitlines() == [
        "a",
        "  ok       x     1",
        "  warning  long  2",
        "                 to do: try",
        "",
        "b",
        "  ok       y  3",
        "",
        "packages",
        "  numpy  MISSING",
    ]
