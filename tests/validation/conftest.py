"""What validation finds: each comparison is asserted, and all of them together make docs/validation.md.

``pytest -m validate --findings docs/validation.md`` writes the page; without the option nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

TITLE = """# Validation

Ours against the source, made by `make validate`. The error is one standard error of our number, where it
has one; the tolerance is what the test allows between the two.

"""


class Finding(NamedTuple):
    section: str
    what: str
    ours: float
    error: float | None
    source: float
    cite: str
    tolerance: float


FINDINGS: list[Finding] = []


@pytest.fixture
def finding() -> Callable[..., None]:
    """Compare a number of ours with a published, exact or independently computed one.

    ``finding(section, what, ours, source, cite, tolerance=..., error=None)`` asserts
    ``|ours - source| <= tolerance`` and writes the comparison down, whether it holds or not.
    """

    def compare(
        section: str,
        what: str,
        ours: float,
        source: float,
        cite: str,
        *,
        tolerance: float,
        error: float | None = None,
    ) -> None:
        found = Finding(section, what, float(ours), error, float(source), cite, float(tolerance))
        FINDINGS.append(found)
        assert abs(found.ours - found.source) <= found.tolerance, found

    return compare


def _to_its_error(found: Finding) -> str:
    """No more digits than the error lets one trust."""
    if not found.error:
        return f"{found.ours:.6g}"
    return f"{found.ours:.{max(0, 1 - math.floor(math.log10(found.error)))}f}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--findings", type=Path, help="write what validation finds to this page")
    parser.addoption(
        "--gene-circuit-data",
        type=Path,
        help="CSV of published rows: 13 inputs over their maxima, profile, log_peak, rings",
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--findings", default=None)
    if path is None or not FINDINGS:
        return
    parts = [TITLE]
    for section in dict.fromkeys(f.section for f in FINDINGS):
        head = "| | ours | error | source | tolerance | from |\n|---|---|---|---|---|---|\n"
        parts.append(f"## {section}\n\n{head}")
        for f in FINDINGS:
            if f.section == section:
                error = "" if f.error is None else f"{f.error:.2g}"
                missed = "" if abs(f.ours - f.source) <= f.tolerance else " **missed**"
                parts.append(
                    f"| {f.what} | {_to_its_error(f)} | {error} | {f.source:.6g} | {f.tolerance:.2g}{missed} "
                    f"| {f.cite} |\n"
                )
        parts.append("\n")
    path.write_text("".join(parts).rstrip() + "\n")
