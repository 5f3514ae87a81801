"""Nose-Hoover chains: a heat bath that keeps a conserved energy.

The chain of Martyna, Klein and Tuckerman (J. Chem. Phys. 97, 2635, 1992), advanced by the reversible
splitting of Martyna, Tuckerman, Tobias and Klein (Mol. Phys. 87, 1117, 1996).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.md.vector import inline

Array = NDArray[np.float64]


class Chain(NamedTuple):
    """A chain of thermostats.

    Args:
        freedom: degrees of freedom that it keeps warm.
        temperature: in units of energy.
        mass: array (links,), of the thermostats.
        place, speed: arrays (links,), their state.
    """

    freedom: int
    temperature: float
    mass: Array
    place: Array
    speed: Array


def chain(freedom: int, temperature: float, period: float, links: int = 5) -> Chain:
    """A chain at rest, whose thermostats answer in about ``period``."""
    mass = np.full(links, temperature * period**2)
    mass[0] *= freedom
    return Chain(freedom, temperature, mass, np.zeros(links), np.zeros(links))


@inline
def thermostatted(bath, kinetic, time):
    """Advance a chain.

    Args:
        bath: a `Chain`, advanced in place.
        kinetic: kinetic energy of what it keeps warm.
        time: for how long.

    Returns:
        what the velocities are to be multiplied with.
    """
    speed, mass, temperature = bath.speed, bath.mass, bath.temperature
    last, quarter, eighth = mass.size - 1, 0.5 * time, 0.25 * time
    speed[last] += quarter * (mass[last - 1] * speed[last - 1] ** 2 - temperature) / mass[last]
    for k in range(last - 1, -1, -1):
        heat = 2 * kinetic - bath.freedom * temperature
        if k > 0:
            heat = mass[k - 1] * speed[k - 1] ** 2 - temperature
        friction = math.exp(-eighth * speed[k + 1])
        speed[k] = (speed[k] * friction + quarter * heat / mass[k]) * friction
    scale = math.exp(-time * speed[0])
    kinetic *= scale * scale
    for k in range(mass.size):
        bath.place[k] += time * speed[k]
    for k in range(last):
        heat = 2 * kinetic - bath.freedom * temperature
        if k > 0:
            heat = mass[k - 1] * speed[k - 1] ** 2 - temperature
        friction = math.exp(-eighth * speed[k + 1])
        speed[k] = (speed[k] * friction + quarter * heat / mass[k]) * friction
    speed[last] += quarter * (mass[last - 1] * speed[last - 1] ** 2 - temperature) / mass[last]
    return scale


@inline
def chain_energy(bath):
    """What the chain adds to the conserved energy."""
    total = bath.freedom * bath.temperature * bath.place[0]
    for k in range(bath.mass.size):
        total += 0.5 * bath.mass[k] * bath.speed[k] ** 2
        if k > 0:
            total += bath.temperature * bath.place[k]
    return total
