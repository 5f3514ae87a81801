"""What every simulator promises: its declared inputs and outputs, and batches of replicas."""

from simulators.contract.errors import InvalidInputError, ReplicaError, SimulatorError, StoppedEarlyError
from simulators.contract.keep import Keep
from simulators.contract.observations import Failure, Frame, Observations
from simulators.contract.quantities import Coordinate, Output, Parameter
from simulators.contract.simulator import Progress, Simulator

__all__ = [
    "Coordinate",
    "Failure",
    "Frame",
    "InvalidInputError",
    "Keep",
    "Observations",
    "Output",
    "Parameter",
    "Progress",
    "ReplicaError",
    "Simulator",
    "SimulatorError",
    "StoppedEarlyError",
]
