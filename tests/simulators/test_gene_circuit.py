import numpy as np
import pytest
from gene_circuit_reference import groups, solve
from pydantic import ValidationError
from scipy.special import j0, jn_zeros

from simulators.cells.colony import RADIUS, advance, circuit, colony
from simulators.cells.rings import rings
from simulators.gene_circuit import GeneCircuit

GIVEN = {
    "g4": 5.0,
    "alpha": 2.0,
    "beta": 900.0,
    "Kphi": 4.0,
    "n": 2.0,
    "ac": 1.0,
    "aT": 3000.0,
    "aL": 4000.0,
    "KC": 0.0025,
    "KT": 2500.0,
    "KP": 2500.0,
    "dA": 0.3,
    "R": 1.0,
}
OTHERS = [
    {},
    {"ac": 0.3, "KC": 0.005, "R": 2.2},
    {"ac": 4.0, "KC": 0.002, "n": 0.5, "KT": 400.0, "g4": 9.0},
    {"beta": 100.0, "aT": 7000.0, "Kphi": 9.0, "n": 4.5},
]


def grown(given, points, timestep, duration, stable=False):
    groups_ = circuit(**given)
    state = colony(groups_, points, timestep, stable)
    advance(state, groups_, 0, round(duration / timestep))
    return state


def run(inputs, **configuration):
    simulator = GeneCircuit.model_validate(configuration)
    batch = np.stack([simulator.complete({**GIVEN, **given}) for given in inputs])
    return simulator.run(batch, np.arange(len(inputs), dtype=np.uint64))


@pytest.mark.parametrize("changed", OTHERS)
def test_fields_are_those_of_an_explicit_solution(changed):
    given = {**GIVEN, **changed}
    fields, pools = solve(given, 501, 0.01, 25)
    state = grown(given, 501, 0.0025, 25)
    np.testing.assert_allclose(state.pools, pools, rtol=2e-3, atol=5e-4)
    for name, ours, theirs in zip("CLTPF", state.fields, fields, strict=True):
        assert np.abs(ours - theirs).max() < 4e-3 * np.abs(theirs).max(), name


def test_cells_that_do_not_grow_diffuse_like_heat():
    """A Gaussian on a plane keeps its shape: its square width grows by 4 D t."""
    groups_ = circuit(**GIVEN)._replace(nutrient_half=1e30)
    points, time = 2001, 20.0
    state = colony(groups_, points, 0.01, False)
    advance(state, groups_, 0, round(time / 0.01))
    # As published, differences are divided by L / N though the points lie L / (N - 1) apart.
    coefficient = groups_.motility * (points / (points - 1)) ** 2
    start = 0.005 * (RADIUS / np.pi) ** 2
    width = start + 4 * coefficient * time
    expected = 0.2 * start / width * np.exp(-(state.radius**2) / width)
    np.testing.assert_allclose(state.fields[0], expected, atol=2e-4 * 0.2)


def test_diffusion_knows_the_modes_of_a_disc_without_flux():
    """Bessel functions that are flat at the rim are its eigenfunctions."""
    points = 2001
    groups_ = circuit(**GIVEN)
    state = colony(groups_, points, 0.01, False)
    wave = jn_zeros(1, 3)[-1] / RADIUS
    mode = j0(wave * state.radius)
    before, after = np.roll(mode, 1), np.roll(mode, -1)
    applied = (state.below * before + state.middle * mode + state.above * after - mode) / 0.005
    spacings = (points / (points - 1)) ** 2
    np.testing.assert_allclose(applied, -groups_.motility * spacings * wave**2 * mode, atol=1e-3 * wave**2)


@pytest.mark.parametrize("changed", OTHERS)
def test_cells_are_made_of_nutrient(changed):
    """Nutrient + G3 x cells is constant: diffusion moves cells, division takes nutrient."""
    given = {**GIVEN, **changed}
    start, end = grown(given, 2001, 0.01, 0), grown(given, 2001, 0.01, 40)
    weight = 2 * np.pi * start.radius * (start.radius[1] - start.radius[0])
    made = circuit(**given).uptake * np.sum(weight * (end.fields[0] - start.fields[0]))
    assert made > 0.001
    assert start.pools[0] - end.pools[0] == pytest.approx(made, rel=1e-3)


@pytest.mark.parametrize("stable", [False, True])
def test_binding_is_in_equilibrium_after_a_step(stable):
    G = groups(GIVEN)
    _, L, T, P, _ = grown(GIVEN, 501, 0.01, 60, stable).fields
    bound = 1e-3 * P.max() < P
    np.testing.assert_allclose((L * G["G10"] * T)[bound], (G["G11"] * G["G12"] * P)[bound], rtol=1e-7)


def test_both_equilibria_agree_where_nothing_is_lost_to_rounding():
    published, stable = (grown(GIVEN, 501, 0.01, 20, stable).fields for stable in (False, True))
    np.testing.assert_allclose(published, stable, atol=1e-6 * np.abs(stable).max(axis=1).min())
    assert not np.array_equal(published, stable)


def test_converges_with_the_time_step():
    finest = run([{}], points=501, timestep=0.01 / 4).mean
    errors = [
        np.abs(run([{}], points=501, timestep=0.01 / parts).mean["profile"] - finest["profile"]).max()
        for parts in (1, 2)
    ]
    assert errors[1] < 0.7 * errors[0] < 0.007


def test_converges_with_the_grid():
    coarse, middle, fine = (run([{}], points=points).mean for points in (501, 1001, 2001))
    near, far = (np.abs(grid["profile"] - fine["profile"]).max() for grid in (middle, coarse))
    assert near < 0.6 * far < 0.06
    assert abs(middle["log_peak"][0] - fine["log_peak"][0]) < 0.01


def test_outputs_are_those_of_the_final_fields():
    observations = run([{}], points=501)
    state = grown(GIVEN, 501, 0.01, 150)
    reporter = state.fields[0] * state.fields[4]
    assert np.exp(observations.mean["log_peak"][0]) == pytest.approx(reporter.max())
    np.testing.assert_allclose(observations.mean["profile"][0], reporter / reporter.max())
    for errors in observations.stderr.values():
        assert not errors.any()


def hump(at, width=4.0, height=1.0):
    r = np.arange(501) * 0.16
    return height * np.exp(-(((r - at) / width) ** 2))


@pytest.mark.parametrize(
    ("profile", "number"),
    [
        (hump(0), 1),
        (hump(20), 2),
        (hump(20) + hump(0), 3),
        (hump(20) + hump(40), 4),
        (hump(2, 1.5), 1),  # a ring narrower than 50 points across is a disc
        (hump(20) + hump(40, height=0.05), 2),  # not prominent
    ],
)
def test_rings_are_peaks_along_a_diameter(profile, number):
    assert rings(profile / profile.max()) == number


def test_a_colony_that_runs_away_fails_alone():
    steep = {
        "ac": 0.2,
        "KT": 50.0,
        "aT": 8000.0,
        "aL": 90.0,
        "KC": 0.005,
        "g4": 10.0,
        "beta": 2000.0,
        "R": 3.0,
    }
    together, alone = run([{}, steep, {}], points=501), run([{}], points=501)
    assert list(together.failures) == [1]
    failure = together.failures[1]
    assert failure.reason == "negative concentration"
    assert "T7 RNA polymerase = -" in failure.message
    assert "and time " in failure.message
    assert np.isnan(together.mean["profile"][1]).all()
    assert np.isnan(together.stderr["log_peak"][1])
    np.testing.assert_array_equal(together.mean["profile"][[0, 2]], alone.mean["profile"][[0, 0]])


def test_leaves_the_arithmetic_of_the_thread_as_it_was():
    smallest = np.array([5e-324])
    grown(GIVEN, 501, 0.01, 0.1)
    assert (smallest * 1.0)[0] > 0


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"points": 2000}, "accepted: 2001"),
        ({"timestep": 0.003}, "accepted: 0.0025"),
    ],
)
def test_refuses_grids_and_steps_that_do_not_fit(configuration, words):
    with pytest.raises(ValidationError, match=words):
        GeneCircuit.model_validate(configuration)
