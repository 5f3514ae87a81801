"""The page on simulators of one's own: its files and its commands, as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from simulators.lammps import Lammps

PAGE = (Path(__file__).parent.parent / "docs" / "your-simulator.md").read_text()
FILE = re.compile(r"`([\w.]+)`[^`\n]*:\n\n```(?:python|yaml)\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```console\n(.*?)```", re.DOTALL)


def test_every_file_and_command_of_the_page_works(tmp_path: Path) -> None:
    files = FILE.findall(PAGE)
    assert [name for name, _ in files] == ["spring.py", "spring.yaml", "walk.py", "walk.yaml"]
    for name, text in files:
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = ""
    for line in "".join(COMMANDS.findall(PAGE)).splitlines():
        assert line.startswith("$ mlaround ")
        done = subprocess.run(
            shlex.split(line[2:]),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    for run in ("spring", "walk"):
        assert ",failed," not in said
        assert (tmp_path / "runs" / run / "models" / "promoted").exists()


@pytest.mark.parametrize("template", ["python_function", "command", "lammps", "openmm"])
def test_the_templates_that_the_page_names_are_there(template: str) -> None:
    campaign = Path(__file__).parent.parent / "campaigns" / f"{template}.yaml"
    assert YAML(typ="safe").load(campaign)["name"] == template


def test_the_lammps_example_is_read(tmp_path: Path) -> None:
    block = next(text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind: lammps" in text)
    (tmp_path / "in.lj").write_text(
        "variable temperature index 1.0\nvelocity all create ${temperature} ${seed}\n"
    )
    settings = YAML(typ="safe").load(block)["simulator"]
    assert Lammps(**{**settings, "input": str(tmp_path / "in.lj")}).outputs[2].coordinate == "z"
