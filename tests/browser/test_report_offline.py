import shutil

from small_run import small_run

from workflow import write_report


def test_a_report_opens_from_a_file_without_a_network(watch, tmp_path):
    path = write_report(shutil.copytree(small_run(), tmp_path / "wells-1"))
    watched = watch(offline=True)
    page = watched.open(path.as_uri())
    figures = page.locator(".figure")
    assert figures.count() >= 5
    for figure in figures.all():
        figure.locator(".main-svg").first.wait_for(state="attached")
    figures.first.locator("summary").click()
    figures.first.locator("details tbody tr").first.wait_for()
    asked = {url for url in watched.requests if not url.startswith(("data:", "blob:"))}
    assert asked == {path.as_uri()}
