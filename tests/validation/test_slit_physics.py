"""The slit against published densities, Poisson-Boltzmann theory and its own error bars; minutes."""

import gsd.hoomd
import numpy as np
import pytest
from scipy.optimize import brentq

from simulators import Keep
from simulators.md.laws.ions import wall_force
from simulators.md.slit.replica import Replica
from simulators.md.slit.sheet import sheet_force
from simulators.md.units import AVOGADRO, BJERRUM, ELEMENTARY
from simulators.slit_electrolyte import SlitElectrolyte

pytestmark = pytest.mark.validate

SECTION = "Ions in a slit"
NETWORK = "nanoconfinement-md, published network"


def run(seeds, configuration, keep=None, **inputs):
    simulator = SlitElectrolyte.model_validate(configuration)
    batch = np.tile(simulator.complete(inputs), (len(seeds), 1))
    observations = simulator.run(batch, np.array(seeds, dtype=np.uint64), threads=2, keep=keep)
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
def test_published_densities(finding, valency, concentration, contact, peak, mid):
    """The published network of nanoconfinement-md, evaluated at four of its configurations."""
    inputs = {"gap": 3, "cation_valency": valency, "concentration": concentration, "diameter": 0.714}
    found = run([1], {"steps": 200_000}, **inputs)
    for name, source, share in (("contact", contact, 0.06), ("peak", peak, 0.04), ("mid", mid, 0.04)):
        ours, error = (part[f"{name}_density"][0] for part in (found.mean, found.stderr))
        what = f"{name} density, cations of valency {valency}, {concentration} mol/L of anions, 3 nm"
        finding(SECTION, what, ours, source, NETWORK, tolerance=share * source, error=error)


@pytest.mark.parametrize(("concentration", "length"), [(0.1, 0.9620), (0.5, 0.4302), (1.0, 0.3042)])
def test_debye_length(finding, concentration, length):
    ours = 1 / np.sqrt(8 * np.pi * BJERRUM * concentration * AVOGADRO)
    what = f"Debye length of a 1:1 salt of {concentration} mol/L in our units, nm"
    finding(SECTION, what, ours, length, "1 / sqrt(8 pi l_B c)", tolerance=1e-4)


@pytest.mark.parametrize(("charge", "length"), [(0.01, 3.571), (0.02, 1.786), (0.05, 0.714)])
def test_gouy_chapman_length(finding, charge, length):
    ours = 1 / (2 * np.pi * BJERRUM * charge * ELEMENTARY)
    what = f"Gouy-Chapman length of {charge} C/m^2 in our units, nm"
    finding(SECTION, what, ours, length, "1 / (2 pi l_B s)", tolerance=1e-3)


def test_sheet_with_a_hole_against_a_lattice_of_images(finding):
    """Nearest image and charged sheet against the plain sum over all images, side 10, l_B = 1."""
    for (dx, dy, dz), direct in (((0.3, 0.2, 3.0), 0.13400), ((2, 1, 6), 0.06631), ((0, 0, 20), 0.062833)):
        ours = dz / (dx**2 + dy**2 + dz**2) ** 1.5 + sheet_force(np.array(dz), 10.0, 1.0)
        what = f"force between unit charges {dx}, {dy}, {dz} apart in a slab of side 10"
        finding(SECTION, what, ours, direct, "lattice sum", tolerance=0.045 * direct)


# Correlations, which the theory leaves out, take 4.5 % at the stronger charge (coupling l_B / b = 1).
@pytest.mark.parametrize(("charge", "tolerance"), [(0.01, 0.04), (0.02, 0.04), (0.05, 0.06)])
def test_counterions_follow_poisson_and_boltzmann(finding, tmp_path, charge, tolerance):
    """``K tan(K h' / 2) = 2 pi l_B s``, ``rho_mid = K^2 / (2 pi l_B)``; images counted twice: -25 %."""
    inputs = {"gap": 4, "cation_valency": 1, "concentration": 0, "diameter": 0.3, "surface_charge": -charge}
    keep = Keep(tmp_path, ("a", "b"), frames=50)
    observations = run([1, 2], {"steps": 800_000, "timestep": 0.01, "ions": 212}, keep=keep, **inputs)
    accessible = 4 - 0.3
    slope = 2 * np.pi * BJERRUM * charge * ELEMENTARY
    k = brentq(lambda k: k * np.tan(k * accessible / 2) - slope, 1e-6, np.pi / accessible - 1e-9)
    expected = k**2 / (2 * np.pi * BJERRUM) / AVOGADRO
    ours, error = observations.mean["mid_density"], observations.stderr["mid_density"]
    what = f"mid density, counterions alone, walls of {charge} C/m^2, mol/L"
    theory = "Poisson-Boltzmann (no correlations)"
    finding(
        SECTION,
        what,
        ours.mean(),
        expected,
        theory,
        tolerance=tolerance * expected,
        error=np.hypot(*error) / 2,
    )
    # The contact theorem: a wall is pushed by what the mid-plane carries and by the field at the wall.
    pressure = expected * AVOGADRO + 2 * np.pi * BJERRUM * (charge * ELEMENTARY) ** 2
    lower, upper = wall_pressures(tmp_path, observations.used["side"])
    both = np.concatenate([lower, upper])
    error = both.std(ddof=1) / np.sqrt(both.size)
    what = f"pressure on walls of {charge} C/m^2, kT/nm^3"
    cite = "contact theorem on " + theory
    finding(SECTION, what, both.mean(), pressure, cite, tolerance=0.04 * pressure, error=error)
    what = f"pressure on the lower over the upper wall, {charge} C/m^2"
    ratio = lower.mean() / upper.mean()
    finding(SECTION, what, ratio, 1, "symmetry", tolerance=0.02, error=error * 2 / both.mean())


def wall_pressures(folder, sides, gap=4.0, diameter=0.3):
    """Block averages of the force of ions on each wall over its area, kT/nm^3, two arrays."""
    blocks = []
    for name, side in zip("ab", sides, strict=True):
        with gsd.hoomd.open(folder / f"{name}.gsd") as frames:
            z = np.array([frame.particles.position[:, 2] for frame in frames[len(frames) // 10 :]]) / diameter
        for sign in (1, -1):
            force = wall_force(gap / 2 / diameter + sign * z + 0.5, 1.0).sum(axis=1) / diameter / side**2
            blocks.append([part.mean() for part in np.array_split(force, 20)])
    lower_a, upper_a, lower_b, upper_b = np.array(blocks)
    return np.concatenate([lower_a, lower_b]), np.concatenate([upper_a, upper_b])


@pytest.fixture(scope="module")
def repeated():
    inputs = {"gap": 3, "cation_valency": 1, "concentration": 0.5, "diameter": 0.714}
    return run(range(100, 164), {"ions": 100, "steps": 100_000}, **inputs)


@pytest.mark.parametrize(
    "name", ["contact_density", "mid_density", "peak_density", "density_cation", "density_anion"]
)
def test_error_bars_are_the_scatter_of_repeated_runs(finding, repeated, name):
    values, errors = repeated.mean[name], repeated.stderr[name]
    if values.ndim == 2:  # the bins where ions are seen more often than now and then
        often = values.mean(axis=0) > 0.1
        values, errors = values[:, often], errors[:, often]
    n = len(values)
    z = (values - values.mean(axis=0)) / errors * np.sqrt(n / (n - 1))
    # A single number seen 64 times has its own scatter of 9 %.
    what, tolerance = f"scatter of {name} over 64 runs in its error bars", 0.1 if values.ndim == 2 else 0.25
    finding(SECTION, what, np.sqrt(np.mean(z**2)), 1, "blocks", tolerance=tolerance)


def test_mirror_bins_differ_by_their_error_bars(finding):
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
    what = "difference of mirror bins in their error bars, rms"
    finding(SECTION, what, np.sqrt(np.mean(np.square(z))), 1, "symmetry", tolerance=0.1)


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
