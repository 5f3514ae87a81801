"""The pages of analysis: figures that are drawn, chosen about, taken away, and drawn again."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from painted import painted
from playwright.sync_api import expect
from served import PATIENCE, dashboard
from small_run import small_run
from tuned_run import tuned_run

from workflow.run import open_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("figures") / "runs"
    shutil.copytree(small_run(), root / "wells-1")
    shutil.copytree(tuned_run(), root / "tuned-1")
    return root


@pytest.fixture(scope="module")
def server(runs):
    with dashboard(runs) as found:
        yield found


def show(page, server, run, name, query=""):
    page.goto(f"{server.url.split('?')[0]}#/{run}/{name}{query}")
    painted(page)
    expect(page.get_by_role("link", name=re.compile(name, re.IGNORECASE)).first).to_be_visible()


def figure(page, name):
    """A figure, once it is drawn."""
    found = page.locator(f"[data-figure={name}]")
    found.scroll_into_view_if_needed()
    expect(found).to_have_attribute("data-drawn", re.compile(name))
    expect(found.locator(".main-svg").first).to_be_visible()
    return found


def until(page, true):
    """Waits for it; the page's policy forbids scripts that wait by themselves."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def test_every_figure_of_every_page_is_drawn(watch, server, runs):
    page = watch().open(server.url)
    page.get_by_role("link", name="wells-1").wait_for()
    drawn = 0
    for run in ("wells-1", "tuned-1"):
        for name in ("surrogate", "observables", "coverage", "autotune", "provenance"):
            if run == "wells-1" and name == "autotune":
                continue
            show(page, server, run, name)
            page.locator(".figures").wait_for()
            for one in page.locator("[data-figure]").all():
                found = figure(page, one.get_attribute("data-figure"))
                label = found.locator(".plot[role=img]").get_attribute("aria-label")
                assert len(label) > 40
                assert found.get_by_role("heading").inner_text() in label
                drawn += 1
    assert drawn >= 20


def test_a_choice_draws_another_figure_and_stays_in_the_address(watch, server, runs):
    page = watch().open(server.url)
    page.get_by_role("link", name="tuned-1").wait_for()
    show(page, server, "tuned-1", "coverage")
    found = figure(page, "uncertainty")
    along = {axis: found.get_by_label(f"along {axis}") for axis in "xy"}
    before = {axis: select.input_value() for axis, select in along.items()}
    along["x"].select_option(before["y"])
    # The two change places: an input against itself would show nothing.
    assert {axis: select.input_value() for axis, select in along.items()} == {
        "x": before["y"],
        "y": before["x"],
    }
    expect(found.locator(".xtitle")).to_contain_text(before["y"])
    expect(found.get_by_label("mode (no unit)")).to_be_visible()
    expect(found.get_by_label(re.compile("^timestep"))).to_have_count(0)
    found.get_by_label("output").select_option("energy")
    expect(found.get_by_text(re.compile("gives for energy"))).to_be_visible()
    assert "uncertainty.output=energy" in page.url
    page.reload()
    found = figure(page, "uncertainty")
    expect(found.get_by_label("output")).to_have_value("energy")
    expect(found.get_by_text(re.compile("gives for energy"))).to_be_visible()


def test_numbers_and_pictures_can_be_taken_away(watch, server, runs):
    page = watch(color_scheme="dark").open(server.url)
    page.get_by_role("link", name="wells-1").wait_for()
    show(page, server, "wells-1", "surrogate")
    found = figure(page, "parity")
    expected = open_run(runs / "wells-1").plot.parity()
    taken = {}
    for name in ("CSV", "PNG", "SVG"):
        with page.expect_download() as download:
            found.get_by_text(name, exact=True).click()
        taken[name] = download.value.path().read_bytes()
        assert download.value.suggested_filename.startswith("wells-1-parity.")
    assert taken["CSV"].decode() == expected.to_csv()
    assert taken["PNG"].startswith(b"\x89PNG")
    picture = taken["SVG"].decode()
    assert picture.startswith("<svg")
    assert "rgb(255, 255, 255)" in picture  # on white, whatever the page's theme
    found.get_by_role("button", name="View as table").click()
    rows = found.locator("tbody tr")
    expect(rows).to_have_count(len(expected.columns[0].values))
    expect(rows.first).to_contain_text("mean_square")


def test_new_simulations_are_drawn_and_the_view_stays(watch, server, runs, tmp_path):
    lines = (runs / "wells-1" / "events.jsonl").read_text().splitlines(keepends=True)
    trained = next(k for k, line in enumerate(lines) if json.loads(line)["event"] == "model_trained")
    shutil.copytree(runs / "wells-1", tmp_path / "wells-2")
    (tmp_path / "wells-2" / "events.jsonl").write_text("".join(lines[: trained + 1]))
    folder = Path(shutil.move(tmp_path / "wells-2", runs))
    before = open_run(folder).record
    page = watch().open(server.url)
    page.get_by_role("link", name="wells-2").wait_for()
    show(page, server, "wells-2", "coverage")
    found = figure(page, "coverage")
    expect(found).to_contain_text(f"{before.done + before.failed} simulations:")
    plot = found.locator(".plot")
    span = "(e) => e.layout.xaxis.range.join()"
    whole = plot.evaluate(span)
    box = plot.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    until(page, lambda: plot.evaluate(span) != whole)
    zoomed = plot.evaluate(span)
    with (folder / "events.jsonl").open("a") as log:
        log.write("".join(lines[trained + 1 : -1]))
    after = open_run(folder).record
    assert after.done > before.done
    expect(found).to_contain_text(f"{after.done + after.failed} simulations:")
    assert plot.evaluate(span) == zoomed
    found.get_by_role("button", name="Reset view").click()
    until(page, lambda: plot.evaluate(span) == whole)


def test_figures_follow_the_theme(watch, server, runs):
    page = watch(color_scheme="light").open(server.url)
    page.get_by_role("link", name="wells-1").wait_for()
    show(page, server, "wells-1", "surrogate")
    title = figure(page, "parity").locator(".xtitle").first
    ink = "(e) => getComputedStyle(e).fill"
    light = title.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    expect(title).not_to_have_css("fill", light)
