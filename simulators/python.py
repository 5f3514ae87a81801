"""A Python function as a simulator."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from simulators.adapters.declared import DeclaredOutput, DeclaredSimulator, Name, fault
from simulators.batch.simulator import BACKEND
from simulators.batch.threads import over_threads
from simulators.contract import Failure, InvalidInputError, Keep, Observations, Progress
from simulators.contract.simulator import Array, Seeds

if TYPE_CHECKING:
    from simulators.adapters.calling import Expected
    from simulators.adapters.estimates import Estimate

_SEEDS = 2**32
"""What numpy's older generators accept."""


class Python(DeclaredSimulator):
    """A function of yours, called once for each simulation: `f(temperature=300.0, pressure=1.0, seed=...)`.

    It is handed the inputs by name, and a whole number below 2**32 as `seed` if it has such an argument. It
    returns a number, an array over the bins of an axis, a pair of one of these and its standard error, or a
    dictionary of such with a key for each result; `name_err` is the standard error of `name`. What it raises
    is the failure of that simulation alone.
    """

    reserved: ClassVar = {"seed": "the seed of the replica"}

    kind: Literal["python"] = "python"
    backend: Literal["cpu", "mpi"] = Field("cpu", description=f"{BACKEND}, or 'mpi', over processes")
    function: str = Field(
        description="import path, `my_module:simulate`, of a module beside the campaign's file or a package; "
        "with `code` its name there"
    )
    code: str | None = Field(None, description="the function itself, as text, in place of a module")
    results: dict[Name, DeclaredOutput] = Field(min_length=1, description="outputs: name to declaration")
    batched: bool = Field(
        False, description="whether it is called once with arrays, a row to a simulation, and returns such"
    )
    timeout: float | None = Field(
        None, gt=0, description="seconds for a call; with it each call has a process of its own, to be ended"
    )

    @model_validator(mode="after")
    def _names_a_function(self) -> Python:
        if self.code is not None:
            try:
                compile(self.code, "code", "exec")
            except (SyntaxError, ValueError) as error:
                raise fault(f"no Python: {error}", "code") from None
            if not self.function.isidentifier():
                raise fault(f"`{self.function}` is no name of a function in `code`", "function")
        elif not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", self.function):
            message = f"`{self.function}`: write `my_module:simulate` for a function in my_module.py"
            raise fault(message, "function")
        return self

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse a function that is not there or takes other arguments."""
        from simulators.adapters.calling import FunctionError, find_function, takes_seed

        try:
            takes_seed(find_function(self.function, self.code), list(self.parameters))
        except FunctionError as error:
            raise InvalidInputError("function", self.function, error.reason, error.accepted) from None
        if self.batched and self.timeout is not None:
            raise InvalidInputError(
                "timeout", self.timeout, "a batch is one call, of any length", "none with batched: true"
            )

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch: calls from several threads, which pure Python makes no faster."""
        from simulators.adapters.calling import CallError, call, find_function, results, rows_of, takes_seed

        observations, rows = self.nothing_yet(inputs), self.rows(inputs)
        function, expected, n = find_function(self.function, self.code), self._expected(), len(rows)
        seeded = takes_seed(function, list(self.parameters))
        cpu = np.zeros(n)

        def arguments(index: int) -> dict[str, Any]:
            given = {
                name: int(value) if self.parameters[name].integer else value
                for name, value in rows[index].items()
            }
            return given | ({"seed": int(seeds[index]) % _SEEDS} if seeded else {})

        def together(indices: list[int], report: Progress) -> None:
            calls = [arguments(index) for index in indices]
            columns = {name: np.array([c[name] for c in calls]) for name in calls[0]}
            try:
                answers = rows_of(call(function, columns), expected, n)
            except CallError as error:
                observations.failures |= {k: Failure(error.reason, str(error)) for k in indices}
                return
            for index, answer in zip(indices, answers, strict=True):
                write(index, partial(results, answer, expected))

        def single(indices: list[int], report: Progress) -> None:
            (index,) = indices
            if self.timeout is None:
                write(index, lambda: results(call(function, arguments(index)), expected))
            else:
                write(index, lambda: self._alone(arguments(index), expected, cpu, index, report))

        def write(index: int, results_of: Callable[[], dict[str, Estimate]]) -> None:
            try:
                for name, (mean, stderr) in results_of().items():
                    observations.mean[name][index], observations.stderr[name][index] = mean, stderr
            except CallError as error:
                observations.failures[index] = Failure(error.reason, str(error))

        over_threads(
            observations,
            together if self.batched else single,
            threads=threads,
            progress=progress,
            together=n if self.batched else 1,
        )
        observations.cpu_seconds += cpu
        return observations

    def _expected(self) -> dict[str, Expected]:
        from simulators.adapters.calling import Expected

        sizes = {c.name: c.size for c in self.coordinates}
        return {
            name: Expected(None if r.over is None else sizes[r.over], r.optional, r.positive)
            for name, r in self.results.items()
        }

    def _alone(
        self,
        arguments: Mapping[str, Any],
        expected: Mapping[str, Expected],
        cpu: Array,
        index: int,
        report: Progress,
    ) -> dict[str, Estimate]:
        """The results of a call in a process of its own; writes down its processor seconds."""
        from simulators.adapters.alone import REQUEST, read_answer, write_request
        from simulators.adapters.calling import CallError
        from simulators.adapters.program import last_words
        from simulators.batch.process import run_command

        folder = Path(tempfile.mkdtemp(prefix="python-"))
        try:
            write_request(folder, self.function, self.code, arguments, expected)
            done = run_command(
                [sys.executable, "-m", "simulators.adapters.alone"],
                folder=folder,
                timeout=self.timeout,
                stdin=folder / REQUEST,
                while_waiting=lambda: report(0.0),
            )
            cpu[index] = done.cpu_seconds
            if done.timed_out:
                message = f"timeout = {self.timeout:g} s: `{self.function}` still ran; accepted: a longer one"
                raise CallError("timeout", message)
            if done.returncode:
                raise CallError(done.end, f"`{self.function}` ended with {done.end}{last_words(done)}")
            return read_answer(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
