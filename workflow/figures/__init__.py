"""Every figure once, as a Plotly dictionary with its table: for the report, notebooks and web pages."""

from workflow.figures.accuracy import calibration, parity
from workflow.figures.cost import cost, timeline
from workflow.figures.coverage import coverage
from workflow.figures.design import Design
from workflow.figures.errors import errors, residuals, timing
from workflow.figures.figure import ChoiceError, Column, Figure, NothingToShowError
from workflow.figures.heldout import HeldOut
from workflow.figures.latent import latent
from workflow.figures.learning import learning_curve, speedup
from workflow.figures.observables import Observed, Scalar, observable, scalars
from workflow.figures.profiles import profiles
from workflow.figures.trials import Trials, trials
from workflow.figures.tuning import gain, quality
from workflow.figures.uncertainty import uncertainty

__all__ = [
    "ChoiceError",
    "Column",
    "Design",
    "Figure",
    "HeldOut",
    "NothingToShowError",
    "Observed",
    "Scalar",
    "Trials",
    "calibration",
    "cost",
    "coverage",
    "errors",
    "gain",
    "latent",
    "learning_curve",
    "observable",
    "parity",
    "profiles",
    "quality",
    "residuals",
    "scalars",
    "speedup",
    "timeline",
    "timing",
    "trials",
    "uncertainty",
]
