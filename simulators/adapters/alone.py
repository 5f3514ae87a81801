"""One call of a user's function in a process of its own: ``python -m simulators.adapters.alone``.

It reads from its standard input what to call, and writes what came of it to `ANSWER` in its folder; what the
function prints is nobody's business here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simulators.adapters.calling import CallError, Expected, call, find_function, results
from simulators.adapters.estimates import Estimate

REQUEST, ANSWER = "request.json", "answer.json"


def write_request(
    folder: Path,
    function: str,
    code: str | None,
    arguments: Mapping[str, Any],
    expected: Mapping[str, Expected],
) -> None:
    """Write what to call into a folder; arguments as for `find_function`, `call` and `results`."""
    request = {
        "path": sys.path,
        "function": function,
        "code": code,
        "arguments": arguments,
        "expected": {name: [e.bins, e.optional, e.positive] for name, e in expected.items()},
    }
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")


def read_answer(folder: Path) -> dict[str, Estimate]:
    """The results of a call that ended well.

    Raises:
        OSError: there is no answer.
        CallError: as it was raised there.
    """
    answer = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    if "failed" in answer:
        raise CallError(*answer["failed"])
    return {name: (np.array(mean), np.array(stderr)) for name, (mean, stderr) in answer["results"].items()}


def main() -> None:
    """Call, and write the answer."""
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]
    expected = {name: Expected(*e) for name, e in request["expected"].items()}
    try:
        function = find_function(request["function"], request["code"])
        found = results(call(function, request["arguments"]), expected)
        plain = {n: [np.asarray(m).tolist(), np.asarray(s).tolist()] for n, (m, s) in found.items()}
        answer: dict[str, Any] = {"results": plain}
    except CallError as error:
        answer = {"failed": [error.reason, str(error)]}
    Path(ANSWER).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
