"""Campaigns from YAML: every mistake has a place and a cure, and what is read can be written back."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.binding import bind_space
from workflow.campaign import Campaign
from workflow.diagnostics import CampaignError, CampaignNotFoundError
from workflow.reading import dump, load_campaign, parse_campaign

BAD = Path(__file__).parent / "bad_yaml"
GOOD = """\
name: wells
simulator: {kind: harmonic}
space:
  stiffness: [0.5, 2.0]
  temperature: {values: [1, 2]}
surrogate: {kind: mlp_ensemble}
steering: {kind: sobol}
stop: {simulations: 96, wall_time: 12:30:00}
resources: {workers: 2}
"""


def errors_of(text: str, *overrides: str) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        parse_campaign(text, "x.yaml", overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_answered_word_for_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(CampaignError) as caught:
        load_campaign(path.name)
    assert str(caught.value) + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_missing_file_is_told_from_a_bad_one(tmp_path: Path) -> None:
    (tmp_path / "ions.yaml").write_text(GOOD)
    with pytest.raises(CampaignNotFoundError, match=r"no such file; did you mean `.*ions\.yaml`\?"):
        load_campaign(tmp_path / "ion.yaml")


def test_a_directory_names_the_campaign_in_it(tmp_path: Path) -> None:
    (tmp_path / "ions.yaml").write_text(GOOD)
    with pytest.raises(CampaignError, match=r"a directory; did you mean `.*ions\.yaml`\?"):
        load_campaign(tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(CampaignError, match="larger than 1 MB"):
        load_campaign(tmp_path / "x.yaml")


def test_aliases_cannot_blow_up_the_memory() -> None:
    levels = "\n".join(f"l{k + 1}: &l{k + 1} [{', '.join([f'*l{k}'] * 10)}]" for k in range(8))
    assert "more values than a campaign has" in errors_of(f"l0: &l0 [1]\n{levels}\n")[0]


def test_a_walltime_in_clock_form_stays_text_until_it_is_read_as_one() -> None:
    assert parse_campaign(GOOD).stop.wall_time == 12.5 * 3600


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", "1.e-3"])
def test_numbers_are_those_of_yaml_1_2(text: str) -> None:
    assert parse_campaign(GOOD, overrides=[f"stop.error={text}"]).stop.error == 0.001


def test_no_is_a_word_and_no_falsehood() -> None:
    assert parse_campaign(GOOD.replace("wells", "NO")).name == "NO"


def test_resources_without_a_kind_are_this_machine() -> None:
    assert parse_campaign(GOOD).resources.kind == "local"


def test_reading_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(GOOD)
    load_campaign("x.yaml")
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]


def test_overrides_replace_add_and_reach_into_lists() -> None:
    campaign = parse_campaign(
        GOOD,
        overrides=[
            "stop.simulations=2e2",
            "training.first=16",
            "space.stiffness.1=1.5",
            "space.temperature=0.5",
            "steering={kind: grid, points: 3}",
        ],
    )
    assert campaign.stop.simulations == 200
    assert campaign.training.first == 16
    assert campaign.space["stiffness"].high == 1.5
    assert campaign.space["temperature"].value == 0.5
    assert campaign.steering.kind == "grid"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stop.simulation=4", "unknown key `simulation` in `stop`; did you mean `simulations`?"),
        ("stopp.error=0.1", "unknown key `stopp`; did you mean `stop`?"),
        ("stop.simulations=few", "`stop.simulations` must be a whole number, got 'few'"),
        ("name.first=x", "`name` is no mapping, so that it has no `first`"),
        ("space.stiffness.2=3", "`2` is no item of a list of 2; count from 0"),
        ("seed", "an override is key=value, such as --set stop.simulations=64"),
        ("seed=[1", "not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "space.temperature=3 kg",
            "temperature = '3 kg': expected a pure number",
        ),
    ],
)
def test_a_bad_override_is_called_by_its_number(override: str, message: str) -> None:
    lines = errors_of(GOOD, "seed=3", override)
    assert lines[0] == f"--set #2: {override}: error: {message}"


def test_overrides_come_after_the_mistakes_of_the_file() -> None:
    lines = errors_of(GOOD + "sed: 1\n", "stop.simulations=x")
    assert [line.split(": ")[0] for line in lines if "error: " in line] == ["x.yaml:10:1", "--set #1"]


def test_an_override_cures_a_mistake_of_the_file() -> None:
    assert parse_campaign(GOOD.replace("96", "many"), overrides=["stop.simulations=4"]).stop.simulations == 4


def test_a_caret_stands_under_the_mistake_behind_a_tab() -> None:
    _, line, caret, *_ = errors_of(GOOD.replace("{kind: sobol}", "{kind:\tsobbol}"))
    assert line.expandtabs().index("sobbol") == caret.expandtabs().index("^")


quantities = st.one_of(st.floats(0.1, 10), st.integers(1, 10), st.floats(0.1, 10).map(repr), st.just("1e-1"))
durations = st.one_of(st.floats(1, 1e6), st.sampled_from(["30 min", "1.5 h", "11:45:00", "2-00:00:00"]))
names = st.text(string.ascii_letters + string.digits + "._-", min_size=1).filter(lambda s: s[0].isalnum())


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    low, high = sorted(draw(st.lists(st.floats(0.1, 100), min_size=2, max_size=2, unique=True)))
    temperature = st.one_of(
        quantities, st.fixed_dictionaries({"choices": st.lists(quantities, min_size=1, max_size=4)})
    )
    return Campaign.model_validate(
        {
            "name": draw(names),
            "simulator": {"kind": "harmonic", "samples": draw(st.integers(8, 10_000))},
            "space": {"stiffness": [low, high], "temperature": draw(temperature)},
            "surrogate": {"kind": "mlp_ensemble"},
            "steering": {"kind": draw(st.sampled_from(["sobol", "random", "grid"]))},
            "training": {"held_out": draw(st.floats(0, 0.9))},
            "stop": {"simulations": draw(st.integers(1, 10**9)), "wall_time": draw(durations)},
            "seed": draw(st.integers(0, 2**63 - 1)),
            "deterministic": draw(st.booleans()),
        }
    )


@settings(max_examples=60, deadline=None)
@given(campaigns())
def test_what_is_dumped_is_read_back_equal(campaign: Campaign) -> None:
    again = parse_campaign(dump(campaign))
    assert again == campaign
    assert bind_space(again.simulator, again.space) == bind_space(campaign.simulator, campaign.space)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    with pytest.raises(CampaignError):
        parse_campaign(text)
