"""Site profiles: what resources are on this machine, and mistakes in them with their place."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from workflow.cli import main
from workflow.diagnostics import CampaignError
from workflow.profiles import EXAMPLE, ProfileError, find_profile, sites_file
from workflow.reading import load_campaign, parse_campaign

CAMPAIGN = """\
name: wells
simulator: {kind: harmonic}
space: {stiffness: {values: [1, 2, 3, 4]}}
surrogate: {kind: mlp_ensemble}
steering: {kind: grid}
training: {first: 100, held_out: 0}
stop: {simulations: 2}
resources: {kind: local, workers: 7}
"""


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(CAMPAIGN)
    (tmp_path / "config/mlaround").mkdir(parents=True)
    return tmp_path / "config/mlaround/sites.yaml"


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0), capsys.readouterr().err


def test_a_profile_stands_in_the_place_of_resources_and_overrides_on_top(sites: Path) -> None:
    sites.write_text("laptop: {workers: 2}\nbig: {kind: slurm, partition: gpu, time: 2:00:00}\n")
    assert load_campaign("x.yaml", profile=find_profile("laptop")).resources.workers == 2
    campaign = load_campaign("x.yaml", ["resources.partition=cpu"], find_profile("big"))
    assert campaign.resources.model_dump(exclude_unset=True) == {
        "kind": "slurm",
        "partition": "cpu",
        "time": 7200,
    }


def test_without_a_file_the_message_holds_one_that_works(sites: Path, capsys) -> None:
    code, err = failure(capsys, "plan", "x.yaml", "--profile", "big")
    assert code == 2
    assert f"{sites} does not exist" in err
    example = EXAMPLE.format(name="big")
    assert example in err
    sites.write_text(example)
    assert load_campaign("x.yaml", profile=find_profile("big")).resources.kind == "slurm"


def test_a_key_of_another_kind_names_that_kind() -> None:
    for override, kind in (
        ("resources={partition: gpu}", "slurm"),
        ("resources={kind: slurm, queue: x}", "pbs"),
    ):
        with pytest.raises(CampaignError, match=f"unknown key .* it goes with `kind: {kind}`"):
            parse_campaign(CAMPAIGN, overrides=[override])


def test_an_unknown_profile_is_answered_with_those_that_there_are(sites: Path) -> None:
    sites.write_text("small: {workers: 2}\nbig: {workers: 3}\n")
    with pytest.raises(ProfileError, match=r"no profile `smal` in .*sites\.yaml; did you mean `small`\?"):
        find_profile("smal")
    with pytest.raises(ProfileError, match=r"known: small, big"):
        find_profile("zz")


def test_a_mistake_in_a_profile_has_its_own_file_and_line_after_those_of_the_campaign(
    sites: Path, capsys
) -> None:
    sites.write_text("small: {workers: 2}\nbig:\n  kind: slurm\n  partiton: gpu\n  blocks: few\n")
    Path("x.yaml").write_text(CAMPAIGN + "sed: 1\n")
    code, err = failure(capsys, "validate", "x.yaml", "--profile", "big")
    assert code == 2
    assert err.splitlines()[:9] == [
        "x.yaml:9:1: error: unknown key `sed`; did you mean `seed`?",
        "   9 | sed: 1",
        "     | ^",
        f"{sites}:4:3: error: unknown key `partiton` in `resources`; did you mean `partition`?",
        "   4 |   partiton: gpu",
        "     |   ^",
        f"{sites}:5:11: error: `resources.blocks` must be a whole number, got 'few'",
        "   5 |   blocks: few",
        "     |           ^",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "profiles are mappings by name, such as `big: {kind: slurm, partition: gpu}`"),
        ("", "profiles are mappings by name"),
        ("big: 3\n", "`big` must be a mapping: the keys of `resources`"),
        ("big: {a: 1\n", "not YAML"),
    ],
)
def test_a_file_that_holds_no_profiles_says_so(sites: Path, text: str, words: str) -> None:
    sites.write_text(text)
    with pytest.raises(CampaignError) as caught:
        find_profile("big")
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(sites))


def test_a_run_records_what_was_used_so_that_resume_needs_no_profile(sites: Path, capsys) -> None:
    sites.write_text("here: {kind: threads, workers: 1}\n")
    code, _ = failure(capsys, "run", "x.yaml", "--run", "r", "--profile", "here")
    assert code == 0
    sites.unlink()
    resolved = parse_campaign(Path("r/resolved.yaml").read_text()).resources
    assert (resolved.kind, resolved.workers) == ("threads", 1)
    assert Path("r/campaign.yaml").read_text() == CAMPAIGN
    code, _ = failure(capsys, "resume", "r", "--set", "stop.simulations=4")
    assert code == 0
    assert parse_campaign(Path("r/resolved.yaml").read_text()).resources == resolved


def test_the_file_lies_where_the_system_keeps_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert sites_file() == Path("/home/me/.config/mlaround/sites.yaml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg")
    assert sites_file() == Path("/etc/xdg/mlaround/sites.yaml")


def examples() -> list[str]:
    """The YAML of the page on clusters, each without its indentation."""
    text = (Path(__file__).parents[2] / "docs/clusters.md").read_text()
    return [textwrap.dedent(found[2]) for found in re.finditer(r"( *)```yaml\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("example", examples(), ids=lambda text: text.split(None, 2)[1])
def test_the_examples_of_the_page_on_clusters_are_read(sites: Path, example: str) -> None:
    if example.startswith("resources:"):
        campaign = CAMPAIGN.replace("resources: {kind: local, workers: 7}\n", example)
        assert parse_campaign(campaign).resources.kind in example
        return
    sites.write_text(example)
    for name in re.findall(r"^(\w+):", example, re.MULTILINE):
        assert load_campaign("x.yaml", profile=find_profile(name)).resources.kind == "slurm"
