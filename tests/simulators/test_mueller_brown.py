"""The Mueller-Brown surface: the law, the walk step by step, populations by quadrature, restarts."""

from pathlib import Path

import numpy as np
import pytest
from numba import njit

from simulators import InvalidInputError
from simulators.batch.trajectories import read_frame
from simulators.contract import Frame, Keep
from simulators.md.landscapes import surface
from simulators.md.laws.landscapes import mueller_brown
from simulators.md.random import NOISE, four_gaussians, split_seeds
from simulators.md.vector import load, on_vectors, splat, store
from simulators.mueller_brown import MuellerBrown


def run(configuration, temperatures, seeds=None, **more):
    simulator = MuellerBrown.model_validate(configuration)
    inputs = np.array([simulator.complete({"temperature": t}) for t in temperatures])
    seeds = np.arange(len(inputs)) if seeds is None else np.array(seeds)
    return simulator.run(inputs, seeds.astype(np.uint64), **more)


def hessian(point, h=1e-5):
    columns = []
    for axis in np.eye(2):
        ahead, behind = (np.array(mueller_brown(*(np.array(point) + s * h * axis))[1:]) for s in (1, -1))
        columns.append((ahead - behind) / (2 * h))
    return np.array(columns)


def test_the_slopes_are_the_derivatives_of_the_energy():
    x, y = np.random.default_rng(0).uniform([-1.6, -0.4], [1.2, 2.0], (500, 2)).T
    h = 1e-5
    _, slope_x, slope_y = mueller_brown(x, y)
    for slope, u, v in ((slope_x, h, 0), (slope_y, 0, h)):
        numeric = (mueller_brown(x + u, y + v)[0] - mueller_brown(x - u, y - v)[0]) / (2 * h)
        np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "y", "energy"),
    [
        (-0.558224, 1.441726, -146.69952),
        (0.623499, 0.028038, -108.16672),
        (-0.050011, 0.466694, -80.76782),
        (0.212487, 0.292988, -72.24894),
        (-0.822002, 0.624313, -40.66484),
    ],
)
def test_stationary_points_are_the_published_ones(x, y, energy):
    found, slope_x, slope_y = mueller_brown(x, y)
    assert found == pytest.approx(energy, abs=1e-5)
    # The points are given to 5e-7, and the surface bends by up to 4000.
    assert slope_x == pytest.approx(0, abs=2e-3)
    assert slope_y == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize(
    ("saddle", "across", "minimum"),
    [
        (surface.SADDLE_A, surface.ACROSS_A, surface.MINIMUM_A),
        (surface.SADDLE_B, surface.ACROSS_B, surface.MINIMUM_B),
    ],
)
def test_basins_end_across_the_unstable_direction(saddle, across, minimum):
    values, vectors = np.linalg.eigh(hessian(saddle))
    assert values[0] < 0 < values[1]
    assert abs(vectors[:, 0] @ np.array(across)) == pytest.approx(1, abs=1e-5)
    assert (np.array(minimum) - np.array(saddle)) @ np.array(across) > 0


def test_the_lanes_compute_the_law():
    law = on_vectors(mueller_brown)

    @njit
    def kernel(x, y, out):
        for k in range(0, x.size, 16):
            u, slope_x, slope_y = law(load(x, k), load(y, k))
            store(out[0], k, u)
            store(out[1], k, slope_x)
            store(out[2], k, slope_y)

    x, y = np.random.default_rng(2).uniform([-1.6, -0.4], [1.2, 2.0], (1600, 2)).astype(np.float32).T.copy()
    out = np.empty((3, 1600), np.float32)
    kernel(x, y, out)
    exact = np.array(mueller_brown(x.astype(float), y.astype(float)))
    # Terms of opposite sign and a few hundred cancel.
    np.testing.assert_allclose(out, exact, rtol=5e-6, atol=5e-3)


@njit
def _draws(keys, out):
    key0, key1 = load(keys[0], 0), load(keys[1], 0)
    for k in range(len(out)):
        for j, z in enumerate(four_gaussians(splat(np.int32(0)), k, NOISE, key0, key1)):
            store(out[k, j], 0, z)


def test_the_walk_is_that_of_the_equations(tmp_path):
    """Leimkuhler and Matthews' limit method in float64, with the replica's own random numbers."""
    seed, kt, dt, steps = 2**40 + 3, 15.0, 1e-4, 101
    draws = np.empty((51, 4, 16), np.float32)
    keys = np.repeat(split_seeds(np.array([seed], np.uint64)), 16, axis=1)
    _draws(keys, draws)
    noise = draws[:, :, 0].astype(float).reshape(-1, 2)  # two numbers to a step
    at, last, path = np.array(surface.MINIMUM_A), np.zeros(2), []
    for step in range(steps):
        path.append(at)
        drift = np.array(mueller_brown(*at)[1:]) * dt
        at = at - drift + np.sqrt(kt * dt / 2) * (noise[step] + last)
        last = noise[step]
    # A file at every step ends a kernel at each: odd steps must find the second half of their draw.
    for every in (1, 7):
        keep = Keep(tmp_path, (f"walk{every}",), series=every)
        run({"steps": steps, "equilibration": 0}, [kt], [seed], keep=keep)
        rows = np.loadtxt(tmp_path / f"walk{every}.csv", delimiter=",", skiprows=1)
        np.testing.assert_allclose(rows[:, 1:3], np.array([*path, at])[::every][: len(rows)], atol=2e-5)


def quadrature(kt):
    """Boltzmann averages on a grid: populations of A and B, mean energy."""
    x, y = np.meshgrid(np.linspace(-2.5, 2.0, 1500), np.linspace(-1.2, 3.0, 1500), indexing="ij")
    energy = mueller_brown(x, y)[0]
    weight = np.exp(-(energy - energy.min()) / kt)
    weight /= weight.sum()
    sides = [
        ((x - s[0]) * n[0] + (y - s[1]) * n[1]) > 0
        for s, n in ((surface.SADDLE_A, surface.ACROSS_A), (surface.SADDLE_B, surface.ACROSS_B))
    ]
    return {
        "population_a": weight[sides[0]].sum(),
        "population_b": weight[sides[1]].sum(),
        "mean_energy": (weight * energy).sum(),
    }


def test_averages_are_boltzmanns_and_error_bars_are_the_scatter():
    observations = run({"steps": 1_000_000}, [30.0] * 64)
    assert observations.failures == {}
    for name, exact in quadrature(30.0).items():
        values = observations.mean[name]
        error = values.std(ddof=1) / 8
        assert values.mean() == pytest.approx(exact, abs=4 * error), name
        assert np.sqrt((observations.stderr[name] ** 2).mean()) == pytest.approx(8 * error, rel=0.3)
    counts = observations.mean["transitions"]
    assert counts.std(ddof=1) == pytest.approx(observations.stderr["transitions"].mean(), rel=0.3)
    assert (counts == np.round(counts)).all()


def test_what_is_counted_is_what_the_path_shows(tmp_path):
    steps, first = 30_000, 3_000
    keep = Keep(tmp_path, ("path",), series=1)
    observations = run({"steps": steps}, [60.0], [3], keep=keep)
    rows = np.loadtxt(tmp_path / "path.csv", delimiter=",", skiprows=1)[first:steps]
    x, y, energy = rows[:, 1:].T
    sides = [
        (x - s[0]) * n[0] + (y - s[1]) * n[1] > 0
        for s, n in ((surface.SADDLE_A, surface.ACROSS_A), (surface.SADDLE_B, surface.ACROSS_B))
    ]
    core = np.zeros(len(x), int)
    for k, centre in enumerate((surface.MINIMUM_A, surface.MINIMUM_B)):
        core[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 0.2**2] = k + 1
    visits = core[core > 0]
    crossings = np.count_nonzero(np.diff(visits))
    assert crossings > 10
    mean = {name: values[0] for name, values in observations.mean.items()}
    assert abs(mean["transitions"] - crossings) <= 1  # one may straddle the end of the equilibration
    assert mean["population_a"] == pytest.approx(sides[0].mean(), abs=2 / steps)
    assert mean["population_b"] == pytest.approx(sides[1].mean(), abs=2 / steps)
    assert mean["mean_energy"] == pytest.approx(energy.mean(), abs=1e-3)


def test_the_first_arrival_is_no_transition(tmp_path):
    """A walker that sets out between the minima has come from neither."""
    middle = Frame(0, np.array([[-0.05, 0.4667, 0.0]]))
    keep = Keep(tmp_path, ("one",), starts={0: middle})
    observations = run({"steps": 20_000, "equilibration": 0}, [5.0], keep=keep)
    assert observations.mean["population_b"][0] > 0.3
    assert observations.mean["transitions"][0] == 0


def test_a_walker_that_never_crosses_counts_nothing_with_the_error_of_one():
    observations = run({"steps": 10_000, "start": "b"}, [1.0])
    assert observations.mean["transitions"][0] == 0
    assert observations.stderr["transitions"][0] == 1
    assert observations.mean["population_b"][0] == 1
    assert observations.mean["population_a"][0] == 0
    for name in ("population_a", "population_b"):
        assert observations.stderr[name][0] == pytest.approx(1 / 9_000)
    assert observations.mean["mean_energy"][0] == pytest.approx(-108.16672 + 1, abs=0.2)


def test_lanes_of_other_temperatures_change_nothing():
    temperatures = np.linspace(5, 40, 20)
    many = run({"steps": 5000}, temperatures)
    alone = run({"steps": 5000}, temperatures[17:18], [17])
    for name, values in many.mean.items():
        np.testing.assert_array_equal(values[17], alone.mean[name][0])


def test_an_interrupted_replica_goes_on_with_the_same_bits(tmp_path):
    def keep(folder, names):
        return Keep(tmp_path / folder, names, frames=1000, series=777, checkpoint=3001)

    def interrupt(fraction):
        if fraction > 0.6:
            raise KeyboardInterrupt

    configuration, temperatures = {"steps": 20_000}, [12.0, 18.0, 25.0]
    names = ("p", "q", "r")
    whole = run(configuration, temperatures, keep=keep("whole", names))
    # One replica is cut short beside two that have not begun, so that lanes go on from different steps.
    with pytest.raises(KeyboardInterrupt):
        run(configuration, temperatures[1:2], [1], keep=keep("parts", names[1:2]), progress=interrupt)
    parts = run(configuration, temperatures, keep=keep("parts", names))
    for name, values in whole.mean.items():
        np.testing.assert_array_equal(values, parts.mean[name])
        np.testing.assert_array_equal(whole.stderr[name], parts.stderr[name])
    for name in names:
        for suffix in (".gsd", ".csv"):
            one, other = (Path(tmp_path / folder / name).with_suffix(suffix) for folder in ("whole", "parts"))
            if suffix == ".csv":
                assert one.read_bytes() == other.read_bytes()
            else:
                for k in range(21):
                    np.testing.assert_array_equal(read_frame(one, k).position, read_frame(other, k).position)


def test_starts_where_it_is_told(tmp_path):
    start = Frame(0, np.array([[0.25, 0.3, 0.0]]))
    keep = Keep(tmp_path, ("one", "two"), series=100, starts={1: start})
    run({"steps": 200, "start": "b"}, [10.0, 10.0], keep=keep)
    first = [np.loadtxt(tmp_path / f"{n}.csv", delimiter=",", skiprows=1)[0] for n in ("one", "two")]
    np.testing.assert_allclose(first[0][1:3], surface.MINIMUM_B, atol=1e-6)
    np.testing.assert_allclose(first[1][1:3], [0.25, 0.3], atol=1e-6)
    for position in ([[50.0, 0, 0]], [[np.nan, 0, 0]], [[0, 0, 0], [1, 0, 0]]):
        bad = Keep(tmp_path / "bad", ("one",), starts={0: Frame(0, np.array(position))})
        with pytest.raises(InvalidInputError, match="start"):
            run({"steps": 200}, [10.0], keep=bad)


def test_a_walker_thrown_off_the_surface_fails_alone(tmp_path):
    keep = Keep(tmp_path, ("a", "b"), starts={0: Frame(0, np.array([[-6.0, 6.0, 0.0]]))})
    observations = run({"steps": 6400}, [10.0, 10.0], keep=keep)
    assert list(observations.failures) == [0]
    failure = observations.failures[0]
    assert failure.reason == "left the surface"
    assert "timestep = 0.0001" in failure.message
    assert failure.frame is not None
    np.testing.assert_allclose(failure.frame.position, [[-6, 6, 0]])
    assert failure.frame.step == 0
    assert np.isnan(observations.mean["mean_energy"][0])
    assert np.isfinite(observations.mean["mean_energy"][1])


def test_refuses_too_few_steps_for_error_bars():
    with pytest.raises(InvalidInputError, match="at least 80"):
        MuellerBrown(steps=64, equilibration=0.6).complete({"temperature": 10})
