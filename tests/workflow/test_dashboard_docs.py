import re
import sys
from pathlib import Path

from small_run import small_run

from workflow.cli import COMMANDS
from workflow.dashboard.page import find_pages
from workflow.run import open_run

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "dashboard.md").read_text()


def test_the_page_of_ones_own_is_one(tmp_path, monkeypatch):
    package = tmp_path / "pages_of_my_own"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cost.py").write_text(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1])
    monkeypatch.syspath_prepend(tmp_path)
    page = find_pages("pages_of_my_own")["cost"]
    figure, table = page.blocks(open_run(small_run()))
    assert callable(getattr(open_run(small_run()).plot, figure.name))
    assert len(table.rows) == 10
    assert table.rows[0][1] >= table.rows[-1][1]
    sys.modules.pop("pages_of_my_own.cost")


def test_every_command_that_is_named_is_one():
    named = set(re.findall(r"mlaround ([a-z]+)", TEXT))
    assert named
    assert named <= set(COMMANDS)


def test_every_picture_that_is_shown_is_there():
    for name in re.findall(r"\]\((images/[^)]+)\)", TEXT):
        assert (DOCS / name).is_file(), name
