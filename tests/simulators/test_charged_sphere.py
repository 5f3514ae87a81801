"""The polarizable sphere against double precision, its exact answer, and what its dynamics conserves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.special import eval_legendre

from simulators import Frame, InvalidInputError, Keep
from simulators.charged_sphere import ChargedSphere
from simulators.md.laws.multipoles import core_energy, core_force, ion_energy, ion_force
from simulators.md.sphere.forces import build, refresh, relax
from simulators.md.sphere.multipoles import evaluate, gradient, harmonics, moments, room
from simulators.md.sphere.run import Looks, advance, energies
from simulators.md.sphere.thermostat import chain
from simulators.md.vector import aligned

RADIUS, BOUNDARY, BJERRUM = 7.5, 40.0, 2.0
CONTRAST = [(2.0, 78.5), (160.0, 78.5)]


def places(count, seed, first=RADIUS + 0.7, last=BOUNDARY - 0.7):
    rng, placed = np.random.default_rng(seed), []
    while len(placed) < count:
        direction = rng.normal(size=3)
        place = direction / np.linalg.norm(direction) * rng.uniform(first, last)
        if all(np.linalg.norm(place - other) > 1 for other in placed):
            placed.append(place)
    return np.array(placed)


def system(position, charge, inside=2.0, outside=78.5, valency=0, mass=0.01, degree=10, speed=0.0):
    velocity = speed * np.random.default_rng(1).normal(size=position.shape)
    return build(
        position,
        velocity,
        np.asarray(charge, dtype=float),
        radius=RADIUS,
        boundary=BOUNDARY,
        bjerrum=BJERRUM,
        valency=valency,
        inside=inside,
        outside=outside,
        degree=degree,
        mass=mass,
    )


def weights(inside, outside, degree):
    n = np.arange(degree + 1)
    return n * (outside - inside) / (n * inside + (n + 1) * outside)


def polarization(position, charge, inside, outside, degree=10):
    """The exact answer's energy, double sum over ions: Legendre series, no harmonics."""
    r = np.linalg.norm(position, axis=1)
    cosine = np.clip(position @ position.T / np.outer(r, r), -1, 1)
    total = sum(
        w * (RADIUS / np.outer(r, r)) ** (n + 1) * RADIUS**n * eval_legendre(n, cosine)
        for n, w in enumerate(weights(inside, outside, degree))
    )
    return 0.5 * BJERRUM * charge @ total @ charge


def direct(position, charge, valency):
    """Pairs, walls and the sphere's own charge, by the laws in double precision."""
    d = position[:, None] - position
    i, j = np.triu_indices(len(position), 1)
    pairs = ion_energy(1 / np.linalg.norm(d[i, j], axis=1), BJERRUM * charge[i] * charge[j]).sum()
    r = np.linalg.norm(position, axis=1)
    walls = core_energy((r - RADIUS + 0.5) ** -2) + core_energy((BOUNDARY + 0.5 - r) ** -2)
    return pairs + (walls + BJERRUM * valency * charge / r).sum()


def forces_of(ions, count):
    return np.stack([ions.fx, ions.fy, ions.fz], axis=1)[:count].astype(float)


def baths(ions, modes, temperature=0.001, mass=0.01):
    return chain(3 * ions, 1.0, 1.0), chain(modes, temperature, 2 * np.sqrt(mass))


def unseen(steps):
    """Looks that nothing is expected of."""
    edges = np.array([RADIUS, BOUNDARY])
    counts = np.zeros((1, 2, 1), np.int64), np.zeros(1, np.int64)
    return Looks(10 * steps, 0, 1, np.zeros((1, 6)), edges, *counts, 0.05, 5.0)


def run(ions, sphere, bath, cold, timestep, steps):
    code, _ = advance(ions, sphere, bath, cold, timestep, 0, steps, unseen(steps))
    assert code == 0


# Laws and harmonics ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy", "force"),
    [
        (lambda r: ion_energy(1 / r, -1.3), lambda r: ion_force(1 / r, -1.3) * r),
        (lambda r: core_energy(r**-2), lambda r: core_force(r**-2) * r),
    ],
)
def test_laws_are_gradients(energy, force):
    r, h = np.linspace(0.85, 3, 400), 1e-6
    np.testing.assert_allclose(force(r), -(energy(r + h) - energy(r - h)) / (2 * h), atol=1e-6, rtol=1e-6)


@njit
def _evaluate(constants, x, y, z, scale, values):
    evaluate(constants, x, y, z, scale, values)


@njit
def _gradient(constants, coefficients, gx, gy, gz):
    gradient(constants, coefficients, gx, gy, gz)


@njit
def _moments(values, charge, sums):
    moments(values, charge, sums)


def values_at(constants, position):
    """Harmonics of sixteen places, radius 1, array (size, 16)."""
    values = aligned(constants.size * 16, np.float32)
    _evaluate(constants, *np.ascontiguousarray(position.T, dtype=np.float32), np.float32(1), values)
    return values.reshape(constants.size, 16).astype(float)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**30), degree=st.integers(1, 16))
def test_harmonics_obey_the_addition_theorem(seed, degree):
    position, constants = places(16, seed, 1.05, 9.0), harmonics(degree)
    values, degrees = values_at(constants, position), constants.degrees()
    r = np.linalg.norm(position, axis=1)
    cosine = position @ position.T / np.outer(r, r)
    for n in range(degree + 2):
        scaled = values[degrees == n] * r ** (n + 1)
        # It grows as n², as that of a three-term recursion: of thousands of sets, at most 0.8 of this.
        rounding = np.finfo(np.float32).eps * (n + 2) ** 2
        np.testing.assert_allclose(scaled.T @ scaled, eval_legendre(n, cosine), atol=2 * rounding)


@pytest.mark.parametrize("degree", [1, 2, 10])
def test_expansions_have_the_gradient_they_say(degree):
    """Differences over 0.02 radii by a formula of sixth order, of which single precision leaves 1e-4."""
    constants, position = harmonics(degree), places(16, 3, 1.3, 3.0)
    rng = np.random.default_rng(degree)
    coefficients = np.where(constants.degrees() <= degree, rng.normal(size=constants.size), 0.0)
    parts = [room(constants.size) for _ in range(3)]
    _gradient(constants, coefficients, *parts)
    values, h = values_at(constants, position), 0.02
    for c, part in enumerate(parts):
        step = h * np.eye(3)[c]
        numerical = (
            sum(
                w
                * (
                    coefficients
                    @ (values_at(constants, position + k * step) - values_at(constants, position - k * step))
                )
                for k, w in ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
            )
            / h
        )
        found = part[: constants.size].astype(float) @ values
        np.testing.assert_allclose(found, numerical, atol=3e-4 * np.abs(found).max())


def test_moments_are_sums_over_ions():
    constants, rng = harmonics(3), np.random.default_rng(1)
    values = rng.normal(size=(constants.size, 32)).astype(np.float32)
    charge, sums = rng.normal(size=32).astype(np.float32), room(constants.size)
    _moments(values.ravel(), charge, sums)
    np.testing.assert_allclose(sums[: constants.size], values @ charge, atol=1e-5)


# Forces and energies -----------------------------------------------------------------------------


@pytest.mark.parametrize(("inside", "outside"), CONTRAST)
def test_relaxed_multipoles_have_the_energy_of_the_legendre_series(inside, outside):
    position, charge = places(21, 5), np.array([1.0, -1.0, 2.0] * 7)
    ions, sphere = system(position, charge, inside, outside, valency=-7)
    _, _, others, answer, exact, _ = energies(ions, sphere, *baths(21, 120))
    expected = polarization(position, charge, inside, outside)
    assert answer == pytest.approx(expected, rel=2e-6)
    assert exact == pytest.approx(expected, rel=2e-6)
    assert np.sign(answer) == np.sign(outside - inside)
    assert others == pytest.approx(direct(position, charge, -7), abs=2e-5)


@pytest.mark.parametrize(("inside", "outside"), CONTRAST)
@pytest.mark.parametrize("relaxed", [True, False])
def test_forces_are_the_gradient_of_the_energy(inside, outside, relaxed):
    """At the minimum the gradient is that of the exact energy; elsewhere that at fixed multipoles."""
    position, charge = places(21, 6, RADIUS + 0.55, RADIUS + 3), np.array([1.0, -1.0, 2.0] * 7)
    ions, sphere = system(position, charge, inside, outside, valency=-7)
    if not relaxed:
        sphere.amplitude[:] *= np.linspace(0.2, 1.8, sphere.amplitude.size)
        refresh(ions, sphere)
    amplitude = sphere.amplitude.copy()
    found, h = forces_of(ions, 21), 1e-5

    def total(where):
        if relaxed:
            answer = polarization(where, charge, inside, outside)
        else:  # at fixed multipoles; the moments by the single-precision harmonics, hence a wide step
            other, there = system(where, charge, inside, outside, valency=-7)
            there.amplitude[:] = amplitude
            answer = energies(other, there, *baths(21, 120))[3]
        return direct(where, charge, -7) + answer

    step = h if relaxed else 3e-3
    for i, c in ((0, 0), (4, 1), (20, 2), (7, 0)):
        moved = np.zeros_like(position)
        moved[i, c] = step
        numerical = -(total(position + moved) - total(position - moved)) / (2 * step)
        if not relaxed:
            # The core bends within such a step: take its part by the law, over a narrow one.
            narrow = moved * (h / step)
            numerical += (direct(position + moved, charge, -7) - direct(position - moved, charge, -7)) / (
                2 * step
            )
            numerical -= (direct(position + narrow, charge, -7) - direct(position - narrow, charge, -7)) / (
                2 * h
            )
        assert found[i, c] == pytest.approx(numerical, abs=2e-3 if not relaxed else 1e-4, rel=2e-5)


def test_amplitudes_are_pulled_to_the_exact_answer():
    for inside, outside in CONTRAST:
        ions, sphere = system(places(5, 1), np.ones(5), inside, outside)
        best = sphere.amplitude.copy()
        assert np.abs(best).max() > 0.01
        sphere.amplitude[:] = 0
        refresh(ions, sphere)
        np.testing.assert_allclose(sphere.pull, best, atol=1e-7)
        assert energies(ions, sphere, *baths(5, 120))[3] > energies(ions, sphere, *baths(5, 120))[4]


@pytest.mark.parametrize("distance", [8.3, 9.0, 15.0])
def test_one_ion_has_the_self_energy_of_the_series(distance):
    for inside, outside in CONTRAST:
        position, charge = np.array([[0.6, 0.0, 0.8]]) * distance, np.array([2.0])
        ions, sphere = system(position, charge, inside, outside)
        n = np.arange(11)
        terms = weights(inside, outside, 10) * RADIUS ** (2 * n + 1) / distance ** (2 * n + 2)
        expected = 0.5 * BJERRUM * charge[0] ** 2 * terms.sum()
        assert energies(ions, sphere, *baths(1, 120))[3] == pytest.approx(expected, rel=1e-5)


def test_a_conductor_answers_with_its_image():
    """``W = -(q^2 / 2) a^3 / (r^2 (r^2 - a^2))`` (Jackson, Classical Electrodynamics, 2.3)."""
    distance = 15.0
    ions, sphere = system(np.array([[0.0, 0.0, distance]]), [1.0], inside=1e9, outside=1.0, degree=16)
    expected = -BJERRUM / 2 * RADIUS**3 / (distance**2 * (distance**2 - RADIUS**2))
    assert energies(ions, sphere, *baths(1, 288))[3] == pytest.approx(expected, rel=1e-5)


def test_without_contrast_the_multipoles_are_left_out():
    position, charge = places(18, 4), np.tile([1.0, -1.0], 9)
    ions, sphere = system(position, charge, 78.5, 78.5, speed=1.0)
    sphere.amplitude[1:100] = 0.3  # whatever they do, ions feel nothing of it
    plain, still = system(position, charge, 78.5, 78.5, speed=1.0)
    assert energies(plain, still, *baths(18, 120))[4] == 0
    for state in ((ions, sphere), (plain, still)):
        run(*state, *baths(18, 120), 0.002, 500)
    for one, other in zip(ions, plain, strict=True):
        np.testing.assert_array_equal(one, other)


# Dynamics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inside", "outside"), CONTRAST)
def test_the_extended_energy_is_conserved_to_second_order(inside, outside):
    position, charge = places(20, 2, RADIUS + 0.7, RADIUS + 4), np.ones(20)
    steps, errors = np.array([0.004, 0.002, 0.001]), []
    for timestep in steps:
        ions, sphere = system(position, charge, inside, outside, valency=-20, speed=1.0)
        chains, trace = baths(20, 120), []
        for _ in range(100):
            run(ions, sphere, *chains, timestep, round(0.02 / timestep))
            row = energies(ions, sphere, *chains)
            trace.append(sum(row) - row[4])
        errors.append(np.std(trace))
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(2, abs=0.2)
    assert errors[-1] < 1e-3


def simulator(**configuration):
    return ChargedSphere(**{"steps": 4000, **configuration})


def simulated(given, **configuration):
    simulation = simulator(**configuration)
    inputs = np.stack(
        [simulation.complete({"epsilon_inside": 2, "sphere_charge": -20, **row}) for row in given]
    )
    return simulation, inputs, np.arange(7, 7 + len(inputs), dtype=np.uint64)


def test_light_and_cold_multipoles_follow_the_exact_answer_and_others_do_not():
    base = {"sphere_charge": -60, "ion_valency": 3, "timestep": 0.001}
    simulation, inputs, seeds = simulated(
        [
            {**base, "fake_mass": 3e-4, "fake_temperature": 3e-4},
            {**base, "fake_mass": 3.0, "fake_temperature": 1e-5},
            {**base, "fake_mass": 3e-4, "fake_temperature": 0.1},
        ],
        steps=20_000,
    )
    found = simulation.run(inputs, seeds, threads=2)
    off = np.abs(found.mean["FD"])
    assert off[0] < 0.5
    assert off[1] > 10
    assert off[2] > 10
    np.testing.assert_array_equal(found.mean["good"], [1, 0, 0])


def test_ions_are_at_the_temperature_that_was_set():
    simulation, inputs, seeds = simulated([{"concentration": 0.01}] * 2, steps=30_000)
    found = simulation.run(inputs, seeds, threads=2)
    temperature, error = found.mean["temperature"], found.stderr["temperature"]
    assert (np.abs(temperature - 1) < 5 * error).all()
    assert (error < 0.03).all()


def test_profiles_hold_all_ions():
    simulation, inputs, seeds = simulated([{"concentration": 0.01}])
    found = simulation.run(inputs, seeds)
    for name in ("density_counterion", "density_coion", "contact_density"):
        assert (found.stderr[name] > 0).all()
    volume = 4 / 3 * np.pi * np.diff(found.edges["distance"][0] ** 3) * 0.602214076
    assert (found.mean["density_counterion"][0] * volume).sum() == pytest.approx(found.used["counterions"][0])
    assert (found.mean["density_coion"][0] * volume).sum() == pytest.approx(found.used["coions"][0])


# The plug-in -------------------------------------------------------------------------------------


def test_a_replica_is_the_same_in_any_batch():
    simulation, inputs, seeds = simulated(
        [{"ion_valency": v, "epsilon_inside": e} for v in (1, 2) for e in (2, 99)]
    )
    together = simulation.run(inputs, seeds, threads=2)
    for k in range(4):
        alone = simulation.run(inputs[k : k + 1], seeds[k : k + 1])
        for name, values in together.mean.items():
            np.testing.assert_array_equal(values[k], alone.mean[name][0])
            np.testing.assert_array_equal(together.stderr[name][k], alone.stderr[name][0])


def test_settings_that_blow_up_fail_alone_and_say_what_to_do():
    simulation, inputs, seeds = simulated([{}, {"fake_mass": 1e-6, "timestep": 0.005}, {}])
    found = simulation.run(inputs, seeds)
    assert list(found.failures) == [1]
    failure = found.failures[1]
    assert failure.reason == "virtual variables ran away"
    assert "timestep = 0.005" in failure.message
    assert "accepted" in failure.message
    assert failure.frame is not None
    assert failure.frame.position.shape == (20, 3)


def test_a_sphere_without_contrast_has_no_deviation():
    simulation, inputs, seeds = simulated([{"epsilon_inside": 78.5}])
    found = simulation.run(inputs, seeds)
    assert np.isnan(found.mean["FD"]).all()
    assert found.mean["polarization_energy"][0] < 120 * 0.01


def stop(fraction):
    if fraction > 0.5:
        raise KeyboardInterrupt


def test_one_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    simulation, inputs, seeds = simulated([{"concentration": 0.005}])

    def keep(folder):
        return Keep(tmp_path / folder, ("a",), frames=500, series=300, checkpoint=700)

    whole = simulation.run(inputs, seeds, keep=keep("whole"))
    with pytest.raises(KeyboardInterrupt):
        simulation.run(inputs, seeds, keep=keep("killed"), progress=stop)
    again = simulation.run(inputs, seeds, keep=keep("killed"))
    for name, values in whole.mean.items():
        np.testing.assert_array_equal(values, again.mean[name])
    first, second = ((tmp_path / folder / "a.csv").read_text() for folder in ("whole", "killed"))
    assert first == second
    assert len(first.splitlines()) == 1 + 1 + 4000 // 300
    gsd = pytest.importorskip("gsd.hoomd")
    with gsd.open(tmp_path / "whole" / "a.gsd") as one, gsd.open(tmp_path / "killed" / "a.gsd") as other:
        assert len(one) == len(other) == 9
        for here, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(here.particles.position, there.particles.position)


def test_starts_from_a_frame(tmp_path):
    simulation, inputs, seeds = simulated([{}])
    position = 0.357 * places(20, 9)
    keep = Keep(tmp_path, ("a",), frames=4000, starts={0: Frame(0, position)})
    simulation.run(inputs, seeds, keep=keep)
    gsd = pytest.importorskip("gsd.hoomd")
    with gsd.open(tmp_path / "a.gsd") as found:
        np.testing.assert_allclose(found[0].particles.position, position, atol=1e-5)
    with pytest.raises(InvalidInputError, match="20 ions"):
        simulation.run(inputs, seeds, keep=Keep(tmp_path, ("b",), starts={0: Frame(0, position[:3])}))
    with pytest.raises(InvalidInputError, match="inside the sphere"):
        simulation.run(inputs, seeds, keep=Keep(tmp_path, ("b",), starts={0: Frame(0, position / 10)}))


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"boundary_radius": 3}, "above 4.1"),
        ({"concentration": 2}, "up to 2048 ions"),
        ({"sphere_charge": 0}, "a concentration"),
        ({"sphere_charge": 300, "radius": 0.5, "boundary_radius": 2}, "up to 138 ions"),
    ],
)
def test_refuses_what_cannot_be_simulated(given, accepted):
    with pytest.raises(InvalidInputError, match=accepted):
        simulator().complete({"epsilon_inside": 2, "sphere_charge": -20, **given})


def test_relaxing_twice_changes_nothing():
    ions, sphere = system(places(7, 8), np.ones(7))
    before = sphere.amplitude.copy(), forces_of(ions, 7)
    relax(ions, sphere)
    np.testing.assert_array_equal(sphere.amplitude, before[0])
    np.testing.assert_array_equal(forces_of(ions, 7), before[1])
