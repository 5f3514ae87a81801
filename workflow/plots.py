"""The figures of one run, each a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workflow import figures
from workflow.figures import ChoiceError, Design, Figure, NothingToShowError, Observed, Scalar, Trials
from workflow.folder import RunError, version_name
from workflow.record import State
from workflow.speedup import measure

if TYPE_CHECKING:
    from simulators import Parameter
    from workflow.run import Run

MOST_DECOMPOSED = 2000
"""Most simulations whose outputs are read for their principal components."""


def settings(run: Run) -> tuple[Parameter, ...]:
    """The inputs that a campaign varies and that are settings of the method rather than physics."""
    varied = {d.name for d in run.space.dimensions if d.low != d.high}
    return tuple(p for p in run.campaign.simulator.inputs if p.setting and p.name in varied)


class Plots:
    """Figures of a run. While there is nothing to show each raises `RunError` (no model yet) or
    `NothingToShowError`, and `ChoiceError` for an output, input or axis that there is not.

    Args:
        run: whose figures.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    # Is the model right?

    def profiles(self, axis: str | None = None, version: int | str | None = None) -> Figure:
        """Held-out profiles with error bars against the predicted band: best, median and worst."""
        return figures.profiles(self._run.held_out(version), axis)

    def parity(self, output: str | None = None, version: int | str | None = None) -> Figure:
        """Predicted against simulated values, both with error bars."""
        return figures.parity(self._run.held_out(version), output)

    def residuals(self, output: str | None = None, version: int | str | None = None) -> Figure:
        """Errors against the error bars that were claimed for them."""
        return figures.residuals(self._run.held_out(version), output)

    def calibration(self, version: int | str | None = None) -> Figure:
        """Histogram of z and coverage of the error bars."""
        return figures.calibration(self._run.held_out(version))

    def errors(self, version: int | str | None = None) -> Figure:
        """Relative error and success of every output."""
        return figures.errors(self._run.held_out(version))

    def learning_curve(self) -> Figure:
        """Held-out error against the number of simulations, a point per model version."""
        models = self._run.record.models
        return figures.learning_curve([(m["simulations"], self._run.held_out(m["model"])) for m in models])

    def timing(self) -> Figure:
        """What a lookup takes, beside a training and a simulation."""
        record = self._run.record
        done = record.finished()
        if not len(done):
            raise NothingToShowError("no simulation is done yet")
        return figures.timing(record.models, float(record.cpu_seconds[done].mean()))

    # What was observed?

    def observable(
        self, simulation: int | None = None, axis: str | None = None, version: int | str | None = None
    ) -> Figure:
        """Profiles of one simulation beside the prediction, with their ratio.

        Args:
            simulation: its number; the first held-out one that is done if not given.
            axis: over which; the first one if not given.
            version: of the model; the one in use if not given, none before there is one.
        """
        from workflow.results import read_examples

        run, record = self._run, self._run.record
        if simulation is None:
            done = record.finished(held_out=True)
            done = done if len(done) else record.finished()
            if not len(done):
                raise NothingToShowError("no simulation is done yet")
            simulation = int(done[0])
        if not 0 <= simulation < record.replicas or record.state[simulation] != State.DONE:
            raise ChoiceError(f"simulation {simulation} has no results")
        found = read_examples(run.folder, record, run.signature, np.array([simulation]))
        held_out = bool(record.held_out[simulation])
        observed = Observed(simulation, held_out, found.x[0], found.y[0], found.y_err[0])
        if version is None and record.promoted is None:
            return figures.observable(observed, run.signature, axis)
        model, number = run.surrogate(version), record.promoted if version is None else version
        name = version_name(int(str(number).removeprefix("v")))
        return figures.observable(observed, run.signature, axis, model, name)

    def scalars(self, over: str | None = None, by: str | None = None) -> Figure:
        """Scalar outputs against an input, told apart by another one of few values."""
        design = self._design()
        return figures.scalars(design, self._scalars(design), over, by)

    def latent(self, axis: str | None = None, colour: str | None = None) -> Figure:
        """Principal components of the outputs over an axis, coloured by an input."""
        from workflow.figures.latent import chosen_targets
        from workflow.results import read_arrays

        run, record = self._run, self._run.record
        design = self._design()
        rows = np.flatnonzero(design.kind < 2)
        if len(rows) > MOST_DECOMPOSED:
            rows = rows[np.linspace(0, len(rows) - 1, MOST_DECOMPOSED).round().astype(np.int64)]
        if not len(rows):
            raise NothingToShowError("no simulation is done yet")
        design = design.rows(rows)
        names = [t.name for t in chosen_targets(run.signature, axis)]
        arrays = read_arrays(run.folder, record, names, design.ids)
        return figures.latent(design, run.signature, arrays.mean, record.inputs[design.ids], axis, colour)

    # Where was it looked?

    def coverage(self, first: str | None = None, second: str | None = None) -> Figure:
        """The simulated points, pair by pair of inputs, or one pair by itself."""
        return figures.coverage(self._design(), first, second)

    def uncertainty(
        self,
        x: str | None = None,
        y: str | None = None,
        output: str | None = None,
        at: Mapping[str, float] | None = None,
        version: int | str | None = None,
    ) -> Figure:
        """The predicted std over two inputs.

        Args:
            x: input along x; the first one if not given.
            y: input along y; the next one if not given.
            output: which; the first one if not given.
            at: values of the other inputs, in their units; the middle of the range where none is given.
            version: of the model; the one in use if not given.
        """
        run = self._run
        model = run.surrogate(version)
        number = run.record.promoted if version is None else int(str(version).removeprefix("v"))
        assert number is not None  # or there were no model
        return figures.uncertainty(model, version_name(number), self._design(), x, y, output, at)

    # Which settings?

    def trials(self, setting: str | None = None, over: str | None = None) -> Figure:
        """Trials of a setting of the method over another input, and the largest that did its work."""
        return figures.trials(self._trials(), setting, over)

    def quality(self, setting: str | None = None, output: str | None = None) -> Figure:
        """An output against a setting of the method."""
        tried = self._trials()
        return figures.quality(tried, self._scalars(tried.design), setting, output)

    def gain(self) -> Figure:
        """Simulated time per second of wall time against the time step."""
        return figures.gain(self._trials())

    # What did it cost?

    def timeline(self) -> Figure:
        """What each worker did when."""
        return figures.timeline(self._run.record)

    def speedup(self, n_lookup: float = 1_000_000) -> Figure:
        """Effective speedup against the number of lookups.

        Args:
            n_lookup: the number that the summary speaks of.
        """
        measured = measure(self._run.record, n_lookup)
        if measured is None:
            raise RunError("no model yet: nothing has been sped up")
        return figures.speedup(measured)

    def cost(self) -> Figure:
        """What the run cost, in core time."""
        return figures.cost(self._run.record)

    def _design(self) -> Design:
        return Design.of(self._run.record, self._run.space)

    def _scalars(self, design: Design) -> list[Scalar]:
        """Scalar outputs seen so far, in declared order."""
        record = self._run.record
        return [
            Scalar(o.name, o.unit, record.mean(o.name)[design.ids], record.stderr(o.name)[design.ids])
            for o in self._run.campaign.simulator.outputs
            if o.coordinate is None and o.name in record.scalar_names
        ]

    def _trials(self) -> Trials:
        run, record = self._run, self._run.record
        simulator, design = run.campaign.simulator, self._design()
        judge = next((o.name for o in simulator.outputs if o.verdict and o.name in record.scalar_names), "")
        outcome = np.where(design.kind == 2, 2, 0)
        if judge:
            outcome[(outcome == 0) & (record.mean(judge)[design.ids] < 0.5)] = 1
        steps = getattr(simulator, simulator.length, None)
        return Trials(
            design,
            settings(run),
            outcome,
            judge,
            record.wall_seconds[design.ids].astype(np.float64),
            float(steps) if isinstance(steps, (int, float)) else None,
        )
