"""The slit against published densities, Poisson-Boltzmann theory and its own error bars; minutes."""

import numpy as np
import pytest
from scipy.optimize import brentq

from simulators.md.slit.replica import Replica
from simulators.md.units import AVOGADRO, BJERRUM, ELEMENTARY
from simulators.slit_electrolyte import SlitElectrolyte

pytestmark = pytest.mark.validate


def run(seeds, configuration, **inputs):
    simulator = SlitElectrolyte.model_validate(configuration)
    batch = np.tile(simulator.complete(inputs), (len(seeds), 1))
    observations = simulator.run(batch, np.array(seeds, dtype=np.uint64), threads=2)
    assert observations.failures == {}
    return observations


@pytest.mark.parametrize(
    ("valency", "concentration", "contact", "peak", "mid"),
    [
        (1, 0.5, 0.401, 0.942, 0.606),
        (1, 0.3, 0.190, 0.480, 0.377),
        (2, 0.5, 0.151, 0.383, 0.322),
        (3, 0.5, 0.076, 0.240, 0.239),
    ],
)
def test_published_densities(valency, concentration, contact, peak, mid):
    """The published network of nanoconfinement-md, evaluated at four of its configurations."""
    inputs = {"gap": 3, "cation_valency": valency, "concentration": concentration, "diameter": 0.714}
    mean = run([1], {"steps": 200_000}, **inputs).mean
    assert mean["contact_density"][0] == pytest.approx(contact, rel=0.06)
    assert mean["peak_density"][0] == pytest.approx(peak, rel=0.04)
    assert mean["mid_density"][0] == pytest.approx(mid, rel=0.04)


# Correlations, which the theory leaves out, take 4.5 % at the stronger charge (coupling l_B / b = 1).
@pytest.mark.parametrize(("charge", "tolerance"), [(0.01, 0.04), (0.02, 0.04), (0.05, 0.06)])
def test_counterions_follow_poisson_and_boltzmann(charge, tolerance):
    """``K tan(K h' / 2) = 2 pi l_B s``, ``rho_mid = K^2 / (2 pi l_B)``; images counted twice: -25 %."""
    inputs = {"gap": 4, "cation_valency": 1, "concentration": 0, "diameter": 0.3, "surface_charge": -charge}
    observations = run([1, 2], {"steps": 800_000, "timestep": 0.01, "ions": 212}, **inputs)
    accessible = 4 - 0.3
    slope = 2 * np.pi * BJERRUM * charge * ELEMENTARY
    k = brentq(lambda k: k * np.tan(k * accessible / 2) - slope, 1e-6, np.pi / accessible - 1e-9)
    expected = k**2 / (2 * np.pi * BJERRUM) / AVOGADRO
    assert observations.mean["mid_density"].mean() == pytest.approx(expected, rel=tolerance)


@pytest.fixture(scope="module")
def repeated():
    inputs = {"gap": 3, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}
    return run(range(100, 164), {"ions": 100, "steps": 100_000}, **inputs)


@pytest.mark.parametrize(
    "name", ["contact_density", "mid_density", "peak_density", "density_cation", "density_anion"]
)
def test_error_bars_are_the_scatter_of_repeated_runs(repeated, name):
    values, errors = repeated.mean[name], repeated.stderr[name]
    if values.ndim == 2:  # the bins where ions are seen more often than now and then
        often = values.mean(axis=0) > 0.1
        values, errors = values[:, often], errors[:, often]
    n = len(values)
    z = (values - values.mean(axis=0)) / errors * np.sqrt(n / (n - 1))
    # A single number seen 64 times has its own scatter of 9 %.
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.1 if values.ndim == 2 else 0.25)


def test_mirror_bins_differ_by_their_error_bars():
    simulator = SlitElectrolyte(ions=100, steps=100_000)
    row = simulator.complete({"gap": 3, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714})
    inputs = dict(zip([p.name for p in simulator.inputs], row.tolist(), strict=True))
    z = []
    for seed in range(16):
        replica = Replica(simulator._plan(inputs), seed)
        assert replica.run(lambda fraction: None) is None
        for density in replica.densities():
            often = density.mean(axis=(0, 1)) > 0.1
            difference = density[:, 0, often] - density[:, 1, often]
            z.extend(difference.mean(axis=0) / (difference.std(axis=0, ddof=1) / np.sqrt(len(difference))))
    assert np.sqrt(np.mean(np.square(z))) == pytest.approx(1, abs=0.1)


def test_averages_do_not_depend_on_the_timestep():
    inputs = {"gap": 3, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}
    fine, coarse = (
        run([1, 2], {"ions": 100, "steps": round(10_000 / dt), "timestep": dt}, **inputs)
        for dt in (0.005, 0.01)
    )
    for name in ("contact_density", "peak_density", "mid_density"):
        difference = fine.mean[name].mean() - coarse.mean[name].mean()
        error = np.sqrt((fine.stderr[name] ** 2 + coarse.stderr[name] ** 2).sum()) / 2
        assert abs(difference) < 4 * error
        assert error < 0.006 * fine.mean[name].mean()
