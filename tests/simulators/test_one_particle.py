"""One particle on a line: laws, the integrator's exactness and order, periods, and what may go wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from pydantic import ValidationError

from simulators import InvalidInputError
from simulators.md.landscapes.newton import POTENTIALS
from simulators.md.laws import landscapes
from simulators.md.wide import load, on_wide, store
from simulators.one_particle import OneParticle

WITHIN = {"harmonic": (-9, 9), "lennard_jones": (0.8, 5), "double_well": (-4, 4), "rugged": (-6.1, 6.1)}


def run(configuration, *rows):
    simulator = OneParticle.model_validate(configuration)
    inputs = np.stack([simulator.complete(row) for row in rows])
    return simulator.run(inputs, np.zeros(len(rows), np.uint64))


@pytest.mark.parametrize("potential", POTENTIALS)
def test_the_slope_is_the_derivative_of_the_energy(potential):
    energy, slope = POTENTIALS[potential]
    x, h = np.linspace(*WITHIN[potential], 1001), 1e-5
    numeric = (8 * (energy(x + h) - energy(x - h)) - (energy(x + 2 * h) - energy(x - 2 * h))) / (12 * h)
    np.testing.assert_allclose(slope(x), numeric, rtol=1e-7, atol=1e-8)


def test_the_rugged_potential_is_the_published_one():
    x = np.linspace(-6, 6, 25)
    smooth = (x**4 - x**3 - 16 * x**2 + 4 * x + 48) / 50
    np.testing.assert_allclose(landscapes.rugged_energy(x), smooth + np.sin(30 * (x + 5)) / 5, atol=1e-14)
    force = (-4 * x**3 + 3 * x**2 + 32 * x - 4) / 50 - 6 * np.cos(30 * (x + 5))
    np.testing.assert_allclose(-landscapes.rugged_slope(x), force, atol=1e-13)


@pytest.mark.parametrize("potential", POTENTIALS)
def test_the_lanes_compute_the_law(potential):
    law = POTENTIALS[potential].slope
    wide = on_wide(law)

    @njit
    def kernel(x, out):
        for k in range(0, x.size, 64):
            store(out, k, wide(load(x, k)))

    x = np.random.default_rng(1).uniform(*WITHIN[potential], 6400)
    out = np.empty_like(x)
    kernel(x, out)
    # Near the turn of a trigonometric argument of 330 a unit in the last place is 6e-14 of it.
    np.testing.assert_allclose(out, law(x), rtol=1e-13, atol=1e-12 if potential == "rugged" else 1e-14)


def verlet(slope, x, v, mass, dt, steps):
    """Velocity Verlet as in a textbook."""
    xs, vs, a = [], [], -slope(x) / mass
    for _ in range(steps):
        x = x + v * dt + a * dt * dt / 2
        new = -slope(x) / mass
        v, a = v + (a + new) * dt / 2, new
        xs.append(x)
        vs.append(v)
    return np.array(xs), np.array(vs)


@pytest.mark.parametrize("potential", POTENTIALS)
def test_the_trajectory_is_the_textbook_one(potential):
    row = {"start_position": 1.7, "mass": 2.5, "start_velocity": -0.3}
    if potential == "harmonic":
        row["stiffness"] = 3.0
    observations = run({"potential": potential, "steps": 600, "points": 300, "timestep": 0.002}, row)
    strength = row.get("stiffness", 1.0)
    slope = POTENTIALS[potential].slope
    x, v = verlet(lambda y: strength * slope(y), 1.7, -0.3, 2.5, 0.002, 600)
    np.testing.assert_allclose(observations.mean["position"][0], x[1::2], rtol=0, atol=1e-11)
    np.testing.assert_allclose(observations.mean["velocity"][0], v[1::2], rtol=0, atol=1e-10)
    centres = (observations.edges["time"][0, 1:] + observations.edges["time"][0, :-1]) / 2
    np.testing.assert_allclose(centres, 0.004 * np.arange(1, 301), rtol=1e-12)


@settings(max_examples=20)
@given(st.floats(1, 10), st.floats(1, 10), st.floats(0.1, 10))
def test_verlets_oscillator_is_a_cosine_of_its_own_frequency(mass, stiffness, start):
    """``w' = (2 / dt) asin(w dt / 2)``: the shadow of the harmonic oscillator is harmonic."""
    dt, frequency = 0.01, np.sqrt(stiffness / mass)
    row = {"start_position": -start, "mass": mass, "stiffness": stiffness}
    observations = run({"steps": 20_000, "points": 200, "timestep": dt}, row)
    shifted = 2 / dt * np.arcsin(frequency * dt / 2)
    times = 1.0 * np.arange(1, 201)
    np.testing.assert_allclose(
        observations.mean["position"][0], -start * np.cos(shifted * times), rtol=0, atol=1e-9 * start
    )
    assert observations.mean["period"][0] == pytest.approx(2 * np.pi / shifted, rel=1e-6)


@pytest.mark.parametrize(
    ("potential", "start", "period"),
    [("lennard_jones", 1.5, 1.718238), ("double_well", -2.0, 4.685680), ("double_well", -1.2, 4.623905)],
)
def test_periods_converge_to_the_exact_ones(potential, start, period):
    """Quadrature of dx / v; the error of a second-order method falls with the square of the step."""
    coarse, fine = (
        run(
            {"potential": potential, "steps": 2500 * k, "points": 10, "timestep": 0.002 / k},
            {"start_position": start},
        )
        for k in (1, 2)
    )
    coarse, fine = coarse.mean["period"][0], fine.mean["period"][0]
    assert fine == pytest.approx(period, abs=5e-6)
    assert (4 * fine - coarse) / 3 == pytest.approx(period, abs=6e-7)


def test_a_moving_start_has_the_same_period_as_a_release_at_its_turning_point():
    energy = POTENTIALS["double_well"].energy
    row = {"start_position": 0.5, "start_velocity": float(np.sqrt(2 * (energy(-2.0) - energy(0.5))))}
    moving, resting = (
        run({"potential": "double_well", "steps": 10_000, "points": 10}, r)
        for r in (row, {"start_position": -2})
    )
    # Verlet conserves an energy that differs from the true one by O(dt^2), by another amount at each start.
    assert moving.mean["period"][0] == pytest.approx(resting.mean["period"][0], abs=2e-6)


@pytest.mark.parametrize("potential", ["harmonic", "double_well", "rugged", "lennard_jones"])
def test_the_energy_error_is_of_second_order(potential):
    steps = np.array([0.0005, 0.001, 0.002])
    errors = [
        run(
            {"potential": potential, "timestep": dt, "points": 1000, "steps": round(2 / dt / 1000) * 1000},
            {"start_position": 1.3},
        ).mean["energy_error"][0]
        for dt in steps
    ]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("potential", POTENTIALS)
def test_a_trajectory_runs_backwards(potential):
    configuration = {"potential": potential, "steps": 1000, "points": 2}
    there = run(configuration, {"start_position": 2.1, "mass": 1.7}).mean
    back = run(
        configuration,
        {
            "start_position": there["position"][0, -1],
            "start_velocity": -there["velocity"][0, -1],
            "mass": 1.7,
        },
    ).mean
    assert back["position"][0, -1] == pytest.approx(2.1, abs=1e-9)
    assert back["velocity"][0, -1] == pytest.approx(0, abs=1e-9)


def test_a_particle_without_a_turning_point_has_no_period_and_disturbs_no_neighbour():
    rows = [
        {"start_position": 1.5},
        {"start_position": 0.95},
        {"start_position": 2.0},
    ]  # the second has positive energy
    configuration = {"potential": "lennard_jones", "steps": 8000, "points": 8}
    together = run(configuration, *rows)
    assert np.isnan(together.mean["period"][1])
    assert np.isnan(together.stderr["period"][1])
    assert together.failures == {}
    for k in (0, 2):
        alone = run(configuration, rows[k])
        for name, values in alone.mean.items():
            np.testing.assert_array_equal(values[0], together.mean[name][k])


def test_a_batch_is_more_than_one_kernel():
    starts = np.linspace(-3, 3, 150) + 0.01
    configuration = {"potential": "rugged", "steps": 400, "points": 4}
    many = run(configuration, *({"start_position": float(s)} for s in starts))
    for k in (0, 63, 64, 149):
        alone = run(configuration, {"start_position": float(starts[k])})
        np.testing.assert_array_equal(alone.mean["position"][0], many.mean["position"][k])
        np.testing.assert_array_equal(alone.mean["energy_error"][0], many.mean["energy_error"][k])


def test_a_step_too_long_fails_alone_and_says_so():
    configuration = {"potential": "lennard_jones", "steps": 2000, "points": 20, "timestep": 0.1}
    observations = run(configuration, {"start_position": 0.75}, {"start_position": 1.13})
    assert list(observations.failures) == [0]
    assert observations.failures[0].reason == "energy not conserved"
    assert "timestep = 0.1" in observations.failures[0].message
    assert np.isnan(observations.mean["position"][0]).all()
    assert np.isfinite(observations.mean["position"][1]).all()


def test_refuses_what_it_cannot_simulate():
    with pytest.raises(ValidationError, match="multiple of points = 7"):
        OneParticle(steps=100, points=7)
    with pytest.raises(InvalidInputError, match="timestep"):
        OneParticle(timestep=0.2).complete({"start_position": 1, "stiffness": 100})
    with pytest.raises(InvalidInputError, match="stiffness"):
        OneParticle(potential="rugged").complete({"start_position": 1, "stiffness": 1})
