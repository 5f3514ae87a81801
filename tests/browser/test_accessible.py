"""Every page in both themes, as axe-core judges it, and the dashboard without a mouse."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from painted import painted, show
from playwright.sync_api import expect
from replay import Replay
from served import dashboard
from small_run import small_run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("accessible") / "runs"
    shutil.copytree(small_run(), root / "wells-1")
    replay = Replay(root / "replay", tasks=400)
    with dashboard(root) as found:
        yield found
    replay.close()


def violations(page):
    """All that axe finds in the theme that the page is in, and what it finds of colours in the other.

    The page stays in that other theme, since to change it draws every figure again.
    """
    found = list(Axe().run(page).response["violations"])
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    page.emulate_media(color_scheme="light" if dark else "dark")
    found += Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def test_axe_finds_nothing_on_any_page(watch, server):
    page = watch(color_scheme="light").open(server.url)
    page.get_by_role("link", name="wells-1").wait_for()
    found = {"campaigns": violations(page)}
    page.get_by_role("link", name="wells-1").click()
    painted(page)
    names = [one["name"] for one in page.evaluate("fetch('api/runs/wells-1').then(a => a.json())")["pages"]]
    assert len(names) >= 8
    for name in names:
        show(page, "wells-1", name)
        found[name] = violations(page)
    for name in ("overview", "tasks", "timeline"):
        show(page, "replay", name)
        painted(page)
        found[f"{name}, of a run that goes on"] = violations(page)
    assert {name: problems for name, problems in found.items() if problems} == {}


def tab_to(page, name, most=60):
    """Press Tab until the focus is on what bears that name."""
    for _ in range(most):
        page.keyboard.press("Tab")
        element = page.evaluate_handle("document.activeElement").as_element()
        words = element.evaluate("(e) => (e.getAttribute('aria-label') ?? e.textContent).trim()")
        if name in words:
            box = element.evaluate("(e) => getComputedStyle(e).outlineStyle")
            assert box != "none", f"nobody sees that the focus is on {name!r}"
            return element
    raise AssertionError(f"Tab does not come to {name!r}")


def test_a_keyboard_is_enough(watch, server):
    page = watch().open(f"{server.url}#/wells-1/overview")
    painted(page)
    tab_to(page, "Skip to the content")
    tab_to(page, "What if")
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="stiffness, slider")
    slider.wait_for()
    tab_to(page, "stiffness, slider")
    before = float(slider.input_value())
    page.keyboard.press("ArrowRight")
    expect(slider).not_to_have_value(str(before))
    page.keyboard.press("Shift+Tab")  # back to the number box of the same input
    expect(page.get_by_role("spinbutton", name="stiffness")).to_be_focused()
    link = page.get_by_role("link", name="Tasks", exact=True)
    while not link.evaluate("(it) => it === document.activeElement"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    row = page.get_by_role("button", name="Simulation 0", exact=True)
    row.wait_for()
    tab_to(page, "Simulation 0")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("complementary", name="Simulation 0", exact=True)
    expect(drawer.get_by_role("heading", name="Simulation 0")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(row).to_be_focused()
