"""Single particles on one core: these simulators beside a plain numba loop and OpenMM, in turns in one run.

    python tests/benchmarks/bench_landscapes.py

OpenMM (`pip install openmm`) has the potential as a CustomExternalForce on many particles that do not see
each other, which is how it does replicas, on one thread of its CPU platform and on its Reference one; the
quicker of the two is shown. CPU nanoseconds per particle and step; recording and counting included in ours.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from simulators.contract.simulator import Array
from simulators.double_well_escape import DoubleWellEscape
from simulators.md.landscapes.newton import ADVANCE, POTENTIALS, release
from simulators.md.laws import landscapes
from simulators.md.wide import WIDTH
from simulators.mueller_brown import MuellerBrown
from simulators.one_particle import OneParticle

ROUNDS = 5
DT = 0.001
EXPRESSIONS = {
    "harmonic": "0.5*x^2",
    "double_well": "x^4/4-x^2/2",
    "lennard_jones": "4*(x^-12-x^-6)",
    "rugged": "(x^4-x^3-16*x^2+4*x+48)/50+sin(30*(x+5))/5",
}
STARTS = {"harmonic": -3.0, "double_well": -2.0, "lennard_jones": 1.5, "rugged": 5.1}
_MB = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)
MUELLER_BROWN = "+".join(
    f"({A})*exp(({a})*(x-({u}))^2+({b})*(x-({u}))*(y-({v}))+({c})*(y-({v}))^2)" for A, a, b, c, u, v in _MB
)
KT, MB_DT = 15.0, 1e-4
BARRIER, FRICTION, ESCAPE_DT = 5.0, 1.0, 0.01

Seconds = Callable[[], float]
"""Runs a piece of work and gives CPU seconds per particle and step."""


# A plain loop: what one writes first ----------------------------------------------------------------


def _scalar(potential: str) -> Any:
    slope = {
        "harmonic": njit(lambda x: x, fastmath=True),
        "double_well": njit(lambda x: x * x * x - x, fastmath=True),
        "lennard_jones": njit(lambda x: 24 * (x**-7 - 2 * x**-13), fastmath=True),
        "rugged": njit(
            lambda x: (4 * x**3 - 3 * x**2 - 32 * x + 4) / 50 + 6 * math.cos(30 * (x + 5)), fastmath=True
        ),
    }[potential]

    @njit(fastmath=True)
    def loop(x, v, dt, steps):  # type: ignore[no-untyped-def]
        a = -slope(x)
        for _ in range(steps):
            v += 0.5 * dt * a
            x += dt * v
            a = -slope(x)
            v += 0.5 * dt * a
        return x

    return loop


@njit(fastmath=True)
def _scalar_surface(x, y, kt, dt, steps):  # type: ignore[no-untyped-def]
    spread, energy = math.sqrt(2 * kt * dt), 0.0
    for _ in range(steps):
        gx, gy = 0.0, 0.0
        for A, a, b, c, u, v in _MB:
            dx, dy = x - u, y - v
            term = A * math.exp(a * dx * dx + b * dx * dy + c * dy * dy)
            energy += term
            gx += term * (2 * a * dx + b * dy)
            gy += term * (b * dx + 2 * c * dy)
        x += -dt * gx + spread * np.random.normal()  # noqa: NPY002  (numba knows no other)
        y += -dt * gy + spread * np.random.normal()  # noqa: NPY002
    return energy / steps


@njit(fastmath=True)
def _scalar_escape(h, friction, dt, steps):  # type: ignore[no-untyped-def]
    x, v, passages = -1.0, 0.0, 0
    keep = math.exp(-friction * dt)
    noise = math.sqrt(1 - keep * keep)
    for _ in range(steps):
        v -= dt * 4 * h * x * (x * x - 1)
        x += 0.5 * dt * v
        v = keep * v + noise * np.random.normal()  # noqa: NPY002
        x += 0.5 * dt * v
        if x > 1:
            x, v, passages = -1.0, np.random.normal(), passages + 1  # noqa: NPY002
    return passages


# OpenMM ----------------------------------------------------------------------------------------------


class OpenMM:
    """Many particles in one potential; masses in u, lengths in nm, energies in kJ/mol."""

    def __init__(self, expression: str, start: tuple[float, float], integrator: Any, platform: str) -> None:
        import openmm

        self.particles = 2000
        system, force = openmm.System(), openmm.CustomExternalForce(expression)
        for k in range(self.particles):
            system.addParticle(1.0)
            force.addParticle(k)
        system.addForce(force)
        properties = {"Threads": "1"} if platform == "CPU" else {}
        self.integrator = integrator
        self.context = openmm.Context(
            system, integrator, openmm.Platform.getPlatformByName(platform), properties
        )
        self.context.setPositions([(*start, 0.0)] * self.particles)

    def seconds(self, steps: int) -> float:
        begin = time.process_time()
        self.integrator.step(steps)
        self.context.getState(getPositions=True)
        return (time.process_time() - begin) / steps / self.particles

    def positions(self) -> Array:
        state = self.context.getState(getPositions=True)
        return np.asarray(state.getPositions(asNumpy=True)._value)


def _quickest(make: Callable[[str], OpenMM]) -> tuple[str, OpenMM]:
    choices = {platform: make(platform) for platform in ("CPU", "Reference")}
    for choice in choices.values():
        choice.seconds(20)
    best = min(choices, key=lambda name: choices[name].seconds(100))
    return best, choices[best]


def _verlet(potential: str, platform: str) -> OpenMM:
    import openmm

    return OpenMM(EXPRESSIONS[potential], (STARTS[potential], 0.0), openmm.VerletIntegrator(DT), platform)


def _kelvin(kt: float) -> float:
    return kt / 8.31446261815324e-3


def _brownian(platform: str) -> OpenMM:
    import openmm

    integrator = openmm.BrownianIntegrator(_kelvin(KT), 1.0, MB_DT)
    return OpenMM(MUELLER_BROWN, (-0.558, 1.442), integrator, platform)


def _langevin(platform: str) -> OpenMM:
    import openmm

    integrator = openmm.LangevinMiddleIntegrator(_kelvin(1.0), FRICTION, ESCAPE_DT)
    return OpenMM(f"{BARRIER}*(x^2-1)^2", (-1.0, 0.0), integrator, platform)


# In turns --------------------------------------------------------------------------------------------


def timed(work: Callable[[], object], particle_steps: float) -> Seconds:
    def seconds() -> float:
        start = time.process_time()
        work()
        return (time.process_time() - start) / particle_steps

    work()
    return seconds


def show(name: str, ours: str, codes: dict[str, Seconds]) -> None:
    times: dict[str, list[float]] = {label: [] for label in codes}
    for _ in range(ROUNDS):
        for label, seconds in codes.items():
            times[label].append(seconds())
    here = float(np.median(times[ours]))
    for label, values in times.items():
        spent = float(np.median(values))
        print(f"{name:<15} {label:<30} {spent * 1e9:>10.3f} {1e-9 / spent:>9.3f} {spent / here:>9.1f}")


def newton(potential: str, with_openmm: bool) -> None:
    steps, points = 1_000_000, 500
    one = np.ones(WIDTH)
    positions, velocities = np.empty(points * WIDTH), np.empty(points * WIDTH)

    def kernel() -> None:
        particles = release(potential, one, one, STARTS[potential] * one, 0 * one, DT)
        ADVANCE[potential](particles, 0, points, steps // points, positions, velocities)

    simulator = OneParticle.model_validate({"potential": potential, "steps": steps, "points": points})
    rows = np.tile(simulator.complete({"start_position": STARTS[potential]}), (WIDTH, 1))
    seeds, loop = np.zeros(WIDTH, np.uint64), _scalar(potential)
    codes = {
        "this simulator, its kernel": timed(kernel, WIDTH * steps),
        "this simulator, everything": timed(lambda: simulator.run(rows, seeds), WIDTH * steps),
        "numba, one particle": timed(lambda: loop(STARTS[potential], 0.0, DT, steps), steps),
    }
    if with_openmm:
        platform, peer = _quickest(lambda platform: _verlet(potential, platform))
        codes[f"OpenMM, {platform}"] = lambda: peer.seconds(200)
        compare_trajectories(potential)
    show(potential, "this simulator, its kernel", codes)


def compare_trajectories(potential: str) -> None:
    """OpenMM's leapfrog begins with the velocity half a step back; both converge to the same trajectory."""
    peer = _verlet(potential, "Reference")
    peer.context.setVelocities([(DT / 2 * POTENTIALS[potential].slope(STARTS[potential]), 0, 0)] * 2000)
    peer.integrator.step(1000)
    simulator = OneParticle.model_validate({"potential": potential, "steps": 1000, "points": 2})
    row = simulator.complete({"start_position": STARTS[potential]})
    ours = simulator.run(row[None], np.zeros(1, np.uint64)).mean["position"][0, -1]
    print(f"{potential}: after 1,000 steps {abs(ours - peer.positions()[0, 0]):.1e} from OpenMM's position")


def surface(with_openmm: bool) -> None:
    steps = 500_000
    simulator = MuellerBrown(steps=steps, timestep=MB_DT)
    rows, seeds = np.full((16, 1), KT), np.arange(16, dtype=np.uint64)
    codes = {
        "this simulator, everything": timed(lambda: simulator.run(rows, seeds), 16 * steps),
        "numba, one walker": timed(lambda: _scalar_surface(-0.558, 1.442, KT, MB_DT, steps), steps),
    }
    if with_openmm:
        platform, peer = _quickest(_brownian)
        codes[f"OpenMM, {platform}"] = lambda: peer.seconds(200)
    x, y = np.meshgrid(np.linspace(-2.5, 2, 1500), np.linspace(-1.2, 3, 1500))
    energy = landscapes.mueller_brown(x, y)[0]
    weight = np.exp(-(energy - energy.min()) / KT)
    exact = (weight * energy).sum() / weight.sum()
    long = MuellerBrown(steps=4_000_000, timestep=MB_DT).run(
        np.full((64, 1), KT), np.arange(64, dtype=np.uint64)
    )
    ours = long.mean["mean_energy"]
    print(f"mueller_brown: mean energy {ours.mean():.3f} +- {ours.std() / 8:.3f}, by quadrature {exact:.3f}")
    show("mueller_brown", "this simulator, everything", codes)


def escape(with_openmm: bool) -> None:
    steps, walkers = 100_000, 64
    simulator = DoubleWellEscape(steps=steps, timestep=ESCAPE_DT, walkers=walkers)
    row = simulator.complete({"barrier": BARRIER, "friction": FRICTION})[None]
    codes = {
        "this simulator, everything": timed(
            lambda: simulator.run(row, np.zeros(1, np.uint64)), walkers * steps
        ),
        "numba, one walker": timed(lambda: _scalar_escape(BARRIER, FRICTION, ESCAPE_DT, steps), steps),
    }
    if with_openmm:
        platform, peer = _quickest(_langevin)
        codes[f"OpenMM, {platform} (no passages)"] = lambda: peer.seconds(200)
    scalar = _scalar_escape(BARRIER, FRICTION, ESCAPE_DT, 100_000_000)
    many = DoubleWellEscape(steps=1_000_000, timestep=ESCAPE_DT, walkers=256)
    long = many.run(row, np.zeros(1, np.uint64))
    print(
        f"double_well_escape: rate {long.mean['escape_rate'][0]:.3e} +- {long.stderr['escape_rate'][0]:.1e}, "
        f"by the plain loop {scalar / 1e6:.3e} +- {math.sqrt(scalar) / 1e6:.1e}"
    )
    show("double_well", "this simulator, everything", codes)


def main() -> None:
    with_openmm = importlib.util.find_spec("openmm") is not None
    print(f"{'system':<15} {'code':<30} {'ns/step':>10} {'10^9/s':>9} {'ratio':>9}")
    for potential in POTENTIALS:
        newton(potential, with_openmm)
    surface(with_openmm)
    escape(with_openmm)


if __name__ == "__main__":
    main()
