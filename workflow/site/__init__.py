"""The machine that jobs go to: whether it will run what is asked, and the jobs as it will see them."""

from workflow.site.checking import check
from workflow.site.problem import Problem
from workflow.site.scripts import Script, Start, scripts, test_only

__all__ = ["Problem", "Script", "Start", "check", "scripts", "test_only"]
