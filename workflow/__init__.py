"""mlaround from Python. Names are imported when they are first used, so that this package stays light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow.campaign import Campaign
    from workflow.folder import RunError
    from workflow.report import write_report
    from workflow.run import Run, open_run
    from workflow.speedup import Speedup
    from workflow.wrapped import Answer, BudgetSpentError, BudgetSpentWarning, around

__all__ = [
    "Answer",
    "BudgetSpentError",
    "BudgetSpentWarning",
    "Campaign",
    "Run",
    "RunError",
    "Speedup",
    "around",
    "open_run",
    "write_report",
]

_WHERE = {
    "Answer": "workflow.wrapped",
    "BudgetSpentError": "workflow.wrapped",
    "BudgetSpentWarning": "workflow.wrapped",
    "Campaign": "workflow.campaign",
    "Run": "workflow.run",
    "RunError": "workflow.folder",
    "Speedup": "workflow.speedup",
    "around": "workflow.wrapped",
    "open_run": "workflow.run",
    "write_report": "workflow.report",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'workflow' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
