import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from small_run import small_run
from tuned_run import tuned_run

from workflow import write_report
from workflow.figures.figure import asset
from workflow.folder import RunFolderError
from workflow.report import table
from workflow.run import open_run
from workflow.verdict import verdict

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers what the tests ask about."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.headings, self.labels = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if "src" in given or tag == "link":
            self.sources.append((tag, given))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if given.get("role") == "img":
            self.labels.append(given.get("aria-label", ""))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shutil.copytree(small_run(), tmp_path_factory.mktemp("report") / "wells-1")


@pytest.fixture(scope="module")
def text(folder):
    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def figures(text):
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    return {f["name"]: f for f in map(json.loads, found)}


def test_elements_nest_and_ids_are_unique(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_nothing_is_loaded_from_anywhere(page, text):
    assert page.sources == []
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "default-src 'none'" in text
    # Outside the plotting library, whose comments cite its sources, no address is even named.
    own = text.replace(asset("plotly-cartesian.min.js"), "")
    assert len(own) < len(text)
    assert not re.search(r"https?://", own)


def test_headings_descend_by_one(page):
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_every_figure_speaks_and_has_its_data(page, text):
    shown = figures(text)
    expected = {"profiles", "parity", "errors", "residuals", "calibration", "learning-curve", "timing"}
    expected |= {"scalars", "latent", "coverage", "uncertainty", "speedup", "cost", "timeline"}
    assert set(shown) == expected
    assert len(page.labels) == len(expected)
    assert all(len(label) > 40 for label in page.labels)
    assert text.count("Download CSV") == len(expected)
    assert text.count("View as table") == len(expected)


def test_the_numbers_are_those_of_the_run(text, folder):
    run = open_run(folder)
    shown = figures(text)
    assert shown["parity"]["csv"] == run.plot.parity().to_csv()
    first = shown["parity"]["csv"].splitlines()[1].split(",")
    assert float(first[2]) == run.record.mean("mean_square")[int(first[1])]
    assert f"<dd>{run.record.done}<" in text
    judged = run.judge()
    assert judged["n"] == len(run.held_out())
    assert f"{100 * judged['overall']['median_relative_error']:.2g} %" in text
    assert f"Judged by {judged['n']} held-out simulations" in text


def test_failures_are_grouped_and_what_they_share_is_said(text, folder):
    failed = open_run(folder).record.failed
    assert failed > 0
    assert f"<td class=n>{failed}</td><td>well too stiff</td><td>stiffness" in text


def test_commands_name_this_run(text, folder):
    assert f"mlaround resume {folder}" in text
    assert f"mlaround predict {folder} -p stiffness=5.5" in text


def test_texts_cannot_become_elements(tmp_path):
    wicked = shutil.copytree(small_run(), tmp_path / "a<script>alert(1)<")
    text = write_report(wicked).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    Page(text)


def test_a_run_without_a_model_has_a_report_too(tmp_path):
    early = shutil.copytree(small_run(), tmp_path / "early")
    lines = (early / "events.jsonl").read_text().splitlines(keepends=True)
    (early / "events.jsonl").write_text("".join(lines[:5]))
    text = write_report(early).read_text(encoding="utf-8")
    assert set(figures(text)) == {"cost", "timeline", "scalars", "latent", "coverage"}
    assert "has no model yet" in text
    assert "No held-out simulation has judged a model yet" in text


def test_settings_on_trial_have_a_section(tmp_path):
    text = write_report(shutil.copytree(tuned_run(), tmp_path / "tuned")).read_text(encoding="utf-8")
    assert {"trials", "quality"} <= set(figures(text))
    assert "Which settings do their work?" in text
    Page(text)


def test_a_run_without_settings_has_none(text):
    assert "Which settings" not in text


def test_the_report_stays_small_enough_to_be_sent(text):
    assert len(text) < 4_000_000


def test_a_run_that_has_only_begun(tmp_path):
    begun = shutil.copytree(small_run(), tmp_path / "begun")
    (begun / "events.jsonl").write_text("")
    Page(write_report(begun).read_text(encoding="utf-8"))


def test_no_run_no_report(tmp_path):
    with pytest.raises(RunFolderError):
        write_report(tmp_path)


def scores(*, rms_z, coverage, n=100):
    return {
        "n": n,
        "targets": {},
        "overall": {"rms_z": rms_z, "coverage": coverage, "success": 0.9, "median_relative_error": 0.01},
    }


def test_verdicts():
    assert verdict(scores(rms_z=1.0, coverage=0.95)).good
    assert "mean what they say" in verdict(scores(rms_z=1.0, coverage=0.95)).sentences[2]
    narrow = verdict(scores(rms_z=1.8, coverage=0.8))
    assert not narrow.good
    assert "too narrow" in narrow.sentences[2]
    assert "more cautious" in verdict(scores(rms_z=0.5, coverage=1.0)).sentences[2]
    few = verdict(scores(rms_z=1.0, coverage=0.95, n=6))
    assert not few.good
    assert "too few" in few.sentences[2]
    assert not verdict(None).good


def test_a_table_takes_no_elements():
    assert "<td class=n>&lt;</td>" in table(("a",), [("<",)], "caption", numbers=(0,))


def test_the_library_is_shipped_with_its_licence():
    assert "Licensed under the MIT license" in asset("plotly-cartesian.min.js")[:400]
    assert "MIT" in asset("plotly-cartesian.LICENSE")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser here")
def test_a_browser_draws_it_without_a_complaint(text, folder, tmp_path):
    probe = (
        "<script>addEventListener('load', () => { document.title = 'drawn ' + "
        "document.querySelectorAll('.plot .main-svg').length })</script>"
    )
    copy = tmp_path / "probe.html"
    copy.write_text(text + probe, encoding="utf-8")
    found = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--no-first-run"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"),
            *("--virtual-time-budget=10000", "--dump-dom", f"file://{copy}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    drawn = re.search(r"<title>drawn (\d+)", found.stdout)
    assert drawn is not None
    assert int(drawn[1]) >= 14
    assert not [line for line in found.stderr.splitlines() if "CONSOLE" in line]
