"""Every figure once, as a Plotly dictionary with its table: for the report, notebooks and web pages."""

from workflow.figures.accuracy import calibration, parity
from workflow.figures.cost import cost, timeline
from workflow.figures.figure import Column, Figure
from workflow.figures.heldout import HeldOut
from workflow.figures.learning import learning_curve, speedup
from workflow.figures.profiles import profiles

__all__ = [
    "Column",
    "Figure",
    "HeldOut",
    "calibration",
    "cost",
    "learning_curve",
    "parity",
    "profiles",
    "speedup",
    "timeline",
]
