"""Any program as a simulator: input files from templates, a command line, results read from what it left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from simulators.adapters.declared import fault
from simulators.adapters.located import locate
from simulators.adapters.program import ProgramSimulator, search_path
from simulators.adapters.template import Value, fill
from simulators.batch.process import find_program
from simulators.contract import InvalidInputError

_WORDS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
"""What editors are told of a command, which is a list of words once it is read."""
_OF_A_SHELL = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "`"}


class Command(ProgramSimulator):
    """A program of yours, started once for each simulation in a folder of its own.

    In the command, in the files and in the environment, `{name}` stands for the value of an input, `{seed}`
    for a whole number from 1 to 900,000,000 that differs from simulation to simulation, `{cores}` for the
    number of cores and `{folder}` for the folder. A result is a key of JSON that the program prints or
    writes, what a regular expression finds, or a column of a table: docs/your-simulator.md.
    """

    kind: Literal["command"] = "command"
    command: Annotated[tuple[str, ...], WithJsonSchema(_WORDS)] = Field(
        description="program and arguments, a list or a text; no shell reads it. A word that names a file "
        "beside the campaign means that file"
    )
    stdin: str | None = Field(None, description="which of `files` the program reads as its standard input")

    @field_validator("command", mode="before")
    @classmethod
    def _words_of(cls, given: Any, info: ValidationInfo) -> Any:
        """A text is split as a shell would; files beside the campaign are found from any folder."""
        if isinstance(given, str):
            try:
                given = shlex.split(given)
            except ValueError as error:
                raise ValueError(f"quotes that do not match ({str(error).lower()})") from None
            shell = next((word for word in given if word in _OF_A_SHELL), None)
            if shell:
                raise ValueError(
                    f"`{shell}` is for a shell, and none reads the command; what is printed is kept anyway, "
                    "`stdin` names an input, and for more write a script"
                )
        if not isinstance(given, (list, tuple)) or not given:
            raise ValueError("give a program and its arguments, as a text or a list")
        own = info.data.get("files") or {}
        return tuple(_beside(str(word), own, info, program=k == 0) for k, word in enumerate(given))

    @model_validator(mode="after")
    def _input_is_there(self) -> Command:
        if self.stdin is not None and self.stdin not in self.files:
            raise fault(f"`{self.stdin}` is none of `files` ({', '.join(self.files) or 'empty'})", "stdin")
        return self

    @property
    def stdin_file(self) -> str | None:
        """As configured."""
        return self.stdin

    def templates(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The words of the command too."""
        yield from super().templates()
        yield ("command",), " ".join(self.command)

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """The command with its fields filled in."""
        return [fill(word, values, "command") for word in self.command]

    def check(self, inputs: Mapping[str, float]) -> None:
        """Refuse where the program or its MPI is not there."""
        super().check(inputs)
        program = self.words(self.values(inputs, 0, Path("folder")))[0]
        if program.removeprefix("./") in self.files or find_program(program, Path.cwd(), search_path()):
            return
        raise InvalidInputError(
            "command",
            program,
            "there is no such program on this machine, or it may not be executed",
            "a program on the search path, the path of one from the campaign's folder on, or one of `files`",
        )


def _beside(word: str, files: Mapping[str, Any], info: ValidationInfo, *, program: bool) -> str:
    """A word of the command: the absolute path if it is that of a file beside the campaign."""
    if word.removeprefix("./") in files or "{" in word or word.startswith("-") or Path(word).is_absolute():
        return word
    found = locate(word, info)
    return str(found) if found.is_file() or (program and os.sep in word) else word
