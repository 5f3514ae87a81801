"""The gene circuit against published profiles and an explicit solution, the cell cycle against equations."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from simulators.cell_cycle import CellCycle
from simulators.gene_circuit import GeneCircuit

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from cell_cycle_reference import langevin, slope
from gene_circuit_reference import solve

pytestmark = pytest.mark.validate

COLONY, CYCLE = "Gene circuit", "Cell cycle"
PAPER = "Wang et al., Nat. Commun. 10, 4354 (2019)"
MAXIMA = np.array([10, 5, 2000, 10, 5, 5, 8000, 9000, 0.005, 5000, 5000, 2, 3])


def colonies(inputs, **configuration):
    simulator = GeneCircuit.model_validate(configuration)
    # Published inputs are rounded, some of them to just outside their ranges.
    rows = np.clip(inputs, [p.low for p in simulator.inputs], [p.high for p in simulator.inputs])
    return simulator.run(rows, np.zeros(len(rows), np.uint64), threads=2)


def likeness(profile, other):
    """R2 of each profile, arrays (rows, points)."""
    spread = ((other - other.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return 1 - ((profile - other) ** 2).sum(axis=1) / spread


@pytest.fixture(scope="module")
def published(request):
    path = request.config.getoption("--gene-circuit-data")
    if path is None:
        pytest.skip("--gene-circuit-data PATH names the published rows")
    return np.loadtxt(path, delimiter=",", skiprows=1)


def test_published_profiles(published, finding):
    observations = colonies(published[:, :13] * MAXIMA)
    profile = likeness(observations.mean["profile"], published[:, 13:514])
    peak = np.abs(observations.mean["log_peak"] - published[:, 514])
    rows = len(published)
    same = np.count_nonzero((profile > 0.99) & (peak < 0.02))
    rings = np.count_nonzero(observations.mean["rings"] == published[:, 515])
    finding(COLONY, "median difference of log_peak", np.median(peak), 0.0, PAPER, tolerance=0.002)
    finding(
        COLONY,
        f"rows of {rows} with R2 > 0.99 and log_peak within 0.02",
        same,
        rows,
        PAPER,
        tolerance=0.1 * rows,
    )
    finding(
        COLONY, f"rows of {rows} with the same number of rings", rings, rows, PAPER, tolerance=0.05 * rows
    )


def test_whole_experiment_against_an_explicit_solution(finding):
    given = {"g4": 5, "alpha": 2, "beta": 900, "Kphi": 4, "n": 2, "ac": 1, "aT": 3000, "aL": 4000}
    given |= {"KC": 0.0025, "KT": 2500, "KP": 2500, "dA": 0.3, "R": 1}
    fields, _ = solve(given, 501, 0.01, 150)
    reporter = fields[0] * fields[4]
    observations = colonies([list(given.values())], points=501)
    R2 = likeness(observations.mean["profile"], reporter[None] / reporter.max())[0]
    source = "explicit solution, same grid"
    finding(COLONY, "R2 of a profile, 501 points", R2, 1.0, source, tolerance=1e-4)
    peak = observations.mean["log_peak"][0]
    finding(COLONY, "log_peak, 501 points", peak, np.log(reporter.max()), source, tolerance=0.005)


def cells(seed=1, **configuration):
    simulator = CellCycle.model_validate(configuration)
    return simulator.run(simulator.complete({})[None], np.array([seed], np.uint64))


USUAL = {p.name: p.default for p in CellCycle.inputs}


def test_cells_without_noise(finding):
    exact = solve_ivp(
        lambda t, x: slope(x, USUAL, 1.0), (0, 50), np.zeros(10), "LSODA", rtol=1e-9, atol=1e-11
    )
    mean = cells(trials=16, sigma=0, delta=0, timestep=0.0005).mean
    for name, value in zip(("myc", "e2f", "cyclin_e", "rb_e2f"), exact.y[[0, 2, 5, 7], -1], strict=True):
        finding(
            CYCLE,
            f"{name} without noise, uM",
            mean[f"{name}_mean"][0],
            value,
            "LSODA",
            tolerance=2e-3 * value,
        )


@pytest.mark.parametrize("moment", ["mean", "std"])
def test_cells_with_the_published_noise_and_step(finding, moment):
    theirs = langevin(USUAL, 1.0, cells=1000, hours=50, dt=0.01, sigma=2, delta=100, seed=4)
    observations = cells(trials=8192)
    for name, x in zip(("e2f", "cyclin_e", "rb_phosphorylated"), theirs[[2, 5, 6]], strict=True):
        ours, error = (
            float(table[f"{name}_{moment}"][0]) for table in (observations.mean, observations.stderr)
        )
        value = x.mean() if moment == "mean" else x.std(ddof=1)
        spread = x.std() / np.sqrt(1000 if moment == "mean" else 2000)
        finding(
            CYCLE,
            f"{moment} of {name}, step 0.01 h, uM",
            ours,
            value,
            "published scheme in numpy",
            tolerance=4 * np.hypot(error, spread),
            error=error,
        )


def test_cells_converge_with_the_time_step(finding):
    fine, finer = cells(timestep=0.0005, trials=2048), cells(timestep=0.00025, trials=2048, seed=2)
    for output in ("e2f_mean", "e2f_std", "rb_phosphorylated_mean"):
        ours, error = float(fine.mean[output][0]), float(fine.stderr[output][0])
        tolerance = 4 * np.hypot(error, finer.stderr[output][0]) + 0.02 * ours
        finding(
            CYCLE,
            f"{output}, step 0.0005 h, uM",
            ours,
            float(finer.mean[output][0]),
            "half the step",
            tolerance=tolerance,
            error=error,
        )
