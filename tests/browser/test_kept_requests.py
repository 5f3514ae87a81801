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
