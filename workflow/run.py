"""A run from Python: looking changes nothing and works while the run goes on, and so does asking."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.events import EventTail
from workflow.folder import RunError, RunFolder, version_name
from workflow.record import Record
from workflow.speedup import effective_speedup
from workflow.standing import state_of
from workflow.words import listed

if TYPE_CHECKING:
    import subprocess

    import pandas as pd
    import xarray as xr

    from surrogates import Model, Signature
    from workflow.campaign import Campaign
    from workflow.example_store import ExampleStore
    from workflow.figures import HeldOut
    from workflow.plots import Plots
    from workflow.space import Space
    from workflow.table import ResultColumn

LOG = "controller.log"
"""What a controller that was started from Python prints, in the run folder."""

FAILED = (2, 3, 4, 5)
"""Exit codes of the command line that mean that the run could not be worked on."""

ANSWER = 5.0
"""Seconds to wait for the answer of a controller, which takes one."""

POLL = 0.2
"""Seconds between two looks at a run that is waited for."""


def open_run(path: str | Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is no run.
    """
    folder = RunFolder(path)
    folder.read_resolved()  # whose error is ours
    return Run(folder)


class Run:
    """A run: its campaign, state, results, models and figures, and what can be asked of its controller.

    Nothing changes the folder but what asks: `pause`, `resume`, `stop`, `set_budget`, `kill`, `retry`,
    `promote` and `simulate`.

    Args:
        folder: of the run.
        process: the controller, if this session started it.
    """

    def __init__(self, folder: RunFolder, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self._process = process
        self._followed: tuple[Record, EventTail] | None = None
        self._held: tuple[tuple[int, int], HeldOut] | None = None
        self._examples: ExampleStore | None = None
        self._campaign: tuple[tuple[int, int], Campaign] | None = None

    @property
    def campaign(self) -> Campaign:
        """The campaign with everything filled in; the budget is the one by now."""
        try:
            stat = self.folder.resolved.stat()
        except OSError:
            self.folder.read_resolved()  # whose error is ours
            raise
        file = (stat.st_mtime_ns, stat.st_ino)
        if self._campaign is None or self._campaign[0] != file:
            from workflow.reading import parse_campaign
            from workflow.worker import add_to_path

            add_to_path(self.folder.plugin_folder())
            text = self.folder.read_resolved()
            self._campaign = file, parse_campaign(text, str(self.folder.resolved))
        return self._campaign[1]

    @cached_property
    def _bound(self) -> tuple[Space, Signature]:
        from workflow.binding import bind

        return bind(self.campaign)

    @property
    def space(self) -> Space:
        """The inputs and their ranges, in the simulator's units."""
        return self._bound[0]

    @property
    def signature(self) -> Signature:
        """What the run's models map to what."""
        return self._bound[1]

    @property
    def question(self) -> str:
        """What the campaign asks, in a sentence."""
        campaign = self.campaign
        outputs = [target.name.replace("_", " ") for target in self.signature.targets]
        varied = [d.name.replace("_", " ") for d in self.space.dimensions if d.low != d.high]
        return (
            f"Campaign {campaign.name}: {listed(outputs)} from {campaign.simulator.kind}, as a function of "
            f"{listed(varied)}; learned by {campaign.surrogate.kind}, steered by {campaign.steering.kind}, "
            f"with a budget of {campaign.stop.simulations:,} simulations."
        )

    @property
    def record(self) -> Record:
        """The run's state by now: every access takes in what was added to the event log."""
        if self._followed is None:
            self._followed = Record.follow(self.folder.events)
            return self._followed[0]
        record, tail = self._followed
        for event in tail.read():
            record.apply(event)
        return record

    @property
    def state(self) -> str:
        """``starting``, ``running``, ``paused``, ``finished``, ``stopped``, ``interrupted`` or ``failed``."""
        return state_of(self.record, held=self.folder.controller_alive() is not None)

    @property
    def total(self) -> int:
        """Simulations that the run has in all: its budget, or all that its policy asks, and users' points."""
        record = self.record
        return self.campaign.total(self.space) + record.replicas - record.planned

    @property
    def status(self) -> dict[str, Any]:
        """The run by now, in the form of ``status.json``: simulations, workers, model, speedup, failures."""
        from workflow.status import status

        record, state = self.record, self.state
        held = state in ("running", "paused")
        tasks = [marker["task"] for marker in self.folder.running_tasks()] if held else []
        sizes = [record.task_count[k] for k in tasks if k < record.tasks and not record.task_finished[k]]
        return status(
            record,
            name=self.campaign.name,
            run=self.folder.name,
            total=self.total,
            running=int(sum(sizes)),
            state=state,
            reason=(record.run_stopped or {}).get("reason"),
        )

    @property
    def scores(self) -> dict[str, Any]:
        """Scores of the model in use as recorded when it was trained; empty before there are any."""
        return (self.record.promoted_model or {}).get("scores") or {}

    def judge(self, version: int | str | None = None) -> dict[str, Any]:
        """Scores of a model on all held-out simulations that are done by now.

        `scores` are those of the time of its training, when fewer were done.

        Returns:
            as `surrogates.held_out_scores`; empty before there is a model or a held-out simulation.
        """
        from surrogates import held_out_scores

        if version is None and self.record.promoted is None:
            return {}
        held = self.held_out(version)
        model = self.surrogate(version)
        return held_out_scores(model, held.x, held.y, held.err) if len(held) else {}

    def effective_speedup(self, n_lookup: float = 1_000_000) -> dict[str, Any]:
        """The effective speedup as measured on this run; see `workflow.speedup.effective_speedup`."""
        return effective_speedup(self.record, n_lookup)

    def results(self) -> pd.DataFrame:
        """One row per simulation proposed so far, the same as in ``results.csv``.

        Columns as in `workflow.table.result_columns`; units are in ``attrs["units"]``: column -> unit.
        """
        import pandas as pd

        columns = self.result_columns()
        table = pd.DataFrame({column.name: column.values for column in columns})
        table.attrs["units"] = {column.name: column.unit for column in columns if column.unit}
        return table

    def result_columns(self) -> list[ResultColumn]:
        """The columns of `results`, without pandas."""
        from workflow.table import result_columns

        return result_columns(self.record, self.campaign.simulator, self.space, self.campaign.seed)

    def observations(self, name: str) -> xr.Dataset:
        """Outputs of all simulations that are done, from the result files.

        Args:
            name: an output, or the beginning of the names of several (``density``).

        Returns:
            variables ``NAME`` and ``NAME_stderr`` with dimensions simulation [x bin], the coordinate
            of the bins' centres (simulation, bin), the inputs and replica numbers along simulation;
            units in ``attrs``.

        Raises:
            RunError: there is no such output.
        """
        import xarray as xr

        from workflow.results import read_arrays

        targets = [t for t in self.signature.targets if t.name == name] or [
            t for t in self.signature.targets if t.name.startswith(name)
        ]
        if not targets:
            known = ", ".join(t.name for t in self.signature.targets)
            raise RunError(f"no output {name!r}; the simulator gives {known}")
        record = self.record
        arrays = read_arrays(self.folder, record, [t.name for t in targets])
        axes = sorted({t.axis for t in targets if t.axis is not None})
        bins = {axis: "bin" if len(axes) == 1 else f"{axis}_bin" for axis in axes}
        coordinates: dict[str, Any] = {"simulation": arrays.replicas}
        for k, dimension in enumerate(self.space.dimensions):
            values = record.inputs[arrays.replicas, k] if len(arrays.replicas) else np.empty(0)
            coordinates[dimension.name] = ("simulation", values, {"units": dimension.unit})
        variables: dict[str, Any] = {}
        for axis in axes if len(arrays.replicas) else ():
            edges = arrays.edges[axis]
            centres = 0.5 * (edges[:, 1:] + edges[:, :-1])
            # An input and an axis may bear one name; the axis is what the plot needs.
            coordinates[axis] = (
                ("simulation", bins[axis]),
                centres,
                {"units": self.signature.axis(axis).unit},
            )
        for target in targets if len(arrays.replicas) else ():
            dims = ("simulation",) if target.axis is None else ("simulation", bins[target.axis])
            about = {"units": target.unit, "long_name": target.description}
            variables[target.name] = (dims, arrays.mean[target.name], about)
            variables[f"{target.name}_stderr"] = (dims, arrays.stderr[target.name], {"units": target.unit})
        return xr.Dataset(variables, coordinates, {"run": self.folder.name})

    def surrogate(self, version: int | str | None = None) -> Model:
        """A model of the run.

        Args:
            version: such as 3 or ``"v0003"``; the one in use if not given.

        Raises:
            RunError: no model was trained yet.
            ModelFileError: there is no such version.
        """
        import surrogates

        number = self._number(version)
        return surrogates.load(self.folder.model(number))

    def models(self) -> pd.DataFrame:
        """One row per trained model: version, whether it is in use, what taught and judged it, scores."""
        import pandas as pd

        record = self.record
        rows = []
        for model in record.models:
            overall = (model.get("scores") or {}).get("overall") or {}
            rows.append(
                {
                    "version": version_name(model["model"]),
                    "in_use": model["model"] == record.promoted,
                    "simulations": model["simulations"],
                    "held_out": model["held_out"],
                    **overall,
                    "lookup_seconds": model["lookup_seconds"],
                    "training_seconds": model["ended"] - model["started"],
                }
            )
        return pd.DataFrame(rows)

    def held_out(self, version: int | str | None = None) -> HeldOut:
        """All held-out simulations that are done, beside what a model says of them.

        Raises:
            RunError: no model was trained yet.
        """
        from workflow.example_store import ExampleStore
        from workflow.figures import HeldOut

        number = self._number(version)
        record = self.record
        ids = record.finished(held_out=True)
        key = (number, len(ids))
        if self._held is None or self._held[0] != key:
            if self._examples is None:
                self._examples = ExampleStore()
            held = self._examples.read(self.folder, record, self.signature, ids)
            judged = HeldOut.judge(
                self.surrogate(number), version_name(number), ids, held.x, held.y, held.y_err
            )
            self._held = (key, judged)
        return self._held[1]

    @property
    def plot(self) -> Plots:
        """The figures of the run, one method each: ``run.plot.parity()``."""
        from workflow.plots import Plots

        return Plots(self)

    def wait(self, progress: bool | Callable[[dict[str, Any]], None] = False) -> Run:
        """Wait until no controller holds the run.

        Args:
            progress: ``True`` prints a line to stderr whenever something came in; a function is called
                with the status instead.

        Raises:
            RunError: the controller that this session started has failed.
        """
        seen: tuple[int, bool] | None = None
        while True:
            waiting = self._waiting()  # asked first: what comes in meanwhile is still shown
            if (self.record.events, waiting) != seen:  # the last word is that of a run that nobody holds
                seen = self.record.events, waiting
                if callable(progress):
                    progress(self.status)
                elif progress:
                    print(self, file=sys.stderr)
            if not waiting:
                break
            time.sleep(POLL)
        if self._process is not None and self._process.wait() in FAILED:
            log = self.folder.path / LOG
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise RunError("\n".join(["the controller failed:", *last, f"all that it said: {log}"]))
        return self

    def pause(self) -> None:
        """Ask the controller to start nothing new; what runs ends, and `resume` goes on."""
        self._ask("pause", {})

    def resume(self) -> None:
        """Ask a paused controller to go on. A run without a controller goes on by ``mlaround resume``."""
        self._ask("resume", {})

    def stop(self, *, now: bool = False) -> None:
        """Ask the controller to let the run go; ``mlaround resume`` goes on.

        Args:
            now: end running tasks instead of giving them a moment to finish; they run again on resume.
        """
        if self.folder.controller_alive() is not None:  # else it has what it is asked for
            self._ask("stop", {"now": now})

    def set_budget(self, simulations: int) -> None:
        """Ask for another number of simulations in all; points that were asked for are extra."""
        self._ask("budget", {"simulations": simulations})

    def kill(self, tasks: int | Iterable[int]) -> None:
        """Ask the controller to end tasks; their simulations count as failed and can be retried."""
        self._ask("kill", {"tasks": [tasks] if isinstance(tasks, int) else list(tasks)})

    def retry(self, simulations: int | Iterable[int] | None = None, *, reason: str | None = None) -> None:
        """Ask to simulate again what failed: these simulations, all that failed for a reason, or all."""
        if simulations is not None:
            simulations = [simulations] if isinstance(simulations, int) else list(simulations)
        self._ask("retry", {"simulations": simulations, "reason": reason})

    def promote(self, version: int | str) -> None:
        """Ask to use a model, such as 3 or ``"v0003"``; it is at once if no controller holds the run."""
        self._ask("promote", {"model": self._number(version)})

    def simulate(self, **inputs: float | str) -> None:
        """Ask for a simulation at a point: ``run.simulate(gap="3.2 nm", valency=2)``.

        It comes before what the policy wants and is extra to the budget.
        """
        self._ask("simulate", {"inputs": inputs})

    def _ask(self, verb: str, arguments: dict[str, Any]) -> None:
        """Ask for something and wait for the answer of a living controller.

        Raises:
            RequestError: it makes no sense, or the controller has refused it; says why.
        """
        from workflow.requests import RequestError, ask, outcome

        request = ask(self, verb, arguments, "python")
        if self.folder.controller_alive() is not None:
            answer = outcome(self, request, ANSWER)
            if answer is not None and answer["outcome"] == "refused":
                raise RequestError(answer["words"])

    def _waiting(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self.folder.controller_alive() is not None

    def _number(self, version: int | str | None) -> int:
        if version is None:
            promoted = self.record.promoted
            if promoted is None:
                raise RunError(
                    f"{self.folder.name} has no model yet: {self.record.done} simulations are done, "
                    f"the first training comes after {self.campaign.training.first}"
                )
            return promoted
        try:
            return int(str(version).removeprefix("v"))
        except ValueError:
            known = ", ".join(version_name(model["model"]) for model in self.record.models)
            raise RunError(f"no model {version!r}; {self.folder.name} has {known or 'none'}") from None

    def __repr__(self) -> str:
        record = self.record
        model = "no model yet" if record.promoted is None else f"model {version_name(record.promoted)}"
        failed = f", {record.failed:,} failed" if record.failed else ""
        counts = f"{record.done:,} of {self.total:,} simulations{failed}"
        return f"<Run {self.folder.name}: {self.state}, {counts}, {model}>"

    def _repr_html_(self) -> str:
        record, overall = self.record, self.scores.get("overall") or {}
        rows = {
            "state": self.state,
            "simulations": f"{record.done:,} done, {record.failed:,} failed of {self.total:,}",
            "model": "none yet" if record.promoted is None else version_name(record.promoted),
            "held-out median relative error": _percent(overall.get("median_relative_error")),
            "95 % interval covers": _percent(overall.get("coverage")),
            "effective speedup": self.effective_speedup()["sentence"],
            "folder": str(self.folder.path),
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(k)}</th>"
            f"<td style='text-align:left'>{html.escape(v)}</td></tr>"
            for k, v in rows.items()
            if v
        )
        return f"<table><caption>{html.escape(self.folder.name)}</caption>{cells}</table>"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"
