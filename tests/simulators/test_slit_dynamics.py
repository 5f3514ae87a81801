"""The integrator and the estimators of the slit against what is known without simulating."""

import numpy as np
import pytest
from numba import njit
from scipy import stats
from slit_reference import BULK, replica

from simulators.md.slit.langevin import advance_positions, dynamics
from simulators.md.slit.run import advance, forces
from simulators.md.statistics import blocked, highest, smoothed


@njit
def _harmonic(ions, constants, kappa, stiffness, steps, out):
    """Every ion in its own well in z: out gets the mean of z^2 at each step."""
    for step in range(steps):
        total = 0.0
        for i in range(ions.z.size):
            z = ions.z[i] * kappa
            total += z * z
            ions.fz[i] = -stiffness * z
        out[step] = total / ions.z.size
        advance_positions(ions, constants, step)


@pytest.mark.parametrize("timestep", [0.1, 0.8])
def test_harmonic_well_has_the_exact_width_at_any_step(timestep):
    stiffness, steps, system = 1.7, 20_000, replica()
    for component in (system.ions.z, system.ions.fx, system.ions.fy):
        component[:] = 0
    kappa = float(system.slit.kappa)
    out = np.zeros(steps)
    _harmonic(system.ions, dynamics(timestep, 1.0, kappa, 5), kappa, stiffness, steps, out)
    mean, error = blocked(out[1000:].reshape(20, -1).mean(axis=1), np.ones(20))
    assert mean == pytest.approx(1 / stiffness, abs=4 * error)
    assert error < 0.004


def test_velocities_are_maxwells():
    system = replica(4, {"ions": 100, "steps": 20_000})
    velocities = []
    for part in range(40):
        first = part * 500
        advance(*_arguments(system), first, first + 500, 20)
        lanes = system.ions.present == 1
        velocities.append([v[lanes] for v in (system.ions.vx, system.ions.vy, system.ions.vz)])
    v = np.array(velocities, dtype=float)
    assert (v**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / v.size))
    for component in range(3):
        values = v[:, component].ravel()
        assert stats.kurtosis(values, fisher=False) == pytest.approx(3, abs=4 * np.sqrt(24 / values.size))


def test_kinetic_temperature_is_the_one_set():
    system = replica(5, {"ions": 424, "steps": 60_000, "timestep": 0.01})
    assert system.run(lambda fraction: None) is None
    assert system.temperature == pytest.approx(1, abs=0.005)


def test_ions_without_charge_or_pairs_follow_boltzmann():
    system = replica(6, {"ions": 200, "steps": 120_000, "timestep": 0.01}, **BULK)
    system.ions.charge[:] = 0
    for table in system.table[:4]:
        table[:] = 0
    assert system.run(lambda fraction: None) is None
    cations, anions = system.densities()
    density = (cations + anions).mean(axis=1)
    mean, error = blocked(density, np.ones(len(density)))
    plan = system.plan
    narrow = (plan.far - plan.near) / plan.narrow_bins
    wide = (plan.gap / 2 - plan.far) / plan.wide_bins
    width = np.repeat([plan.near, narrow, wide], [1, plan.narrow_bins, plan.wide_bins])
    edges = np.concatenate([[0], np.cumsum(width)])

    distance = np.linspace(0, plan.gap / 2, 300_001)[1:]
    ratio = (0.714 / (distance + 0.357)) ** 6
    weight = np.exp(-np.where(ratio > 0.5, 4 * (ratio**2 - ratio) + 1, 0))
    inside, _ = np.histogram(distance, edges, weights=weight)
    expected = inside / width / inside.sum() * plan.gap / 2
    z = (mean - expected)[1:] / error[1:]  # the first bin is all but empty
    assert np.sqrt(np.mean(z**2)) < 1.5  # bins share slow modes
    assert mean[20:] == pytest.approx(expected[20:], rel=0.05)


def test_smoothing_keeps_a_parabola():
    x = np.arange(40.0)
    curve = 3 - 0.2 * x + 0.01 * x**2
    np.testing.assert_allclose(smoothed(curve, 7), curve[3:-3], rtol=1e-12)


def test_highest_knows_its_own_scatter():
    """A smooth maximum under noise, 300 times: the error bar is the scatter of the heights."""
    rng = np.random.default_rng(1)
    x = np.linspace(-1, 1, 60)
    true = 1 - 0.5 * x**2
    found = []
    for _ in range(300):
        noisy = true + 0.2 * rng.normal(size=(32, 60))
        found.append(highest(smoothed(noisy, 21), np.ones(32)))
    heights, errors = np.array(found).T
    assert heights.std(ddof=1) / np.sqrt(np.mean(errors**2)) == pytest.approx(1, abs=0.15)
    assert heights.mean() == pytest.approx(1, abs=0.015)


def test_stretches_do_not_change_a_run():
    one, many = replica(7, {"ions": 60}), replica(7, {"ions": 60})
    for system in (one, many):
        forces(system.ions, system.table, system.slit)
    advance(*_arguments(one), 0, 300, 20)
    for first in range(0, 300, 7):
        advance(*_arguments(many), first, min(first + 7, 300), 20)
    for a, b in zip(one.ions, many.ions, strict=True):
        assert (a == b).all()


def _arguments(system):
    return system.ions, system.table, system.slit, system.constants, system.tally
