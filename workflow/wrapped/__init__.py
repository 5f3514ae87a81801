"""A wrapped function: it answers from a surrogate where that can be trusted and simulates elsewhere."""

from workflow.wrapped.function import Answer, Around, BudgetSpentError, BudgetSpentWarning, around
from workflow.wrapped.stats import Stats

__all__ = ["Answer", "Around", "BudgetSpentError", "BudgetSpentWarning", "Stats", "around"]
