"""Errors of the simulators.

SimulatorError
├── InvalidInputError   an input or a setting that cannot be simulated; raised before anything runs
├── ReplicaError        one replica went wrong while it ran; never leaves the batch, it becomes a Failure
└── StoppedEarlyError   the batch stopped where `Keep.ending` told it to, and can be gone on with
"""


class SimulatorError(Exception):
    """Base of all errors of the simulators."""


class InvalidInputError(SimulatorError):
    """An input that cannot be simulated.

    Args:
        name: the parameter or setting at fault.
        value: what was given.
        accepted: what would be accepted, in words that finish "accepted: ...".
        reason: why the value cannot be simulated.
    """

    def __init__(self, name: str, value: object, reason: str, accepted: str) -> None:
        self.name, self.value, self.reason, self.accepted = name, value, reason, accepted
        super().__init__(f"{name} = {value}: {reason}; accepted: {accepted}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.name, self.value, self.reason, self.accepted)


class ReplicaError(SimulatorError):
    """One replica went wrong while it ran: the step, the value seen and what to change."""


class StoppedEarlyError(SimulatorError):
    """A batch stopped before its end, since `Keep.ending` said so; what it has done is in its checkpoints."""
