"""What every simulator promises: its declared inputs and outputs, and batches of replicas."""

from simulators.contract.errors import InvalidInputError, ReplicaError, SimulatorError
from simulators.contract.observations import Failure, Observations
from simulators.contract.quantities import Coordinate, Output, Parameter
from simulators.contract.simulator import Progress, Simulator

__all__ = [
    "Coordinate",
    "Failure",
    "InvalidInputError",
    "Observations",
    "Output",
    "Parameter",
    "Progress",
    "ReplicaError",
    "Simulator",
    "SimulatorError",
]
