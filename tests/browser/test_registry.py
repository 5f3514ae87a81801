import shutil

from painted import painted
from playwright.sync_api import expect
from small_run import small_run

from workflow.run import open_run


def test_a_model_is_promoted_and_rolled_back(watch, serve, tmp_path):
    folder = shutil.copytree(small_run(), tmp_path / "runs" / "wells-1")
    in_use = open_run(folder).record.promoted
    spare = {1: 2, 2: 1}[in_use]
    page = watch().open(f"{serve(folder.parent).url}#/wells-1/surrogate")
    painted(page)
    models = page.get_by_role("region", name="Models").get_by_role("table")
    for wanted, other in ((spare, in_use), (in_use, spare)):
        page.get_by_role("button", name=f"Promote v000{wanted}").click()
        dialog = page.get_by_role("dialog")
        words = f"v000{wanted} is used from now on instead of v000{other}"
        expect(dialog).to_contain_text(words, ignore_case=True)
        dialog.get_by_role("button", name="Use this model").click()
        expect(models.get_by_role("row").filter(has_text=f"v000{wanted}")).to_contain_text("in use")
        expect(models.get_by_role("row").filter(has_text=f"v000{other}")).to_contain_text("was in use")
        assert open_run(folder).record.promoted == wanted
        assert (folder / "models" / "promoted").read_text().strip() == f"v000{wanted}"
