"""What a node is refused for, in words."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workflow.folder import RunFolder
from workflow.preflight import leave_token, look, mine, problems, reasons

Facts = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def seen(folder: RunFolder, **changed: object) -> Facts:
    return look({"folder": str(folder.path), "token": leave_token(folder)}) | {"host": "n1"} | changed


def only(mine: Facts, theirs: Facts, received: float | None = None) -> str:
    (sentence,) = problems(mine, theirs, received)
    return sentence


def test_a_worker_like_the_controller_has_no_problem(folder: RunFolder) -> None:
    assert problems(mine(), seen(folder)) == []


def test_a_look_without_a_folder_has_none_to_miss() -> None:
    facts = look({"folder": None, "token": ""})
    assert facts["sees_folder"] is None
    assert problems(mine(), facts) == []


def test_another_minor_version_of_python(folder: RunFolder) -> None:
    sentence = only(mine(), seen(folder, python="3.9.18", executable="/usr/bin/python3"))
    assert "n1 runs Python 3.9.18 (/usr/bin/python3)" in sentence
    assert f"name a Python 3.{sys.version_info.minor}" in sentence
    patch = ".".join(mine()["python"].split(".")[:2]) + ".99"
    assert problems(mine(), seen(folder, python=patch)) == []


def test_other_versions_in_one_sentence_with_the_command(folder: RunFolder) -> None:
    here = mine()
    there = here["versions"] | {"numba": "0.50.0", "h5py": None, "torch": "1.0"}
    sentence = only(here, seen(folder, versions=there, executable="/env/bin/python"))
    ours = here["versions"]
    assert f"n1 has numba 0.50.0 instead of {ours['numba']} and h5py missing instead of" in sentence
    assert f"/env/bin/python -m pip install numba=={ours['numba']} h5py=={ours['h5py']}" in sentence
    assert "torch" not in sentence


def test_another_mlaround_is_not_sought_on_an_index(folder: RunFolder) -> None:
    sentence = only(mine(), seen(folder, mlaround="0.0.1"))
    assert "mlaround 0.0.1 instead of" in sentence
    assert "pip install" not in sentence


def test_a_folder_that_the_node_does_not_have(folder: RunFolder) -> None:
    facts = look({"folder": str(folder.path / "elsewhere"), "token": leave_token(folder)})
    assert f"does not see the run folder {folder.path / 'elsewhere'}" in only(mine(), facts)


def test_a_folder_of_the_same_name_on_the_nodes_own_disk(folder: RunFolder, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    facts = look({"folder": str(own), "token": leave_token(folder)})
    assert "sees another folder at" in only(mine(), facts)


def test_a_folder_that_cannot_be_written(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    token = leave_token(folder)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    facts = look({"folder": str(folder.path), "token": token})
    assert "cannot write into the run folder" in only(mine(), facts)
    assert "Read-only file system" in only(mine(), facts)


def test_a_look_leaves_nothing_and_an_earlier_token_goes(folder: RunFolder) -> None:
    earlier = folder.path / ".preflight-0123"
    earlier.touch()
    for _ in range(2):
        seen(folder)
    assert not earlier.exists()
    assert len(list(folder.path.iterdir())) == 2  # one for each pool of this controller


@pytest.mark.parametrize(("off", "words"), [(40.0, "40 s ahead of"), (-40.0, "40 s behind")])
def test_a_clock_that_is_off_beyond_what_the_messages_took(folder: RunFolder, off: float, words: str) -> None:
    facts = seen(folder)
    facts["time"] += off
    sentence = only(mine(), facts, received=time.time())
    assert f"the clock of n1 is {words}" in sentence


def test_an_answer_that_took_long_is_no_clock_that_is_off(folder: RunFolder) -> None:
    facts = seen(folder)
    assert problems(mine(), facts, received=facts["time"] + 3600) == []
    facts["time"] += 3600
    facts["ahead"] = 0.0
    assert problems(mine(), facts, received=facts["time"] + 1) == []


def test_a_clock_is_measured_by_the_files_of_both_however_long_the_answer_took(folder: RunFolder) -> None:
    here = time.time()
    token = f"0123456789abcdef {here - 60:.6f}"  # a controller whose clock is a minute behind
    (folder.path / ".preflight-0123456789abcdef").write_text(token)
    facts = look({"folder": str(folder.path), "token": token})
    assert facts["ahead"] == pytest.approx(60, abs=1)
    assert "ahead of" in only(mine(), facts, received=here + 3600)


def gpus(**changed: object) -> Facts:
    return {
        "asked": 4,
        "visible": "0,1,2,3",
        "names": ["A"] * 4,
        "workers": 4,
        "workers_per_gpu": 1,
        **changed,
    }


@pytest.mark.parametrize(
    "enough",
    [
        {},
        {"names": []},  # no nvidia-smi in a container
        {"visible": None},
        {"workers": 8, "workers_per_gpu": 2},
        {"workers": 64, "asked": None, "visible": None, "names": []},  # a node without
        {"workers": 64, "workers_per_gpu": None},  # workers that are pinned to none
    ],
)
def test_enough_gpus(folder: RunFolder, enough: Facts) -> None:
    assert problems(mine(), seen(folder, gpus=gpus(**enough))) == []


@pytest.mark.parametrize(
    ("few", "words"),
    [
        ({"visible": "0,1"}, "4 workers 2 GPUs"),
        ({"visible": "", "names": []}, "4 workers 0 GPUs"),
        ({"names": ["A"]}, "4 workers 1 GPU,"),
        ({"workers": 9, "workers_per_gpu": 2}, "with 2 to a GPU they need 5"),
        ({"names": None}, "the GPUs of n1 do not answer"),
    ],
)
def test_fewer_gpus_than_workers_are_pinned_to(folder: RunFolder, few: Facts, words: str) -> None:
    assert words in only(mine(), seen(folder, gpus=gpus(**few)))


def test_gpus_are_those_of_the_block_and_not_the_workers_share() -> None:
    script = (
        "import os; from workflow.preflight import look; os.environ['CUDA_VISIBLE_DEVICES'] = '3';"
        "print(look({'folder': None, 'token': ''})['gpus']['visible'])"
    )
    environment = {"CUDA_VISIBLE_DEVICES": "2,3", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == ("2,3" if sys.platform == "linux" else "3"), done.stderr


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "slurmstepd: error: execve(): /sw/python3.11: No such file or directory",
            "no interpreter /sw/python3.11",
        ),
        ("script: line 9: /sw/bin/python: Permission denied", "no interpreter /sw/bin/python"),
        ("script: 9: exec: python3.11: not found", "no interpreter python3.11"),
        ("/usr/bin/python3: No module named parsl.executors", "no package parsl"),
        ("ModuleNotFoundError: No module named 'workflow'", "no package workflow"),
        ("bash: line 3: module: command not found", "no command `module`"),
        ("ERROR: Unable to locate a modulefile for 'cuda/99'", "no module cuda/99"),
        ('The following module(s) are unknown: "gcc/99"', "no module gcc/99"),
        ("libc.so.6: version `GLIBC_2.38' not found (required by", "the nodes lack GLIBC_2.38"),
    ],
)
def test_why_a_block_ended_before_anybody_could_look(said: str, words: str) -> None:
    (sentence,) = reasons(f"some noise\n{said}\n{said}\nmore")
    assert words in sentence
    assert ": " in sentence  # what to do


def test_noise_explains_nothing() -> None:
    assert reasons("Loading gcc/12\nstarting 4 workers\npython 3.11 found: yes\n") == []


def test_it_is_light() -> None:
    heavy = "import sys, workflow.preflight; print({'numpy', 'numba', 'parsl', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout == "set()\n"
