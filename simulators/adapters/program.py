"""Programs as simulators: a folder for each replica, its input files, a process, and what it left."""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator

from simulators.adapters.declared import DeclaredSimulator, Name, Part, fault
from simulators.adapters.estimates import of_sign
from simulators.adapters.located import existing, locate, text_of
from simulators.adapters.reading import STDOUT, ReadOutput, read_result
from simulators.adapters.template import TemplateError, Value, fields, fill
from simulators.batch.mpi import launcher, scratch
from simulators.batch.process import LIMIT, Completed, run_command
from simulators.batch.simulator import BACKEND
from simulators.batch.threads import over_threads
from simulators.contract import (
    Failure,
    InvalidInputError,
    Keep,
    Observations,
    Progress,
    ReplicaError,
    SimulatorError,
)
from simulators.contract.simulator import Array, Seeds

LARGEST_SEED = 900_000_000
"""What LAMMPS and Fortran programs with 32-bit integers accept."""
LAST_LINES, LAST_CHARACTERS = 4, 400
"""Of what a program said before it failed, so much is told."""

Runner = Callable[[Sequence[str], Path, Mapping[str, str], Callable[[], None]], Completed]
"""Runs words in a folder with an environment, and calls something while it waits."""


class Template(Part):
    """A text file whose ``{name}`` fields are filled in; it is read once, with the campaign."""

    template: str = Field(description="its path, from the folder of the campaign's file on")


class Verbatim(Part):
    """A file handed over as it is: a script, a potential, a start structure."""

    verbatim: str = Field(description="its path, from the folder of the campaign's file on")


class ProgramSimulator(DeclaredSimulator):
    """A program, started for each replica in a folder of its own."""

    reserved: ClassVar = {
        "seed": "the seed of the replica",
        "cores": "the number of cores that it may use",
        "folder": "the folder that it runs in",
    }

    backend: Literal["cpu"] = Field("cpu", description=f"{BACKEND}, each of which waits for a program")
    results: dict[Name, ReadOutput] = Field(min_length=1, description="outputs: name to where it stands")
    files: dict[str, str | Template | Verbatim] = Field(
        {}, description="files in the replica's folder: name to text, {template: path} or {verbatim: path}"
    )
    environment: dict[str, str] = Field({}, description="variables of the program's environment")
    cores: PositiveInt = Field(1, description="threads of a simulation (OMP_NUM_THREADS)")
    ranks: PositiveInt = Field(1, description="MPI processes of a simulation, started with mpiexec")
    timeout: float = Field(3600.0, gt=0, description="seconds after which a simulation is ended as failed")
    equilibration: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="share of the rows of a table that is left out of means, from the first",
    )
    scratch: str | None = Field(
        None, description="where replicas have their folders; by default the system's place for such"
    )
    keep_folders: Literal["failed", "all", "none"] = Field(
        "failed", description="which replicas' folders are left to be looked at"
    )

    @field_validator("files", mode="before")
    @classmethod
    def _read(cls, given: Any, info: ValidationInfo) -> Any:
        """Templates become their texts, and copied files absolute paths: a run has to stand on its own."""
        if not isinstance(given, Mapping):
            return given
        found: dict[str, Any] = {}
        for name, value in given.items():
            path = PurePosixPath(str(name))
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise fault(f"`{name}` does not lie in the folder of a replica", name)
            try:
                match value:
                    case str():
                        found[name] = value
                    case {"template": str(source), **rest} if not rest:
                        found[name] = text_of(source, info)
                    case {"verbatim": str(source), **rest} if not rest:
                        found[name] = {"verbatim": str(existing(source, info))}
                    case _:
                        raise fault("a file is a text, {template: PATH} or {verbatim: PATH}", name)
            except ValueError as error:
                raise fault(f"`{name}`: {error}", name) from None
        return found

    @field_validator("scratch")
    @classmethod
    def _located(cls, given: str | None, info: ValidationInfo) -> str | None:
        """Absolute, since workers run elsewhere."""
        return None if given is None else str(locate(given, info))

    @model_validator(mode="after")
    def _templates_fit(self) -> ProgramSimulator:
        values: dict[str, Value] = {name: 1 for name in self.reserved}
        values |= {name: 1 if p.integer else 1.0 for name, p in self.parameters.items()}
        texts = dict(self.templates())
        for where, text in texts.items():
            try:
                fill(text, values, ".".join(where))
            except TemplateError as error:
                raise fault(str(error), *where) from None
        unused = [name for name in self.parameters if name not in self.used(texts.values())]
        if unused:
            message = f"nothing hears of the input `{unused[0]}`; {self.hint(unused[0])}"
            raise fault(message, "parameters", unused[0])
        return self

    def used(self, texts: Any) -> set[str]:
        """The names that reach the program, of those in these templates and by other ways."""
        return fields(texts)

    def hint(self, name: str) -> str:
        """How an input is made to reach the program."""
        return f"write {{{name}}} where its value should stand, in `files` or `command`"

    def templates(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """All texts with fields, and the keys at which they stand."""
        for name, content in self.files.items():
            if isinstance(content, str):
                yield ("files", name), content
        for name, text in self.environment.items():
            yield ("environment", name), text

    @abstractmethod
    def words(self, values: Mapping[str, Value]) -> list[str]:
        """The program and its arguments.

        Args:
            values: of the inputs, of ``seed``, ``cores`` and ``folder``.
        """

    def prepare(self, folder: Path, values: Mapping[str, Value]) -> None:
        """Write the input files of a replica."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Verbatim):
                shutil.copy(content.verbatim, path)
            elif isinstance(content, str):
                path.write_text(fill(content, values, f"files.{name}"), encoding="utf-8")
                if content.startswith("#!"):
                    path.chmod(0o755)

    @property
    def stdin_file(self) -> str | None:
        """The file in the replica's folder that the program reads as its input."""
        return None

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """What runs the replicas of a batch: by default each is a process of its own."""
        command = self.launcher()

        def run(
            words: Sequence[str], folder: Path, environment: Mapping[str, str], wait: Callable[[], None]
        ) -> Completed:
            return run_command(
                [*command, *words],
                folder=folder,
                timeout=self.timeout,
                environment=environment,
                stdin=folder / self.stdin_file if self.stdin_file else None,
                while_waiting=wait,
            )

        yield run

    def read(
        self, name: str, result: ReadOutput, text: Callable[[str], str], bins: int | None
    ) -> tuple[Array | float, Array | float]:
        """One result, from the texts that the program left; see `simulators.adapters.reading.read_result`."""
        return read_result(name, result, text, bins, self.equilibration)

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse where there is no MPI for its ranks."""
        try:
            self.launcher()
        except SimulatorError:
            raise InvalidInputError(
                "ranks", self.ranks, "there is no mpiexec here", "1, or pip install 'mlaround[mpi]'"
            ) from None

    def values(self, inputs: Mapping[str, float], seed: int, folder: Path) -> dict[str, Value]:
        """What the fields of templates stand for."""
        values: dict[str, Value] = {
            name: int(inputs[name]) if parameter.integer else inputs[name]
            for name, parameter in self.parameters.items()
        }
        return values | {
            "seed": seed % LARGEST_SEED + 1,
            "cores": self.cores,
            "folder": str(folder),
        }

    def launcher(self) -> list[str]:
        """What stands before a program that runs on several ranks."""
        return [*launcher(), "-n", str(self.ranks)] if self.ranks > 1 else []

    def on_cpu(
        self, inputs: Array, seeds: Seeds, threads: int, progress: Progress | None, keep: Keep | None
    ) -> Observations:
        """Simulate a batch, as many replicas at a time as have cores."""
        observations, rows = self.nothing_yet(inputs), self.rows(inputs)
        cpu = np.zeros(len(rows))
        place = self.scratch or (scratch() if self.ranks > 1 else None)
        if place is not None:
            Path(place).mkdir(parents=True, exist_ok=True)

        def simulate(run: Runner, indices: list[int], report: Progress) -> None:
            (index,) = indices
            folder = Path(tempfile.mkdtemp(prefix=f"{self.kind}-{seeds[index]}-", dir=place))
            failure = None
            try:
                values = self.values(rows[index], int(seeds[index]), folder)
                failure, cpu[index] = self._one(run, observations, index, folder, values, lambda: report(0.0))
            finally:
                if self.keep_folders != "all" and not (failure and self.keep_folders == "failed"):
                    shutil.rmtree(folder, ignore_errors=True)
                elif failure:
                    failure = Failure(failure.reason, f"{failure.message}; its folder: {folder}")
            if failure:
                observations.failures[index] = failure

        at_a_time = max(1, threads // (self.cores * self.ranks))
        with self.runner() as run:
            over_threads(observations, partial(simulate, run), threads=at_a_time, progress=progress)
        observations.cpu_seconds += cpu
        return observations

    def _one(
        self,
        run: Runner,
        observations: Observations,
        index: int,
        folder: Path,
        values: Mapping[str, Value],
        while_waiting: Callable[[], None],
    ) -> tuple[Failure | None, float]:
        """Run one replica and write down its results; the reason if it failed, and processor seconds."""
        self.prepare(folder, values)
        words = self.words(values)
        environment = {"OMP_NUM_THREADS": str(self.cores), "PATH": search_path()}
        environment |= {
            name: fill(text, values, f"environment.{name}") for name, text in self.environment.items()
        }
        try:
            done = run(words, folder, environment, while_waiting)
        except OSError as error:
            return Failure("not started", f"`{shlex.join(words)}` could not be started: {error}"), 0.0
        failure = self._fault(done, words)
        if failure is None:
            failure = self._results(observations, index, Left(folder, done))
        return failure, done.cpu_seconds

    def _fault(self, done: Completed, words: list[str]) -> Failure | None:
        """Why the process itself counts as failed."""
        said = last_words(done)
        if done.timed_out:
            message = f"timeout = {self.timeout:g} s: `{shlex.join(words)}` still ran; accepted: a longer one"
            return Failure("timeout", f"{message}{said}")
        if done.returncode:
            return Failure(done.end, f"`{shlex.join(words)}` ended with {done.end}{said}")
        return None

    def _results(self, observations: Observations, index: int, left: Left) -> Failure | None:
        sizes = {c.name: c.size for c in self.coordinates}
        found = {}
        for name, result in self.results.items():
            try:
                bins = None if result.over is None else sizes[result.over]
                found[name] = of_sign(name, self.read(name, result, left.text, bins), result.positive)
            except ReplicaError as error:
                return Failure(f"no {name}", str(error))
        for name, (mean, stderr) in found.items():  # all or none: a failed replica leaves no numbers
            observations.mean[name][index], observations.stderr[name][index] = mean, stderr
        return None


class Left:
    """What a program left: what it printed and the files in its folder."""

    def __init__(self, folder: Path, done: Completed) -> None:
        self.folder, self.done = folder, done

    def text(self, name: str) -> str:
        """The text of a file, or of ``stdout``.

        Raises:
            ReplicaError: there is no such file, or more in it than is read.
        """
        if name == STDOUT:
            if self.done.lost:
                raise ReplicaError(
                    f"the program printed {self.done.lost + LIMIT:,} bytes; accepted: up to {LIMIT:,}, or "
                    "results in a file"
                )
            return self.done.stdout
        path = self.folder / name
        if not path.is_file():
            there = sorted(p.name for p in self.folder.iterdir())
            raise ReplicaError(f"the program left no file `{name}`; it left {', '.join(there) or 'none'}")
        if path.stat().st_size > LIMIT:
            raise ReplicaError(f"`{name}` has {path.stat().st_size:,} bytes; accepted: up to {LIMIT:,}")
        return path.read_text(encoding="utf-8", errors="replace")


def search_path() -> str:
    """Where programs are looked for: this Python's own environment first, whether it is activated or not."""
    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


def last_words(done: Completed) -> str:
    """The last lines that a program printed, of errors if there are any, to end a message with."""
    for stream, text in (("stderr", done.stderr), ("stdout", done.stdout)):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return f"; {stream} ends with: " + " | ".join(lines[-LAST_LINES:])[-LAST_CHARACTERS:]
    return "; it printed nothing"
