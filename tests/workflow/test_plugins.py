"""Plug-ins: a file is a kind, and the user's own class is named by import path."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from simulators import Simulator
from surrogates import Surrogate
from workflow.diagnostics import CampaignError
from workflow.plugins import PluginError, find, named
from workflow.reading import dump, parse_campaign
from workflow.steering.contract import Policy

PACKAGES = [("simulators", Simulator), ("surrogates", Surrogate), ("workflow.steering", Policy)]

MINE = """
from typing import ClassVar, Literal
from simulators import Output, Parameter, Simulator

class Mine(Simulator):
    depth: float = 1.0
    inputs: ClassVar = (Parameter("temperature", "K", "of the bath", 1, 1000),)
    outputs: ClassVar = (Output("energy", "J", "mean"),)
    def work(self, inputs): return 1.0
    def run(self, inputs, seeds, *, threads=1, progress=None): ...

class Fixed(Mine):
    kind: Literal["fixed"] = "fixed"

class Other: ...
"""
CAMPAIGN = """\
name: mine
simulator: {{kind: "my_plugin_of_test:{name}", depth: 2}}
space: {{temperature: [300, 400]}}
surrogate: {{kind: mlp_ensemble}}
steering: {{kind: sobol}}
stop: {{simulations: 8}}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin_of_test.py").write_text(MINE)
    (tmp_path / "my_broken_plugin.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(("package", "base"), PACKAGES)
def test_every_file_is_a_plugin_named_after_it(package: str, base: type[Simulator]) -> None:
    folder = Path(__import__(package, fromlist=["x"]).__path__[0])
    files = {p.stem for p in folder.glob("*.py")} - {"__init__"}
    plugins = find(package, base)
    assert set(plugins) == files
    for kind, plugin in plugins.items():
        assert plugin.model_fields["kind"].default == kind
        assert plugin.__doc__, f"{kind} has no docstring, which is its page in the reference"


@pytest.mark.usefixtures("mine")
def test_the_users_own_class_is_read_and_written_back() -> None:
    campaign = parse_campaign(CAMPAIGN.format(name="Mine"))
    assert type(campaign.simulator).__name__ == "Mine"
    assert parse_campaign(dump(campaign)) == campaign


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Nothing", "`my_plugin_of_test` has no class `Nothing`"),
        ("Other", "`my_plugin_of_test:Other` is not a subclass of Simulator"),
        ("Fixed", "leaves `kind` undeclared"),
    ],
)
def test_what_is_no_plugin_is_refused_with_its_place(name: str, words: str) -> None:
    with pytest.raises(CampaignError) as caught:
        parse_campaign(CAMPAIGN.format(name=name))
    assert words in str(caught.value)
    assert (caught.value.diagnostics[0].line, caught.value.diagnostics[0].column) == (2, 19)


@pytest.mark.usefixtures("mine")
def test_a_plugin_that_fails_to_import_says_why() -> None:
    with pytest.raises(CampaignError, match="ZeroDivisionError") as caught:
        parse_campaign(CAMPAIGN.format(name="Mine").replace("my_plugin_of_test", "my_broken_plugin"))
    assert caught.value.missing_plugin


@pytest.mark.usefixtures("mine")
def test_a_mistake_in_the_users_settings_is_found_too() -> None:
    with pytest.raises(CampaignError, match="unknown key `deep` in `simulator`; did you mean `depth`"):
        parse_campaign(CAMPAIGN.format(name="Mine").replace("depth", "deep"))


def test_the_nearest_kind_is_suggested() -> None:
    with pytest.raises(PluginError, match="no simulator `harmonik`; did you mean `harmonic`"):
        named("harmonik", "simulators", Simulator)


def test_the_schema_lets_import_paths_through_and_tells_kinds_apart() -> None:
    from workflow.campaign import Campaign

    simulator = TypeAdapter(Campaign).json_schema()["properties"]["simulator"]
    union, path = simulator["anyOf"]
    assert "harmonic" in union["discriminator"]["mapping"]
    assert path["properties"]["kind"]["pattern"] == r"^[\w.]+:\w+$"
