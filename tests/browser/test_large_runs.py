import re

import pytest
from painted import painted, paints, show
from playwright.sync_api import expect
from replay import Replay
from served import Proxy, dashboard

LIVE = ("overview", "tasks", "timeline")
TASKS = 10_000
ALLOWED = 150_000
"""Bytes, heads of answers not counted, until the first page shows such a run."""


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    written = Replay(tmp_path_factory.mktemp("replays") / "runs" / "replay", tasks=TASKS)
    yield written
    written.close()


@pytest.fixture(scope="module")
def server(replay):
    with dashboard(replay.folder.path.parent) as found:
        yield found


def shown(page, label):
    text = page.locator(".tile").filter(has=page.get_by_text(label, exact=True)).locator("dd").inner_text()
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))


def test_every_change_of_a_large_run_is_drawn(watch, server, replay):
    page = watch().open(f"{server.url}#/replay/overview")
    painted(page, replay.mark.t)
    for name in LIVE:
        show(page, "replay", name)
        before = len(paints(page))
        marks = replay.live(1.0, rate=5, changes=4)
        painted(page, marks[-1].t)
        assert len(paints(page)) > before
        assert paints(page)[-1][0] == pytest.approx(replay.mark.t, abs=1e-5)
    show(page, "replay", "overview")
    written = replay.written
    expect(page.locator(".counts")).to_contain_text(f"{written.failed:,} failed")
    assert shown(page, "simulations done") == written.done


def test_little_is_sent_before_an_analysis_is_asked_for(watch, server, replay):
    proxy = Proxy(server.url)
    try:
        watched = watch()
        page = watched.open(f"{proxy.url}#/replay/overview")
        painted(page, replay.mark.t)
        show(page, "replay", "overview")
        assert proxy.sent.total() < ALLOWED, proxy.sent.most_common(10)
        for name in LIVE:
            show(page, "replay", name)
        assert not [url for url in watched.requests if "plotly" in url]
        page.close()
    finally:
        proxy.close()
