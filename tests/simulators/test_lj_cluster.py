"""Clusters against double precision, and against what Newton's equations conserve."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import Frame, InvalidInputError, Keep
from simulators.lj_cluster import LjCluster
from simulators.md.cluster.replicas import Plan, System, place
from simulators.md.cluster.run import advance, cluster, look, positions, velocities
from simulators.md.laws.lennard_jones import end

SIDE, CUTOFF = 6.0, 2.9
TRUNCATIONS = ("cut", "shifted", "shifted_force")


def placed(seed, particles=16, size=SIDE, periodic=True):
    plan = Plan(particles, periodic, end("cut", CUTOFF), False, 0.001, 1, 1, 1, 1, 1.0, False)
    lanes = [place(plan, System(1.0, 1.0, size, 16 * seed + lane)) for lane in range(16)]
    return np.stack(lanes, axis=-1)


def state(where, timestep=0.001, truncation="shifted_force", periodic=True, size=SIDE, speed=None):
    period = np.full(16, size if periodic else 5 * size)
    return cluster(
        where,
        np.zeros_like(where) if speed is None else speed,
        period,
        np.full(16, 2.0),
        timestep,
        end(truncation, CUTOFF),
        None if periodic else np.full(16, size),
    )


def energy(system, timestep, truncation="shifted_force"):
    """Of each replica, array (16,): epsilon 2, mass 1."""
    pair, counts = end(truncation, CUTOFF), np.zeros((16, 1), np.int64)
    potential, square = look(system, pair.shift, pair.slope, CUTOFF, np.ones(16), counts)
    return 2 * potential + square * (system.period * 2.0**-64 / timestep) ** 2 / 2


def reference(where, truncation):
    """Energy of one replica, forces, array (particles, 3), and the sum of the sizes of each one's terms."""
    total, forces, sizes = 0.0, np.zeros_like(where), np.zeros(len(where))
    u = lambda r: 4 * (r**-12 - r**-6)  # noqa: E731
    f = lambda r: 48 * r**-13 - 24 * r**-7  # noqa: E731
    for i, j in combinations(range(len(where)), 2):
        d = where[i] - where[j]
        d -= SIDE * np.rint(d / SIDE)
        r = np.linalg.norm(d)
        if r > CUTOFF:
            continue
        slope = f(CUTOFF) if truncation == "shifted_force" else 0.0
        total += u(r) - (0.0 if truncation == "cut" else u(CUTOFF)) + slope * (r - CUTOFF)
        forces[i] += (f(r) - slope) * d / r
        forces[j] -= (f(r) - slope) * d / r
        sizes[[i, j]] += 48 * r**-13 + 24 * r**-7 + abs(slope)
    return total, forces, sizes


def forces_of(system):
    """Array (particles, 3, 16), epsilon / sigma."""
    return system.force.reshape(-1, 3, 16).astype(float) * system.kappa


@settings(max_examples=15)
@given(seed=st.integers(0, 2**40), particles=st.integers(2, 16), truncation=st.sampled_from(TRUNCATIONS))
def test_forces_and_energies_are_those_of_double_precision(seed, particles, truncation):
    where = placed(seed, particles)
    system, pair = state(where, truncation=truncation), end(truncation, CUTOFF)
    potential, _ = look(system, pair.shift, pair.slope, CUTOFF, np.ones(16), np.zeros((16, 1), np.int64))
    for lane in (0, 7, 15):
        total, forces, sizes = reference(where[..., lane], truncation)
        assert potential[lane] == pytest.approx(total, rel=1e-12, abs=1e-12)
        # A term has up to 14 times the rounding of 1 / r, and two for the rest; what cancels leaves it.
        rounding = 16 * np.finfo(np.float32).eps * sizes
        assert (np.abs(forces_of(system)[..., lane] - forces) <= rounding[:, None]).all()


def test_forces_are_the_gradient_of_the_energy():
    where, h = placed(3), 1e-5
    forces = forces_of(state(where))
    for i, c in ((0, 0), (5, 1), (15, 2)):
        moved = []
        for sign in (1, -1):
            there = where.copy()
            there[i, c] += sign * h
            moved.append(energy(state(there, 1e-9), 1e-9) / 2)
        gradient = (moved[0] - moved[1]) / (2 * h)
        np.testing.assert_allclose(forces[i, c], -gradient, atol=1e-4, rtol=1e-5)


def test_velocities_begin_as_given():
    where = placed(6)
    assert np.abs(velocities(state(where), 0.001)).max() < 1e-9
    speed = np.random.default_rng(1).normal(size=where.shape)
    np.testing.assert_allclose(velocities(state(where, speed=speed), 0.001), speed, atol=1e-9)


def test_energy_errors_are_of_second_order():
    where, steps = placed(1), np.array([0.004, 0.002, 0.001, 0.0005])
    errors = []
    for timestep in steps:
        system = state(where, timestep)
        first, largest = energy(system, timestep), np.zeros(16)
        for _ in range(100):
            advance(system, round(0.02 / timestep))
            largest = np.maximum(largest, np.abs(energy(system, timestep) - first))
        errors.append(largest)
    slope = np.polyfit(np.log(steps), np.log(np.median(errors, axis=1)), 1)[0]
    assert slope == pytest.approx(2, abs=0.1)


def backwards(system):
    """Turn all velocities around: half a step ahead becomes half a step behind."""
    kick = (system.force.reshape(-1, 16) * system.kick).astype(np.int64).ravel()
    system.velocity[:] = -(system.velocity + kick)


def test_a_box_runs_back_to_the_same_bits():
    system = state(placed(2))
    begin = system.position.copy()
    advance(system, 10_000)
    assert np.abs(system.position - begin).max() > 2**60
    backwards(system)
    advance(system, 10_000)
    np.testing.assert_array_equal(system.position, begin)


def test_a_sphere_runs_back_up_to_rounding():
    system = state(placed(2, size=3.0, periodic=False), periodic=False, size=3.0)
    begin = positions(system)
    advance(system, 1000)
    assert np.abs(positions(system) - begin).max() > 0.1
    backwards(system)
    advance(system, 1000)
    np.testing.assert_allclose(positions(system), begin, atol=1e-9)


def test_a_box_conserves_momentum():
    system = state(placed(4))
    advance(system, 20_000)
    speed = velocities(system, 0.001)
    assert np.abs(speed.sum(axis=0)).max() < 2e-5 * np.abs(speed).max()


def test_a_sphere_conserves_energy_and_angular_momentum():
    where = placed(5, size=3.0, periodic=False)
    rng = np.random.default_rng(1)
    system = state(where, 0.0005, periodic=False, size=3.0, speed=rng.normal(size=where.shape))

    def angular_momentum():
        return np.cross(positions(system), velocities(system, 0.0005), axis=1).sum(axis=0)

    first, turns = (energy(system, 0.0005), angular_momentum()), 0
    for _ in range(200):
        advance(system, 100)
        distance = np.linalg.norm(positions(system), axis=1)
        turns += (distance > 2.99).sum()
        assert distance.max() < 3.0 + 0.0005 * np.abs(velocities(system, 0.0005)).max() * 2
    assert turns > 100  # many were at the wall
    np.testing.assert_allclose(angular_momentum(), first[1], atol=1e-4)
    np.testing.assert_allclose(energy(system, 0.0005), first[0], atol=0.02)


def test_two_particles_swing_with_the_exact_period():
    """Released at 1.5 sigma with reduced mass 1/2: 1.718238 / sqrt(2), by quadrature."""
    where = np.zeros((2, 3, 16))
    where[0, 0], where[1, 0] = 0.75, -0.75
    pair = end("cut", 20.0)
    timestep = 0.0005
    system = cluster(where, np.zeros_like(where), np.full(16, 50.0), np.ones(16), timestep, pair)
    distance = []
    for _ in range(2600):
        advance(system, 1)
        distance.append(np.ptp(positions(system)[:, 0, 0]))
    d = np.array(distance)
    k = 1000 + np.argmax(d[1000:])
    bend = d[k - 1] - 2 * d[k] + d[k + 1]
    period = (k + 1 + (d[k - 1] - d[k + 1]) / (2 * bend)) * timestep
    assert period == pytest.approx(1.718238 / np.sqrt(2), abs=2e-5)


# The plug-in -------------------------------------------------------------------------------------


def simulator(**configuration):
    return LjCluster(**{"steps": 1280, "points": 64, "trajectory": "positions", **configuration})


def rows(simulator, count):
    """Replicas that differ in everything."""
    size = simulator.inputs[-1].name
    given = [{"mass": 1 + k % 3, "epsilon": 1 + k % 2, size: 6.0 + 0.1 * k} for k in range(count)]
    return np.stack([simulator.complete(row) for row in given]), np.arange(50, 50 + count, dtype=np.uint64)


@pytest.mark.parametrize("boundary", ["periodic", "sphere"])
def test_a_replica_is_the_same_in_any_lane(boundary):
    simulation = simulator(boundary=boundary)
    inputs, seeds = rows(simulation, 20)
    together = simulation.run(inputs, seeds, threads=2)
    assert together.failures == {}
    for chosen in ([3], [17, 3, 8]):
        other = simulation.run(inputs[chosen], seeds[chosen])
        for name, values in together.mean.items():
            np.testing.assert_array_equal(values[chosen], other.mean[name])
            np.testing.assert_array_equal(together.stderr[name][chosen], other.stderr[name])


def test_one_that_fails_does_so_alone():
    simulation = simulator(timestep=0.02, tolerance=0.05)
    inputs = np.stack([simulation.complete({"epsilon": e}) for e in (0.1, 10, 0.1)])
    found = simulation.run(inputs, np.array([1, 2, 3], dtype=np.uint64))
    assert list(found.failures) == [1]
    failure = found.failures[1]
    assert failure.reason == "energy drift"
    assert "timestep = 0.02" in failure.message
    assert "accepted" in failure.message
    assert failure.frame is not None
    assert failure.frame.position.shape == (16, 3)
    alone = simulation.run(inputs[2:], np.array([3], dtype=np.uint64))
    np.testing.assert_array_equal(found.mean["x1"][2], alone.mean["x1"][0])


def test_recorded_points_are_the_trajectory():
    simulation = simulator(particles=3, trajectory="positions_and_velocities")
    inputs, seeds = rows(simulation, 1)
    found = simulation.run(inputs, seeds)
    times = np.convolve(found.edges["time"][0], [0.5, 0.5], "valid")
    np.testing.assert_allclose(times, 0.02 * np.arange(1, 65))
    path, speed = found.mean["x1"][0], found.mean["vx1"][0]
    np.testing.assert_allclose(np.gradient(path, times)[1:-1], speed[1:-1], atol=0.02)


def stop(fraction):
    if fraction > 0.6:
        raise KeyboardInterrupt


@pytest.mark.parametrize("boundary", ["periodic", "sphere"])
def test_one_that_was_killed_goes_on_to_the_same_bits(tmp_path, boundary):
    simulation = simulator(boundary=boundary)
    inputs, seeds = rows(simulation, 3)

    def keep(folder, **more):
        return Keep(tmp_path / folder, ("a", "b", "c"), frames=100, series=70, checkpoint=150, **more)

    whole = simulation.run(inputs, seeds, keep=keep("whole"))
    with pytest.raises(KeyboardInterrupt):
        simulation.run(inputs, seeds, keep=keep("killed"), progress=stop)
    # One of them lost its last checkpoint: it goes on from the one before.
    (tmp_path / "killed" / "b.checkpoint.npz").unlink()
    again = simulation.run(inputs, seeds, keep=keep("killed"))
    for name, values in whole.mean.items():
        np.testing.assert_array_equal(values, again.mean[name])
        np.testing.assert_array_equal(whole.stderr[name], again.stderr[name])
    for name in "abc":
        for kind in ("csv", "gsd"):
            first, second = (tmp_path / folder / f"{name}.{kind}" for folder in ("whole", "killed"))
            if kind == "csv":
                assert first.read_bytes() == second.read_bytes()
                assert len(first.read_text().splitlines()) == 1 + 1 + 1280 // 70
            else:
                gsd = pytest.importorskip("gsd.hoomd")
                with gsd.open(first) as one, gsd.open(second) as other:
                    assert len(one) == len(other) == 1 + 1280 // 100
                    for here, there in zip(one, other, strict=True):
                        np.testing.assert_array_equal(here.particles.position, there.particles.position)
                        np.testing.assert_array_equal(here.particles.velocity, there.particles.velocity)


def test_starts_from_a_frame(tmp_path):
    simulation = simulator(particles=2)
    inputs, seeds = rows(simulation, 2)
    at = np.array([[0.75, 0, 0], [-0.75, 0, 0]])
    frame = Frame(0, at, np.full(3, 6.1), np.array([[0.5, 0, 0], [0.5, 0, 0]]))
    found = simulation.run(inputs, seeds, keep=Keep(tmp_path, ("a", "b"), starts={1: frame}))
    x = [found.mean[f"x{i}"][1] for i in (1, 2)]
    times = 0.02 * np.arange(1, 65)
    np.testing.assert_allclose((x[0] + x[1]) / 2, 0.5 * times, atol=1e-5)
    with pytest.raises(InvalidInputError, match="2 particles"):
        simulation.run(inputs, seeds, keep=Keep(tmp_path, ("a", "b"), starts={0: Frame(0, np.zeros((3, 3)))}))


@pytest.mark.parametrize(
    ("configuration", "inputs", "accepted"),
    [
        ({}, {"side": 5.9}, "at least 6"),
        ({"particles": 64, "cutoff": 2.5}, {"side": 5}, "above"),
        ({"particles": 64, "boundary": "sphere", "placement": "lattice"}, {"radius": 3}, "above"),
        ({"points": 2000}, {}, "up to 1280"),
        ({"equilibration": 0.9}, {}, "at least 3"),
    ],
)
def test_refuses_what_cannot_be_simulated(configuration, inputs, accepted):
    with pytest.raises(InvalidInputError, match=accepted):
        simulator(**configuration).complete(inputs)


@pytest.mark.parametrize("boundary", ["periodic", "sphere"])
def test_particles_begin_apart_and_inside(boundary):
    for lattice in (False, True):
        plan = Plan(16, boundary == "periodic", end("cut", 3.0), lattice, 0.001, 1, 1, 1, 1, 1.0, False)
        where = place(plan, System(1.0, 1.0, 6.0, 7))
        d = where[:, None] - where
        if plan.periodic:
            d -= 6.0 * np.rint(d / 6.0)
        distance = np.linalg.norm(d, axis=-1)[np.triu_indices(16, 1)]
        assert distance.min() > 1
        assert np.linalg.norm(where, axis=1).max() < (6.0 if not plan.periodic else 3 * np.sqrt(3))
