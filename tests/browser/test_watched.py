from watched import Watched

LEAVES = "<!doctype html><title>x</title><img src='http://example.org/a.png' alt=''>"
FAILS = "<!doctype html><title>x</title><script>setTimeout(() => { throw new Error('spilt'); })</script>"


def problems_of(browser, html):
    watched = Watched(browser)
    try:
        page = watched.open("about:blank")
        page.set_content(html)
        page.wait_for_timeout(50)
        return " ".join(watched.problems())
    finally:
        watched.close()


def test_a_page_that_leaves_this_machine_is_noticed(browser):
    assert "foreign host: example.org" in problems_of(browser, LEAVES)


def test_an_error_on_a_page_is_noticed(browser):
    assert "spilt" in problems_of(browser, FAILS)
