"""What the pages say of runs that nobody works on."""

import re
import shutil

from painted import painted
from playwright.sync_api import expect
from small_run import small_run

from workflow.folder import RunFolder


def test_what_is_asked_of_a_run_that_is_over_is_said_to_be_kept(watch, serve, tmp_path):
    folder = shutil.copytree(small_run(), tmp_path / "runs" / "wells-1")
    page = watch().open(f"{serve(folder.parent).url}#/wells-1/whatif")
    painted(page)
    page.get_by_role("button", name="Simulate this point").click()
    page.get_by_role("dialog").get_by_role("button", name="Simulate", exact=True).click()
    expect(page.get_by_text("it is kept until it is resumed")).to_be_visible()
    assert len(RunFolder(folder).requests()) == 1


def test_the_list_of_campaigns_tells_what_is_done_from_what_failed(watch, serve, tmp_path):
    folder = shutil.copytree(small_run(), tmp_path / "runs" / "wells-1")
    page = watch().open(serve(folder.parent).url)
    bar = page.get_by_role("img", name=re.compile("wells-1: .* failed of"))
    expect(bar).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("wells-1"))).to_contain_text(" done")


def test_a_new_budget_can_be_typed_when_todays_is_there_and_takes_its_place(watch, serve, tmp_path):
    folder = shutil.copytree(small_run(), tmp_path / "runs" / "wells-1")
    watched = watch()
    page = watched.open(f"{serve(folder.parent).url}#/wells-1/overview")
    painted(page)
    held = []
    watched.context.route("**/snapshot", lambda route: held.append(route))
    with page.expect_request("**/snapshot"):
        page.get_by_role("button", name="Actions").click()
        page.locator("#actions").get_by_role("button", name="Change the budget").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Change the budget")
    expect(dialog.get_by_role("spinbutton")).to_have_count(0)
    for route in held:
        route.continue_()
    number = dialog.get_by_role("spinbutton")
    expect(number).to_be_focused()
    expect(number).to_have_value("48")
    page.keyboard.type("52")
    expect(number).to_have_value("52")
    expect(dialog.locator(".meaning")).to_contain_text("52")
