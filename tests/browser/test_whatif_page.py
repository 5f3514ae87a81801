"""The what-if page as its users have it: keys, the edge of the domain, addresses that hold the point."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
import time
from urllib.parse import parse_qs

import pytest
from served import PATIENCE, dashboard
from small_run import small_run

from workflow.run import open_run

INSIDE, NEAR, OUTSIDE = (
    "Inside the trained domain",
    "Inside the trained domain, near its edge",
    "Outside the trained domain",
)


@pytest.fixture(scope="module")
def server():
    with dashboard(small_run()) as found:
        yield found


@pytest.fixture
def page(watch, server):
    page = watch().open(server.url)
    page.goto(address(server.url, "stiffness=4&temperature=1.2"))
    settled(page, stiffness=4)
    return page


def address(url, query=""):
    return f"{url.split('?')[0]}#/{small_run().name}/whatif?{query}"


def settled(page, **inputs):
    """Waits until the answer on the page is to a point with these inputs."""
    deadline = time.monotonic() + PATIENCE
    while True:
        # One step of a page that has a strict policy: no script is made from text there.
        shown = page.locator(".whatif").get_attribute("data-answered") or ""
        point = parse_qs(shown)
        if all(point.get(name) == [str(value)] for name, value in inputs.items()):
            return
        assert time.monotonic() < deadline, f"{inputs} were never answered, but {shown}"
        page.wait_for_timeout(20)


def verdict(page):
    return page.locator(".whatif-verdict strong").first.inner_text()


def curve(page):
    return page.locator(".whatif-plot canvas").first.evaluate("canvas => canvas.toDataURL()")


def prediction(page):
    return page.locator(".whatif-scalars tbody td").first.inner_text()


def test_a_key_changes_numbers_and_curves(page):
    slider = page.get_by_role("slider", name="stiffness")
    before = curve(page), prediction(page)
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    settled(page, stiffness=4.5)
    assert page.get_by_role("spinbutton", name="stiffness").input_value() == "4.5"
    expected = open_run(small_run()).surrogate().evaluate(stiffness=4.5, temperature=1.2)
    assert prediction(page).startswith(f"{expected.mean_square.mean:.3f}"[:5])
    assert curve(page) != before[0]
    assert prediction(page) != before[1]


def test_the_verdict_flips_as_the_slider_leaves_the_domain(page):
    slider = page.get_by_role("slider", name="stiffness")
    assert verdict(page) == INSIDE
    page.get_by_role("spinbutton", name="stiffness").fill("9.9")
    settled(page, stiffness=9.9)
    assert verdict(page) == NEAR
    slider.focus()
    slider.press("ArrowRight")
    settled(page, stiffness=10)
    assert verdict(page) == NEAR
    slider.press("ArrowRight")
    settled(page, stiffness=10.1)
    assert verdict(page) == OUTSIDE
    words = page.locator(".whatif-verdict").inner_text()
    assert "stiffness = 10.1" in words
    assert "accepted: 1 to 10" in words
    assert "Do not rely on this." in words
    status = page.locator(".whatif-verdict [role=status]")
    status.get_by_text("Outside the trained domain").wait_for(state="attached")


def test_the_address_holds_the_point(page, watch):
    page.get_by_role("spinbutton", name="temperature").fill("1.5")
    page.get_by_role("checkbox", name="The inputs are not known exactly").check()
    settled(page, temperature=1.5, shape="gaussian")
    page.wait_for_url("**temperature=1.5**shape=gaussian**")
    kept = page.url
    numbers = page.locator(".whatif-scalars tbody").inner_text()
    page.get_by_role("button", name="Reset to centre").click()
    settled(page, stiffness=5.5, temperature=1.25)
    page.goto(kept)
    page.reload()
    settled(page, stiffness=4, temperature=1.5, shape="gaussian")
    assert page.get_by_role("checkbox", name="The inputs are not known exactly").is_checked()
    assert page.locator(".whatif-scalars tbody").inner_text() == numbers


def test_the_command_and_the_python_lines_answer_the_same(page):
    page.get_by_text("Copy this point").click()
    command, python = page.locator(".whatif-elsewhere code").all_inner_texts()[1:]
    program, *arguments = shlex.split(command)
    assert program == "mlaround"
    asked = subprocess.run(
        [sys.executable, "-m", "workflow.cli", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = open_run(small_run()).surrogate().evaluate(stiffness=4, temperature=1.2).to_json()
    assert json.loads(asked.stdout)["outputs"] == expected["outputs"]
    ran = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[0] == "True "
    assert f"mean_square {expected['outputs']['mean_square']['mean']}" in ran.stdout


def test_the_profile_can_be_taken_away(page):
    with page.expect_download() as given:
        page.locator(".whatif-profile").get_by_role("button", name="CSV").first.click()
    rows = list(csv.reader(io.StringIO(given.value.path().read_text())))
    expected = open_run(small_run()).surrogate().evaluate(stiffness=4, temperature=1.2).density
    assert rows[0][1].startswith("density mean")
    assert [float(row[1]) for row in rows[1:]] == expected.mean.tolist()
    assert [float(row[2]) for row in rows[1:]] == expected.std.tolist()


def test_what_is_no_number_leaves_the_last_point(page):
    box = page.get_by_role("spinbutton", name="stiffness")
    box.fill("")
    assert box.get_attribute("aria-invalid") == "true"
    settled(page, stiffness=4)
    box.blur()
    assert box.input_value() == "4"


def test_an_address_that_asks_nonsense_is_answered_in_words(page, watch):
    watched = watch()
    watched.excused.append("400")
    watched.context.add_cookies(page.context.cookies())
    other = watched.open(address(page.url.split("#")[0], "stiffness=many&temperature=1"))
    other.get_by_text("stiffness = 'many': expected a").wait_for()
    other.get_by_role("button", name="Start from the centre").click()
    settled(other, stiffness=5.5)
    assert verdict(other) == INSIDE
