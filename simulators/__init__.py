"""What is computed: each file here is a simulator, each folder machinery."""

from simulators.contract import (
    Coordinate,
    Failure,
    InvalidInputError,
    Observations,
    Output,
    Parameter,
    Progress,
    ReplicaError,
    Simulator,
    SimulatorError,
)

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
