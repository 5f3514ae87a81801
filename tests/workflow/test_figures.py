import csv
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from small_run import small_run
from tuned_run import tuned_run

from simulators import Parameter
from workflow import open_run
from workflow.figures import (
    ChoiceError,
    Design,
    HeldOut,
    NothingToShowError,
    Scalar,
    Trials,
    calibration,
    coverage,
    errors,
    gain,
    learning_curve,
    parity,
    profiles,
    quality,
    residuals,
    trials,
)
from workflow.figures.accuracy import stratified
from workflow.figures.cost import BARS, _merged, costs
from workflow.figures.coverage import FEWEST, MOST_POINTS
from workflow.figures.latent import components
from workflow.figures.trials import parts
from workflow.record import State
from workflow.space import Dimension

NAMES = (
    *("profiles", "parity", "residuals", "calibration", "errors", "learning_curve", "timing"),
    *("observable", "scalars", "latent", "coverage", "uncertainty", "timeline", "speedup", "cost"),
)
TUNING = ("trials", "quality")
PURE = {
    *("simulations learned from", "lookups", "effective speedup", "model version", "simulated / predicted"),
    *("nominal coverage", "observed coverage", "probability density of z"),
    "z = (prediction − simulation) / error",
}
"""Axes of counts and of ratios, which are their own units."""
EVERY = [(small_run, name) for name in NAMES] + [(tuned_run, name) for name in TUNING]


@pytest.fixture(scope="module")
def run():
    return open_run(small_run())


@pytest.fixture(scope="module")
def tuned():
    return open_run(tuned_run())


def column(figure, name):
    return np.array(next(c.values for c in figure.columns if c.name == name))


def rows(figure):
    return list(csv.reader(io.StringIO(figure.to_csv())))


@pytest.mark.parametrize(("made", "name"), EVERY)
def test_every_figure_is_plain_json_with_units_on_its_axes(made, name):
    figure = getattr(open_run(made()).plot, name)()
    json.dumps(figure.to_dict(), allow_nan=False)
    axes = {k: v for k, v in figure.layout.items() if k.startswith(("xaxis", "yaxis"))}
    titles = [a["title"]["text"] for a in axes.values()]
    assert len(axes) >= 2
    # Empty is only what shares its axis with a neighbour or names its bars; counts and ratios have no unit.
    assert all(t.endswith(")") or t == "" or t in PURE for t in titles), titles
    assert any(t for t in titles)
    used = {t.get("xaxis", "x").replace("x", "xaxis") for t in figure.data}
    assert used <= set(axes)
    drawn = [t for t in figure.data if "x" in t and "z" not in t]
    assert all(len(t["x"]) == len(t["y"]) for t in drawn)


@pytest.mark.parametrize(("made", "name"), EVERY)
def test_every_figure_has_its_table_and_its_words(made, name):
    figure = getattr(open_run(made()).plot, name)()
    assert len({len(column.values) for column in figure.columns}) == 1
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
    for draw in (parity, calibration, residuals, errors):
        with pytest.raises(NothingToShowError, match="no held-out"):
            draw(nothing)
    with pytest.raises(NothingToShowError, match="gives no profiles"):
        profiles(nothing)


# Accuracy.


def test_one_output_can_be_chosen(run):
    figure = run.plot.parity("density")
    assert set(column(figure, "output")) == {"density"}
    held = run.held_out()
    np.testing.assert_array_equal(column(figure, "simulated"), held.y[:, 1:].ravel())
    with pytest.raises(ChoiceError, match="mean_square, density"):
        run.plot.parity("pressure")


def test_panels_share_the_points_that_a_browser_can_draw(run):
    held = run.held_out()
    many = held.rows(np.arange(6000) % len(held))
    points = [t for t in parity(many).data if t["mode"] == "markers"]
    assert sum(len(t["x"]) for t in points) <= 2000


def test_residuals_say_by_how_much_error_bars_are_off():
    for factor in (0.5, 1.0, 3.0):
        held = synthetic(factor=factor)
        total = np.hypot(held.err, held.std)
        ratio = np.sqrt(np.mean(((held.mean - held.y) / total) ** 2))
        assert f"{ratio:.2f}, where 1 is calibrated" in residuals(held).summary
        assert ratio == pytest.approx(factor, rel=0.1)


def test_residuals_follow_error_bars_that_differ():
    held = synthetic(4000)
    rng = np.random.default_rng(2)
    std = np.exp(rng.uniform(np.log(0.01), np.log(1.0), held.y.shape))
    err = np.full_like(std, 1e-4)
    told = HeldOut(held.signature, "v1", held.ids, held.x, held.mean + std * rng.standard_normal(std.shape),
                   err, held.mean, std)  # fmt: skip
    line = next(t for t in residuals(told).data if t["mode"] == "lines+markers")
    np.testing.assert_allclose(line["y"], line["x"], rtol=0.15)


def test_errors_output_by_output_are_the_scores(run):
    figure = run.plot.errors()
    scores = run.judge()["targets"]
    assert list(column(figure, "output")) == list(scores)
    told = [
        ("within two standard errors", "success", 100),
        ("inside the 95 % interval", "coverage", 100),
        ("rms z", "rms_z", 1),
        ("rms error", "rmse", 1),
    ]
    for name, score, factor in told:
        np.testing.assert_allclose(column(figure, name), [factor * s[score] for s in scores.values()])
    held = run.held_out()
    off = np.abs(held.mean - held.y)[:, 1:]
    nonzero = held.y[:, 1:] > 0  # an error relative to nothing is no number
    relative = np.median(off[nonzero] / held.y[:, 1:][nonzero])
    assert column(figure, "median relative error")[1] == pytest.approx(100 * relative)


def test_timing_is_what_the_events_say(run):
    figure = run.plot.timing()
    assert list(column(figure, "lookup")) == [m["lookup_seconds"] for m in run.record.models]
    done = run.record.finished()
    assert column(figure, "simulation")[0] == pytest.approx(float(run.record.cpu_seconds[done].mean()))


# Observables.


def test_one_simulation_is_shown_beside_its_prediction(run):
    figure = run.plot.observable(simulation=7)
    found = run.observations("density").sel(simulation=7)
    np.testing.assert_array_equal(column(figure, "simulated"), found["density"])
    np.testing.assert_array_equal(column(figure, "standard error"), found["density_stderr"])
    point = dict(zip(run.space.names, run.record.inputs[7].tolist(), strict=True))
    answer = run.surrogate().evaluate(**point).density
    np.testing.assert_allclose(column(figure, "predicted"), answer.mean)
    np.testing.assert_allclose(column(figure, "std"), answer.std)
    np.testing.assert_allclose(column(figure, "x"), answer.grid)
    ratio = next(t for t in figure.data if t.get("name") == "density: ratio")
    shown = [k for k, v in enumerate(ratio["y"]) if v is not None]
    assert len(shown) > 1
    expected = found["density"].values[shown] / answer.mean[shown]
    np.testing.assert_allclose([ratio["y"][k] for k in shown], expected, rtol=1e-5)


def test_simulations_without_results_are_refused(run):
    failed = int(np.flatnonzero(run.record.state == State.FAILED)[0])
    for wrong in (failed, -1, 10**9):
        with pytest.raises(ChoiceError, match="has no results"):
            run.plot.observable(simulation=wrong)
    with pytest.raises(ChoiceError, match="no axis 'r'; the outputs are over x"):
        run.plot.observable(axis="r")


def test_whether_a_model_saw_the_simulation_is_said(run):
    assert "no model ever saw it" in run.plot.observable().summary
    seen = int(run.record.finished(held_out=False)[0])
    assert "models learn from it" in run.plot.observable(simulation=seen).summary


def test_scalars_are_those_of_the_record(tuned):
    figure = tuned.plot.scalars("stiffness", "mode")
    record = tuned.record
    ids = column(figure, "simulation")
    np.testing.assert_array_equal(column(figure, "energy"), record.mean("energy")[ids])
    ones = [t for t in figure.data if t["name"] == "mode 1" and t["yaxis"] == "y3"]
    known = (record.inputs[:, 2] == 1) & (record.state == State.DONE)
    np.testing.assert_allclose(ones[0]["y"], record.mean("energy")[known], rtol=1e-5)
    np.testing.assert_allclose(ones[0]["x"], record.inputs[known, 0], rtol=1e-5)
    assert [s.endswith("-open") for s in ones[0]["marker"]["symbol"]] == list(record.held_out[known])
    with pytest.raises(ChoiceError, match="too many values"):
        tuned.plot.scalars("mode", "stiffness")


def test_components_are_the_eigenvectors_of_the_covariance():
    rng = np.random.default_rng(4)
    profile = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 12)) + 0.1 * rng.standard_normal(
        (60, 12)
    )
    scalar = 1e3 * rng.standard_normal((60, 1))
    scores, loadings, share = components([profile, scalar])
    parts_ = [p - p.mean(axis=0) for p in (profile, scalar)]
    data = np.concatenate([p / np.sqrt(np.mean(p**2)) for p in parts_], axis=1)
    values, vectors = np.linalg.eigh(data.T @ data)
    np.testing.assert_allclose(share, values[::-1][:2] / values.sum())
    for k in range(2):
        assert abs(vectors[:, -1 - k] @ loadings[k]) == pytest.approx(1.0)
        np.testing.assert_allclose(scores[:, k], data @ loadings[k], atol=1e-9)
        assert loadings[k][np.abs(loadings[k]).argmax()] > 0


def test_the_shape_of_a_harmonic_density_is_one_component(run):
    # Its profile is a fixed shape of x over its width: 1 / width is all that varies.
    figure = run.plot.latent(colour="temperature")
    assert sum(f"{100 * s:.3g} %" in figure.layout["xaxis"]["title"]["text"] for s in _shares(run)) == 1
    assert set(column(figure, "simulation")) == set(run.record.finished())
    with pytest.raises(ChoiceError, match="varies stiffness, temperature"):
        run.plot.latent(colour="gap")


def _shares(run):
    density = run.observations("density")["density"].values
    off = density - density.mean(axis=0)
    size = np.linalg.svd(off, compute_uv=False) ** 2
    return (size / size.sum())[:1]


# Coverage.


def design(n=40, versions=1, seed=0):
    rng = np.random.default_rng(seed)
    dimensions = (
        Dimension("gap", "nm", 3, 4),
        Dimension("valency", "", 1, 3, (1.0, 2.0, 3.0), discrete=True),
        Dimension("salt", "M", 0, 1),
    )
    x = np.stack([rng.uniform(3, 4, n), rng.integers(1, 4, n), rng.random(n)], axis=1)
    return Design(dimensions, np.arange(n), x, rng.integers(0, 3, n), rng.integers(0, versions, n))


def test_coverage_counts_what_became_of_the_simulations(run):
    figure = run.plot.coverage()
    record = run.record
    held = len(record.finished(held_out=True))
    assert (
        f"{record.done - held} that models learn from, {held} held out, {record.failed} failed"
        in figure.summary
    )
    for d in run.space.dimensions:
        np.testing.assert_array_equal(column(figure, d.name), record.inputs[:, run.space.names.index(d.name)])
    symbols = {t["name"]: t["marker"]["symbol"] for t in figure.data}
    assert len(set(symbols.values())) == len(symbols) == 3


def test_every_pair_of_inputs_has_its_panel_and_its_frame():
    figure = coverage(design())
    panels = {(t["xaxis"], t["yaxis"]) for t in figure.data if "xaxis" in t}
    assert len(panels) == len(figure.layout["shapes"]) == 3
    one = coverage(design(), "salt", "gap")
    assert one.layout["xaxis"]["title"]["text"] == "salt (M)"
    assert one.layout["yaxis"]["title"]["text"] == "gap (nm)"
    with pytest.raises(ChoiceError, match="against itself"):
        coverage(design(), "gap", "gap")


def test_points_are_coloured_by_the_model_that_steered():
    points = design(versions=4)
    figure = coverage(points)
    scale = figure.layout["coloraxis"]
    assert [scale["cmin"], scale["cmax"]] == [-0.5, 3.5]
    assert scale["colorbar"]["tickvals"] == [0, 1, 2, 3]
    assert scale["colorbar"]["ticktext"] == ["none", "1", "2", "3"]
    # A step is of one colour from its beginning to its end.
    assert [edge for edge, _ in scale["colorscale"]] == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1]
    assert [a == b for (_, a), (_, b) in pairwise(scale["colorscale"])] == [True, False] * 3 + [True]
    assert f"{(points.version > 0).sum()} were chosen by a model" in figure.summary
    assert "coloraxis" not in coverage(design()).layout


def test_many_versions_share_colours():
    points = design(400, versions=37)
    assert len(set(points.version.tolist())) == 37
    figure = coverage(points, "gap", "salt")
    texts = figure.layout["coloraxis"]["colorbar"]["ticktext"]
    assert texts[:3] == ["none", "1 to 4", "5 to 8"]
    assert texts[-1] == "33 to 36"
    assert len({colour for _, colour in figure.layout["coloraxis"]["colorscale"]}) == len(texts) == 10
    groups = {0: 0, **{v: 1 + (v - 1) // 4 for v in range(1, 37)}}
    drawn = [t for t in figure.data if t["x"] != [None]]
    assert sorted(c for t in drawn for c in t["marker"]["color"]) == sorted(
        groups[v] for v in points.version.tolist()
    )


def test_places_stay_within_their_value():
    figure = coverage(design(400), "gap", "valency")
    y = np.concatenate([t["y"] for t in figure.data if t["x"] != [None]])
    nearest = np.round(y)
    assert set(nearest) == {0, 1, 2}
    assert np.abs(y - nearest).max() <= 0.3 + 1e-9


def test_many_simulations_are_thinned_and_those_that_failed_stay():
    many = design(20_000)
    few = Design(
        many.dimensions, many.ids, many.x, np.where(many.ids % 1000 == 0, 2, many.kind % 2), many.version
    )
    figure = coverage(few)
    drawn = [t for t in figure.data if t.get("xaxis") == "x" and t.get("yaxis") == "y"]
    assert sum(len(t["x"]) for t in drawn) == MOST_POINTS // 3 >= FEWEST
    assert len(next(t for t in drawn if t["name"] == "failed")["x"]) == 20
    assert len(figure.columns[0].values) == 20_000


def test_the_map_shows_the_std_that_the_model_gives(run):
    figure = run.plot.uncertainty("temperature", "stiffness", "mean_square")
    model = run.surrogate()
    rows = np.stack([column(figure, "stiffness"), column(figure, "temperature")], axis=1)
    mean, std = model.predict(rows, return_std=True, on_ood="ignore")
    unit = next(c.unit for c in figure.columns if c.name == "std")
    size = np.abs(mean[:, 0]) if "predicted" in unit else model.domain.scale[0]
    np.testing.assert_allclose(column(figure, "std"), 100 * std[:, 0] / size, rtol=1e-9)
    np.testing.assert_allclose(column(figure, "domain score"), model.domain_score(rows), rtol=1e-6)
    heat = figure.data[0]
    assert np.shape(heat["z"]) == (len(heat["y"]), len(heat["x"]))
    np.testing.assert_allclose(np.ravel(heat["z"]), column(figure, "std"), rtol=1e-3)
    assert heat["x"][0] < run.space.dimensions[1].low  # it goes on beyond the range


def test_a_slice_is_where_it_is_asked_for(tuned):
    figure = tuned.plot.uncertainty("stiffness", "timestep", "drift", {"mode": 2.0})
    assert set(column(figure, "mode")) == {2.0}
    near = sum(len(t["x"]) for t in figure.data if t["type"] == "scatter")
    assert near == int((tuned.record.inputs[:, 2] == 2).sum())
    for at, words in (
        ({"mode": 1.5}, "accepted: 1, 2"),
        ({"gap": 1.0}, "no input"),
        ({"stiffness": 2.0}, "axis"),
    ):
        with pytest.raises(ChoiceError, match=words):
            tuned.plot.uncertainty("stiffness", "timestep", "drift", at)


# Settings.


def tried(x, outcome, *, steps=1000.0, wall=None, default=0.1):
    """Trials of a time step at 0.1, 0.2 and 0.4 over an input from 0 to 3."""
    x = np.array(x, dtype=float)
    n = len(x)
    dimensions = (Dimension("size", "nm", 0, 3), Dimension("step", "fs", 0.1, 0.4, (0.1, 0.2, 0.4)))
    points = Design(dimensions, np.arange(n), x, np.zeros(n, int), np.zeros(n, int))
    parameter = Parameter("step", "fs", "time step", 0.01, 1, default=default, setting="time step")
    wall = np.ones(n) if wall is None else np.array(wall, dtype=float)
    return Trials(points, (parameter,), np.array(outcome), "good", wall, steps)


def test_no_more_is_said_of_a_setting_than_was_tried():
    trial = tried(
        [(0.5, 0.1), (0.5, 0.2), (0.5, 0.4), (1.5, 0.1), (1.5, 0.2), (1.5, 0.4), (2.5, 0.1), (2.5, 0.2)],
        [0, 0, 0, 0, 1, 0, 2, 1],
    )
    small, middle, large = parts(trial, 1, 0)
    assert (small.trials, small.good, small.largest, small.safe) == (3, 3, 0.4, 0.4)
    assert np.isnan(small.least_bad)
    assert "at least 0.4" in small.words()
    assert (middle.good, middle.largest, middle.safe, middle.least_bad) == (2, 0.4, 0.1, 0.2)
    assert middle.words() == "0.4 (2 of 3 did their work)"
    assert large.good == 0
    assert np.isnan(large.largest)
    assert np.isnan(large.safe)
    assert "none" in large.words()
    figure = trials(trial)
    assert "8 trials: 5 did their work (good = 1), 2 did not, 1 failed" in figure.summary
    assert {t["name"] for t in figure.data} >= {"did its work", "did not", "failed"}
    assert len({t["marker"]["symbol"] for t in figure.data if t["mode"] == "markers"}) == 3


def test_a_value_at_which_one_trial_did_not_do_its_work_is_not_safe():
    part = parts(tried([(0.5, 0.1), (0.5, 0.2), (0.6, 0.2)], [0, 0, 1]), 1, 0)[0]
    assert (part.largest, part.safe, part.least_bad) == (0.2, 0.1, 0.2)


def test_a_part_without_trials_says_so():
    _, middle, _ = parts(tried([(0.5, 0.1), (2.9, 0.2)], [0, 0]), 1, 0)
    assert middle.words() == "no trial"


def test_the_trials_of_a_run_are_judged_by_its_verdict(tuned):
    figure = tuned.plot.trials("timestep", "mode")
    record = tuned.record
    x = record.inputs[:, 0] * record.inputs[:, 1]
    assert list(column(figure, "trials")) == [int((record.inputs[:, 2] == m).sum()) for m in (1, 2)]
    assert sum(column(figure, "did their work")) == int((x < 0.5).sum())
    assert f"{int((x > 1).sum())} failed" in figure.summary
    with pytest.raises(ChoiceError, match="it varies timestep"):
        tuned.plot.trials("stiffness")


def test_quality_has_the_median_at_each_value(tuned):
    figure = tuned.plot.quality()
    record = tuned.record
    line = next(t for t in figure.data if t["mode"] == "lines+markers")
    done = record.state == State.DONE
    medians = [np.median(record.mean("drift")[done & (record.inputs[:, 1] == v)]) for v in (0.1, 0.2, 0.4)]
    np.testing.assert_allclose(line["y"], medians, rtol=1e-5)
    assert all("error_y" in t for t in figure.data if t["mode"] == "markers")
    assert "verdict" not in figure.title
    with pytest.raises(ChoiceError, match="the simulator gives drift, energy"):
        tuned.plot.quality(output="good")


def test_the_gain_is_counted_over_the_default():
    trial = tried([(1, 0.1), (1, 0.2), (1, 0.2), (1, 0.4)], [0, 0, 1, 2], wall=[2, 2, 4, 1])
    figure = gain(trial)
    np.testing.assert_allclose(column(figure, "simulated time per wall time")[:3], [50, 100, 50])
    assert np.isnan(
        column(figure, "simulated time per wall time")[3]
    )  # a failed one simulated who knows how much
    np.testing.assert_allclose(column(figure, "step over its default"), [1, 2, 2, 4])
    assert "0.2 (1 of 2 trials there), 2 times the default 0.1" in figure.summary
    assert "no gain to speak of" in gain(tried([(1, 0.1)], [1])).summary


def test_without_settings_there_are_no_trials(run):
    for name in ("trials", "quality", "gain"):
        with pytest.raises(NothingToShowError, match="varies no"):
            getattr(run.plot, name)()


def test_quality_needs_an_output_that_is_known():
    trial = tried([(1, 0.1), (2, 0.2)], [2, 2])
    with pytest.raises(NothingToShowError, match="no trial gave R"):
        quality(trial, [Scalar("R", "", np.full(2, np.nan), np.full(2, np.nan))])


def test_parity_has_the_error_bars_that_users_are_given(run):
    figure = run.plot.parity()
    model = run.surrogate()
    frame = run.results().set_index("replica")
    names = list(run.campaign.space)
    for k, name, std in zip(
        column(figure, "simulation"), column(figure, "output"), column(figure, "std"), strict=True
    ):
        point = {n: frame[n][k] for n in names}
        assert std == pytest.approx(float(getattr(model.evaluate(**point), name).std), rel=1e-6)
