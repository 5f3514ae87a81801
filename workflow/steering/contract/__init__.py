"""What every steering policy promises."""

from workflow.steering.contract.policy import Policy, View

__all__ = ["Policy", "View"]
