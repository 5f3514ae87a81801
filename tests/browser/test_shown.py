"""How pages come up and how they put words: with their styles, and with names as they are written."""

import shutil
from threading import Event

import pytest
from playwright.sync_api import expect
from small_run import small_run


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(small_run(), root / "wells-1")
    return root


def test_a_page_is_shown_with_its_styles(watch, serve, runs):
    url = serve(runs).url
    watched = watch()
    asked, held = Event(), []

    def hold(route):
        held.append(route)
        asked.set()

    watched.context.route("**/pages/tasks.css", hold)
    page = watched.open(url)
    page.get_by_role("link", name="wells-1").wait_for()
    with page.expect_request("**/pages/tasks.css"):
        page.evaluate("location.hash = '#/wells-1/tasks'")
    page.evaluate("import(new URL('static/pages/tasks.js', document.baseURI)).then(() => null)")
    assert asked.is_set()
    expect(page.locator("main .loading")).to_be_visible()
    expect(page.locator(".simulations")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(page.locator(".simulations th").first).to_have_css("position", "sticky")


def test_sentences_begin_with_a_capital_unless_they_begin_with_a_name(watch, serve, runs):
    page = watch().open(serve(runs).url)
    page.get_by_role("link", name="wells-1").wait_for()
    said = page.evaluate("""async () => {
      const { sentence } = await import(new URL("static/format.js", document.baseURI));
      return ["nothing failed", "held-out ones are the judges", "done.", "v0002 is used",
        "mid_density is known", "models/v0001 is gone", "mlaround resume ends it", ""].map(sentence);
    }""")
    assert said == [
        *("Nothing failed.", "Held-out ones are the judges.", "Done.", "v0002 is used."),
        *("mid_density is known.", "models/v0001 is gone.", "mlaround resume ends it.", ""),
    ]
