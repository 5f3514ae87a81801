"""The command line as a whole: what it imports, prints and answers on mistakes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.cli import COMMANDS, main
from workflow.reference import pages

ROOT = Path(__file__).parents[2]
SEARCH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
HEAVY = ("numpy", "torch", "sklearn", "parsl", "numba", "pydantic", "rich", "pandas", "h5py", "fastapi")
CAMPAIGN = """\
name: wells
simulator: {kind: harmonic, samples: 400}
space: {stiffness: [1, 10]}
surrogate: {kind: mlp_ensemble, members: 4, folds: 2, hidden: [8], steps: 40}
steering: {kind: sobol}
training: {first: 16, every: 100, held_out: 0.25}
stop: {simulations: 24}
resources: {kind: threads, workers: 1}
"""


def mlaround(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workflow.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PATH": SEARCH, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign and its finished run."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "wells.yaml").write_text(CAMPAIGN)
    done = mlaround("run", "wells.yaml", "--run", "runs/first", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "summary.txt").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["status", "--json"], ["run", "--help"]])
def test_what_must_be_quick_imports_nothing_heavy(place: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from workflow.cli import main\n"
        f"try: main({arguments!r})\n"
        f"except SystemExit as end: code = end.code\n"
        f"found = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not found, found\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_command_with_a_sentence(place: Path) -> None:
    lines = mlaround("--help", cwd=place).stdout.splitlines()
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in lines), name


def test_next_commands_can_be_typed_where_the_program_is_on_no_path(place: Path) -> None:
    beside = Path(sys.executable).with_name("mlaround")
    if not beside.exists():
        pytest.skip("not installed in this environment")
    done = mlaround("status", "runs/first", cwd=place, PATH="/usr/bin:/bin")
    assert done.stderr == f"next: {beside} report runs/first\n"
    done = mlaround("status", "nowhere", cwd=place, PATH="/usr/bin:/bin")
    assert f"next: {beside} status runs/first\n" in done.stderr


def test_next_commands_quote_paths_with_spaces(place: Path) -> None:
    (place / "my runs").mkdir()
    shutil.copytree(place / "runs/first", place / "my runs/a b")
    done = mlaround("status", "my runs/a b", cwd=place)
    assert done.stderr == "next: mlaround report 'my runs/a b'\n"


def test_the_summary_ends_with_a_question_that_can_be_asked(place: Path) -> None:
    lines = (place / "summary.txt").read_text().splitlines()
    (asked,) = (line for line in lines if line.startswith("next: mlaround predict "))
    answer = mlaround(*shlex.split(asked)[2:], cwd=place)
    assert answer.returncode == 0, answer.stderr
    assert "mean_square" in answer.stdout


def test_the_generated_pages_are_current() -> None:
    for name, text in pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"docs/{name}: run `make docs`"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["validat"], 2, "did you mean `validate`"),
        (["validate", "welts.yaml"], 5, "did you mean `wells.yaml`"),
        (["validate", "wells.yaml", "--set", "stop.simulation=3"], 2, "did you mean `simulations`"),
        (["validate", "wells.yaml", "--set", "simulator.kind=nowhere:X"], 3, "cannot import `nowhere:X`"),
        (["run", "wells.yaml", "--run", "runs/first"], 2, "mlaround resume runs/first"),
        (["resume", "runs/second"], 5, "runs/second does not exist"),
        (["status", "."], 5, "is no run folder"),
        (["resume", "runs/first", "--set", "seed=4"], 2, "`seed` is not what"),
        (["simulate", "harmonik"], 2, "did you mean `harmonic`"),
        (["simulate", "harmonic", "-p", "stifness=3"], 2, "did you mean `stiffness`"),
        (["simulate", "harmonic", "-p", "stiffness=3 kg"], 2, "expected a pure number"),
        (["simulate", "harmonic", "-p", "stiffness"], 2, "expected name=value"),
        (["simulate", "harmonic"], 2, "stiffness is missing; accepted: 0.1 to 100"),
        (["simulate", "harmonic", "-p", "stiffness=1e9"], 2, "out of range"),
        (
            ["simulate", "harmonic", "-p", "stiffness=3", "--config", "sample=3"],
            2,
            "did you mean `samples`",
        ),
        (["simulate", "harmonic", "-p", "stiffness=3", "--backend", "cuda"], 3, "has no cuda backend"),
        (["predict", "runs/first", "-p", "stifness=3"], 2, "did you mean 'stiffness'"),
        (["predict", "runs/first"], 2, "-p name=value"),
        (["predict", "runs/none", "-p", "stiffness=3"], 5, "does not exist"),
        (["predict", "runs", "-p", "stiffness=3"], 5, ""),
        (["predict", "wells.yaml", "-p", "stiffness=3"], 5, "is a file; expected a run folder"),
        (["predict", ".", "-p", "stiffness=3"], 5, "it is no folder of a run or of a model"),
        (["status", "wells.yaml"], 5, "is no run folder but a file"),
        (["simulate"], 2, "no KIND of simulator given; known: "),
        (["simulate", "harmonic", "-p", "stiffness=3", "--seed", "9" * 30], 2, "below 2^63"),
        (["simulate", "harmonic", "-p"], 2, "requires an argument"),
        (["simulate", "harmonic", "-p", "stiffness=3", "--config", "samples"], 2, "such as --config steps"),
        (["simulate", "sleeping", "-p", "seconds=0", "--config", "a=1"], 2, "no such setting; it has none"),
        (["predict", "runs/first", "-i", "wells.yaml", "--json"], 2, "--json goes with -p"),
        (["init", "--template", "slit_densiti"], 2, "did you mean `slit_density`"),
    ],
)
def test_a_mistake_has_its_exit_code_and_a_cure(
    place: Path,
    arguments: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    assert (end.value.code, words in err) == (code, True), err
    assert "Traceback" not in err
    assert out == ""
    assert "next: " in err


def test_an_unexpected_error_is_one_line_and_a_file(place: Path) -> None:
    (place / "bomb.py").write_text("class Bomb(dict): ...\n")
    code = (
        "import workflow.cli.schema as s\n"
        "def explode(): raise RuntimeError('boom')\n"
        "s.command.callback = explode\n"
        "from workflow.cli import main; main({})"
    )
    for arguments in (["schema"], ["--verbose", "schema"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)], cwd=place, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "unexpected RuntimeError: boom" in done.stderr
        assert ("Traceback" in done.stderr) == (arguments[0] == "--verbose")
        if arguments == ["schema"]:
            saved = Path(done.stderr.split("traceback in ")[1].split(",")[0])
            assert "Traceback" in saved.read_text()
            saved.unlink()


def test_output_off_a_terminal_is_plain(place: Path) -> None:
    for arguments in (["status"], ["models"], ["simulate", "harmonic", "-p", "stiffness=2"], ["--help"]):
        done = mlaround(*arguments, cwd=place)
        assert done.returncode == 0, done.stderr
        assert "\r" not in done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr


def test_the_summary_says_what_a_run_came_to(place: Path) -> None:
    text = (place / "summary.txt").read_text()
    for words in (
        "FINISHED",
        "24 of 24 done",
        "runs/first",
        "held-out simulations",
        "T_seq",
        "N_lookup 1,000,000",
        "leaves out",
        "next: mlaround report runs/first",
    ):
        assert words in text


def test_validate_speaks_json_and_stays_readable(place: Path) -> None:
    done = mlaround("validate", "wells.yaml", "--json", cwd=place)
    assert json.loads(done.stdout)["valid"] is True
    done = mlaround("validate", "wells.yaml", "--json", "--set", "sed=3", cwd=place)
    assert done.returncode == 2
    assert json.loads(done.stdout)["errors"][0]["file"] == "--set #1: sed=3"
    assert "did you mean `seed`" in done.stderr


def test_validate_warns_of_a_run_that_ends_before_its_first_model(place: Path) -> None:
    done = mlaround("validate", "wells.yaml", "--set", "stop.simulations=15", cwd=place)
    assert done.returncode == 0
    assert "warning: no model will be trained: stop.simulations = 15 ends the run before" in done.stderr
    done = mlaround("validate", "wells.yaml", "--json", "--set", "stop.simulations=15", cwd=place)
    assert "training.first = 16" in json.loads(done.stdout)["warnings"][0]
    done = mlaround("validate", "wells.yaml", "--json", "--set", "stop.simulations=16", cwd=place)
    assert json.loads(done.stdout)["warnings"] == []


def test_init_writes_a_campaign_that_is_valid_and_overwrites_nothing(tmp_path: Path) -> None:
    assert mlaround("init", "ions", cwd=tmp_path).returncode == 0
    assert sorted(p.name for p in (tmp_path / "ions").iterdir()) == [
        "campaign.schema.json",
        "slit_density.yaml",
    ]
    assert "$schema=campaign.schema.json" in (tmp_path / "ions/slit_density.yaml").read_text()
    assert mlaround("validate", "ions/slit_density.yaml", cwd=tmp_path).returncode == 0
    again = mlaround("init", "ions", cwd=tmp_path)
    assert (again.returncode, "left as it is" in again.stderr) == (2, True)


@pytest.mark.parametrize("path", sorted((ROOT / "campaigns").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_campaigns_are_valid_and_name_the_schema(path: Path) -> None:
    from workflow.binding import bind
    from workflow.reading import load_campaign

    bind(load_campaign(path))
    assert path.read_text().startswith("# yaml-language-server: $schema=../docs/campaign.schema.json")


def test_the_full_slit_campaign_is_the_published_grid() -> None:
    from workflow.binding import bind
    from workflow.reading import load_campaign

    campaign = load_campaign(ROOT / "campaigns/slit_density_full.yaml")
    space, _ = bind(campaign)
    assert campaign.steering.size(space) == campaign.stop.simulations == 3432
