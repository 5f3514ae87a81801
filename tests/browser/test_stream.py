import pytest
from painted import painted, show
from replay import Replay
from served import Proxy, dashboard

LIVE = ("overview",)


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    written = Replay(tmp_path_factory.mktemp("stream") / "runs" / "replay", tasks=1000)
    yield written
    written.close()


@pytest.fixture(scope="module")
def server(replay):
    with dashboard(replay.folder.path.parent) as found:
        yield found


def test_eight_tabs_are_live_on_one_stream(watch, server, replay):
    watched = watch()
    tabs = [watched.open(f"{server.url}#/replay/{LIVE[k % len(LIVE)]}") for k in range(8)]
    for tab in tabs:
        painted(tab, replay.mark.t)
    mark = replay.advance(3)
    for tab in tabs:  # a browser does not draw what it hides
        tab.bring_to_front()
        painted(tab, mark.t)


def test_it_works_below_a_prefix_behind_a_proxy(watch, server, replay):
    watched, proxy = watch(), Proxy(server.url, "/proxy/8765")
    try:
        page = watched.open(f"{proxy.url}#/replay/overview")
        for name in LIVE:
            show(page, "replay", name)
            painted(page, replay.advance(3).t)
        assert page.evaluate("location.pathname") == "/proxy/8765/"
        assert not proxy.strayed
        page.close()
    finally:
        proxy.close()


def test_the_server_is_gone_at_once_though_pages_are_open(watch, serve, replay):
    server, watched = serve(replay.folder.path.parent), watch()
    for name in LIVE:
        painted(watched.open(f"{server.url}#/replay/{name}"), replay.mark.t)
    watched.excused.append("ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|ERR_NETWORK")
    assert server.terminate() < 30  # without care the streams would hold it for ever
    assert server.process.returncode in (0, -15)
    page = watched.context.pages[-1]
    page.get_by_text("stalled").first.wait_for()


def test_what_happened_while_the_way_was_cut_is_caught_up(watch, server, replay):
    watched = watch()
    watched.excused.append("ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|ERR_NETWORK")
    tunnel = Proxy(server.url)
    page = watched.open(f"{tunnel.url}#/replay/overview")
    painted(page, replay.mark.t)
    tunnel.close()
    page.get_by_text("stalled").first.wait_for()
    mark = replay.advance(5)
    tunnel = Proxy(server.url, port=tunnel.port)
    try:
        painted(page, mark.t)
    finally:
        tunnel.close()
