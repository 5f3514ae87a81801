"""Campaigns watched and steered in one page that is never loaded again."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from painted import painted, show
from playwright.sync_api import expect
from served import PATIENCE

CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "slit_density.yaml"

SMALL = (
    "simulator.steps=20000",
    "stop.simulations=1000",  # never reached: the test ends it when it has seen enough
    "training.first=8",
    "training.every=8",
    "surrogate.members=3",
    "surrogate.folds=3",
    "surrogate.steps=100",
    "resources.task_time=2",
    "resources.workers=2",
)

PICKY = """
name: picky
simulator:
  kind: python
  function: waits
  code: |
    import time

    def waits(x, y):
        time.sleep(0.1)
        if x > 0.75:
            raise RuntimeError(f"the matrix is singular at row {int(1000 * y)}")
        return {"z": x + y}
  parameters:
    x: {low: 0, high: 1}
    y: {low: 0, high: 1}
  results:
    z: {description: the sum}
space: {x: [0, 1], y: [0, 1]}
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
training: {first: 1000}
stop: {simulations: 600}
resources: {kind: local, workers: 2, task_time: 0.2}
"""


class Run:
    """A campaign that is under way, and what its log says of it."""

    def __init__(self, folder, campaign, *settings):
        options = [option for setting in settings for option in ("--set", setting)]
        self.folder = folder
        self.log = folder.with_suffix(".txt")
        command = [sys.executable, "-m", "workflow.cli", "run", str(campaign), "--run", str(folder), *options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def events(self, kind):
        lines = (self.folder / "events.jsonl").read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if event["event"] == kind]

    def status(self):
        return json.loads((self.folder / "status.json").read_text())

    def wait(self, what, condition):
        deadline = time.monotonic() + 2 * PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.log.read_text()[-2000:]}"
            time.sleep(0.1)

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()


@pytest.fixture
def start(tmp_path):
    started = []

    def run(name, campaign, *settings):
        started.append(Run(tmp_path / "runs" / name, campaign, *settings))
        return started[-1]

    (tmp_path / "runs").mkdir()
    yield run
    for one in started:
        one.end()


def state(page):
    return page.locator("header .badge").first


def ask(page, verb, button=None):
    """Choose an action of the menu and confirm it."""
    page.get_by_role("button", name="Actions").click()
    page.locator("#actions").get_by_role("button", name=verb).click()
    confirm(page, button or verb)


def confirm(page, button):
    """Confirm what the dialog says will happen; returns what it said."""
    dialog = page.get_by_role("dialog")
    go = dialog.get_by_role("button", name=button)
    expect(go).to_be_enabled()
    words = dialog.inner_text()
    go.click()
    expect(dialog).to_have_count(0)
    return words


def kill(page, run):
    """Stop the task that started last, another one if it ends before that; returns which."""
    while True:
        page.get_by_role("button", name=re.compile(r"^Stop task \d+")).last.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".meaning")).to_contain_text(re.compile("stops task|is over", re.IGNORECASE))
        if dialog.get_by_role("button", name="Stop them").is_disabled():
            dialog.get_by_role("button", name="Cancel").click()
            continue
        asked = len(run.events("action"))
        said = confirm(page, "Stop them")
        run.wait("an answer", lambda known=asked: len(run.events("action")) > known)
        if run.events("action")[-1]["outcome"] == "done":
            return int(re.search(r"stops task (\d+)", said, re.IGNORECASE)[1])


def tile(page, label):
    return page.locator(".tile").filter(has=page.get_by_text(label, exact=True)).locator("dd")


def table(page, panel):
    """The rows of the table behind a plot, which is opened if it is not."""
    region = page.get_by_role("region", name=panel, exact=True)
    if region.get_by_role("button", name="View as table").count():
        region.get_by_role("button", name="View as table").click()
    return region.locator("tbody tr")


def test_a_campaign_from_its_start_to_its_end(watch, serve, start, tmp_path):
    server = serve(tmp_path / "runs")
    page = watch().open(server.url)
    page.evaluate("() => { window.neverLoadedAgain = true; }")
    run = start("live", CAMPAIGN, *SMALL)
    page.get_by_role("link", name="live").click()  # it came by itself
    expect(state(page)).to_have_text(re.compile("running"))
    expect(tile(page, "simulations done")).to_have_text(re.compile("^[1-9]"))

    show(page, "live", "tasks")
    killed = kill(page, run)
    expect(page.get_by_role("region", name="What went wrong")).to_contain_text("killed")
    done = next(event for event in run.events("task_failed") if event["task"] == killed)
    assert done["reason"] == "killed"

    ask(page, "Pause")
    expect(state(page)).to_have_text(re.compile("paused"))
    run.wait("an end of what runs", lambda: not list((run.folder / "running").glob("*.json")))
    looked = run.status()["updated"]  # a worker tidies up a moment before its task is recorded as done
    run.wait("a look at the clock", lambda: run.status()["updated"] > looked)
    before, looked = len(run.events("task_done")), run.status()["updated"]
    run.wait("two more looks at the clock", lambda: run.status()["updated"] > looked + 2)
    assert len(run.events("task_done")) == before
    assert run.status()["state"] == "paused"
    ask(page, "Resume")
    expect(state(page)).to_have_text(re.compile("running"))

    show(page, "live", "overview")
    expect(tile(page, "model in use")).to_have_text(re.compile(r"^v\d{4}"))
    expect(tile(page, "effective speedup")).to_have_text(re.compile(r"\d"))
    first = tile(page, "model in use").inner_text()
    learned, sped_up = table(page, "Learning").count(), table(page, "Effective speedup").count()
    assert learned >= 1
    assert sped_up >= 1
    speedup = tile(page, "effective speedup").inner_text()

    show(page, "live", "timeline")
    picture = page.get_by_role("img", name=re.compile(r"^Timeline\. \d+ task"))
    early = picture.get_attribute("aria-label")
    expect(picture).not_to_have_attribute("aria-label", early)

    show(page, "live", "whatif", "?gap=3.37&concentration=0.51")
    page.get_by_role("button", name="Simulate this point").click()
    confirm(page, "Simulate")
    run.wait("the point", lambda: any("asked" in event for event in run.events("task_proposed")))
    mine = next(event for event in run.events("task_proposed") if "asked" in event)
    assert mine["inputs"][0][0] == pytest.approx(3.37)
    show(page, "live", "tasks", f"?simulation={mine['first']}")
    expect(page.get_by_role("complementary", name=f"Simulation {mine['first']}")).to_contain_text(
        "Asked for by"
    )

    show(page, "live", "overview")
    expect(tile(page, "model in use")).not_to_have_text(first)
    planned = sum(len(e["inputs"]) for e in run.events("task_proposed") if "asked" not in e)
    page.get_by_role("button", name="Actions").click()
    page.locator("#actions").get_by_role("button", name="Change the budget").click()
    page.get_by_role("dialog").get_by_role("spinbutton").fill(str(planned + 16))
    expect(page.get_by_role("dialog")).to_contain_text(f"{planned + 16}")
    confirm(page, "Change budget")
    expect(state(page)).to_have_text(re.compile("finished"), timeout=2000 * PATIENCE)
    expect(tile(page, "effective speedup")).not_to_have_text(speedup)
    assert len(run.events("model_trained")) > learned
    expect(table(page, "Learning")).to_have_count(len(run.events("model_trained")))
    assert table(page, "Effective speedup").count() > sped_up
    numbers = run.status()["simulations"]
    expect(tile(page, "simulations done")).to_contain_text(re.compile(f"^{numbers['done']}"))
    said = re.compile(f"^finished: {numbers['done']} done")
    expect(page.get_by_role("status").filter(has_text=said)).to_have_count(1, timeout=1000 * PATIENCE)
    assert numbers["done"] + numbers["failed"] == planned + 17
    assert numbers["failed"] == len(
        next(e for e in run.events("task_proposed") if e["task"] == killed)["inputs"]
    )
    verbs = [action["verb"] for action in run.events("action") if action["outcome"] == "done"]
    assert verbs == ["kill", "pause", "resume", "simulate", "budget"]
    assert {action["via"] for action in run.events("action")} == {"dashboard"}
    assert page.evaluate("window.neverLoadedAgain")


def test_why_simulations_fail_is_read_and_they_are_tried_again(watch, serve, start, tmp_path):
    campaign = tmp_path / "picky.yaml"
    campaign.write_text(PICKY)
    run = start("picky", campaign)
    run.wait(
        "a failure",
        lambda: (run.folder / "status.json").exists() and run.status()["simulations"]["failed"] > 8,
    )
    page = watch().open(f"{serve(tmp_path / 'runs').url}#/picky/tasks")
    painted(page)
    wrong = page.get_by_role("region", name="What went wrong")
    expect(wrong).to_contain_text("the matrix is singular at row")
    expect(wrong.locator(".failure-groups > li")).to_have_count(1)
    expect(wrong).to_contain_text(re.compile(r"In common: *x"))
    wrong.get_by_role("button", name="Show these").click()
    expect(page.locator(".simulations tbody tr").first).to_contain_text("failed")
    wrong.get_by_role("button", name="Try them again").click()
    confirm(page, "Try again")
    run.wait("another try", lambda: any(event.get("again") for event in run.events("task_proposed")))
    again = next(event for event in run.events("task_proposed") if event.get("again"))
    assert again["inputs"][0][0] > 0.75
