"""The tutorial's commands and its Python, run as they stand but for how much is simulated and learned."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text()
SMALL = ["--set", "simulator.steps=2000", "--set", "simulator.ions=90"]
QUICK = {
    "run ": [
        *SMALL,
        *shlex.split("--set stop.simulations=24 --set training.first=12 --set training.every=12"),
        *shlex.split("--set surrogate.members=3 --set surrogate.folds=3 --set surrogate.steps=200"),
    ],
    "plan ": SMALL,
}


def blocks():
    return re.findall(r"```(console|python)\n(.*?)```", PAGE, re.DOTALL)


def test_every_block_runs(tmp_path):
    assert len(blocks()) >= 7
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    python = []
    for language, text in blocks():
        if language == "python":
            python.append(text)
            continue
        for line in text.splitlines():
            assert line.startswith("$ mlaround ")
            words = shlex.split(line[2:])
            for start, more in QUICK.items():
                if line[2:].startswith(f"mlaround {start}"):
                    words += more
            done = subprocess.run(
                words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "runs" / "ions" / "report.html").stat().st_size > 1e6
    script = "\n".join(python)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "mol/L" in done.stdout


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        *sorted(p.name for p in (Path(__file__).parent.parent / "docs").rglob("*.md")),
    ],
)
def test_links_point_at_files(page):
    root = Path(__file__).parent.parent
    path = next(p for p in (root / page, *root.glob(f"docs/**/{page}")) if p.is_file())
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{page} links to {target}"
