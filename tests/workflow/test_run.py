import json
import subprocess
import sys

import numpy as np
import pytest
from small_run import small_run

from workflow import Campaign, RunError, open_run
from workflow.folder import RunFolderError
from workflow.record import Record
from workflow.seeds import replica_seeds


@pytest.fixture
def run():
    return open_run(small_run())


def test_what_the_run_is(run):
    assert run.state == "finished"
    assert run.space.names == ("stiffness", "temperature")
    assert run.status["simulations"]["done"] + run.status["simulations"]["failed"] == 48
    assert "wells" in run._repr_html_()
    assert "v0002" in repr(run) or "v0001" in repr(run)


def test_no_run_there(tmp_path):
    with pytest.raises(RunFolderError, match="holds no run"):
        open_run(tmp_path)


def test_results_are_the_record(run):
    table = run.results()
    record = Record.read(run.folder.events)
    assert list(table["replica"]) == list(range(48))
    assert set(table["state"]) == {"done", "failed"}
    done = table["state"] == "done"
    np.testing.assert_array_equal(table["mean_square"][done], record.mean("mean_square")[done])
    np.testing.assert_array_equal(table["stiffness"], record.inputs[:, 0])
    assert list(table["seed"]) == list(replica_seeds(3, np.arange(48)))
    assert table.attrs["units"]["wall_seconds"] == "s"
    assert (table["stiffness"][~done] > 9.5).all()


def test_observations_by_name_and_by_beginning(run):
    exact, begun = run.observations("density"), run.observations("dens")
    assert exact.equals(begun)
    done = int((run.results()["state"] == "done").sum())
    assert exact["density"].dims == ("simulation", "bin")
    assert exact["density"].shape == (done, 16)
    assert exact["x"].dims == ("simulation", "bin")
    assert "units" in exact["density"].attrs
    # Bins are as wide as a sixteenth of 4 T, and |x| lies in one of them.
    width = exact["temperature"] * 4 / 16
    np.testing.assert_allclose((exact["density"] * width).sum("bin"), 1.0, rtol=1e-9)


def test_observations_of_a_scalar(run):
    found = run.observations("mean_square")
    assert found["mean_square"].dims == ("simulation",)
    assert "x" not in found.coords


def test_an_unknown_output_says_what_there_is(run):
    with pytest.raises(RunError, match="mean_square, density"):
        run.observations("pressure")


def test_models_and_the_one_in_use(run):
    models = run.models()
    assert list(models["version"]) == ["v0001", "v0002"]
    assert models["in_use"].sum() == 1
    answer = run.surrogate().evaluate(stiffness=4.0, temperature=1.0)
    assert answer.mean_square.mean == pytest.approx(0.25, abs=5 * answer.mean_square.std + 0.02)
    assert len(run.surrogate("v0001").domain.x) < len(run.surrogate(2).domain.x)


def test_a_model_that_is_none_is_named(run):
    with pytest.raises(RunError, match=r"no model 'best'; .* has v0001, v0002"):
        run.surrogate("best")


def test_held_out_simulations_taught_nobody(run):
    held = run.held_out()
    assert not set(held.ids) & set(run.surrogate().domain.ids)
    assert len(held) > 5


def test_an_open_run_sees_what_is_added(tmp_path):
    from shutil import copytree

    whole = copytree(small_run(), tmp_path / "run")
    lines = (whole / "events.jsonl").read_text().splitlines(keepends=True)
    (whole / "events.jsonl").write_text("".join(lines[:5]) + lines[5][:30])
    run = open_run(whole)
    assert run.record.done == 8
    assert run.state == "interrupted"
    with pytest.raises(RunError, match="no model yet"):
        run.surrogate()
    (whole / "events.jsonl").write_text("".join(lines))
    assert run.state == "finished"


CAMPAIGN = """
name: tiny
simulator: {kind: harmonic, samples: 50}
space: {stiffness: [1, 4]}
surrogate: {kind: gaussian_process}
steering: {kind: sobol}
stop: {simulations: 500}
resources: {kind: threads, workers: 1}
"""


def test_a_campaign_starts_in_a_process_of_its_own(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(CAMPAIGN)
    seen = []
    campaign = Campaign.load(file, set={"stop.simulations": 9, "training.first": 900})
    run = campaign.start(tmp_path / "run").wait(progress=seen.append)
    assert run.state == "finished"
    assert len(run.results()) == 9
    assert seen[-1]["state"] == "finished"
    assert json.loads((run.folder.path / "status.json").read_text())["simulations"]["done"] == 9
    with pytest.raises(RunFolderError, match="already"):
        campaign.start(run.folder.path)


def test_a_controller_that_cannot_work_is_an_error(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(CAMPAIGN)
    run = Campaign.load(file, set={"stop.simulations": 3, "training.first": 900}).start(tmp_path / "run")
    run.wait()
    (run.folder.path / "resolved.yaml").write_text("name: tiny\n")
    from workflow.launch import _controller
    from workflow.run import Run

    with pytest.raises(RunError, match="controller failed"):
        Run(run.folder, _controller(run.folder)).wait()


def test_the_facade_is_light():
    code = (
        "import sys, workflow; dir(workflow); "
        "print([m for m in ('numpy', 'torch', 'pandas', 'sklearn', 'pydantic') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_facade_gives_all_that_it_names():
    import workflow

    assert all(getattr(workflow, name) is not None for name in workflow.__all__)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = workflow.nothing
