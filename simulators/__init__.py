"""What is computed: each file here is a simulator, each folder machinery."""

from simulators.contract import (
    Coordinate,
    Failure,
    Frame,
    InvalidInputError,
    Keep,
    Observations,
    Output,
    Parameter,
    Progress,
    ReplicaError,
    Simulator,
    SimulatorError,
    StoppedEarlyError,
)

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
