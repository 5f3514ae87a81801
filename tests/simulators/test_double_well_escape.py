"""Escape over a barrier: first-passage times by quadrature, the thermostat's exactness, restarts."""

from pathlib import Path

import numpy as np
import pytest
from numba import njit
from pydantic import ValidationError
from scipy.integrate import quad

from simulators import InvalidInputError
from simulators.batch.trajectories import read_frame
from simulators.contract import Keep
from simulators.double_well_escape import DoubleWellEscape
from simulators.md.landscapes import escape
from simulators.md.laws import landscapes
from simulators.md.random import NOISE, four_gaussians
from simulators.md.vector import lanes, load, on_vectors, store


def run(configuration, *rows, seeds=None, **more):
    simulator = DoubleWellEscape.model_validate(configuration)
    inputs = np.array([simulator.complete(row) for row in rows])
    seeds = np.arange(len(rows)) if seeds is None else np.array(seeds)
    return simulator.run(inputs, seeds.astype(np.uint64), **more)


def exact_time(barrier, temperature=1.0, friction=1.0, mass=1.0):
    """Overdamped mean first-passage time: (m friction / kT) int e^(U/kT) int e^(-U/kT)."""

    def u(x):
        return barrier * (x * x - 1) ** 2 / temperature

    def inner(x):
        return np.exp(u(x)) * quad(lambda y: np.exp(-u(y)), -3, x)[0]

    return mass * friction / temperature * quad(inner, -1, 1)[0]


def test_the_law_is_the_barrier_of_the_documentation():
    x = np.linspace(-2, 2, 41)
    h = 3.7
    np.testing.assert_allclose(4 * h * landscapes.double_well_energy(x) + h, h * (x**2 - 1) ** 2, atol=1e-12)
    np.testing.assert_allclose(4 * h * landscapes.double_well_slope(x), 4 * h * x * (x**2 - 1), atol=1e-12)


@pytest.mark.parametrize(("barrier", "time"), [(3, 8.88003), (5, 36.48353)])
def test_the_exact_time_is_the_published_one(barrier, time):
    assert exact_time(barrier) == pytest.approx(time, abs=1e-5)


@pytest.mark.parametrize(
    ("row", "timestep"),
    [
        ({"barrier": 2.0}, 0.001),
        ({"barrier": 1.0, "temperature": 0.5, "friction": 4.0, "mass": 0.5}, 0.004),
        ({"barrier": 1.0}, 0.005),  # where arriving a step late would add 4 %
    ],
)
def test_overdamped_walkers_take_the_exact_time(row, timestep):
    configuration = {"dynamics": "overdamped", "walkers": 256, "timestep": timestep, "steps": 200_000}
    observations = run(configuration, row)
    mean, error = observations.mean["escape_time"][0], observations.stderr["escape_time"][0]
    exact = exact_time(**row)
    assert error < 0.01 * exact
    assert mean == pytest.approx(exact, abs=4 * error + 0.005 * exact)
    rate, passages = observations.mean["escape_rate"][0], observations.used["passages"][0]
    assert rate == pytest.approx(1 / mean)
    assert rate == pytest.approx(passages / (256 * 200_000 * timestep))


def test_heavy_walkers_with_friction_approach_the_overdamped_time():
    row = {"barrier": 2.0, "friction": 30.0}
    observations = run({"walkers": 256, "timestep": 0.01, "steps": 300_000}, row)
    exact = exact_time(2.0, friction=30.0)
    # Inertia adds a time that falls with the friction (Milne's layer at the end): 8 % at 10, 3 % at 30.
    assert observations.mean["escape_time"][0] == pytest.approx(exact, rel=0.06)
    assert observations.mean["escape_time"][0] > exact


_harmonic = on_vectors(landscapes.harmonic_slope)


@njit
def _sample(x, v, m, skip, steps, squares):
    """Sums of x^2 and x^4 at the whole steps of BAOAB in a harmonic well, after some that are skipped."""
    for step in range(skip + steps):
        a, _, _, _ = four_gaussians(lanes(), step, NOISE, m.key0, m.key1)
        xk, vk = escape.langevin_step(load(x, 0), load(v, 0), _harmonic(load(x, 0)), m, a)
        store(x, 0, xk)
        store(v, 0, vk)
        if step >= skip:
            for lane in range(16):
                squares[0, lane] += x[lane] ** 2
                squares[1, lane] += x[lane] ** 4


@pytest.mark.parametrize("timestep", [0.05, 0.5, 1.5])
def test_positions_in_a_harmonic_well_are_exact_at_any_step(timestep):
    """<x^2> = kT / k and <x^4> = 3 (kT / k)^2, at three quarters of the stability limit too."""
    kt, stiffness, steps = 2.5, 1.0, 400_000
    system = escape.System(stiffness / 4, 1.0, kt, 1.0, timestep, False)  # the depth is 4 h
    x, v, squares = np.zeros(16, np.float32), np.zeros(16, np.float32), np.zeros((2, 16))
    _sample(x, v, system.motion(7), 2000, steps, squares)
    for values, exact in zip(squares / steps, (kt / stiffness, 3 * (kt / stiffness) ** 2), strict=True):
        error = values.std(ddof=1) / 4
        assert values.mean() == pytest.approx(exact, abs=4 * error)
        assert error < 0.02 * exact


def test_a_walker_that_arrives_begins_again_with_a_thermal_velocity():
    system = escape.System(
        barrier=1.0, friction=1.0, temperature=3.0, mass=2.0, timestep=0.01, overdamped=False
    )
    motion = system.motion(5)._replace(target=np.float32(-np.inf))  # all arrive at every step
    x, v, passages = np.zeros(4096, np.float32), np.zeros(4096, np.float32), np.zeros(4096, np.int64)
    escape.advance(x, v, passages, motion, False, 0, 5)
    first = v.copy()
    escape.advance(x, v, passages, motion, False, 5, 6)
    assert (x == -1).all()
    assert (passages == 6).all()
    for velocities in (first, v):
        assert (velocities.astype(float) ** 2).mean() == pytest.approx(1.5, rel=4 * np.sqrt(2 / 4096))
    assert abs(np.corrcoef(first, v)[0, 1]) < 4 / np.sqrt(4096)


def test_error_bars_are_the_scatter_of_repeated_runs():
    observations = run({"walkers": 64, "timestep": 0.02, "steps": 10_000}, *[{"barrier": 2.0}] * 64)
    for name, values in observations.mean.items():
        z = (values - values.mean()) / observations.stderr[name]
        assert np.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.25), name


def test_walkers_that_never_arrive_have_no_time_and_the_error_of_one_arrival():
    observations = run({"steps": 1000}, {"barrier": 60.0}, {"barrier": 0.2})
    assert np.isnan(observations.mean["escape_time"][0])
    assert np.isnan(observations.stderr["escape_time"][0])
    assert observations.mean["escape_rate"][0] == 0
    assert observations.stderr["escape_rate"][0] == pytest.approx(1 / (64 * 1000 * 0.002))
    assert observations.mean["escape_rate"][1] > 0
    assert observations.failures == {}


def test_an_interrupted_replica_goes_on_with_the_same_bits(tmp_path):
    def keep(folder):
        return Keep(tmp_path / folder, ("p", "q"), frames=1001, series=500, checkpoint=1303)

    def interrupt(fraction):
        if fraction > 0.8:  # the second replica has been through a few checkpoints
            raise KeyboardInterrupt

    configuration, rows = {"steps": 10_000, "timestep": 0.02}, [{"barrier": 1.0}, {"barrier": 2.0}]
    whole = run(configuration, *rows, keep=keep("whole"))
    with pytest.raises(KeyboardInterrupt):
        run(configuration, *rows, keep=keep("parts"), progress=interrupt)
    parts = run(configuration, *rows, keep=keep("parts"))
    plain = run(configuration, *rows)
    for name, values in whole.mean.items():
        np.testing.assert_array_equal(values, parts.mean[name])
        np.testing.assert_array_equal(values, plain.mean[name])
        np.testing.assert_array_equal(whole.stderr[name], parts.stderr[name])
    for name in ("p", "q"):
        one, other = (Path(tmp_path / folder / name) for folder in ("whole", "parts"))
        assert one.with_suffix(".csv").read_bytes() == other.with_suffix(".csv").read_bytes()
        for k in range(10):
            frames = [read_frame(path.with_suffix(".gsd"), k).position for path in (one, other)]
            np.testing.assert_array_equal(*frames)


@pytest.mark.parametrize("dynamics", ["underdamped", "overdamped"])
def test_the_longest_accepted_step_is_stable_in_a_hot_well(dynamics):
    """A walker thrown up the wall would jump past 1 and count as arrived: far too early."""
    row = {"barrier": 0.1, "temperature": 100.0}
    rate = 0.4 * (3 * (1 + 100) - 1)
    longest = 0.5 / rate**0.5 if dynamics == "underdamped" else 0.25 / rate
    configuration = {"dynamics": dynamics, "steps": 100_000}
    coarse, fine = (run({**configuration, "timestep": 0.99 * longest / k}, row) for k in (1, 8))
    # Flights of a few steps: counted in whole ones.
    assert coarse.mean["escape_time"][0] == pytest.approx(fine.mean["escape_time"][0], rel=0.2)
    with pytest.raises(InvalidInputError, match="up to"):
        run({**configuration, "timestep": 1.01 * longest}, row)


def test_refuses_what_it_cannot_simulate():
    with pytest.raises(ValidationError, match="multiple of 16"):
        DoubleWellEscape(walkers=40)
    with pytest.raises(InvalidInputError, match="timestep"):
        DoubleWellEscape(timestep=0.1).complete({"barrier": 5})
    with pytest.raises(InvalidInputError, match="too long for the friction"):
        DoubleWellEscape(timestep=0.01).complete({"barrier": 5, "friction": 40})
    with pytest.raises(InvalidInputError, match="timestep"):
        DoubleWellEscape(timestep=0.01, dynamics="overdamped").complete({"barrier": 5})
