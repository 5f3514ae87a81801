"""The slit electrolyte as its users see it: inputs, refusals, batches, averages, published densities."""

import numpy as np
import pytest
from pydantic import ValidationError
from slit_reference import BULK, run, values

from simulators.contract import InvalidInputError
from simulators.md.slit import composition as composing
from simulators.slit_electrolyte import SlitElectrolyte

QUICK = {"ions": 60, "steps": 2_000}


def averages(observations, index=0):
    width = np.diff(observations.edges["z"][index])
    return {
        name: (observations.mean[name][index] * width).sum() / width.sum()
        for name in ("density_cation", "density_anion")
    }


@pytest.mark.parametrize(
    ("inputs", "cations"),
    [
        ({"cation_valency": 1}, 0.5),
        ({"cation_valency": 2}, 0.25),
        ({"cation_valency": 2, "anion_valency": -3}, 0.75),
        ({"cation_valency": 1, "surface_charge": -0.02}, 0.5 + 0.4 / 0.602214076 * 0.6241509074 / 3),
        ({"cation_valency": 1, "surface_charge": 0.02}, 0.5 - 0.4 / 0.602214076 * 0.6241509074 / 3),
    ],
)
def test_averages_are_exact(inputs, cations):
    got = averages(run([1], {"ions": 200, "steps": 400}, **{**BULK, **inputs}))
    assert got["density_anion"] == pytest.approx(0.5, rel=1e-12)
    assert got["density_cation"] == pytest.approx(cations, rel=1e-9)


@pytest.mark.parametrize("charge", [0.0, -0.02, 0.02, -0.05])
@pytest.mark.parametrize("valencies", [(1, -1), (2, -1), (3, -2), (1, -3)])
def test_slits_are_neutral(charge, valencies):
    simulator = SlitElectrolyte(ions=400)
    inputs = {**BULK, "cation_valency": valencies[0], "anion_valency": valencies[1]}
    slit = simulator.composition(values(simulator, **inputs, surface_charge=charge))
    wall = 2 * slit.surface_charge * composing.ELEMENTARY * slit.side**2
    assert slit.cations * valencies[0] + slit.anions * valencies[1] + wall == pytest.approx(0, abs=1e-6)
    assert slit.anions / (0.602214076 * slit.side**2 * 3) == pytest.approx(0.5, rel=1e-12)
    assert slit.surface_charge == pytest.approx(charge, rel=2e-3)
    assert abs(slit.cations + slit.anions - 400) <= 0.06 * 400


@pytest.mark.parametrize(
    ("asked", "valency", "got"), [(212, 2, 213), (424, 1, 424), (424, 3, 424), (10, 1, 10)]
)
def test_ions_are_rounded_to_the_nearest_neutral_number(asked, valency, got):
    slit = composing.compose(
        gap=3, cation_valency=valency, anion_valency=-1, concentration=0.5, surface_charge=0, ions=asked
    )
    assert slit.cations + slit.anions == got


def test_counterions_alone_neutralise_the_walls():
    observations = run([1], QUICK, **{**BULK, "concentration": 0, "surface_charge": -0.03})
    assert observations.used["anions"][0] == 0
    assert (observations.mean["density_anion"] == 0).all()
    expected = 2 * 0.03 * composing.WALL_IONS / 3
    assert averages(observations)["density_cation"] == pytest.approx(expected, rel=1e-9)


def test_what_was_never_seen_has_the_error_of_one_ion():
    observations = run([1], QUICK, **{**BULK, "concentration": 0, "surface_charge": -0.03})
    looks = 1 / observations.stderr["density_anion"][0] / np.diff(observations.edges["z"][0])
    looks /= 2 * composing.AVOGADRO * observations.used["side"][0] ** 2
    assert looks == pytest.approx(looks[0])
    assert looks[0] == pytest.approx(round(looks[0]))
    assert 32 <= looks[0] <= QUICK["steps"]
    # So near the wall there is no cation either.
    assert observations.mean["density_cation"][0, -1] == 0
    errors = (observations.stderr[f"density_{ion}"][0, -1] for ion in ("cation", "anion"))
    np.testing.assert_allclose(*errors, rtol=0.1)  # cations are corrected to the exact average


def test_bins_lie_where_the_coordinate_says():
    (coordinate,) = SlitElectrolyte.coordinates
    edges = run([1], QUICK, **{**BULK, "gap": 3.2}).edges["z"][0]
    assert len(edges) == coordinate.size + 1
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(1.6)
    assert (np.diff(edges) > 0).all()
    assert np.diff(edges)[-2] == pytest.approx(0.02 * 0.714)
    assert 1.6 - edges[-2] == pytest.approx(0.39 * 0.714)


def test_batches_threads_and_order_change_no_bit():
    seeds = [3, 4, 5, 2**63 + 1]
    together = run(seeds, QUICK, threads=2)
    for observations, order in (
        (run(seeds, QUICK), slice(None)),
        (run(seeds[::-1], QUICK, threads=2), slice(None, None, -1)),
        (run(seeds[2:3], QUICK), slice(2, 3)),
    ):
        for name, mean in together.mean.items():
            assert np.array_equal(mean[order], observations.mean[name])
            assert np.array_equal(together.stderr[name][order], observations.stderr[name])
    assert len(set(together.mean["mid_density"])) == len(seeds)


def test_a_replica_that_explodes_fails_alone():
    simulator = SlitElectrolyte(ions=60, steps=2_000, timestep=0.02)
    mild = simulator.complete({**BULK, "diameter": 0.7, "concentration": 0.3})
    harsh = simulator.complete(
        {**BULK, "cation_valency": 3, "anion_valency": -3, "diameter": 0.1, "gap": 1.6}
    )
    batch, seeds = np.array([mild, harsh, mild]), np.array([1, 2, 3], dtype=np.uint64)
    observations = simulator.run(batch, seeds, threads=2)
    assert list(observations.failures) == [1]
    failure = observations.failures[1]
    assert failure.reason in {"not finite", "outside the walls", "overlap"}
    assert "timestep = 0.02 tau" in failure.message
    assert "at step" in failure.message
    assert "accepted: below about 0.01 tau" in failure.message
    assert np.isnan(observations.mean["density_cation"][1]).all()
    for name in ("mid_density", "density_cation"):
        assert np.isfinite(observations.mean[name][[0, 2]]).all()
        assert np.array_equal(observations.mean[name][:1], simulator.run(batch[:1], seeds[:1]).mean[name])


def test_progress_ends_at_one_and_never_falls():
    seen: list[float] = []
    simulator = SlitElectrolyte(ions=200, steps=8_000)
    simulator.run(np.array([simulator.complete(BULK)] * 2), np.array([1, 2], np.uint64), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 4


@pytest.mark.parametrize(
    ("inputs", "name", "accepted"),
    [
        ({"gap": 1.0}, "gap", "above 1.57 nm"),
        ({"concentration": 0}, "concentration", "above 0, or walls with a negative surface_charge"),
        ({"concentration": 0, "surface_charge": 0.02}, "concentration", "negative surface_charge"),
        ({"concentration": 0.1, "surface_charge": 0.1}, "surface_charge", "a concentration above 0.69"),
        ({"surface_charge": 1e-5}, "surface_charge", "ions of at least"),
        ({"concentration": 4.0}, "concentration", "below about"),
        ({"cation_valency": 1.5}, "cation_valency", "whole numbers"),
        ({"anion_valency": 1}, "anion_valency", "-3 to -1"),
        ({"ion_diameter": 1}, "ion_diameter", "cation_diameter"),
    ],
)
def test_refuses_what_cannot_be_simulated(inputs, name, accepted):
    with pytest.raises(InvalidInputError) as caught:
        SlitElectrolyte().complete({**BULK, **inputs})
    assert caught.value.name == name
    assert accepted in caught.value.accepted


def test_a_number_of_ions_that_is_named_as_enough_is_enough():
    def attempt(ions, **inputs):
        SlitElectrolyte(ions=ions).complete({**BULK, **inputs})

    for inputs in ({"gap": 8.0, "concentration": 0.9}, {"surface_charge": 5e-4}):
        with pytest.raises(InvalidInputError) as caught:
            attempt(30, **inputs)
        enough = int(caught.value.accepted.split("at least ")[1].split(",")[0])
        attempt(enough, **inputs)


def test_diameters_default_to_each_other():
    simulator = SlitElectrolyte()
    inputs = {key: value for key, value in BULK.items() if key != "diameter"}
    assert values(simulator, **inputs, cation_diameter=0.5)["anion_diameter"] == 0.5
    assert values(simulator, **inputs, diameter=0.6, anion_diameter=0.4)["cation_diameter"] == 0.6
    with pytest.raises(InvalidInputError, match="diameter"):
        simulator.complete(inputs)


@pytest.mark.parametrize(
    "wrong", [{"timestep": 0}, {"timestep": 1}, {"steps": 10}, {"wall": "soft"}, {"ions": 1}]
)
def test_refuses_wrong_settings(wrong):
    with pytest.raises(ValidationError):
        SlitElectrolyte.model_validate(wrong)


def test_published_densities_of_a_monovalent_salt():
    observations = run([1], {"ions": 100, "steps": 100_000})
    for name, published in (("contact_density", 0.401), ("peak_density", 0.942), ("mid_density", 0.606)):
        assert observations.mean[name][0] == pytest.approx(published, rel=0.1)
        assert 0 < observations.stderr[name][0] < 0.05 * published


def test_the_two_walls_differ_as_published():
    peaks = [
        run([1], {"ions": 100, "steps": 100_000, "wall": wall}).mean["density_cation"][0]
        for wall in ("dummy", "current")
    ]
    edges = run([1], QUICK).edges["z"][0]
    heights = [1.5 - (edges[p.argmax()] + edges[p.argmax() + 1]) / 2 for p in peaks]
    assert heights[0] == pytest.approx(0.441, abs=0.03)
    assert heights[1] == pytest.approx(0.411, abs=0.03)
    assert heights[1] < heights[0]
