"""The Lennard-Jones fluid: laws, lists, forces, dynamics and counts, each against something simpler."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from simulators import InvalidInputError
from simulators.batch.trajectories import read_frame
from simulators.contract import Frame, Keep
from simulators.lennard_jones import LennardJones
from simulators.md.fluid.placing import lattice
from simulators.md.fluid.replica import INNER_SKIN, Replica
from simulators.md.fluid.run import Limits, advance, kick_rows
from simulators.md.fluid.state import ENERGY, FORCE, VIRIAL, by_number, set_column
from simulators.md.laws import lennard_jones as law
from simulators.md.statistics import BLOCKS

TRUNCATIONS = ("cut", "shifted", "shifted_force")
LIQUID = {"density": 0.8, "temperature": 1.0}


def replica(seed=1, inputs=LIQUID, **configuration):
    simulator = LennardJones.model_validate({"steps": 1300, **configuration})
    row = simulator.complete(inputs)
    return Replica(simulator.plan(dict(zip(("density", "temperature"), row, strict=True))), seed)


def energy(r, end):
    if end.slope:
        return law.energy_shifted_force(r, 1 / r, end.shift, end.slope)
    return law.energy(r**-2, end.shift)


def force(r, end):
    """-u'(r) / r."""
    return law.force_shifted_force(1 / r, end.slope) if end.slope else law.force(r**-2)


def separations(position, side):
    """Of all nearest images, array (particles, particles, 3), and their lengths; nobody is near itself."""
    difference = position[:, None] - position[None]
    difference -= side * np.rint(difference / side)
    r = np.sqrt((difference**2).sum(axis=2))
    np.fill_diagonal(r, 1e9)
    return difference, r


def brute(position, side, end):
    """Forces, energy, virial and pairs of all nearest images in float64."""
    difference, r = separations(position, side)
    within = r < end.cutoff
    strength = np.where(within, force(r, end), 0.0)
    forces = (strength[:, :, None] * difference).sum(axis=1)
    u = np.where(within, energy(r, end), 0.0).sum() / 2
    return forces, u, (strength * r**2).sum() / 2, within.sum() / 2


def rounding(position, side, end):
    """The most that rounding does to the force on each particle, the energy and the virial.

    A pair's terms have up to 12 to 14 times the rounding of 1 / r, and a little besides. Their sum is rounded
    to a whole number. Next to the cutoff, a pair may count or not.
    """
    eps, rc = np.finfo(np.float32).eps, end.cutoff
    _, r = separations(position, side)
    within, at_end = r < rc * (1 + 4 * eps), np.abs(r - rc) < 4 * eps * rc

    def most(terms, unit, last):
        return np.where(within, 16 * eps * terms + 0.5 / unit, 0.0) + np.where(at_end, abs(last), 0.0)

    force_terms = 48 * r**-13 + 24 * r**-7 + abs(end.slope)
    energy_terms = 4 * r**-12 + 4 * r**-6 + abs(end.shift) + abs(end.slope) * r
    return (
        most(force_terms, FORCE, force(rc, end) * rc).sum(axis=1),
        most(energy_terms, ENERGY, energy(rc, end)).sum() / 2,
        most(force_terms * r, VIRIAL, force(rc, end) * rc**2).sum() / 2,
    )


def shaken(particles, side, seed):
    """A lattice without overlaps whose particles are moved at random."""
    places = lattice(particles, side, seed)
    spacing = side / particles ** (1 / 3)
    return places + np.random.default_rng(seed).uniform(-0.1, 0.1, places.shape) * spacing


# Laws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_force_is_the_gradient_of_the_energy(truncation):
    end, r, h = law.end(truncation, 2.5), np.linspace(0.8, 2.49, 50), 1e-5
    slope = (energy(r + h, end) - energy(r - h, end)) / (2 * h)
    assert_allclose(force(r, end) * r, -slope, rtol=1e-7, atol=1e-7)


def test_truncations_end_as_they_say():
    at = {t: (energy(2.5, law.end(t, 2.5)), force(2.5, law.end(t, 2.5))) for t in TRUNCATIONS}
    plain = 4 * (2.5**-12 - 2.5**-6)
    assert at["cut"][0] == pytest.approx(plain)
    assert at["shifted"][0] == pytest.approx(0, abs=1e-15)
    assert at["shifted"][1] == at["cut"][1] != 0
    assert at["shifted_force"] == pytest.approx((0, 0), abs=1e-15)
    assert law.end("cut", 2.5).jump == pytest.approx(plain)
    assert law.end("shifted", 2.5).jump == law.end("shifted_force", 2.5).jump == 0


def test_corrections_are_the_integrals_of_the_tail():
    r = np.linspace(3, 300, 3_000_001)
    whole = law.end("cut", 400.0)
    tail = 2 * math.pi * 0.8 * np.trapezoid(r**2 * energy(r, whole), r)
    push = 2 / 3 * math.pi * 0.8**2 * np.trapezoid(r**4 * force(r, whole), r)
    assert law.energy_correction(0.8, 3.0) == pytest.approx(tail, rel=1e-5)
    assert law.pressure_correction(0.8, 3.0) == pytest.approx(push, rel=1e-5)


# Lists and forces --------------------------------------------------------------------------------

SYSTEMS = st.tuples(
    st.integers(32, 700),
    st.floats(0.01, 1.1),
    st.floats(1.0, 3.0),
    st.sampled_from(TRUNCATIONS),
    st.integers(0, 99),
)


@settings(max_examples=25)
@given(SYSTEMS)
def test_forces_energies_and_lists_agree_with_all_pairs(system):
    particles, density, cutoff, truncation, seed = system
    cutoff = min(cutoff, 0.499 * (particles / density) ** (1 / 3))
    if cutoff < 1:
        return
    inputs = {"density": density, "temperature": 1.0}
    it = replica(seed, inputs, particles=particles, cutoff=cutoff, truncation=truncation, long_range=False)
    side, end = it.plan.side, law.end(truncation, cutoff)
    it.place(shaken(particles, side, seed))
    position = it.frame(0).position
    expected, u, w, _ = brute(position, side, end)
    of_force, of_energy, of_virial = rounding(position, side, end)
    assert (np.abs(it.forces() - expected) <= of_force[:, None]).all()
    values = it.thermodynamics()
    assert values["potential_energy"] * particles == pytest.approx(u, rel=1e-12, abs=of_energy)
    virial = (values["pressure"] - density * 1.0) * 3 * it.plan.volume
    assert virial == pytest.approx(w, rel=1e-12, abs=of_virial + 1e-12 * it.plan.volume)

    _, r = separations(position, side)
    lists, numbers = it.around.inner, it.rows.place[3::4]
    for row in range(particles):
        near = numbers[lists.near[lists.begin[row] : lists.end[row]]]
        others = near[near != numbers[row]]
        away = r[numbers[row]]
        assert len(near) % 16 == 0
        assert len(set(others)) == len(others)
        assert set(np.flatnonzero(away < cutoff + INNER_SKIN - 1e-5)) <= set(others)
        assert set(others) <= set(np.flatnonzero(away < cutoff + INNER_SKIN + 1e-5))


@settings(max_examples=20)
@given(st.integers(-5, 5), st.integers(0, 2**31))
def test_places_wrap_around(turns, seed):
    it = replica(particles=40, cutoff=1.5)
    places = np.random.default_rng(seed).uniform(0, it.plan.side, (40, 3))
    moved = places + turns * it.plan.side
    it.place(moved)
    assert_allclose(it.tally.path * it.unit, moved, atol=1e-8 * it.plan.side)
    words = by_number(it.rows.place, it.rows.place[3::4])
    assert_allclose(words.view(np.uint32) * it.unit, places, atol=1e-8)


def test_forces_cancel_to_the_last_bit_and_do_not_depend_on_the_order():
    it, other = replica(particles=333), replica(particles=333)
    it.place(shaken(333, it.plan.side, 3))
    forces = it.forces()
    assert (forces.sum(axis=0) == 0).all()
    shuffled = np.random.default_rng(0).permutation(333)
    other.place(shaken(333, it.plan.side, 3)[shuffled])
    assert_array_equal(other.forces(), forces[shuffled])
    a, b = it.thermodynamics(), other.thermodynamics()
    assert a["potential_energy"] == b["potential_energy"]
    assert a["pressure"] == b["pressure"]


def test_standing_lists_give_the_forces_of_new_ones():
    it, fresh = replica(particles=400), replica(particles=400)
    bath = it._bath(0)
    it._begin(None)
    for step in range(0, 300, 3):
        assert it._advance(step, step + 3, bath) is None
        fresh.place(it.frame(step).position)
        assert_array_equal(it.forces(), fresh.forces())
    listed = np.abs(by_number(it.rows.listed, it.rows.place[3::4]))
    assert (listed != np.abs(by_number(it.rows.place, it.rows.place[3::4]))).all()


def test_lists_that_are_too_short_grow_and_change_nothing():
    roomy, tight = replica(particles=300), replica(particles=300)
    tight.around = tight._surroundings(500)
    for it in (roomy, tight):
        assert it.run(lambda fraction: None) is None
    assert tight.around.outer.near.size > 10_000
    assert_array_equal(roomy.frame(1300).position, tight.frame(1300).position)
    assert_array_equal(roomy.tally.sums, tight.tally.sums)


# Dynamics ----------------------------------------------------------------------------------------


def conserving(particles=256, seed=2, **configuration):
    """A liquid after its equilibration, without a heat bath."""
    settings_ = {"truncation": "shifted_force", "ensemble": "nve", "steps": 2000, "equilibration": 0.4}
    it = replica(seed, particles=particles, **settings_, **configuration)
    it._begin(None)
    assert it._advance(0, it.plan.equilibration, it._bath(0)) is None
    it.rest()
    return it


def test_velocity_verlet_goes_back_to_the_bit():
    it = conserving()
    first, steps = it.plan.equilibration, 1000
    limits = Limits(math.inf, math.inf, 0.0)
    before = by_number(it.rows.place, it.rows.place[3::4])
    bath = it._bath(first)
    tally = it._tally()._replace(start=10**9)  # counts nothing
    advance(it.rows, it.around, it.pair, bath, tally, limits, first, first + steps)
    assert np.abs(by_number(it.rows.place, it.rows.place[3::4]) - before).max() * it.unit > 0.1
    # Stored velocities are those before the kick that comes next: turned, they are those after it.
    it.forces()
    kick_rows(it.rows, bath, 2)
    numbers = it.rows.place[3::4]
    set_column(it.rows.velocity, -by_number(it.rows.velocity, numbers), numbers)
    advance(it.rows, it.around, it.pair, bath, tally, limits, first, first + steps)
    back = by_number(it.rows.place, it.rows.place[3::4])
    assert_array_equal(back, before)


def test_energy_is_conserved_and_momentum_rests():
    it = conserving()
    first = it.plan.equilibration
    before = it.thermodynamics()["total_energy"]
    assert it._advance(first, first + 500, it._bath(first)) is None
    assert it.thermodynamics()["total_energy"] == pytest.approx(before, abs=1e-3)
    speed = it.frame(0).velocity
    assert np.abs(speed.mean(axis=0)).max() < 1e-6
    assert speed.var() > 0.5


def test_heat_bath_holds_the_temperature_of_every_component():
    it = replica(particles=1000, steps=4000, cutoff=2.0)
    squares = []
    it._begin(None)
    for step in range(0, 3000, 50):
        assert it._advance(step, step + 50, it._bath(step)) is None
        if step > 500:
            squares.append((it.frame(step).velocity ** 2).mean(axis=0))
    # 50 looks at 1,000 particles, hardly correlated: 0.6 % a component.
    assert_allclose(np.mean(squares, axis=0), LIQUID["temperature"], rtol=0.03)


def test_a_replica_is_what_the_integrator_of_the_book_gives():
    """Velocity Verlet in float64 from the same start, for as long as chaos allows."""
    it = conserving(particles=100, cutoff=2.0)
    first, side, dt = it.plan.equilibration, it.plan.side, it.plan.timestep
    frame = it.frame(first)
    x, v = frame.position.copy(), frame.velocity.copy()
    f = brute(x, side, it.end)[0]
    for _ in range(100):
        v += dt / 2 * f
        x += dt * v
        f = brute(x, side, it.end)[0]
        v += dt / 2 * f
    assert it._advance(first, first + 100, it._bath(first)) is None
    after = it.frame(first + 100)
    assert np.abs(after.position - x).max() < 1e-4
    assert np.abs(after.velocity - v).max() < 1e-3
    assert np.abs(x - frame.position).max() > 0.1


# What is counted ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    """A replica whose frames are all kept: positions (steps, particles, 3)."""
    it = replica(particles=64, steps=1480, cutoff=2.0, equilibration=0.3, reach=2.0)
    it._begin(None)
    positions = []
    for step in range(it.plan.steps):
        positions.append(it.frame(step).position)
        assert it._advance(step, step + 1, it._bath(step)) is None
    return it, np.array(positions)


def test_displacements_do_not_depend_on_how_often_particles_are_followed():
    hot = {"density": 0.5, "temperature": 10.0}
    usual = replica(seed=5, inputs=hot, particles=32, cutoff=1.9, steps=30_000)
    often = Replica(replace(usual.plan, every=4), 5)
    for each in (usual, often):
        assert each.run(lambda fraction: None) is None
    assert_array_equal(usual.estimates()["msd"][0], often.estimates()["msd"][0])


def test_msd_is_that_of_a_plain_loop(recorded):
    it, positions = recorded
    plan, window = it.plan, it.tally.steps // BLOCKS
    squares = np.zeros((BLOCKS, plan.lags))
    for block in range(BLOCKS):
        begin = plan.equilibration + block * window
        for k in range(plan.lags):
            moved = positions[begin + (2 * k + 1) * plan.lag] - positions[begin]
            moved -= moved.mean(axis=0)
            squares[block, k] = (moved**2).sum(axis=1).mean()
    mean, error = it.estimates()["msd"]
    assert_allclose(mean, squares.mean(axis=0), rtol=1e-6)
    assert_allclose(error, squares.std(axis=0, ddof=1) / math.sqrt(BLOCKS), rtol=1e-5)


def test_paths_leave_the_box_in_one_piece(recorded):
    it, positions = recorded
    assert np.abs(np.diff(positions, axis=0)).max() < 0.2
    assert positions.max() > it.plan.side / 2


def test_g_is_that_of_a_plain_loop(recorded):
    it, positions = recorded
    plan = it.plan
    counts, looks = np.zeros(plan.bins), 0
    for step in range(plan.equilibration, plan.steps, plan.structure_every):
        difference = positions[step][:, None] - positions[step][None]
        difference -= plan.side * np.rint(difference / plan.side)
        r = np.sqrt((difference**2).sum(axis=2))[np.triu_indices(plan.particles, 1)]
        counts += np.histogram(r, bins=plan.bins, range=(0, plan.reach))[0]
        looks += 1
    assert looks == it.tally.structure_looks.sum()
    assert np.abs(it.tally.distances.sum(axis=0) - counts).sum() <= 4  # at the edge of a bin
    assert counts.sum() > 10_000
    edges = np.linspace(0, plan.reach, plan.bins + 1)
    ideal = plan.particles * (plan.particles - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / plan.volume
    g, error = it.estimates()["g"]
    assert_allclose(g, counts / looks / ideal, atol=0.02)
    assert g[0] == 0
    assert_allclose(error[0], 1 / looks / ideal[0])  # of a single pair
    assert (error * looks * ideal >= 1 - 1e-9).all()


def test_structure_factor_is_the_direct_sum(recorded):
    it, positions = recorded
    plan = it.plan
    power = []
    for step in range(plan.equilibration, plan.steps, plan.structure_every):
        phase = 2 * np.pi / plan.side * positions[step] @ plan.waves.T
        power.append(np.abs(np.exp(1j * phase).sum(axis=0)) ** 2 / plan.particles)
    expected = [
        np.mean(power, axis=0)[plan.bin_of_wave == k].mean() for k in range(plan.bin_of_wave.max() + 1)
    ]
    assert_allclose(it.estimates()["structure_factor"][0], expected, rtol=1e-4)


@pytest.mark.parametrize(("particles", "density"), [(32, 0.1), (500, 0.8), (40_000, 0.4)])
def test_waves_lie_in_their_bins(particles, density):
    simulator = LennardJones(particles=particles)
    waves, bins = simulator._waves()
    (q,) = (c for c in simulator.coordinates if c.name == "q")
    (edges,) = q.at({"density": np.array([density])})
    length = np.linalg.norm(waves, axis=1) * 2 * np.pi / (particles / density) ** (1 / 3)
    assert ((length > edges[bins]) & (length < edges[bins + 1])).all()
    assert set(bins) == set(range(q.size))


def test_energies_are_those_of_the_looks(recorded):
    it, positions = recorded
    plan, end = it.plan, it.end
    steps = range(plan.equilibration, plan.steps, plan.every)
    found = [brute(positions[step], plan.side, end)[1:3] for step in steps]
    u, w = np.mean(found, axis=0)
    tail = (
        law.energy_correction(plan.density, plan.cutoff),
        law.pressure_correction(plan.density, plan.cutoff),
    )
    estimates = it.estimates()
    # Blocks hold equal times, thus not quite equal numbers of looks: their weights are these numbers.
    assert estimates["potential_energy"][0] == pytest.approx(u / plan.particles + tail[0], abs=1e-5)
    pressure = plan.density * plan.temperature + w / 3 / plan.volume + tail[1]
    assert estimates["pressure"][0] == pytest.approx(pressure, abs=1e-4)


# Batches -----------------------------------------------------------------------------------------

QUICK = {"particles": 100, "steps": 1300, "cutoff": 2.0}


def run(configuration, rows, seeds, **arguments):
    simulator = LennardJones.model_validate({**QUICK, **configuration})
    inputs = np.array([simulator.complete(row) for row in rows])
    return simulator.run(inputs, np.array(seeds, dtype=np.uint64), **arguments)


def test_a_replica_goes_on_from_its_checkpoint_to_the_bit(tmp_path, monkeypatch):
    def keep(name):
        return Keep(tmp_path / name, ("a",), frames=100, series=50, checkpoint=333)

    configuration = {"ensemble": "nve", "truncation": "shifted_force"}
    whole = run(configuration, [LIQUID], [7], keep=keep("whole"))

    def kill(fraction):
        if fraction > 0.8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(configuration, [LIQUID], [7], keep=keep("cut"), progress=kill)
    begin = Replica._begin

    def never(it, start):
        assert it.plan.particles != 100  # those of the compilation may
        begin(it, start)

    monkeypatch.setattr(Replica, "_begin", never)
    again = run(configuration, [LIQUID], [7], keep=keep("cut"))
    for name, values in whole.mean.items():
        assert_array_equal(values, again.mean[name])
        assert_array_equal(whole.stderr[name], again.stderr[name])
    for suffix in ("csv", "gsd"):
        one, other = (tmp_path / name / f"a.{suffix}" for name in ("whole", "cut"))
        if suffix == "csv":
            assert one.read_text() == other.read_text()
        else:
            assert_array_equal(read_frame(one, 12).position, read_frame(other, 12).position)


def test_series_and_trajectory_hold_what_they_say(tmp_path):
    run({}, [LIQUID], [1], keep=Keep(tmp_path, ("a",), frames=650, series=650))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "step,temperature,potential_energy,pressure,total_energy"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "650", "1300"]
    last = read_frame(tmp_path / "a.gsd")
    assert last.step == 1300
    _, u, _, _ = brute(last.position, last.box[0], law.end("cut", 2.0))
    tail = law.energy_correction(LIQUID["density"], 2.0)
    assert float(lines[-1].split(",")[2]) == pytest.approx(u / 100 + tail, abs=1e-4)
    assert float(lines[-1].split(",")[1]) == pytest.approx((last.velocity**2).mean(), rel=1e-5)


def test_a_start_is_where_it_begins(tmp_path):
    side = (100 / 0.8) ** (1 / 3)
    velocity = np.random.default_rng(1).normal(size=(100, 3))
    start = Frame(0, shaken(100, side, 5), np.full(3, side), velocity)
    run({}, [LIQUID], [1], keep=Keep(tmp_path, ("a",), frames=1300, starts={0: start}))
    first = read_frame(tmp_path / "a.gsd", 0)
    difference = (first.position - start.position) / side
    assert_allclose(side * (difference - np.rint(difference)), 0, atol=1e-5)
    assert_allclose(first.velocity, velocity, atol=1e-5)


def test_starts_that_do_not_fit_are_refused_before_anything_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr("simulators.md.fluid.replica.warm_up", pytest.fail)
    side = (100 / 0.8) ** (1 / 3)
    good = shaken(100, side, 5)
    bad = {
        "100": Frame(0, good[:99]),
        "cube of 5": Frame(0, good, np.full(3, 2 * side)),
        "numbers": Frame(0, np.where(np.arange(100)[:, None] == 3, np.nan, good)),
        "two particles": Frame(0, np.where(np.arange(100)[:, None] == 3, good[0], good)),
    }
    for said, frame in bad.items():
        with pytest.raises(InvalidInputError, match=said):
            run({}, [LIQUID], [1], keep=Keep(tmp_path, ("a",), starts={0: frame}))


def test_a_replica_that_overlaps_fails_alone(tmp_path):
    side = (100 / 0.8) ** (1 / 3)
    places = shaken(100, side, 5)
    places[3] = places[0] + [0.2, 0, 0]
    keep = Keep(tmp_path, ("a", "b"), starts={0: Frame(0, places)})
    observations = run({}, [LIQUID, LIQUID], [1, 2], keep=keep)
    assert list(observations.failures) == [0]
    failure = observations.failures[0]
    assert failure.reason == "overlap"
    assert "step 0" in failure.message
    assert "accepted" in failure.message
    assert failure.frame.step == 0
    difference = (failure.frame.position - places) / side
    assert_allclose(side * (difference - np.rint(difference)), 0, atol=1e-6)
    assert np.isnan(observations.mean["pressure"][0])
    alone = run({}, [LIQUID], [2])
    assert observations.mean["pressure"][1] == alone.mean["pressure"][0]


def test_energy_that_drifts_is_a_failure():
    """A time step too long for the collisions of a hot fluid."""
    hot = {"density": 0.9, "temperature": 6.0}
    configuration = {"ensemble": "nve", "timestep": 0.012, "drift_tolerance": 0.01}
    failure = run(configuration, [hot], [1]).failures[0]
    assert failure.reason == "energy drift"
    assert "drift_tolerance" in failure.message
    assert failure.frame is not None


def test_time_steps_far_too_long_are_a_failure():
    hot = {"density": 1.1, "temperature": 10.0}
    failure = run({"timestep": 0.02}, [hot], [1]).failures[0]
    assert failure.reason in ("overlap", "too hot")
    assert "timestep = 0.02" in failure.message


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(InvalidInputError, match=r"particles = 100: .* accepted: at least 108, or a cutoff"):
        LennardJones(particles=100, cutoff=2.5).complete({"density": 0.86, "temperature": 1})
    LennardJones(particles=108, cutoff=2.5).complete({"density": 0.86, "temperature": 1})
    LennardJones(particles=100, cutoff=2.5).complete({"density": 0.8, "temperature": 1})  # to the last bit
    with pytest.raises(InvalidInputError, match="steps = 1000: too few"):
        LennardJones(steps=1000).complete(LIQUID)


def test_corrections_are_added_where_they_are_asked_for():
    plain = run({"long_range": False}, [LIQUID], [3])
    for configuration in ({}, {"long_range": True}):
        corrected = run(configuration, [LIQUID], [3])
        added = corrected.mean["potential_energy"] - plain.mean["potential_energy"]
        assert added[0] == pytest.approx(law.energy_correction(0.8, 2.0), rel=1e-9)
        added = corrected.mean["pressure"] - plain.mean["pressure"]
        assert added[0] == pytest.approx(law.pressure_correction(0.8, 2.0), rel=1e-9)


@pytest.mark.parametrize("particles", [32, 33, 108, 109, 500, 1000])
@pytest.mark.parametrize("density", [0.1, 1.0])
def test_lattices_keep_particles_apart(particles, density):
    side = (particles / density) ** (1 / 3)
    places = lattice(particles, side, 1)
    assert len(places) == particles
    difference = places[:, None] - places[None]
    difference -= side * np.rint(difference / side)
    r = np.sqrt((difference**2).sum(axis=2)) + 1e9 * np.eye(particles)
    assert r.min() > 0.85 * density ** (-1 / 3)
