import numpy as np
import pytest
from cell_cycle_reference import CHANGES, langevin, reactions, slope
from pydantic import ValidationError
from scipy.integrate import solve_ivp

from simulators.cell_cycle import _SPECIES, CellCycle
from simulators.cells.langevin_kinetics import advance, noise
from simulators.cells.myc_e2f import MOLECULES, SPECIES, constants

UNITS = {p.name: p.unit for p in CellCycle.inputs}
NAMES = [name for _, name, _ in _SPECIES]
SILENT = {name: 0.0 for name in UNITS if name[0] != "K"}

BANDS = ((0, 0.05), (0.05, 0.15), (0.15, 100))


def complete(**given):
    return dict(zip(UNITS, CellCycle().complete(given).tolist(), strict=True))


def final(k, *, cells=16, hours=50.0, dt=0.01, sigma=2.0, delta=100.0, seed=1):
    """Concentrations at the end, array (10, cells)."""
    found = []
    for first in range(0, cells, 16):
        state = np.zeros(160, np.float32)
        advance(state, first, constants(k, UNITS, 1.0), noise(dt, sigma, delta, seed), round(hours / dt))
        found.append(state.reshape(10, 16) / MOLECULES)
    return np.concatenate(found, axis=1).astype(float)


def run(seeds=(1,), given=None, **configuration):
    simulator = CellCycle.model_validate(configuration)
    batch = np.stack([simulator.complete(given or {})] * len(seeds))
    return simulator.run(batch, np.array(seeds, dtype=np.uint64))


@pytest.mark.parametrize("seed", range(4))
def test_without_noise_cells_follow_the_rate_equations(seed):
    """Any constants, not only the usual ones; binding is kept slow enough for an explicit step."""
    shares = np.random.default_rng(seed).uniform(0.3, 3.0, len(UNITS))
    usual = complete()
    k = {name: value * share for (name, value), share in zip(usual.items(), shares, strict=True)}
    k["kRE"] /= 20
    exact = solve_ivp(lambda t, x: slope(x, k, 1.0), (0, 30), np.zeros(10), "LSODA", rtol=1e-8, atol=1e-10)
    ours = final(k, hours=30, dt=0.0005, sigma=0, delta=0)
    np.testing.assert_allclose(ours[:, 0], exact.y[:, -1], rtol=2e-3, atol=2e-5)
    np.testing.assert_array_equal(ours, ours[:, :1] * np.ones(16))


def test_one_step_has_the_mean_and_the_covariance_of_its_reactions():
    """Each reaction has a noise of its own, which all the species that it changes feel."""
    k, dt, sigma, delta, cells = complete(), 1e-4, 2.0, 100.0, 16 * 1024
    start = np.array([1.0, 1.2, 0.8, 0.5, 2.0, 0.7, 3.0, 1.5, 0.4, 0.6])
    steps = []
    for first in range(0, cells, 16):
        state = np.repeat(start * MOLECULES, 16).astype(np.float32)
        advance(state, first, constants(k, UNITS, 1.0), noise(dt, sigma, delta, 5), 1)
        steps.append(state.reshape(10, 16) - start[:, None] * MOLECULES)
    change = np.concatenate(steps, axis=1)

    made, lost, exchange = reactions(start[:, None], k, 1.0)
    alone = [sum(m).item() if m else 0.0 for m in made] + np.ravel(lost)
    covariance = np.diag(alone) * MOLECULES * sigma**2 * dt + np.eye(10) * delta**2 * 0.01 * dt
    for j, rate in enumerate(np.ravel(exchange)):
        gains = np.array([CHANGES.get(species, (0,) * 6)[j] for species in range(10)])
        covariance += np.outer(gains, gains) * rate * MOLECULES * sigma**2 * dt
    spread = np.sqrt(np.diag(covariance))
    expected = slope(start, k, 1.0) * MOLECULES * dt
    np.testing.assert_allclose(change.mean(axis=1), expected, atol=5 * spread.max() / cells**0.5)
    np.testing.assert_allclose(
        np.cov(change) / np.outer(spread, spread), covariance / np.outer(spread, spread), atol=0.05
    )


def test_the_noise_has_the_law_of_one_deviate_for_each_reaction():
    """Moments of all species, and what two share, as in a plain simulation of the published scheme."""
    k = complete()
    settings = {"hours": 12.0, "dt": 0.01, "sigma": 2.0, "delta": 100.0}
    theirs, ours = langevin(k, 1.0, cells=1500, seed=3, **settings), final(k, cells=4096, **settings)
    for name, a, b in zip(SPECIES, ours, theirs, strict=True):
        error = np.hypot(a.std() / 64, b.std() / 1500**0.5)
        assert abs(a.mean() - b.mean()) < 4 * error, name
        assert a.std() == pytest.approx(b.std(), rel=0.1), name
    np.testing.assert_allclose(np.corrcoef(ours), np.corrcoef(theirs), atol=0.12)


@pytest.mark.parametrize(("sigma", "delta"), [(1.0, 0.0), (2.0, 0.0), (0.0, 300.0), (1.0, 200.0)])
def test_birth_and_death_have_the_variance_of_poisson(sigma, delta):
    """MYC alone: mean n, variance sigma^2 n, and from outside delta^2 0.01 h / (2 d)."""
    k = complete(**{**SILENT, "kMC": 3.0, "dMC": 1.0})
    myc = final(k, cells=8192, hours=15, sigma=sigma, delta=delta)[0] * MOLECULES
    mean = 3.0 * MOLECULES / (k["KS"] + 1.0)
    variance = (sigma**2 * mean + delta**2 * 0.01 / 2) / (1 - 0.01 / 2)
    assert myc.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 8192))
    assert myc.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 8192))


def test_an_exchange_gives_one_species_what_it_takes_from_another():
    """RB with and without E2F together feel the synthesis of RB alone, whose noise is that of Poisson."""
    k = complete(**{**SILENT, "kRB": 0.9, "kRE": 0.02, "kMC": 1.0, "kb": 0.5, "kEFp": 1.0})
    x = final(k, cells=4096, hours=20, sigma=1, delta=0)
    free, with_e2f = x[4] * MOLECULES, x[7] * MOLECULES
    assert with_e2f.mean() > 0.02 * free.mean()
    made = 0.9 * MOLECULES * 20
    assert (free + with_e2f).mean() == pytest.approx(made, rel=0.01)
    assert (free + with_e2f).var() == pytest.approx(made, rel=0.15)


def test_noise_from_outside_does_not_depend_on_the_time_step():
    k = complete(**{**SILENT, "kMC": 3.0, "dMC": 1.0})
    coarse, fine = (final(k, cells=4096, hours=10, dt=dt, sigma=0)[0].std() for dt in (0.01, 0.002))
    assert coarse == pytest.approx(fine, rel=0.06)


def test_cells_are_told_apart_and_do_not_depend_on_their_number():
    few, many = final(complete(), cells=16, hours=2), final(complete(), cells=64, hours=2)
    np.testing.assert_array_equal(many[:, :16], few)
    assert len(np.unique(many[0])) == 64


def test_outputs_are_those_of_the_cells():
    observations = run(trials=40, hours=3, threshold=0.05)
    x = final(complete(), cells=48, hours=3)[:, :40]
    mean, error = observations.mean, observations.stderr
    for name, cells in zip(NAMES, x, strict=True):
        assert mean[f"{name}_mean"][0] == pytest.approx(cells.mean())
        assert mean[f"{name}_std"][0] == pytest.approx(cells.std(ddof=1))
        assert error[f"{name}_mean"][0] == pytest.approx(cells.std(ddof=1) / 40**0.5)
    assert mean["fraction_on"][0] == np.mean(x[2] > 0.05)
    edges = observations.edges["e2f"][0]
    counts = mean["e2f_density"][0] * np.diff(edges) * 40
    np.testing.assert_allclose(counts, np.histogram(x[2], edges)[0], atol=1e-9)


def test_error_bars_are_the_scatter_of_runs():
    observations = run(seeds=range(60), trials=256, hours=15, serum=0.4)
    for output in ("e2f_mean", "e2f_std", "myc_mean", "myc_std", "fraction_on"):
        scatter = observations.mean[output].std(ddof=1)
        told = np.sqrt(np.mean(observations.stderr[output] ** 2))
        assert 0.7 < scatter / told < 1.4, output


def test_a_switch_has_cells_on_both_sides():
    """Little serum switches some cells on and not others, and hardly one is in between."""
    given = {"kS": 0.0}
    observations = run(trials=512, timestep=0.005, serum=0.23, given=given)
    assert 0.2 < observations.mean["fraction_on"][0] < 0.9
    edges = observations.edges["e2f"][0]
    cells = observations.mean["e2f_density"][0] * np.diff(edges)
    off, between, on = (cells[(edges[:-1] >= a) & (edges[1:] <= b)].sum() for a, b in BANDS)
    assert between < 0.5 * min(off, on)
    weak, strong = (run(trials=128, serum=serum, given=given).mean["fraction_on"][0] for serum in (0.1, 1.0))
    assert weak < 0.05
    assert strong > 0.95


def test_a_time_step_longer_than_the_run_is_refused():
    with pytest.raises(ValidationError, match="longer than hours"):
        CellCycle(hours=0.01, timestep=0.02)
