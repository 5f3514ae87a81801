import csv
import io
import json

import numpy as np
import pytest
from small_run import small_run

from workflow import open_run
from workflow.figures import HeldOut, calibration, learning_curve, parity, profiles
from workflow.figures.accuracy import stratified
from workflow.figures.cost import BARS, _merged, costs
from workflow.record import State

NAMES = ("profiles", "parity", "calibration", "learning_curve", "timeline", "speedup", "cost")


@pytest.fixture(scope="module")
def run():
    return open_run(small_run())


def rows(figure):
    return list(csv.reader(io.StringIO(figure.to_csv())))


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_plain_json_with_units_on_its_axes(run, name):
    figure = getattr(run.plot, name)()
    json.dumps(figure.to_dict(), allow_nan=False)
    axes = {k: v for k, v in figure.layout.items() if k.startswith(("xaxis", "yaxis"))}
    titles = [a["title"]["text"] for a in axes.values()]
    assert len(axes) >= 2
    # Empty is only what shares its axis with a neighbour or names its bars.
    assert all(t.endswith(")") or t == "" for t in titles)
    assert any(t for t in titles)
    used = {t.get("xaxis", "x").replace("x", "xaxis") for t in figure.data}
    assert used <= set(axes)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_table_and_its_words(run, name):
    figure = getattr(run.plot, name)()
    head, *body = rows(figure)
    assert len(head) == len(figure.columns)
    assert body
    assert {len(row) for row in body} == {len(head)}
    assert len(figure.summary) > 30
    assert figure.name in figure.to_html() or figure.title in figure.to_html()
    assert "<iframe" in figure._repr_html_()


def test_parity_table_holds_the_record(run):
    head, *body = rows(run.plot.parity())
    assert head[:4] == ["output", "simulation", "simulated", "standard error"]
    record = run.record
    held = record.finished(held_out=True)
    assert [int(row[1]) for row in body] == list(held)
    assert [float(row[2]) for row in body] == [record.mean("mean_square")[k] for k in held]
    assert [float(row[3]) for row in body] == [record.stderr("mean_square")[k] for k in held]


def test_profiles_show_the_result_files_with_error_bars(run):
    figure = run.plot.profiles()
    _, *body = rows(figure)
    simulation = int(body[0][0])
    found = run.observations("density").sel(simulation=simulation)
    own = [row for row in body if int(row[0]) == simulation]
    np.testing.assert_array_equal([float(r[3]) for r in own], found["density"])
    np.testing.assert_array_equal([float(r[4]) for r in own], found["density_stderr"])
    measured = [t for t in figure.data if "error_y" in t]
    assert len(measured) == 3  # best, median and worst


def test_timeline_bars_add_up_to_the_tasks(run):
    figure = run.plot.timeline()
    _, *body = rows(figure)
    spent = sum(float(r[3]) - float(r[2]) for r in body if r[1] != "training")
    record = run.record
    assert spent == pytest.approx(float((record.task_ended - record.task_started).sum()), rel=1e-6)
    assert {r[1] for r in body} == {"simulation", "held-out simulation", "failed simulation", "training"}
    hatches = {t["name"]: t["marker"]["pattern"]["shape"] for t in figure.data}
    assert len(set(hatches.values())) == len(hatches)


def test_costs_add_up_to_the_workers_time(run):
    record = run.record
    parts = costs(record)
    busy = float((record.task_ended - record.task_started).sum())
    total = sum(v for k, v in parts.items() if k not in ("training", "idle workers"))
    assert total == pytest.approx(busy, rel=0.05)
    assert (record.state == State.FAILED).any()


def test_speedup_figure_marks_both_limits(run):
    figure = run.plot.speedup()
    names = {t["name"] for t in figure.data}
    assert {"effective speedup S", "limit: no lookups", "limit: many lookups"} <= names
    _, *body = rows(figure)
    measured = run.effective_speedup()
    assert float(body[-1][1]) == pytest.approx(measured["limits"]["many_lookups"], rel=1e-3)


def synthetic(n=400, factor=1.0):
    """Predictions whose errors are `factor` times their std."""
    from surrogates import Signature, Target
    from surrogates.contract import Feature

    rng = np.random.default_rng(0)
    signature = Signature((Feature("a", "nm", 0, 1),), (Target("b", "M"),))
    truth = 2 + rng.random((n, 1))
    err, std = np.full((n, 1), 0.03), np.full((n, 1), 0.04)
    y = truth + factor * err * rng.standard_normal((n, 1))
    mean = truth + factor * std * rng.standard_normal((n, 1))
    return HeldOut(signature, "v0001", np.arange(n), rng.random((n, 1)), y, err, mean, std)


def test_calibration_of_errors_as_large_as_they_say():
    held = synthetic()
    assert np.sqrt(np.nanmean(held.z**2)) == pytest.approx(1.0, abs=0.1)
    assert "are calibrated" in calibration(held).summary


def test_calibration_sees_narrow_error_bars():
    assert "too narrow" in calibration(synthetic(factor=2.0)).summary
    assert "too wide" in calibration(synthetic(factor=0.3)).summary


def test_the_noise_floor_is_the_error_of_a_perfect_model():
    held = synthetic(4000)
    truth = held.mean * 0 + 2.5
    noisy = truth + held.err * np.random.default_rng(1).standard_normal(truth.shape)
    perfect = HeldOut(held.signature, "v0001", held.ids, held.x, noisy, held.err, truth, held.std)
    assert perfect.noise_floor() == pytest.approx(perfect.relative_error(), rel=0.05)


def test_learning_curve_has_a_point_and_an_error_bar_per_version():
    figure = learning_curve([(50, synthetic(factor=3.0)), (100, synthetic())])
    curve = figure.data[0]
    assert curve["x"] == [50, 100]
    assert curve["y"][1] < curve["y"][0]
    assert all(e > 0 for e in curve["error_y"]["array"])


def test_parity_is_thinned_but_its_table_is_whole():
    figure = parity(synthetic(5000))
    assert len(figure.data[1]["x"]) == 2000
    assert len(figure.columns[0].values) == 5000


def test_stratified_keeps_both_tails():
    values = np.random.default_rng(0).standard_normal(5000)
    kept = stratified(values, 100)
    assert len(kept) == 100
    assert {values.argmin(), values.argmax()} <= set(kept)


def test_a_long_timeline_is_drawn_in_few_bars():
    bars = [("w", "simulation", float(k), k + 0.999, f"task {k}") for k in range(BARS + 1)]
    assert len(_merged(bars, 4.0)) == 1
    assert len(_merged(bars, 0.0001)) == BARS + 1


def test_nothing_to_show_is_said():
    nothing = synthetic(0)
    for draw in (profiles, parity, calibration):
        with pytest.raises(ValueError, match="no held-out"):
            draw(nothing)
