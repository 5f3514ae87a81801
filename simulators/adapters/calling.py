"""A user's own function: found by its import path, called, and its answer turned into results."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from simulators.adapters.estimates import AbsentError, Estimate, estimate, of_sign
from simulators.contract import ReplicaError

Function = Callable[..., Any]
SEED = "seed"
"""The argument by which a function takes a seed, if it has one."""


class FunctionError(Exception):
    """A function that cannot be used: what is wrong, and what would be accepted."""

    def __init__(self, reason: str, accepted: str) -> None:
        self.reason, self.accepted = reason, accepted
        super().__init__(f"{reason}; accepted: {accepted}")


class CallError(ReplicaError):
    """A call gave no results; ``reason`` is short and the same for like mistakes."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Expected:
    """A result as declared: ``bins`` of its axis or ``None``, whether it may be absent or be negative."""

    bins: int | None
    optional: bool
    positive: bool = False


def find_function(path: str, code: str | None = None) -> Function:
    """The function that ``package.module:name`` names, or ``name`` in a text of Python.

    Raises:
        FunctionError: there is none; the message says what went wrong.
    """
    if code is None:
        module_name, _, name = path.partition(":")
        module = _imported(module_name)
    else:
        module_name, name = "code", path
        module = _module_of(code)
    function: Any = module
    for step in name.split("."):
        function = getattr(function, step, None)
    if not callable(function):
        public = [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
        what = "nothing" if function is None else "no function"
        raise FunctionError(f"`{name}` of `{module_name}` is {what}", ", ".join(public) or "a function")
    found: Function = function
    return found


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top = name.partition(".")[0]
        if error.name in (name, top):
            raise FunctionError(
                f"there is no module `{error.name}`", f"a file {top}.py beside the campaign, or a package"
            ) from None
        raise _unimportable(name, error) from None
    except Exception as error:  # a user's module may fail in any way of its own
        raise _unimportable(name, error) from None


@lru_cache(maxsize=8)
def _module_of(code: str) -> ModuleType:
    """A module that holds this text; its lines are found by tracebacks, and it by its functions' pickles."""
    name = f"code_{hashlib.sha256(code.encode()).hexdigest()[:12]}"
    file = f"<{name}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    module = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    try:
        exec(compile(code, file, "exec"), vars(module))
    except Exception as error:  # as above
        del sys.modules[name]
        raise _unimportable("code", error, name) from None
    return module


def _unimportable(name: str, error: Exception, module: str | None = None) -> FunctionError:
    if isinstance(error, ModuleNotFoundError):
        reason = f"`{name}` imports `{error.name}`, which is not installed"
        return FunctionError(reason, f"pip install {error.name}")
    line = _line(error, module or name)
    reason = f"`{name}` cannot be imported: {type(error).__name__}: {error}{line}"
    return FunctionError(reason, "a module without it")


def takes_seed(function: Function, names: list[str]) -> bool:
    """Whether the function has an argument for a seed.

    Args:
        function: that is to be called.
        names: of the inputs that it is given.

    Raises:
        FunctionError: its arguments are not these.
    """
    try:
        arguments = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some compiled functions say nothing of themselves
        return False
    anything = any(a.kind is a.VAR_KEYWORD for a in arguments.values())
    named = [n for n, a in arguments.items() if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)]
    unknown = [name for name in names if name not in named]
    if unknown and not anything:
        raise FunctionError(
            f"it has no argument `{unknown[0]}`", f"inputs among {', '.join(named) or 'none'}"
        )
    needed = [n for n in named if arguments[n].default is inspect.Parameter.empty and n not in names]
    if set(needed) - {SEED}:
        missing = next(n for n in needed if n != SEED)
        raise FunctionError(f"its argument `{missing}` is none of the inputs", "declare it in `parameters`")
    return SEED in named


def call(function: Function, arguments: Mapping[str, Any]) -> Any:
    """The function's answer.

    Raises:
        CallError: whatever it raised; an interruption is passed on.
    """
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:
        line = _line(error, getattr(function, "__module__", ""))
        kind = type(error).__name__
        raise CallError(f"raised {kind}", f"{kind}: {error}{line}") from error


def results(answer: Any, expected: Mapping[str, Expected]) -> dict[str, Estimate]:
    """The declared results in an answer: a number, an array, a pair with its error, or a dictionary of these.

    In a dictionary, ``name_err`` is the standard error of ``name``.

    Raises:
        CallError: a result is not there, or not what was declared.
    """
    parts = _named(answer, expected)
    found: dict[str, Estimate] = {}
    for name, declared in expected.items():
        try:
            if name not in parts:
                raise AbsentError(f"{name} is not in what the function returned ({', '.join(parts)})")
            given = estimate(name, parts[name], parts.get(f"{name}_err"), declared.bins)
            found[name] = of_sign(name, given, declared.positive)
        except ReplicaError as error:
            if not (declared.optional and isinstance(error, AbsentError)):
                raise CallError(f"no {name}", str(error)) from None
            nothing = np.nan if declared.bins is None else np.full(declared.bins, np.nan)
            found[name] = (nothing, nothing)
    return found


def rows_of(answer: Any, expected: Mapping[str, Expected], replicas: int) -> list[Any]:
    """The answers for single replicas in the answer of a function that was given arrays.

    Raises:
        CallError: something in it is not as long as the batch.
    """
    parts = _named(answer, expected)
    rows: list[dict[str, Any]] = [{} for _ in range(replicas)]
    for name, value in parts.items():
        # A pair is (means, errors), each as long as the batch.
        means, errors = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        for key, values in ((name, means), (f"{name}_err", errors)):
            if values is None:
                continue
            if np.ndim(values) == 0 or len(values) != replicas:
                raise CallError(
                    f"no {name}",
                    f"{key} has shape {np.shape(values)}; accepted: {replicas} rows, one to a replica",
                )
            for row, part in zip(rows, values, strict=True):
                row[key] = part
    return rows


def _named(answer: Any, expected: Mapping[str, Expected]) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    if len(expected) == 1:
        return {next(iter(expected)): answer}
    given = type(answer).__name__
    message = f"the function returned {given}; accepted: a dictionary with {', '.join(expected)}"
    raise CallError("wrong answer", message)


def _line(error: BaseException, module: str) -> str:
    """Where an exception came from: the last line of the user's own module, or else the last of all."""
    frames = list(traceback.extract_tb(error.__traceback__))
    file = getattr(sys.modules.get(module), "__file__", None)
    own = [frame for frame in frames if frame.filename == file]
    frames = [f for f in own or frames if f.filename != __file__ and "importlib" not in f.filename]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    if not frames:
        return ""
    return f" ({frames[-1].filename}, line {frames[-1].lineno}: `{frames[-1].line}`)"
